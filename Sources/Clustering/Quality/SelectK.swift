import Foundation
import Kernels
import Sharding

/// What was measured for one number of clusters.
package struct ClusterCountEvidence: Sendable {
  package var clusters: Int
  package var inertia: Double
  /// nil for k = 1.
  package var silhouette: Silhouette?
  package var simplifiedSilhouette: Double?
  package var calinskiHarabasz: Double?
  package var daviesBouldin: Double?
  /// nil when no refits were asked for.
  package var stability: Stability?
  package var iterations: Int
  package var converged: Bool
  package var seconds: Double
}

/// One number of clusters, and why, in words.
package struct ClusterCountChoice: Sendable {
  /// In ascending k.
  package var evidence: [ClusterCountEvidence]
  package var recommended: Int
  /// Where the inertia's curve bends most; nil for fewer than three k.
  package var elbow: Int?
  package var reason: String
}

/// Sweeps a range of k and recommends one.
package enum SelectK {
  /// - Parameters:
  ///   - configuration: Everything but the number of clusters.
  ///   - refits: Bootstrap refits per k for the stability; 0 = none.
  ///   - silhouetteSample: Rows the silhouette looks at.
  /// - Throws: ``ClusteringError`` when the largest k has too few distinct rows.
  package static func sweep(
    _ matrix: FeatureMatrix, clusters range: ClosedRange<Int>,
    configuration: KMeansConfiguration, refits: Int = 10, silhouetteSample: Int = 10_000,
    workers: Workers = Workers(), progress: (_ clusters: Int) -> Void = { _ in }
  ) throws -> ClusterCountChoice {
    let clock = ContinuousClock()
    let evidence = try range.map { k -> ClusterCountEvidence in
      progress(k)
      let began = clock.now
      let fit = try KMeansConfiguration(
        clusterCount: k, initialization: configuration.initialization,
        maxIterations: configuration.maxIterations, tolerance: configuration.tolerance,
        restarts: configuration.restarts, seed: configuration.seed, kernel: configuration.kernel)
      let result = try KMeans.fit(
        matrix, configuration: fit, distances: false, workers: workers)
      let indices = try InternalIndices(matrix, labels: result.labels, workers: workers)
      return ClusterCountEvidence(
        clusters: k, inertia: result.inertia,
        silhouette: try Silhouette.estimate(
          matrix, labels: result.labels, sampleSize: silhouetteSample, seed: configuration.seed,
          workers: workers),
        simplifiedSilhouette: k < 2
          ? nil
          : try Silhouette.simplified(matrix, centroids: result.centroids, workers: workers),
        calinskiHarabasz: indices.calinskiHarabasz, daviesBouldin: indices.daviesBouldin,
        stability: refits == 0
          ? nil
          : try Stability.bootstrap(matrix, configuration: fit, refits: refits, workers: workers),
        iterations: result.iterations, converged: result.converged,
        seconds: (clock.now - began) / .seconds(1))
    }
    return recommend(evidence)
  }

  /// Among the k whose silhouette cannot be told from the best one's (95 %), the most stable; among
  /// equally stable ones, or without stability, the fewest clusters.
  static func recommend(_ evidence: [ClusterCountEvidence]) -> ClusterCountChoice {
    let elbow = elbow(evidence.map { (Double($0.clusters), $0.inertia) })
      .map { evidence[$0].clusters }
    let judged = evidence.filter { $0.silhouette != nil }
    guard let best = judged.max(by: { $0.silhouette!.value < $1.silhouette!.value }) else {
      let only = evidence[0]
      return ClusterCountChoice(
        evidence: evidence, recommended: only.clusters, elbow: elbow,
        reason: "k = \(only.clusters): no k of the range has two clusters to compare")
    }
    let rivals = judged.filter { $0.silhouette!.upper >= best.silhouette!.lower }
    // Refits differ by luck: a hundredth of stability is no reason for more clusters.
    let steadiest = rivals.map { $0.stability?.mean ?? 0 }.max()!
    let chosen = rivals.first { ($0.stability?.mean ?? 0) >= steadiest - 0.01 }!

    func text(_ value: Double) -> String { String(format: "%.3f", value) }
    let silhouette = chosen.silhouette!
    var reason = "k = \(chosen.clusters): silhouette \(text(silhouette.value))"
    if silhouette.margin > 0 { reason += " ± \(text(silhouette.margin))" }
    if chosen.clusters == best.clusters {
      reason += ", the best of \(evidence[0].clusters)…\(evidence[evidence.count - 1].clusters)"
    } else {
      reason +=
        ", not to be told from the best (k = \(best.clusters), \(text(best.silhouette!.value)))"
    }
    if let stability = chosen.stability {
      reason += "; stability \(text(stability.mean))"
      if stability.mean < 0.6 {
        reason += ", low: another draw of the rows would cluster otherwise"
      }
    }
    var seconders: [String] = []
    if judged.max(by: { $0.calinskiHarabasz ?? 0 < $1.calinskiHarabasz ?? 0 })?.clusters
      == chosen.clusters
    {
      seconders.append("Calinski-Harabasz")
    }
    if judged.min(by: { $0.daviesBouldin ?? .infinity < $1.daviesBouldin ?? .infinity })?.clusters
      == chosen.clusters
    {
      seconders.append("Davies-Bouldin")
    }
    if elbow == chosen.clusters { seconders.append("the elbow") }
    if !seconders.isEmpty {
      reason += "; " + seconders.joined(separator: " and ") + " agree"
      if seconders.count == 1 { reason += "s" }
    }
    return ClusterCountChoice(
      evidence: evidence, recommended: chosen.clusters, elbow: elbow, reason: reason)
  }

  /// Index of the point farthest below the chord of a falling curve, both axes scaled to 0…1; the
  /// earliest on ties, nil where no point lies below.
  ///
  /// Source: Satopää, Albrecht, Irwin & Raghavan, ICDCSW 2011.
  package static func elbow(_ curve: [(x: Double, y: Double)]) -> Int? {
    guard curve.count >= 3, let first = curve.first, let last = curve.last else { return nil }
    let (width, height) = (last.x - first.x, first.y - last.y)
    guard width > 0 && height > 0 else { return nil }
    var best: (index: Int, depth: Double)?
    for (index, point) in curve.enumerated().dropFirst().dropLast() {
      let depth = 1 - (point.x - first.x) / width - (point.y - last.y) / height
      if depth > 0 && depth > best?.depth ?? 0 { best = (index, depth) }
    }
    return best?.index
  }
}
