import Kernels
import Sharding

/// k distinct rows, each drawn with probability ∝ its weight; a row alike to an earlier one is passed
/// over.
///
/// Rows are ranked by w-scaled exponential keys, the least first, which is drawing without
/// replacement (Efraimidis & Spirakis, Inf. Process. Lett. 97, 2006). Cost: O(n log n).
struct RandomRows {
  private let sweep: Sweep
  private let random: CounterBasedRandom

  init(_ sweep: Sweep, seed: UInt64) {
    self.sweep = sweep
    random = CounterBasedRandom(seed: seed, purpose: .init("random rows"))
  }

  /// - Returns: k × d, centred.
  /// - Throws: ``ClusteringError/tooFewDistinctRows(clusters:largest:)``.
  func centroids(_ k: Int) throws -> [Double] {
    let matrix = sweep.matrix
    let order = try ranked()
    var seen: Set<[Float]> = []
    var centroids: [Double] = []
    for row in order {
      let values = matrix.row(row)
      // −0 and 0 are one place.
      guard seen.insert(values.map { $0 == 0 ? 0 : $0 }).inserted else { continue }
      centroids += values.map(Double.init)
      if seen.count == k { return centroids }
    }
    throw ClusteringError.tooFewDistinctRows(clusters: k, largest: seen.count)
  }

  private func ranked() throws -> [Int] {
    let (random, weights) = (self.random, sweep.weights)
    var keys: [(key: Double, row: Int)] = []
    keys.reserveCapacity(sweep.matrix.rows)
    for row in 0..<sweep.matrix.rows {
      let weight = weights?.storage.base[row] ?? 1
      guard weight > 0 else { continue }
      // Without weights the uniform number ranks as its logarithm does; −ln(1 − u) = ln(1 + u / (1 − u)).
      let uniform = random.unit(at: row)
      let key =
        weights == nil ? uniform : SignedLogarithm.value(uniform / (1 - uniform)) / weight
      keys.append((key, row))
    }
    keys.sort { ($0.key, $0.row) < ($1.key, $1.row) }
    return keys.map(\.row)
  }
}
