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
    public var passes: Int
    /// For one customer in 16 rows, where the rows are known.
    public var estimatedMemoryBytes: Int?
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
    // Measured: about 12 million rows a second and thread; 0.5 KB a customer with all features.
    let customers = rows.map { $0 / 16 + 1 }
    let perCustomer = 120 + 12 * plan.selection.features.count + (value == nil ? 0 : 700)
    let memory = customers.map { 150_000_000 + $0 * perCustomer }
    let seconds = rows.map { 0.5 + Double($0) / 12e6 / Double(workers.threads) }
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
      estimatedMemoryBytes: memory, estimatedSeconds: seconds, writes: writes,
      threads: workers.threads,
      lines: [
        (source is DatabaseSource
          ? "reads \(source.files[0])" : "reads \(source.files.count) files")
          + (rows.map { ", \($0) rows" } ?? "")
          + ", columns \(read.joined(separator: ", "))",
        "folds \(names.joined(separator: ", ")) in one pass on \(workers.threads) threads",
        memory.map { String(format: "needs about %.1f GiB", Double($0) / 1_073_741_824) }
          ?? "the memory depends on the number of customers",
        seconds.map { String(format: "takes about %.0f s", max(1, $0)) }
          ?? "the time depends on the rows",
        "writes \(writes.joined(separator: ", ")) to \(out)",
        "nothing was written",
      ])
  }
}
