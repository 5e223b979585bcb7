import Columnar
import Features
import Foundation
import Sharding

/// `features`: a ledger in, one row per customer out.
public struct FeaturesRun: Sendable {
  public var ledger: [String]
  public var asOf: String
  public var out: String
  /// Nil: all of them.
  public var features: [String]?
  public var quarantine: String?
  public var state: LedgerStateOptions?
  public var force = false

  public init(ledger: [String], asOf: String, out: String) {
    self.ledger = ledger
    self.asOf = asOf
    self.out = out
  }

  /// `tranche.features.v1`.
  public struct Result: Encodable, Sendable {
    public var schema = "tranche.features.v1"
    public var out: String
    public var customers: Int
    public var features: [String]
    public var rows: RowCounts
    /// Of `rows.read`, those that the state stood for.
    public var rowsFromState: Int?
    /// Bytes that lay in temporary files because of `--memory`.
    public var spilledBytes: Int
    public var threads: Int
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    var selection = FeatureSelection.all
    if let features {
      let parsed = FeatureSelection.parse(features)
      if let name = parsed.unknown.first { throw UnknownFeature.failure(name, flag: "--features") }
      selection = parsed.selection
    }
    let memory = try configuration.ledgerMemory(
      out: out, hasState: state != nil, threads: workers.threads,
      LedgerMemory.Needs(ledgerColumns: 4, outputColumns: 1 + selection.likelyColumns))
    let file = try StagedFile(table: out, force: force)
    let quarantineFile = try quarantine.map { try StagedFile(table: $0, force: force) }
    let state = try openState(ledger, workers, &watch)
    let reading = LedgerReading(
      inputs: ledger, asOf: try AsOf.days(asOf), selection: selection,
      configuration: configuration, workers: workers, quarantinePath: quarantineFile?.staging,
      memory: memory)
    let source = try reading.open()
    let folded = try watch.measure("fold") {
      try reading.fold(source, state: state?.exchange, context)
    }
    try watch.measure("hash") { try state?.checkInputs() }
    let table = folded.table
    var columns = [OutputColumn.identifier("customer_id", table.ids)]
    for (name, values) in zip(table.names, table.columns) {
      columns.append(.feature(name, values))
    }
    try watch.measure("write") {
      try ScoreTable.write(
        columns, rows: table.rows, to: file.staging, workers: workers
      ) {
        context.progress(RunProgress("write", done: $0, total: table.rows))
      }
      try quarantineFile?.commit()
      try file.commit()
    }
    try watch.measure("commit state") { try state?.commit(folded) }
    return Result(
      out: out, customers: table.rows, features: table.names, rows: RowCounts(folded.counts),
      rowsFromState: state.map { $0.previous?.index.counts.read ?? 0 },
      spilledBytes: folded.spilledBytes, threads: workers.threads, seconds: watch.seconds,
      peakMemoryBytes: ProcessMemory.peakBytes)
  }
}

extension FeaturesRun {
  fileprivate func openState(
    _ ledger: [String], _ workers: Workers, _ watch: inout Stopwatch
  ) throws -> LedgerStateFolder? {
    guard let state else { return nil }
    return try watch.measure("hash") {
      try LedgerStateFolder(state, ledger: ledger, workers: workers)
    }
  }
}

extension FoldedLedger {
  /// Bytes that left memory.
  var spilledBytes: Int { (spilling?.spilledBytes ?? 0) + (space?.capacity ?? 0) }
}

extension FeatureSelection {
  /// How many columns they will be; channels are known when the ledger is read.
  var likelyColumns: Int { features.count + (channels.map { $0.isEmpty ? 8 : $0.count } ?? 0) }
}

enum UnknownFeature {
  static func failure(_ name: String, flag: String) -> RunFailure {
    let known = LedgerFeature.allCases.map(\.rawValue) + FeatureName.aliases.keys.sorted()
    let nearest = NearestName.of(name, among: known)
    return RunFailure(
      .usage, "\(flag): there is no feature \"\(name)\"",
      hint: nearest.map { "did you mean \($0)?" }
        ?? "features are \(known.joined(separator: ", ")) and share_<channel>")
  }
}
