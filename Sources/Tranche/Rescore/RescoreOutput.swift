import Clustering
import Columnar
import CustomerValue
import Features
import Foundation
import Reporting
import Segments
import Sharding

/// Writes a scored base: scores, model, profiles, quality, report, and last the manifest.
struct RescoreOutput {
  let run: RescoreRun
  let plan: RescorePlan
  let folder: StagedFolder
  /// Nil where a state hashes them or the ledger is in a database.
  let ledgerFiles: InputHashing?
  /// In place of the files, where the ledger is in a database.
  let ledgerRecord: InputRecord?
  let ledgerState: LedgerStateFolder?
  let counts: LedgerCounts
  let examples: [QuarantinedRow]
  let customerFile: CustomerFile?
  let previous: PreviousRun?
  let scored: ScoredBase
  let configuration: Configuration
  let workers: Workers
  /// Takes the scores too.
  let table: DatabaseAddress?
  let spilledBytes: Int

  func write(_ watch: inout Stopwatch, _ context: RunContext) throws -> RescoreRun.Result {
    let rows = scored.table.rows
    let scores = try watch.measure("write") {
      let scores = try ScoreTable.write(
        scoreColumns(), rows: rows, to: folder.path("scores.parquet"), isHashed: true,
        workers: workers
      ) { context.progress(RunProgress("write", done: $0, total: rows)) }
      try folder.write(try scored.model.encoded(), to: "model.json")
      let segments = SegmentsFile(profile: scored.profile, runID: run.runID, asOf: run.asOf)
      try folder.write(try JSONText.encode(segments), to: "segments.json")
      if let migration = scored.migration {
        try folder.write(try JSONText.encode(MigrationFile(migration)), to: "migration.json")
      }
      try folder.write(try JSONText.encode(quality), to: "quality.json")
      return scores
    }
    let inputs = try watch.measure("hash") { () -> [InputRecord] in
      let known = [ledgerRecord, customerFile?.record].compactMap { $0 }
      let customers =
        run.customers.isEmpty || customerFile?.record != nil
        ? [] : try Sources.expand(run.customers)
      let ledger = try ledgerState?.inputs ?? ledgerFiles?.records(workers: workers) ?? []
      return known + ledger + (try InputRecord.all(customers, workers: workers))
    }
    let seed = try configuration.seed()
    if run.writesReport {
      try watch.measure("report") {
        let report = ReportAssembly(
          runID: run.runID, asOf: run.asOf, command: run.command, seed: seed, inputs: inputs,
          counts: RowCounts(counts), quarantined: counts.quarantined, excluded: counts.excluded,
          ages: customerFile?.ages, previousID: previous?.id, scored: scored,
          configuration: configuration, workers: workers)
        try folder.write(Data(try report.render()), to: "report.html")
      }
    }
    let outputs = try watch.measure("hash") { try self.outputs(known: scores) }
    let staged = try table.map { address in
      try watch.measure("table") {
        try ScoreTable.write(
          scoreColumns(), rows: rows, to: address, configuration, workers: workers
        ) { context.progress(RunProgress("write table", done: $0, total: rows)) }
      }
    }
    let seconds = watch.seconds
    try watch.measure("commit") {
      let manifest = Manifest(
        run: run, inputs: inputs, stateInputs: ledgerState?.previous?.files, outputs: outputs,
        seed: seed, threads: workers.threads,
        kernel: scored.kernel, modelChecksum: try scored.model.checksum(),
        settings: Dictionary(
          uniqueKeysWithValues: configuration.entries.map { ($0.key.path, $0.value.description) }),
        table: table.map { Manifest.Table(name: $0.name, rows: rows) },
        seconds: seconds, peakMemoryBytes: ProcessMemory.peakBytes)
      try folder.write(try JSONText.encode(manifest), to: "manifest.json")
      // The folder last: a manifest says that everything else is done.
      try staged?.commit()
      try folder.commit()
    }
    let profile = scored.profile
    return RescoreRun.Result(
      out: run.out, runID: run.runID, asOf: run.asOf, customers: rows, rows: RowCounts(counts),
      rowsFromState: rowsFromState, k: profile.segments.count,
      segments: profile.segments.map {
        RescoreRun.Result.Segment(
          id: $0.id, name: $0.name, size: $0.size, share: $0.shareOfCustomers)
      },
      iterations: scored.iterations, converged: scored.converged, inertia: scored.inertia,
      kernel: scored.kernel, modelChecksum: try scored.model.checksum(),
      stability: scored.migration?.stability, value: valueResult, warnings: scored.warnings,
      report: run.writesReport
        ? URL(fileURLWithPath: run.out).appendingPathComponent("report.html").path : nil,
      table: table?.name, spilledBytes: spilledBytes,
      threads: workers.threads, seed: seed, seconds: watch.seconds,
      peakMemoryBytes: ProcessMemory.peakBytes)
  }

  private var valueResult: RescoreRun.Result.Value? {
    guard scored.forecast != nil, let model = scored.model.scoring?.value else { return nil }
    let fit = ValueRun.FitResult(model)
    return RescoreRun.Result.Value(
      model: fit.model, valueModel: fit.valueModel, holdout: fit.holdout,
      candidates: fit.candidates, churn: fit.churn,
      groups: scored.model.scoring?.valueGroups.flatMap { models in
        scored.groups.map { ValueRun.Groups(models, $0) }
      })
  }

  // MARK: - scores.parquet

  private func scoreColumns() -> [OutputColumn] {
    let table = scored.table
    // What was folded for other reasons is not written unless asked for.
    return plan.order(features: table.names).map { name in
      if let column = ScoreColumn(rawValue: name) { return output(column) }
      return OutputColumn.feature(name, table.column(name)!)
    }
  }

  private func output(_ column: ScoreColumn) -> OutputColumn {
    let name = column.rawValue
    let profile = scored.profile
    switch column {
    case .customerID: return .identifier(name, scored.table.ids)
    case .segment: return .integer(name, scored.labels)
    case .segmentID: return .category(name, scored.labels, profile.segments.map(\.id))
    case .segmentName: return .category(name, scored.labels, profile.segments.map(\.name))
    case .distance: return .float(name, scored.distances)
    case .margin: return .float(name, needed(scored.margins))
    case .recencyScore: return .integer(name, needed(scored.rfm).recency)
    case .frequencyScore: return .integer(name, needed(scored.rfm).frequency)
    case .monetaryScore: return .integer(name, needed(scored.rfm).monetary)
    case .rfmSegment: return .category(name, needed(scored.rfm).segment, scored.rfmNames)
    case .probabilityAlive: return forecast(name, \.probabilityAlive)
    case .expectedTransactions: return forecast(name, \.expectedTransactions)
    case .expectedValue: return forecast(name, \.expectedValue)
    case .clv: return forecast(name, \.clv)
    case .churnRisk: return forecast(name, \.churnRisk)
    case .churnReasons:
      guard let forecast = scored.forecast, let reasons = forecast.reasons else {
        return missing(name)
      }
      return .category(name, reasons, forecast.reasonNames.isEmpty ? [""] : forecast.reasonNames)
    case .valueGroup, .valueFit:
      return scored.groups?.columns(fits: scored.forecast?.groupFits)
        .first { $0.field.name == name } ?? missing(name)
    case .control: return .integer(name, needed(scored.control))
    case .simpleValue: return .number(name, needed(scored.simpleValue))
    case .balance:
      let balance = needed(customerFile?.balance)
      return OutputColumn(name, balance.type) { balance.slice($0) }
    case .tier:
      let tiers = needed(scored.tiers)
      return .category(name, tiers, Tier.allCases.sorted { $0.rawValue < $1.rawValue }.map(\.name))
    case .offer:
      // A segment without an offer leaves the cell empty; so does the control group.
      let offers = profile.segments.map(\.offer)
      let labels = scored.labels
      let control = scored.control
      let codes = Buffer<Int32>(count: labels.count) { target in
        for row in 0..<labels.count {
          let isLeft = control.map { $0[row] == 1 } ?? false
          target[row] = isLeft || offers[Int(labels[row])] == nil ? -1 : labels[row]
        }
      }
      return .category(name, codes, offers.map { $0 ?? "" })
    case .previousSegmentID:
      guard let previous, let segments = scored.previousSegments else { return missing(name) }
      return .category(name, segments, previous.base.sides.map(\.id))
    case .moveReason:
      guard let reasons = scored.moveReasons else { return missing(name) }
      return .category(name, reasons, MoveReason.allCases.map(\.rawValue))
    }
  }

  /// Without a single purchase in the ledger there is no forecast: the column is there, empty.
  private func forecast(
    _ name: String, _ column: KeyPath<ValueForecast, Buffer<Double>>
  ) -> OutputColumn {
    let rows = scored.table.rows
    return .number(
      name,
      scored.forecast?[keyPath: column]
        ?? Buffer(count: rows) { $0.initialize(repeating: .nan) })
  }

  private func needed<Value>(_ value: Value?) -> Value {
    guard let value else { preconditionFailure("the plan scores what its columns need") }
    return value
  }

  /// A previous run was named but could not be used: the column is there, without values.
  private func missing(_ name: String) -> OutputColumn {
    let codes = Buffer<Int32>(count: scored.table.rows) { $0.initialize(repeating: -1) }
    return .category(name, codes, [""])
  }

  // MARK: - The other files

  private var rowsFromState: Int? {
    ledgerState.map { $0.previous?.index.counts.read ?? 0 }
  }

  private var quality: QualityFile {
    let rows = RowCounts(counts)
    return QualityFile(
      read: rows.read, readFromState: rowsFromState, scored: rows.scored,
      quarantined: rows.quarantined, excluded: rows.excluded,
      reasons: rows.reasons,
      examples: examples.map { row in
        QualityFile.Example(
          reason: row.reason.rawValue, file: row.file, line: row.place, column: row.column,
          value: row.value, customerId: row.customerID)
      },
      columns: counts.missing.sorted { $0.key < $1.key }.map { name, missing in
        QualityFile.Column(
          name: name, missing: missing,
          missingShare: counts.read == 0 ? 0 : Double(missing) / Double(counts.read))
      },
      customers: QualityFile.Customers(
        scored: scored.table.rows, inCustomersFile: customerFile?.read,
        withoutTransactions: customerFile?.withoutTransactions,
        duplicates: customerFile?.duplicates, implausibleAges: customerFile?.implausibleAges),
      features: scored.profile.featureNames.enumerated().map { index, name in
        QualityFile.Feature(
          name: name, missingShare: scored.profile.features[index].missingShare,
          filled: scored.transformReport?.filled[name] ?? 0,
          winsorized: scored.transformReport?.winsorized[name] ?? 0)
      },
      warnings: scored.warnings)
  }

  /// - Parameter known: Of a file that was hashed while it was written.
  private func outputs(known: InputRecord?) throws -> [InputRecord] {
    let paths = try FileManager.default.contentsOfDirectory(atPath: folder.staging.path)
      .map { folder.path($0) }.filter { $0 != known?.path }
    let records = try InputRecord.all(paths, workers: workers) + [known].compactMap { $0 }
    return records.sorted { $0.path < $1.path }.map { record in
      var named = record
      named.path = URL(fileURLWithPath: record.path).lastPathComponent
      return named
    }
  }
}

/// `quality.json`: read = scored + quarantined + excluded, in rows of the ledger.
struct QualityFile: Codable {
  struct Customers: Codable {
    var scored: Int
    var inCustomersFile: Int?
    var withoutTransactions: Int?
    /// Rows of the customers file beyond a customer's one.
    var duplicates: Int?
    var implausibleAges: Int?
  }
  /// A row that was set aside, masked: digits are 9, letters x.
  struct Example: Codable {
    var reason: String
    var file: String
    /// 1-based line of a text file, row of a binary one.
    var line: Int64
    var column: String?
    var value: String?
    var customerId: String?
  }
  /// A column of the ledger that was read.
  struct Column: Codable {
    var name: String
    var missing: Int
    /// Of the rows read.
    var missingShare: Double
  }
  struct Feature: Codable {
    var name: String
    var missingShare: Double
    /// Values filled before clustering.
    var filled: Int
    /// Values moved to a bound before clustering.
    var winsorized: Int
  }
  var schema = "tranche.quality.v1"
  var read: Int
  /// Of `read`, the rows that were read by earlier runs and stand in the state; their quarantined
  /// rows are in those runs' quarantine files.
  var readFromState: Int?
  var scored: Int
  var quarantined: Int
  var excluded: Int
  var reasons: [String: Int]
  /// Up to three rows a reason, of this run's files; absent in older files.
  var examples: [Example]?
  var columns: [Column]?
  var customers: Customers
  var features: [Feature]
  var warnings: [String]
}

/// `migration.json`.
struct MigrationFile: Codable {
  var schema = "tranche.migration.v1"
  /// Rows: previous segments, then "new".
  var rows: [Migration.Side]
  /// Columns: current segments, then "left".
  var columns: [Migration.Side]
  var counts: [[Int]]
  var rowShares: [[Double]]
  var stability: Double
  var adjustedRandIndex: Double
  var normalizedMutualInformation: Double
  var newCustomers: Int
  var leftCustomers: Int

  init(_ migration: Migration) {
    rows = migration.previous + [Migration.Side(id: "new", name: "new customers")]
    columns = migration.current + [Migration.Side(id: "left", name: "customers who left")]
    counts = migration.counts
    rowShares = migration.rowShares
    stability = migration.stability
    adjustedRandIndex = migration.adjustedRandIndex
    normalizedMutualInformation = migration.normalizedMutualInformation
    newCustomers = migration.newCustomers
    leftCustomers = migration.leftCustomers
  }

  var migration: Migration {
    Migration(
      previous: Array(rows.dropLast()), current: Array(columns.dropLast()), counts: counts,
      stability: stability, adjustedRandIndex: adjustedRandIndex,
      normalizedMutualInformation: normalizedMutualInformation)
  }
}

/// `manifest.json`: everything it takes to get the same bytes again, and what was written.
struct Manifest: Codable {
  var schema = "tranche.manifest.v1"
  var runId: String
  var asOf: String
  var command: String
  var inputs: [InputRecord]
  /// Ledger files that earlier runs folded into the state.
  var stateInputs: [InputRecord]?
  var outputs: [InputRecord]
  var seed: UInt64
  var threads: Int
  var kernel: String
  var modelChecksum: String
  var versions: [String: String]
  var settings: [String: String]
  /// The table that took the scores too.
  var table: Table?
  var seconds: [String: Double]
  var peakMemoryBytes: Int

  struct Table: Codable {
    var name: String
    var rows: Int
  }

  init(
    run: RescoreRun, inputs: [InputRecord], stateInputs: [InputRecord]?, outputs: [InputRecord],
    seed: UInt64, threads: Int, kernel: String, modelChecksum: String, settings: [String: String],
    table: Table?, seconds: [String: Double], peakMemoryBytes: Int
  ) {
    runId = run.runID
    asOf = run.asOf
    command = run.command
    self.inputs = inputs
    self.stateInputs = stateInputs
    self.outputs = outputs
    self.seed = seed
    self.threads = threads
    self.kernel = kernel
    self.modelChecksum = modelChecksum
    versions = Dictionary(uniqueKeysWithValues: BuildInfo.parts.map { ($0.name, $0.version) })
    self.settings = settings
    self.table = table
    self.seconds = seconds
    self.peakMemoryBytes = peakMemoryBytes
  }
}
