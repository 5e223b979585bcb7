import Clustering
import Columnar
import Features
import Foundation
import Kernels
import Sharding

/// `fit`: clusters any table.
public struct FitRun: Sendable {
  public var inputs: [String]
  public var samples: SampleOptions
  /// Nil: those of ``warmStart``, or as many as there are (dbscan).
  public var clusters: Int?
  /// Fits fewer clusters, as many as there are different rows, instead of failing.
  public var lowersClusters = false
  public var out: String
  /// k-means++, k-means-parallel, random, or a file with k rows of the features in scaled units.
  public var initialization = "k-means++"
  /// auto, lloyd, mini-batch, dbscan, ward.
  public var algorithm = "auto"
  /// auto, or the name of a kernel set.
  public var kernel = "auto"
  public var restarts = 1
  public var maxIterations = 300
  public var tolerance = 1e-4
  public var weight: String?
  /// Shares of the rows that a cluster has at least and at most.
  public var minShare: Double?
  public var maxShare: Double?
  /// dbscan: how far a neighbour may be, in scaled units.
  public var eps: Double?
  /// dbscan: neighbours that make a core, itself included.
  public var minPoints: Int?
  /// Rows that dbscan and ward look at.
  public var sample: Int?
  /// A model whose transforms and centroids are taken as they are to start from.
  public var warmStart: String?
  public var labels: String?
  public var force = false

  public init(inputs: [String], samples: SampleOptions, clusters: Int?, out: String) {
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
    /// Rows of label −1: of no cluster (dbscan).
    public var noise: Int
    public var kernel: String
    public var algorithm: String
    /// Share of assignments decided again in Double.
    public var recheckRate: Double
    public var threads: Int
    public var seed: UInt64
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
    /// Whether what did not fit into `--memory` lay in a temporary file.
    public var spilled: Bool
    public var warnings: [String]
    public var model: String
    public var labels: String?
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    let seed = try configuration.seed()
    let start = try warmStart.map { path in
      let model = try ModelFile.read(path)
      guard model.prototypes == nil else {
        throw RunFailure(
          .usage, "a model of \(path) has no centroids to start from", hint: "name a K-Means model")
      }
      return model
    }
    let task = try FitTask(self, warmStart: start)
    var samples = samples
    if let start {
      let names = start.features.map(\.name)
      guard samples.features.filter({ !start.dropped.contains($0) }) == names else {
        throw RunFailure(
          .usage, "--features are not those of the model, \(names.joined(separator: ","))",
          hint: "give the same in the same order")
      }
      samples.features = names
    }
    let settings = try samples.configuration(
      configuration, scaling: "standard", missing: "reject", winsorize: 0)
    if let labels,
      URL(fileURLWithPath: labels).standardized == URL(fileURLWithPath: out).standardized
    {
      throw RunFailure(.usage, "--out and --labels name one file", hint: "give them two names")
    }
    let budget = try configuration.memoryBudget()
    let modelFile = try StagedFile(target: out, force: force)
    let labelFile = try labels.map { try StagedFile(table: $0, force: force) }
    let reading = TableReading(inputs: inputs, configuration: configuration, workers: workers)
    let loaded = try reading.load(
      LoadedSamples.Request(
        features: samples.features, id: samples.id, weight: weight, settings: settings,
        budget: budget, frozen: start.map { ($0.transforms, $0.centers) },
        residentBytesPerRow: task.residentBytesPerRow,
        folder: URL(fileURLWithPath: out).deletingLastPathComponent().path,
        clusters: clusters ?? 1),
      &watch, context)
    let fit = try loaded.inSpace {
      try task.fit(loaded, seed: seed, configuration: configuration, context)
    }
    watch.add("init", fit.seconds.initialize)
    watch.add("iterate", fit.seconds.iterate)

    let d = loaded.transforms.dimensions
    let clusters = fit.sizes.count
    var model = ModelFile(
      transforms: loaded.transforms, centers: loaded.centers,
      centroids: (0..<clusters).map { Array(fit.centroids[$0 * d..<($0 + 1) * d]) },
      segments: fit.sizes.enumerated().map { label, size in
        ModelFile.Segment(
          id: SegmentNumber.id(label + 1), name: "cluster \(label)", size: size)
      },
      inertia: fit.inertia, seed: seed, dropped: start?.dropped ?? loaded.report.dropped,
      scale: start?.scale ?? settings.scaling.rawValue)
    model.heights = fit.heights
    model.prototypes = fit.prototypes
    try watch.measure("write") {
      if let labelFile {
        try write(fit.rows, of: loaded, to: labelFile.staging, reading, context)
      }
      try modelFile.write(try model.encoded())
      try labelFile?.commit()
    }
    return Result(
      n: loaded.rows, d: d, k: clusters, iterations: fit.iterations,
      converged: fit.status.converged, status: fit.status.rawValue, inertia: fit.inertia,
      sizes: fit.sizes, noise: fit.noise, kernel: fit.kernel, algorithm: fit.algorithm,
      recheckRate: fit.recheckRate, threads: workers.threads, seed: seed, seconds: watch.seconds,
      peakMemoryBytes: ProcessMemory.peakBytes, spilled: loaded.space != nil,
      warnings: loaded.report.warnings + fit.warnings, model: out, labels: labels)
  }

  private func write(
    _ results: RowResults, of loaded: LoadedSamples, to path: String, _ reading: TableReading,
    _ context: RunContext
  ) throws {
    let labels = Buffer(base: results.labelBase, count: results.rows, owner: results)
    let distances = Buffer(base: results.distanceBase, count: results.rows, owner: results)
    if let ids = loaded.ids {
      try ScoreTable.write(
        [
          .identifier(loaded.idName, ids, isRequired: false), .integer("label", labels),
          .float("distance", distances),
        ], rows: loaded.rows, to: path, workers: reading.workers)
      return
    }
    // Identifiers were not kept: they are read again, beside what was computed.
    var options = try reading.configuration.readOptions()
    options.parquet.buffersBatches = true
    options.parquet.wholeGroupRows = .max
    let source = try Sources.open(inputs, options: options)
    let scan = try TableReading(
      inputs: inputs, configuration: reading.configuration, workers: loaded.workers
    ).scan(source, id: loaded.idName, names: [], stage: "write", context)
    let file = try LabelFile(
      path, id: source.schema.fields[try source.position(of: loaded.idName)],
      workers: reading.workers)
    let count = try scan.forEachBlock { block in
      guard block.rows.upperBound <= results.rows else { throw SampleChange.failure(inputs) }
      try file.add(
        LabelFile.Rows(
          ids: block.ids, labels: Array(labels[block.rows].values),
          distances: Array(distances[block.rows].values)),
        block: block.index)
    }
    guard count == results.rows else { throw SampleChange.failure(inputs) }
    try file.close()
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
  /// k × d: centroids of an earlier model, instead of `initialization`.
  var given: [Double]?

  /// - Returns: `warnings` are those of the settings; the result has its own.
  func fit(
    _ samples: Samples, weights: [Double]?, configuration: Configuration, workers: Workers,
    _ context: RunContext
  ) throws -> (result: KMeansResult, algorithm: String, warnings: [String]) {
    try fit(
      samples.matrix, samples.transforms, weights: weights, configuration: configuration,
      workers: workers, context)
  }

  func fit(
    _ matrix: FeatureMatrix, _ transforms: FittedTransforms, weights: [Double]?,
    configuration: Configuration, workers: Workers, _ context: RunContext
  ) throws -> (result: KMeansResult, algorithm: String, warnings: [String]) {
    guard ["auto", "lloyd", "bounded", "mini-batch"].contains(algorithm) else {
      throw RunFailure(
        .usage, "--algorithm \(algorithm) is unknown",
        hint: "use auto, lloyd, bounded, mini-batch, dbscan or ward")
    }
    let start = try start(transforms, configuration, workers)
    do {
      let settings = try kMeans(from: start)
      let limit = maxIterations
      if algorithm == "mini-batch" {
        let result = try MiniBatchKMeans.fit(
          matrix, weights: weights,
          configuration: MiniBatchConfiguration(
            clusterCount: clusters, initialization: start, seed: seed,
            kernel: kernel == "auto" ? nil : kernel),
          workers: workers)
        return (result, algorithm, [])
      }
      let result = try KMeans.fit(
        matrix, weights: weights, configuration: settings, workers: workers
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
        matrix, transforms, weights: weights, configuration: configuration, workers: workers,
        context)
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

  func tooMany(_ clusters: Int, _ largest: Int, _ what: String) -> RunFailure {
    RunFailure(
      .badData, "\(clusters) clusters need as many \(what), there are \(largest)",
      hint: "ask for at most \(largest) clusters, or add --k-max-distinct")
  }

  func kMeans(
    from start: KMeansConfiguration.Initialization
  ) throws -> KMeansConfiguration {
    try KMeansConfiguration(
      clusterCount: clusters, initialization: start, maxIterations: maxIterations,
      tolerance: tolerance, restarts: restarts, seed: seed,
      kernel: kernel == "auto" ? nil : kernel,
      algorithm: KMeansConfiguration.Algorithm(rawValue: algorithm) ?? .automatic)
  }

  func start(
    _ transforms: FittedTransforms, _ configuration: Configuration, _ workers: Workers
  ) throws -> KMeansConfiguration.Initialization {
    if let given { return .given(given) }
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
      let names = transforms.features.map(\.name)
      guard transforms.components == nil else {
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
