import Columnar
import Features
import Foundation
import Sharding

extension RescoreRun {
  /// `tranche.plan.v1`: what `--dry-run` says.
  public struct Plan: Encodable, Sendable {
    public var schema = "tranche.plan.v1"
    public var files: [String]
    public var rows: Int?
    public var columnsRead: [String]
    public var featuresFolded: [String]
    /// Over the ledger. Rows that do not stay in memory wait in a temporary file.
    public var passes: Int
    /// Where the rows are known: one in 16 of them. The other estimates are for so many.
    public var estimatedCustomers: Int?
    public var estimatedMemoryBytes: Int?
    /// What `--memory` allows.
    public var memoryBudgetBytes: Int?
    /// The least `--memory` that would do.
    public var leastMemoryBytes: Int?
    /// Room for temporary files; 0 where everything fits.
    public var estimatedSpillBytes: Int?
    public var estimatedSeconds: Double?
    public var writes: [String]
    public var threads: Int
    /// One line a finding, for people.
    public var lines: [String]
  }

  /// The number of segments that the flag, else the configuration, asks for; nil for auto.
  static func clusterCount(_ flag: String?, _ configuration: Configuration) throws -> Int? {
    let asked = flag ?? configuration.text("clustering.clusters") ?? "auto"
    if asked == "auto" { return nil }
    guard let k = Int(asked), k >= 1 else {
      let hint = "give a whole number from 1 on, or auto"
      throw flag == nil
        ? configuration.refuse("clustering.clusters", "is \"\(asked)\"", hint: hint)
        : RunFailure(.usage, "--clusters \(asked) is no number of segments", hint: hint)
    }
    return k
  }

  /// Checks everything that can be checked without reading the rows; writes nothing.
  public func plan(_ configuration: Configuration) throws -> Plan {
    let workers = try configuration.workers(RunContext())
    let day = try AsOf.days(asOf)
    let frozen = try model.map(ModelFile.read)
    let clusteringFeatures =
      frozen.map { $0.features.map(\.name) } ?? features
      ?? configuration.list("clustering.features") ?? []
    try configuration.checkClustering()
    _ = try Self.clusterCount(clusters, configuration)
    try StagedFolder.check(target: out, force: force)
    let plan = try plan(
      configuration, frozen: frozen, clustering: clusteringFeatures,
      hasOffers: try RescoreOffers(configuration).isGiven)
    let value =
      try plan.needsForecast || plan.needsGroups(configuration)
      ? RescoreValue(configuration, frozen, self, workers: workers) : nil
    guard
      let source = try LedgerReading(
        inputs: ledger, asOf: day, selection: plan.selection, configuration: configuration,
        workers: workers, quarantinePath: nil
      ).open()
    else { throw RunFailure(.usage, "there is no ledger to plan for", hint: "add --ledger") }
    var fold = LedgerFold(
      format: try configuration.ledgerFormat(), asOf: day, features: plan.selection,
      workers: workers)
    fold.purchases = value?.windows
    let read = try fold.columnsRead(of: source)
    let rows = source.rowCount.map { Int($0) }
    let memory = try configuration.ledgerMemory(
      out: out, hasState: state != nil, threads: workers.threads, plan.memoryNeeds(self))
    let estimate = rows.map {
      RescoreEstimate(
        rows: $0, fold: fold, plan.memoryNeeds(self), budget: memory, threads: workers.threads,
        isText: source.rowCount == nil)
    }
    var writes = [
      "scores.parquet", "model.json", "segments.json", "quality.json", "quarantine.parquet",
    ]
    if previous != nil { writes.append("migration.json") }
    if writesReport { writes.append("report.html") }
    writes.append("manifest.json")
    if let outTable {
      let address = try DatabaseAddress(outTable, settings: configuration.databaseSettings())
      try DatabaseTable.probe(address, settings: configuration.databaseSettings())
      writes.append(address.name)
    }
    let names = plan.selection.features.map(\.rawValue)
    return Plan(
      files: source.files, rows: rows, columnsRead: read, featuresFolded: names, passes: 1,
      estimatedCustomers: estimate?.customers, estimatedMemoryBytes: estimate?.memoryBytes,
      memoryBudgetBytes: memory?.budget.bytes, leastMemoryBytes: estimate?.leastBytes,
      estimatedSpillBytes: estimate?.spillBytes, estimatedSeconds: estimate?.seconds,
      writes: writes,
      threads: workers.threads,
      lines: [
        (source is DatabaseSource
          ? "reads \(source.files[0])" : "reads \(source.files.count) files")
          + (rows.map { ", \($0) rows" } ?? "")
          + ", columns \(read.joined(separator: ", "))",
        "folds \(names.joined(separator: ", ")) in one pass on \(workers.threads) threads",
        estimate?.memorySentence ?? "the memory depends on the number of customers",
        estimate.map { String(format: "takes about %.0f s, an estimate", max(1, $0.seconds)) }
          ?? "the time depends on the rows",
        "writes \(writes.joined(separator: ", ")) to \(out)",
        "nothing was written",
      ])
  }
}

extension RescorePlan {
  /// What customers cost after the fold, measured at 2M to 30M customers and rounded up.
  func memoryNeeds(_ run: RescoreRun) -> LedgerMemory.Needs {
    var needs = LedgerMemory.Needs(ledgerColumns: 4, outputColumns: outputColumns)
    // The matrix, labels, distances, bounds, members of segments, and a column a score; of a forecast
    // where no two customers are alike the snapshot, its cells and what three models say of them.
    needs.laterBytes = 160 + 8 * scores.count + (needsForecast ? 300 : 0)
    // Quantiles of a segment gather its values; ids of the run before are looked up.
    needs.hasForecast = needsForecast
    needs.residentBytes = 24 + (needsForecast ? 40 : 0) + (run.previous == nil ? 0 : 48)
    return needs
  }

  private var outputColumns: Int {
    isAll ? scores.count + selection.likelyColumns : columns.count
  }
}

/// What a rescoring will take, before anybody has counted the customers.
struct RescoreEstimate {
  let customers: Int
  let memoryBytes: Int
  let leastBytes: Int
  let spillBytes: Int
  let seconds: Double
  private let budget: Int?

  /// - Parameter isText: Text is parsed, which takes longer than decoding.
  init(
    rows: Int, fold: LedgerFold, _ needs: LedgerMemory.Needs, budget: LedgerMemory?, threads: Int,
    isText: Bool
  ) {
    customers = LedgerMemory.expectedCustomers(rows: rows)
    let unlimited =
      budget
      ?? LedgerMemory(
        budget: MemoryBudget(bytes: .max), folder: "", threads: threads, needs: needs)
    let tables = fold.tableBytes(customers: customers, hasText: isText)
    let table = customers * 8 * (needs.outputColumns + 1)
    let whole = unlimited.fixed + max(tables + table, table + customers * needs.laterBytes)
    leastBytes = unlimited.least(customers: customers)
    self.budget = budget?.budget.bytes
    memoryBytes = min(whole, self.budget ?? .max)
    var spilled = 0
    if let budget, whole > budget.budget.bytes {
      let room = budget.fold.bytes
      let share = max(0, 1 - Double(room) / Double(max(1, tables)))
      // Rows and states once, features once.
      spilled =
        Int(share * Double(rows * 13 + tables)) + table + table + customers * needs.laterBytes
    }
    spillBytes = spilled
    // Measured on two cores with 2M to 30M customers: 7 million rows a second and thread; eight
    // features, K-Means and writing 1.3 µs a customer on one thread, forecasts of value 6.5 µs with a
    // fit, half of it without; 0.45 GB of temporary files a second, written and read.
    let later = needs.hasForecast ? 6.5e-6 : 1.3e-6
    seconds =
      0.5 + (Double(rows) / 7e6 + Double(customers) * later) / Double(threads)
      + Double(spilled) / 0.45e9
  }

  var memorySentence: String {
    func gibibytes(_ bytes: Int) -> String {
      String(format: "%.1f GiB", Double(bytes) / 1_073_741_824)
    }
    let about = "needs about \(gibibytes(memoryBytes)) for \(customers) customers, an estimate"
    guard let budget else {
      return about + "; --memory \(MemoryBudget.describe(leastBytes)) would do"
    }
    if budget < leastBytes {
      return "needs at least --memory \(MemoryBudget.describe(leastBytes)) if there are "
        + "\(customers) customers, an estimate"
    }
    return spillBytes == 0
      ? about : about + ", and \(gibibytes(spillBytes)) for temporary files beside --out"
  }
}
