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
    let file = try StagedFile(table: out, force: force)
    let reading = TableReading(inputs: inputs, configuration: configuration, workers: workers)
    let (table, idName, _) = try watch.measure("read") {
      try reading.table(
        features: model.features.map(\.name), id: id, weight: nil, model: self.model, context)
    }
    let assigned = try watch.measure("assign") {
      do {
        return try model.assign(table.columns, kernel: kernel, margins: false, workers: workers)
      } catch let error as TransformError {
        var failure = RunFailure(error, in: table, inputs: inputs)
        failure.hint = "fill it in, or fit the model with --missing median or a constant"
        throw failure
      }
    }
    try watch.measure("write") {
      let columns = [
        OutputColumn.identifier(idName, table.ids), .integer("label", Buffer(assigned.labels)),
        .float("distance", Buffer(assigned.distances)),
      ]
      try ScoreTable.write(columns, rows: table.rows, to: file.staging, workers: workers)
      try file.commit()
    }
    var sizes = [Int](repeating: 0, count: model.centroids.count)
    for label in assigned.labels { sizes[Int(label)] += 1 }
    return Result(
      n: table.rows, k: sizes.count, sizes: sizes,
      inertia: assigned.distances.reduce(0) { $0 + Double($1) * Double($1) },
      kernel: assigned.kernel, out: out, threads: workers.threads, seconds: watch.seconds,
      peakMemoryBytes: ProcessMemory.peakBytes)
  }
}

extension ModelFile {
  /// Labels of rows given as feature columns, in the order of `features`.
  func assign(
    _ columns: [Buffer<Double>], kernel: String = "auto", margins: Bool, workers: Workers
  ) throws -> Assignment.Result {
    let matrix = try transforms.samples(of: columns, centers: centers, workers: workers)
    let assignment = try Assignment(
      centroids: centroids.flatMap { $0 }, columns: transforms.dimensions,
      kernel: kernel == "auto" ? nil : kernel, workers: workers)
    return try assignment.assign(matrix, margins ? [.distances, .margins] : [.distances])
  }
}
