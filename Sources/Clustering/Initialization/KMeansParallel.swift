import Kernels
import Sharding

/// k-means||: five rounds, each drawing every row independently with probability
/// min(1, 2k·w·D² / Σ w·D²); what they drew, weighted by the rows nearest to each, is reduced to k by
/// greedy k-means++.
///
/// Whether a row is drawn depends on (seed, round, row) only. Cost: about 10·n·k·d operations in six
/// passes, against O(n·k·d·log k) in k passes for k-means++: for large k.
///
/// Source: Bahmani, Moseley, Vattani, Kumar, Vassilvitskii, VLDB 2012.
struct KMeansParallel {
  static let rounds = 5

  private let sweep: Sweep
  private let seed: UInt64

  init(_ sweep: Sweep, seed: UInt64) {
    self.sweep = sweep
    self.seed = seed
  }

  /// - Returns: k × d, centred; each row equals a row of the matrix.
  /// - Throws: ``ClusteringError/tooFewDistinctRows(clusters:largest:)``.
  func centroids(_ k: Int) throws -> [Double] {
    let (sweep, matrix, d) = (self.sweep, self.sweep.matrix, self.sweep.matrix.columns)
    let rows = matrix.rows
    let nearest = RowStorage<Double>(rows: rows, repeating: .infinity)
    let owner = RowStorage<Int32>(rows: rows, repeating: 0)
    let labels = RowStorage<Int32>(rows: rows, repeating: 0)
    var chosen = try KMeansPlusPlus(sweep, seed: seed).rows(1)
    var fresh = chosen
    for round in 0...Self.rounds where !fresh.isEmpty {
      let potential = try fold(
        fresh, from: chosen.count - fresh.count, into: nearest, owner, labels)
      guard round < Self.rounds, potential > 0 else { break }
      let random = CounterBasedRandom(
        seed: CounterBasedRandom.mix(seed &+ UInt64(round)), purpose: .init("k-means||"))
      let scale = 2 * Double(k) / potential
      let drawn = try sweep.workers.map(sweep.shards.count) { shard -> [Int] in
        sweep.rows(of: sweep.shards[shard]).filter { row in
          let weight = sweep.weights?.storage.base[row] ?? 1
          return random.unit(at: row) < scale * weight * nearest.base[row]
        }
      }
      fresh = drawn.flatMap { $0 }
      chosen += fresh
    }

    let weights = try sweep.workers.map(sweep.shards.count) { shard -> [Int: Double] in
      var sums: [Int: Double] = [:]
      for row in sweep.rows(of: sweep.shards[shard]) {
        sums[Int(owner.base[row]), default: 0] += sweep.weights?.storage.base[row] ?? 1
      }
      return sums
    }
    // Looked up by candidate, shard by shard: the dictionaries' own order is never used.
    let candidateWeights = chosen.indices.map { index in
      weights.reduce(0) { $0 + ($1[index] ?? 0) }
    }
    let columns = (0..<d).map { column in chosen.map { Double(matrix[$0, column]) } }
    let sample = try FeatureMatrix.filled(
      columns: columns, centers: [Double](repeating: 0, count: d), workers: sweep.workers)
    let usable = candidateWeights.count { $0 > 0 }
    // Fewer candidates than clusters: few rows, or few distinct ones; k-means++ on all rows tells.
    guard usable >= k else { return try KMeansPlusPlus(sweep, seed: seed).centroids(k) }
    let inner = Sweep(
      sample, clusters: k, kernel: sweep.kernel, workers: sweep.workers,
      weights: try SampleWeights(candidateWeights, rows: chosen.count))
    return try KMeansPlusPlus(inner, seed: seed).centroids(k)
  }

  /// Folds the distances to `fresh` rows, numbered from `first` on, into `nearest` and `owner`.
  /// Returns Σ w·D².
  private func fold(
    _ fresh: [Int], from first: Int, into nearest: RowStorage<Double>,
    _ owner: RowStorage<Int32>, _ labels: RowStorage<Int32>
  ) throws -> Double {
    let (sweep, matrix) = (self.sweep, self.sweep.matrix)
    let pack = sweep.kernel.pack(
      fresh.flatMap { matrix.row($0).map(Double.init) }, columns: matrix.columns)
    _ = try sweep.assign(pack, labels: labels)
    let sums = RowStorage<Double>(rows: sweep.shards.count, repeating: 0)
    try sweep.inertia(pack, labels: labels) { rows, squared in
      for row in rows where squared[row - rows.lowerBound] < nearest.base[row] {
        nearest.base[row] = squared[row - rows.lowerBound]
        owner.base[row] = Int32(first) + labels.base[row]
      }
    }
    try sweep.workers.forEach(sweep.shards.count) { shard in
      var sum = 0.0
      for row in sweep.rows(of: sweep.shards[shard]) {
        sum += (sweep.weights?.storage.base[row] ?? 1) * nearest.base[row]
      }
      sums.base[shard] = sum
    }
    return sums.array.reduce(0, +)
  }
}
