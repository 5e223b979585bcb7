import Clustering
import Columnar
import Features
import Foundation

/// `select-k`: how many clusters, with the evidence.
public struct SelectKRun: Sendable {
  public var inputs: [String]
  public var samples: SampleOptions
  public var range: ClosedRange<Int>
  /// Bootstrap refits per k.
  public var refits = 10
  /// Rows the silhouette looks at.
  public var silhouetteSample = 10_000
  public var restarts = 1

  public init(inputs: [String], samples: SampleOptions, range: ClosedRange<Int>) {
    self.inputs = inputs
    self.samples = samples
    self.range = range
  }

  /// `tranche.select-k.v1`.
  public struct Result: Encodable, Sendable {
    public struct Candidate: Encodable, Sendable {
      public var k: Int
      public var inertia: Double
      public var silhouette: Double?
      /// 95 % confidence interval.
      public var silhouetteLower: Double?
      public var silhouetteUpper: Double?
      public var simplifiedSilhouette: Double?
      public var calinskiHarabasz: Double?
      public var daviesBouldin: Double?
      /// Mean adjusted Rand index of bootstrap refits.
      public var stability: Double?
      public var iterations: Int
      public var converged: Bool
      public var seconds: Double
    }
    public var schema = "tranche.select-k.v1"
    public var n: Int
    public var d: Int
    public var candidates: [Candidate]
    public var recommended: Int
    public var elbow: Int?
    public var reason: String
    public var warnings: [String]
    public var threads: Int
    public var seed: UInt64
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    let seed = try configuration.seed()
    let settings = try samples.configuration(
      configuration, scaling: "standard", missing: "reject", winsorize: 0)
    let reading = TableReading(inputs: inputs, configuration: configuration, workers: workers)
    let (table, idName, _) = try watch.measure("read") {
      try reading.table(features: samples.features, id: samples.id, weight: nil, context)
    }
    let prepared = try watch.measure("prepare") {
      try reading.samples(of: table, idName: idName, settings)
    }
    let choice = try watch.measure("sweep") {
      do {
        return try SelectK.sweep(
          prepared.matrix, clusters: range,
          configuration: try KMeansConfiguration(
            clusterCount: range.lowerBound, restarts: restarts, seed: seed),
          refits: refits, silhouetteSample: silhouetteSample, workers: workers
        ) { k in
          context.progress(
            RunProgress(
              "select k", done: k - range.lowerBound, total: range.count, unit: "fits",
              note: "k = \(k)"))
        }
      } catch ClusteringError.tooFewRows(_, let largest) {
        throw tooMany(largest)
      } catch ClusteringError.tooFewDistinctRows(_, let largest) {
        throw tooMany(largest)
      }
    }
    return Result(
      n: table.rows, d: prepared.transforms.dimensions,
      candidates: choice.evidence.map { evidence in
        Result.Candidate(
          k: evidence.clusters, inertia: evidence.inertia, silhouette: evidence.silhouette?.value,
          silhouetteLower: evidence.silhouette?.lower, silhouetteUpper: evidence.silhouette?.upper,
          simplifiedSilhouette: evidence.simplifiedSilhouette,
          calinskiHarabasz: evidence.calinskiHarabasz, daviesBouldin: evidence.daviesBouldin,
          stability: evidence.stability?.mean, iterations: evidence.iterations,
          converged: evidence.converged, seconds: evidence.seconds)
      },
      recommended: choice.recommended, elbow: choice.elbow, reason: choice.reason,
      warnings: prepared.warnings, threads: workers.threads, seed: seed, seconds: watch.seconds,
      peakMemoryBytes: ProcessMemory.peakBytes)
  }

  private func tooMany(_ largest: Int) -> RunFailure {
    RunFailure(
      .badData, "\(range.upperBound) clusters need as many different rows, there are \(largest)",
      hint: "end the range at \(largest) or before",
      file: inputs.first.map(DatabaseAddress.redacted))
  }
}
