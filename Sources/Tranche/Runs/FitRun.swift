import Clustering
import Columnar
import Features
import Foundation
import Sharding

/// `fit`: K-Means on any table.
public struct FitRun: Sendable {
  public var inputs: [String]
  public var samples: SampleOptions
  public var clusters: Int
  /// Fits fewer clusters, as many as there are different rows, instead of failing.
  public var lowersClusters = false
  public var out: String
  /// k-means++, k-means-parallel, random, or a file with k rows of the features in scaled units.
  public var initialization = "k-means++"
  /// auto, lloyd, mini-batch.
  public var algorithm = "auto"
  /// auto, or the name of a kernel set.
  public var kernel = "auto"
  public var restarts = 1
  public var maxIterations = 300
  public var tolerance = 1e-4
  public var weight: String?
  public var labels: String?
  public var force = false

  public init(inputs: [String], samples: SampleOptions, clusters: Int, out: String) {
    self.inputs = inputs
    self.samples = samples
    self.clusters = clusters
    self.out = out
  }

  /// `tranche.fit.v1`.
  public struct Result: Encodable, Sendable {
    public var schema = "tranche.fit.v1"
    public var n: Int
    public var d: Int
    public var k: Int
    public var iterations: Int
    public var converged: Bool
    /// How the iterations ended.
    public var status: String
    /// Σw‖x − c‖² in scaled units.
    public var inertia: Double
    public var sizes: [Int]
    public var kernel: String
    public var algorithm: String
    /// Share of assignments decided again in Double.
    public var recheckRate: Double
    public var threads: Int
    public var seed: UInt64
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
    public var warnings: [String]
    public var model: String
    public var labels: String?
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    let seed = try configuration.seed()
    guard clusters >= 1 else {
      throw RunFailure(.usage, "--clusters \(clusters) is too few", hint: "give 1 or more")
    }
    let settings = try samples.configuration(
      configuration, scaling: "standard", missing: "reject", winsorize: 0)
    if let labels,
      URL(fileURLWithPath: labels).standardized == URL(fileURLWithPath: out).standardized
    {
      throw RunFailure(.usage, "--out and --labels name one file", hint: "give them two names")
    }
    let modelFile = try StagedFile(target: out, force: force)
    let labelFile = try labels.map { try StagedFile(table: $0, force: force) }
    let reading = TableReading(inputs: inputs, configuration: configuration, workers: workers)
    let (table, idName, weights) = try watch.measure("read") {
      try reading.table(features: samples.features, id: samples.id, weight: weight, context)
    }
    let prepared = try watch.measure("prepare") {
      try reading.samples(of: table, idName: idName, settings)
    }
    let clustering = ClusteringSettings(
      clusters: clusters, algorithm: algorithm, initialization: initialization, kernel: kernel,
      restarts: restarts, maxIterations: maxIterations, tolerance: tolerance, seed: seed,
      lowersClusters: lowersClusters)
    let fit = try clustering.fit(
      prepared, weights: weights, configuration: configuration, workers: workers, context)
    watch.add("init", fit.result.seconds.initialize)
    watch.add("iterate", fit.result.seconds.iterate)

    let result = fit.result
    let d = prepared.transforms.dimensions
    let clusters = result.sizes.count
    let model = ModelFile(
      transforms: prepared.transforms, centers: prepared.centers,
      centroids: (0..<clusters).map { Array(result.centroids[$0 * d..<($0 + 1) * d]) },
      segments: result.sizes.enumerated().map { label, size in
        ModelFile.Segment(
          id: SegmentNumber.id(label + 1), name: "cluster \(label)", size: size)
      },
      inertia: result.inertia, seed: seed, dropped: prepared.report.dropped,
      scale: settings.scaling.rawValue)
    try watch.measure("write") {
      if let labelFile {
        let columns = [
          OutputColumn.identifier(idName, table.ids),
          .integer("label", Buffer(result.labels)), .float("distance", Buffer(result.distances)),
        ]
        try ScoreTable.write(columns, rows: table.rows, to: labelFile.staging, workers: workers)
      }
      try modelFile.write(try model.encoded())
      try labelFile?.commit()
    }
    return Result(
      n: table.rows, d: d, k: clusters, iterations: result.iterations, converged: result.converged,
      status: result.status.rawValue, inertia: result.inertia, sizes: result.sizes,
      kernel: result.kernel, algorithm: fit.algorithm, recheckRate: result.recheckRate,
      threads: workers.threads, seed: seed, seconds: watch.seconds,
      peakMemoryBytes: ProcessMemory.peakBytes,
      warnings: prepared.warnings + fit.warnings + result.warnings, model: out, labels: labels)
  }
}

/// "S01", "S02", …, "S100".
enum SegmentNumber {
  static func id(_ number: Int) -> String { number < 10 ? "S0\(number)" : "S\(number)" }
}

/// What K-Means is asked to do, in the words of the command line.
struct ClusteringSettings: Sendable {
  var clusters: Int
  var algorithm: String
  var initialization: String
  var kernel: String
  var restarts: Int
  var maxIterations: Int
  var tolerance: Double
  var seed: UInt64
  /// As many clusters as there are different rows where they are fewer than asked for.
  var lowersClusters = false

  /// - Returns: `warnings` are those of the settings; the result has its own.
  func fit(
    _ samples: Samples, weights: [Double]?, configuration: Configuration, workers: Workers,
    _ context: RunContext
  ) throws -> (result: KMeansResult, algorithm: String, warnings: [String]) {
    guard ["auto", "lloyd", "bounded", "mini-batch"].contains(algorithm) else {
      throw RunFailure(
        .usage, "--algorithm \(algorithm) is unknown",
        hint: "use auto, lloyd, bounded or mini-batch")
    }
    let start = try start(samples, configuration, workers)
    do {
      let settings = try KMeansConfiguration(
        clusterCount: clusters, initialization: start, maxIterations: maxIterations,
        tolerance: tolerance, restarts: restarts, seed: seed,
        kernel: kernel == "auto" ? nil : kernel,
        algorithm: KMeansConfiguration.Algorithm(rawValue: algorithm) ?? .automatic)
      let limit = maxIterations
      if algorithm == "mini-batch" {
        let result = try MiniBatchKMeans.fit(
          samples.matrix, weights: weights,
          configuration: MiniBatchConfiguration(
            clusterCount: clusters, initialization: start, seed: seed,
            kernel: kernel == "auto" ? nil : kernel),
          workers: workers)
        return (result, algorithm, [])
      }
      let result = try KMeans.fit(
        samples.matrix, weights: weights, configuration: settings, workers: workers
      ) { step in
        context.progress(
          RunProgress(
            "k-means", done: step.iteration, total: limit, unit: "iterations",
            note: "iteration \(step.iteration), \(step.changed) rows moved"))
      }
      return (result, result.skippedShare > 0 || algorithm == "bounded" ? "bounded" : "lloyd", [])
    } catch ClusteringError.tooFewRows(_, let largest) where canLower(start, to: largest) {
      return try lowered(to: largest)
    } catch ClusteringError.tooFewDistinctRows(_, let largest) where canLower(start, to: largest) {
      return try lowered(to: largest)
    } catch ClusteringError.tooFewRows(let clusters, let largest) {
      throw tooMany(clusters, largest, "rows")
    } catch ClusteringError.tooFewDistinctRows(let clusters, let largest) {
      throw tooMany(clusters, largest, "different rows")
    }

    func lowered(to largest: Int) throws -> (KMeansResult, String, [String]) {
      var fewer = self
      fewer.clusters = largest
      let fit = try fewer.fit(
        samples, weights: weights, configuration: configuration, workers: workers, context)
      let warning =
        "\(clusters) clusters were asked for, \(largest) different rows allow \(largest)"
      return (fit.result, fit.algorithm, [warning] + fit.warnings)
    }
  }

  /// Given centroids say how many clusters there are.
  private func canLower(_ start: KMeansConfiguration.Initialization, to largest: Int) -> Bool {
    if case .given = start { return false }
    return lowersClusters && largest >= 1 && largest < clusters
  }

  private func tooMany(_ clusters: Int, _ largest: Int, _ what: String) -> RunFailure {
    RunFailure(
      .badData, "\(clusters) clusters need as many \(what), there are \(largest)",
      hint: "ask for at most \(largest) clusters, or add --k-max-distinct")
  }

  private func start(
    _ samples: Samples, _ configuration: Configuration, _ workers: Workers
  ) throws -> KMeansConfiguration.Initialization {
    switch initialization {
    case "k-means++": return .kMeansPlusPlus
    case "k-means-parallel": return .kMeansParallel
    case "random": return .random
    default:
      // A file of centroids, in the samples' scaled units; it has the features' names.
      guard FileManager.default.fileExists(atPath: initialization) else {
        throw RunFailure(
          .usage, "--init \(initialization) is neither a method nor a file",
          hint: "use k-means++, k-means-parallel, random or a file with k rows")
      }
      let source = try Sources.open([initialization], options: try configuration.readOptions())
      let names = samples.transforms.features.map(\.name)
      guard samples.transforms.components == nil else {
        throw RunFailure(
          .usage, "--init with a file cannot be combined with principal components",
          hint: "leave one of them out")
      }
      let table = try FeatureTable.read(
        source, id: names[0], names: names, format: try configuration.decimalFormat(),
        workers: workers)
      guard table.rows == clusters else {
        throw RunFailure(
          .badData, "has \(table.rows) rows of centroids, --clusters asks for \(clusters)",
          hint: "give one row a cluster", file: initialization)
      }
      return .given((0..<clusters).flatMap { row in table.columns.map { $0[row] } })
    }
  }
}
