import Clustering
import Columnar
import Features
import Foundation
import Sharding

/// `assign`: labels and distances for any table, by a saved model.
public struct AssignRun: Sendable {
  public var inputs: [String]
  public var model: String
  public var out: String
  public var id: String?
  public var kernel = "auto"
  public var force = false

  public init(inputs: [String], model: String, out: String) {
    self.inputs = inputs
    self.model = model
    self.out = out
  }

  /// `tranche.assign.v1`.
  public struct Result: Encodable, Sendable {
    public var schema = "tranche.assign.v1"
    public var n: Int
    public var k: Int
    public var sizes: [Int]
    /// Rows of label −1: of no cluster.
    public var noise: Int
    public var inertia: Double
    public var kernel: String
    public var out: String
    public var threads: Int
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    let model = try ModelFile.read(model)
    let labelling = try RowLabelling(model, kernel: kernel)
    let file = try StagedFile(table: out, force: force)
    let reading = TableReading(inputs: inputs, configuration: configuration, workers: workers)
    let written = try watch.measure("assign") {
      var options = try configuration.readOptions()
      // Whole row groups of a column at once are what memory would go into.
      options.parquet.buffersBatches = true
      options.parquet.wholeGroupRows = .max
      let (source, names) = try reading.open(
        features: model.features.map(\.name), model: self.model, options: options)
      try configuration.memoryBudget()?.check(
        needs: MemoryBudget.fixed(columns: names.count + 1, threads: workers.threads),
        for: "to assign rows of \(names.count) features with \(workers.threads) threads")
      let id = id ?? source.schema.fields[0].name
      let scan = try reading.scan(source, id: id, names: names, stage: "assign", context)
      let labels = try LabelFile(
        file.staging, id: source.schema.fields[try source.position(of: id)], workers: workers)
      try scan.forEachBlock { block in
        let found = try labelling.labels(of: block, inputs: inputs)
        try labels.add(
          LabelFile.Rows(ids: block.ids, labels: found.labels, distances: found.distances),
          block: block.index)
      }
      try labels.close()
      return labels
    }
    try watch.measure("write") { try file.commit() }
    return Result(
      n: written.rows, k: model.centroids.count, sizes: written.sizes(model.centroids.count),
      noise: written.noise,
      inertia: written.inertia, kernel: labelling.kernel, out: out, threads: workers.threads,
      seconds: watch.seconds, peakMemoryBytes: ProcessMemory.peakBytes)
  }
}
