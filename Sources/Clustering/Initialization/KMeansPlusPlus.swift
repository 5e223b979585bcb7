import Kernels
import Sharding

/// Greedy k-means++: each next centroid is drawn with probability ∝ w·D(x)², the squared distance to
/// the nearest one chosen; of 2 + ⌊ln k⌋ draws, the one that leaves the least Σ w·D² is kept.
///
/// One pass over the matrix per centroid: it folds the last choice into D² and sums what each of the
/// next candidates would leave. Where a candidate lies is found from the sums of blocks of 1,024
/// rows and the rows of one block.
///
/// Cost: O(n·k·d·log k) operations, k passes, 4 bytes per row. D² is computed without fused
/// multiply-adds, so every instruction set draws the same rows.
///
/// Source: Arthur & Vassilvitskii, SODA 2007; greedy draws: ibid., conclusion.
struct KMeansPlusPlus {
  private let sweep: Sweep
  private let random: CounterBasedRandom
  /// D² to the centroids folded so far; lanes past the rows hold 0.
  private let nearest: RowStorage<Float>

  init(_ sweep: Sweep, seed: UInt64) {
    self.sweep = sweep
    random = CounterBasedRandom(seed: seed, purpose: .init("k-means++"))
    let rows = sweep.matrix.rows
    nearest = RowStorage(rows: rows, repeating: .infinity)
    let padded = sweep.matrix.tileCount * FeatureMatrix.tileRows
    (nearest.base + rows).update(repeating: 0, count: padded - rows)
  }

  /// - Returns: k × d, centred; each row equals a row of the matrix.
  /// - Throws: ``ClusteringError/tooFewDistinctRows(clusters:largest:)``.
  func centroids(_ k: Int) throws -> [Double] {
    try rows(k).flatMap { row in sweep.matrix.row(row).map(Double.init) }
  }

  /// The chosen rows' indices.
  func rows(_ k: Int) throws -> [Int] {
    let trials = 2 + Int(SignedLogarithm.value(Double(k - 1)))
    precondition(trials <= StrictLoops.trialLimit)
    var draw = 0
    func uniform() -> Double {
      defer { draw += 1 }
      return random.unit(at: draw)
    }
    var chosen = [firstRow(uniform())]
    // The last choice is folded into `nearest` by the next pass.
    var pending = chosen[0]
    var potentials = try pass(fold: nil, candidates: [pending])
    var best = 0
    while chosen.count < k {
      let candidates = (0..<trials).compactMap { _ in
        drawRow(uniform(), potentials, trial: best, pending: pending)
      }
      guard !candidates.isEmpty else {
        throw ClusteringError.tooFewDistinctRows(clusters: k, largest: chosen.count)
      }
      potentials = try pass(fold: pending, candidates: candidates)
      best = potentials.leastTrial
      pending = candidates[best]
      chosen.append(pending)
    }
    return chosen
  }

  /// Σ w·D² that each candidate leaves, per block of rows.
  private struct Potentials {
    let trials: Int
    /// blocks × trials.
    let blocks: [Double]

    func total(_ trial: Int) -> Double {
      var sum = 0.0
      for index in stride(from: trial, to: blocks.count, by: trials) { sum += blocks[index] }
      return sum
    }

    var leastTrial: Int {
      let totals = (0..<trials).map(total)
      return totals.indices.min { totals[$0] < totals[$1] }!
    }
  }

  private var blockShards: Shards {
    Shards(rows: sweep.matrix.tileCount, rowsPerShard: Sweep.blockTiles)
  }

  private func pass(fold pending: Int?, candidates: [Int]) throws -> Potentials {
    let (sweep, nearest) = (self.sweep, self.nearest)
    let matrix = sweep.matrix
    let trials = candidates.count
    let fold = pending.map { matrix.row($0) }
    let rows = candidates.flatMap { matrix.row($0) }
    let blocks = blockShards
    let sums = RowStorage<Double>(rows: blocks.count * trials, repeating: 0)
    try sweep.workers.forEach(sweep.shards.count) { shard in
      Sweep.forEachBlock(sweep.shards[shard]) { tiles in
        let block = tiles.lowerBound / Sweep.blockTiles
        StrictLoops.seed(
          matrix, tiles: tiles, chosen: fold, candidates: rows, trials: trials,
          nearest: nearest.base + tiles.lowerBound * FeatureMatrix.tileRows,
          weights: sweep.weights(from: tiles.lowerBound), sums: sums.base + block * trials)
      }
    }
    return Potentials(trials: trials, blocks: sums.array)
  }

  /// A row with probability ∝ its weight.
  private func firstRow(_ uniform: Double) -> Int {
    guard let weights = sweep.weights else {
      return min(Int(uniform * Double(sweep.matrix.rows)), sweep.matrix.rows - 1)
    }
    let target = uniform * weights.total
    var sum = 0.0
    var last = 0
    for row in 0..<sweep.matrix.rows where weights.storage.base[row] > 0 {
      sum += weights.storage.base[row]
      last = row
      if sum > target { break }
    }
    return last
  }

  /// A row with probability ∝ w·D² once `pending` (the winner `trial` of the last pass) is folded;
  /// nil when nothing is left to draw.
  private func drawRow(
    _ uniform: Double, _ potentials: Potentials, trial: Int, pending: Int
  ) -> Int? {
    let total = potentials.total(trial)
    guard total > 0 else { return nil }
    let target = uniform * total
    var before = 0.0
    var block = -1
    for candidate in 0..<blockShards.count {
      let sum = potentials.blocks[candidate * potentials.trials + trial]
      guard sum > 0 else { continue }
      if block >= 0 { before += potentials.blocks[block * potentials.trials + trial] }
      block = candidate
      if before + sum > target { break }
    }
    let tiles = blockShards[block]
    let rows = sweep.rows(of: tiles)
    let folded = RowStorage<Float>(rows: Sweep.blockRows, repeating: 0)
    folded.base.update(from: nearest.base + rows.lowerBound, count: rows.count)
    var unused = 0.0
    StrictLoops.seed(
      sweep.matrix, tiles: tiles, chosen: sweep.matrix.row(pending), candidates: nil, trials: 0,
      nearest: folded.base, weights: nil, sums: &unused)
    var sum = before
    var last = rows.lowerBound
    for row in rows {
      let weight = sweep.weights?.storage.base[row] ?? 1
      let share = weight * Double(folded.base[row - rows.lowerBound])
      guard share > 0 else { continue }
      sum += share
      last = row
      if sum > target { break }
    }
    return last
  }
}
