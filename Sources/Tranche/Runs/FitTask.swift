import Clustering
import Features
import Kernels
import Sharding

/// Which clustering `fit` was asked for; every value that exists makes sense.
struct FitTask: Sendable {
  private enum Method: Sendable {
    case kMeans
    case limited(minShare: Double?, maxShare: Double?)
    case dbscan(eps: Double, minPoints: Int)
    case ward
  }

  /// A fitted clustering, whatever the method.
  struct Outcome {
    /// k × d, scaled units.
    var centroids: [Double]
    var rows: RowResults
    var inertia: Double
    var sizes: [Int]
    var noise = 0
    var iterations = 1
    var status = KMeansStatus.labelsStable
    var kernel: String
    var algorithm: String
    var recheckRate = 0.0
    var seconds = KMeansResult.Seconds()
    var warnings: [String] = []
    var heights: [Double]?
    var prototypes: ModelFile.Prototypes?
  }

  private let method: Method
  private let settings: ClusteringSettings
  private let sample: Int?

  /// - Throws: ``RunFailure`` `.usage` for flags that contradict each other.
  init(_ run: FitRun, warmStart model: ModelFile?) throws {
    func refuse(_ flag: String, _ isGiven: Bool, with other: String) throws {
      if isGiven {
        throw RunFailure(
          .usage, "\(flag) cannot be combined with \(other)", hint: "leave one of them out")
      }
    }
    let algorithm = run.algorithm
    let isLimited = run.minShare != nil || run.maxShare != nil
    let isShape = algorithm == "dbscan" || algorithm == "ward"
    let named = isShape || algorithm == "mini-batch" ? "--algorithm \(algorithm)" : ""
    if isShape || algorithm == "mini-batch" {
      try refuse(run.minShare == nil ? "--max-share" : "--min-share", isLimited, with: named)
    }
    if isShape {
      try refuse("--weight", run.weight != nil, with: named)
      try refuse("--warm-start", model != nil, with: named)
      try refuse("--init", run.initialization != "k-means++", with: named)
    }
    if isLimited { try refuse("--weight", run.weight != nil, with: "limits on sizes") }
    if model != nil {
      try refuse("--init", run.initialization != "k-means++", with: "--warm-start")
    }
    if algorithm != "dbscan" {
      for (flag, isGiven) in [("--eps", run.eps != nil), ("--min-points", run.minPoints != nil)]
      where isGiven {
        throw RunFailure(
          .usage, "\(flag) belongs to --algorithm dbscan", hint: "add that, or leave it out")
      }
    }
    if !isShape, run.sample != nil {
      throw RunFailure(
        .usage, "--sample belongs to --algorithm dbscan or ward", hint: "leave it out")
    }
    if let sample = run.sample, !(10...200_000).contains(sample) {
      throw RunFailure(.usage, "--sample is \(sample)", hint: "it must be from 10 to 200,000")
    }
    sample = run.sample

    let k: Int
    if algorithm == "dbscan" {
      try refuse("--clusters", run.clusters != nil, with: named)
      guard let eps = run.eps, eps > 0, eps.isFinite else {
        throw RunFailure(
          .usage, "--algorithm dbscan needs --eps above 0",
          hint: "give how far a neighbour may be, in scaled units")
      }
      let minPoints = run.minPoints ?? 5
      guard minPoints >= 1 else {
        throw RunFailure(.usage, "--min-points is \(minPoints)", hint: "it must be 1 or more")
      }
      method = .dbscan(eps: eps, minPoints: minPoints)
      k = 1
    } else {
      guard let clusters = run.clusters ?? model?.centroids.count else {
        throw RunFailure(.usage, "--clusters is missing", hint: "say how many there shall be")
      }
      guard clusters >= 1 else {
        throw RunFailure(.usage, "--clusters \(clusters) is too few", hint: "give 1 or more")
      }
      if let model, model.centroids.count != clusters {
        throw RunFailure(
          .usage, "--clusters \(clusters), but the model has \(model.centroids.count) centroids",
          hint: "leave --clusters out")
      }
      k = clusters
      if isLimited {
        // Judged for any number of rows that k divides.
        _ = try SizeLimits(
          minShare: run.minShare, maxShare: run.maxShare, rows: clusters * 1_000_000,
          clusters: clusters)
        method = .limited(minShare: run.minShare, maxShare: run.maxShare)
      } else {
        method = algorithm == "ward" ? .ward : .kMeans
      }
    }
    settings = ClusteringSettings(
      clusters: k, algorithm: isShape ? "auto" : algorithm, initialization: run.initialization,
      kernel: run.kernel, restarts: run.restarts, maxIterations: run.maxIterations,
      tolerance: run.tolerance, seed: 0, lowersClusters: run.lowersClusters,
      given: model.map { $0.centroids.flatMap { $0 } })
  }

  /// What a row costs in memory even when the matrix lies in a file.
  var residentBytesPerRow: Int {
    switch method {
    case .kMeans: settings.initialization == "random" ? 24 : 0
    case .limited, .dbscan, .ward: 24
    }
  }

  func fit(
    _ loaded: LoadedSamples, seed: UInt64, configuration: Configuration, _ context: RunContext
  ) throws -> Outcome {
    var settings = settings
    settings.seed = seed
    let workers = loaded.workers
    let kernel = settings.kernel == "auto" ? nil : settings.kernel
    let clock = ContinuousClock()
    let began = clock.now
    switch method {
    case .kMeans:
      let fit = try settings.fit(
        loaded.matrix, loaded.transforms, weights: loaded.weights, configuration: configuration,
        workers: workers, context)
      var outcome = Outcome(fit.result, algorithm: fit.algorithm)
      outcome.warnings = fit.warnings + outcome.warnings
      return outcome
    case .limited(let minShare, let maxShare):
      let limits = try SizeLimits(
        minShare: minShare, maxShare: maxShare, rows: loaded.rows, clusters: settings.clusters)
      let start = try settings.start(loaded.transforms, configuration, workers)
      let fit = try settings.explaining {
        try LimitedKMeans.fit(
          loaded.matrix, configuration: try settings.kMeans(from: start), limits: limits,
          workers: workers
        ) { step in
          context.progress(
            RunProgress(
              "k-means", done: step.iteration, total: settings.maxIterations, unit: "iterations"))
        }
      }
      var outcome = Outcome(fit.fit, algorithm: "lloyd with size limits")
      outcome.heights = fit.heights
      return outcome
    case .dbscan(let eps, let minPoints):
      let fit = try DensityClusters.fit(
        loaded.matrix, radius: eps, minimumPoints: minPoints, sampleRows: sample ?? 20_000,
        seed: seed, kernel: kernel, workers: workers)
      return Outcome(fit, algorithm: "dbscan", seconds: (clock.now - began) / .seconds(1))
    case .ward:
      let fit = try settings.explaining {
        try WardClusters.fit(
          loaded.matrix, clusters: settings.clusters, limit: sample ?? WardClusters.exactRows,
          seed: seed, kernel: kernel, workers: workers)
      }
      return Outcome(fit, algorithm: "ward", seconds: (clock.now - began) / .seconds(1))
    }
  }
}

extension FitTask.Outcome {
  init(_ result: KMeansResult, algorithm: String) {
    self.init(
      centroids: result.centroids, rows: result.rows, inertia: result.inertia, sizes: result.sizes,
      iterations: result.iterations, status: result.status, kernel: result.kernel,
      algorithm: algorithm, recheckRate: result.recheckRate, seconds: result.seconds,
      warnings: result.warnings)
  }

  init(_ fit: PrototypeFit, algorithm: String, seconds: Double) {
    let d = fit.prototypes.columns
    self.init(
      centroids: fit.means, rows: fit.rows, inertia: fit.inertia, sizes: fit.sizes,
      noise: fit.noise, kernel: fit.prototypes.kernel, algorithm: algorithm,
      warnings: fit.warnings)
    self.seconds.iterate = seconds
    let points = fit.prototypes.points
    prototypes = ModelFile.Prototypes(
      points: fit.prototypes.labels.indices.map { Array(points[$0 * d..<($0 + 1) * d]) },
      labels: fit.prototypes.labels, radius: fit.prototypes.radius)
  }
}

extension ClusteringSettings {
  /// In the words of the command line.
  func explaining<Value>(_ work: () throws -> Value) throws -> Value {
    do {
      return try work()
    } catch ClusteringError.tooFewRows(let clusters, let largest) {
      throw tooMany(clusters, largest, "rows")
    } catch ClusteringError.tooFewDistinctRows(let clusters, let largest) {
      throw tooMany(clusters, largest, "different rows")
    }
  }
}
