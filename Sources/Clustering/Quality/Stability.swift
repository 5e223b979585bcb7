import Kernels
import Sharding

/// How far a clustering survives another draw of the data: the mean adjusted Rand index between the
/// labels of the fit and those of refits on bootstrap samples, all on the same rows.
///
/// Source: Hennig, Comput. Stat. Data Anal. 52 (2007); Ben-Hur, Elisseeff & Guyon, PSB 2002.
package struct Stability: Sendable, Equatable {
  package var mean: Double
  /// One per refit.
  package var indices: [Double]

  /// Refits on `refits` bootstrap samples of at most `sampleSize` rows.
  ///
  /// A bootstrap sample is a weight per row (how often it was drawn), so no row is copied and the
  /// refit labels every row. Rows and draws depend on (seed, position) only. A draw of a small
  /// table may hold fewer distinct rows than clusters; its refit then has as many as it holds.
  package static func bootstrap(
    _ matrix: FeatureMatrix, configuration: KMeansConfiguration, refits: Int = 10,
    sampleSize: Int = 20_000, workers: Workers
  ) throws -> Stability {
    precondition(refits >= 1 && sampleSize >= 1)
    let base = matrix.rows <= sampleSize ? matrix : sample(matrix, sampleSize, configuration.seed)
    let reference = try KMeans.fit(
      base, configuration: configuration, distances: false, workers: workers)
    let indices = try (0..<refits).map { refit -> Double in
      let random = CounterBasedRandom(
        seed: CounterBasedRandom.mix(configuration.seed &+ UInt64(refit)),
        purpose: .init("bootstrap"))
      var weights = [Double](repeating: 0, count: base.rows)
      for draw in 0..<base.rows {
        weights[min(Int(random.unit(at: draw) * Double(base.rows)), base.rows - 1)] += 1
      }
      func labels(_ clusters: Int) throws -> [Int32] {
        let again = try KMeansConfiguration(
          clusterCount: clusters, initialization: configuration.initialization,
          maxIterations: configuration.maxIterations, tolerance: configuration.tolerance,
          restarts: configuration.restarts, seed: random.bits(at: base.rows),
          kernel: configuration.kernel)
        return try KMeans.fit(
          base, weights: weights, configuration: again, distances: false, workers: workers
        ).labels
      }
      let refitted: [Int32]
      do {
        refitted = try labels(configuration.clusterCount)
      } catch ClusteringError.tooFewRows(_, let largest) {
        refitted = try labels(largest)
      } catch ClusteringError.tooFewDistinctRows(_, let largest) {
        refitted = try labels(largest)
      }
      return LabelAgreement.adjustedRandIndex(reference.labels, refitted)
    }
    return Stability(mean: indices.reduce(0, +) / Double(refits), indices: indices)
  }

  /// Rows drawn without replacement, ascending.
  private static func sample(
    _ matrix: FeatureMatrix, _ count: Int, _ seed: UInt64
  ) -> FeatureMatrix {
    let random = CounterBasedRandom(seed: seed, purpose: .init("stability sample"))
    let share = Double(count) / Double(matrix.rows)
    let threshold = share + 8 * (share / Double(matrix.rows)).squareRoot()
    let drawn = (0..<matrix.rows).filter { random.unit(at: $0) < threshold }
      .sorted { (random.unit(at: $0), $0) < (random.unit(at: $1), $1) }
    return matrix.rows(drawn.prefix(count).sorted())
  }
}
