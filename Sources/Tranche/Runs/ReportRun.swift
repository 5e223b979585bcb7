import Clustering
import Columnar
import CustomerValue
import Features
import Foundation
import Reporting
import Segments
import Sharding

/// `report`: the page of a finished run, made again from its files.
public struct ReportRun: Sendable {
  public var folder: String
  public var out: String?
  public var language: String?
  public var ids: String?
  public var age: String?
  public var customers: [String] = []
  public var force = false

  public init(folder: String) { self.folder = folder }

  /// `tranche.report.v1`.
  public struct Result: Encodable, Sendable {
    public var schema = "tranche.report.v1"
    public var report: String
    public var bytes: Int
    public var seconds: [String: Double]
    public var threads: Int
    public var peakMemoryBytes: Int
  }

  public func run(_ settings: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    var configuration = settings
    for (path, value, flag) in [
      ("report.language", language, "--language"), ("report.ids", ids, "--ids"),
      ("report.age", age, "--age"),
    ] {
      guard let value else { continue }
      try configuration.setChoice(path, value, flag: flag)
    }
    let workers = try configuration.workers(context)
    let url = URL(fileURLWithPath: folder)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue
    else {
      throw RunFailure(
        .noInput, "there is no such run", hint: "give the --out folder of a rescore run",
        file: folder)
    }
    let target = out ?? url.appendingPathComponent("report.html").path
    let file = try StagedFile(target: target, force: force || out == nil)
    let run = try watch.measure("read") { try FinishedRun(url, workers: workers) }
    let ages =
      try customers.isEmpty
      ? nil
      : CustomerFile.read(customers, for: run.scored.table.ids, configuration, workers: workers)
        .ages
    let page = try watch.measure("report") {
      try ReportAssembly(
        runID: run.manifest.runId, asOf: run.manifest.asOf, command: run.manifest.command,
        seed: run.manifest.seed, inputs: run.manifest.inputs, counts: run.counts,
        quarantined: run.quarantined, excluded: run.excluded, ages: ages,
        previousID: nil, scored: run.scored, configuration: configuration, workers: workers
      ).render()
    }
    try file.write(Data(page))
    return Result(
      report: URL(fileURLWithPath: target).path, bytes: page.count, seconds: watch.seconds,
      threads: workers.threads, peakMemoryBytes: ProcessMemory.peakBytes)
  }
}

/// The files of a run, read back.
struct FinishedRun {
  let manifest: Manifest
  let scored: ScoredBase
  let counts: RowCounts
  let quarantined: [QuarantineReason: Int]
  let excluded: [ExclusionReason: Int]

  init(_ folder: URL, workers: Workers) throws {
    func data(_ name: String) throws -> (Data, String) {
      let path = folder.appendingPathComponent(name).path
      guard let data = FileManager.default.contents(atPath: path) else {
        throw RunFailure(
          .noInput, "cannot be read", hint: "give the --out folder of a finished rescore run",
          file: path)
      }
      return (data, path)
    }
    func read<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
      let (data, path) = try data(name)
      return try JSONText.decode(type, from: data, file: path)
    }
    manifest = try read(Manifest.self, "manifest.json")
    let quality = try read(QualityFile.self, "quality.json")
    let profile = try read(SegmentsFile.self, "segments.json").profile
    let model = try ModelFile.read(folder.appendingPathComponent("model.json").path)
    let migrationPath = folder.appendingPathComponent("migration.json").path
    let migration =
      try FileManager.default.fileExists(atPath: migrationPath)
      ? read(MigrationFile.self, "migration.json").migration : nil
    counts = RowCounts(quality)
    quarantined = Dictionary(
      uniqueKeysWithValues: QuarantineReason.allCases.compactMap { reason in
        quality.reasons[reason.rawValue].map { (reason, $0) }
      })
    excluded = Dictionary(
      uniqueKeysWithValues: ExclusionReason.allCases.compactMap { reason in
        quality.reasons[reason.rawValue].map { (reason, $0) }
      })

    let scores = folder.appendingPathComponent("scores.parquet").path
    let source = try Sources.open([scores])
    let wanted = [
      "segment", "frequency", "average_amount", "monetary", "r_score", "f_score", "m_score", "clv",
    ]
    .filter { source.schema.index(of: $0) != nil }
    guard wanted.contains("segment") else {
      throw RunFailure(
        .badData, "has no column \"segment\"", hint: "rescore with all columns", file: scores)
    }
    let table = try FeatureTable.read(
      source, id: "customer_id", names: wanted, format: .automatic, workers: workers)
    func integers(_ name: String) -> Buffer<Int32>? {
      table.column(name).map { column in Buffer(column.values.map { $0.isNaN ? 0 : Int32($0) }) }
    }
    var base = ScoredBase(
      table: table, model: model, labels: integers("segment")!, distances: Buffer([Float]()),
      profile: profile, inertia: model.inertia, kernel: manifest.kernel)
    base.migration = migration
    base.warnings = quality.warnings
    if let recency = integers("r_score"), let frequency = integers("f_score"),
      let monetary = integers("m_score")
    {
      base.rfm = RFM.Scores(
        recency: recency, frequency: frequency, monetary: monetary,
        segment: Buffer([Int32](repeating: -1, count: recency.count)))
    }
    scored = base
  }
}
