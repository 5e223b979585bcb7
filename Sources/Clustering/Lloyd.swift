import Kernels
import Sharding

/// One run of Lloyd's iterations from given centroids (all in the matrix's centred space).
///
/// The steps are those of scikit-learn's `_kmeans_single_lloyd`. The sums behind the centroids change
/// only for points that changed label; they are taken in full while many do, every
/// ``fullSumInterval`` iterations and at the end, so that rounding cannot creep and the final centroids
/// are those of one full Double pass.
///
/// Cost per iteration: one read of the matrix, O(n·k·d) operations, O(shards·k·d) memory.
struct Lloyd {
  static let fullSumInterval = 32

  let sweep: Sweep
  let k: Int
  let maxIterations: Int
  /// On Σ‖Δcentroid‖².
  let shiftTolerance: Double

  private let labels: StoredLabels
  private var sums: [Double]
  private var clusterWeights: [Double]
  /// Per shard: k·d sums, k weights.
  private let partials: RowStorage<Double>
  private var policy: BoundsPolicy
  private(set) var relocations = 0
  private(set) var rechecked = 0
  private(set) var assigned = 0

  /// Share of the rows that must change label for sums of all to cost less than moving those:
  /// (k + 2)·d eight-lane operations in four cycles a tile, against some 20 cycles a moved point;
  /// nil where all are summed point by point, too.
  private var wholeShare: Double? {
    let d = sweep.matrix.columns
    guard sweep.weights == nil, StrictLoops.sumsAreDense(columns: d, k: k) else { return nil }
    return Double((k + 2) * d) / 320
  }

  /// Final centroids and what follows from them.
  struct Outcome {
    /// Centred.
    var centroids: [Double]
    var labels: RowStorage<Int32>
    /// Nil unless asked for.
    var distances: RowStorage<Float>?
    var inertia: Double
    var sizes: [Int]
    var clusterWeights: [Double]
    var iterations = 0
    var status = KMeansStatus.labelsStable
  }

  init(
    _ sweep: Sweep, k: Int, maxIterations: Int, shiftTolerance: Double,
    algorithm: KMeansConfiguration.Algorithm = .automatic
  ) {
    self.sweep = sweep
    self.k = k
    self.maxIterations = maxIterations
    self.shiftTolerance = shiftTolerance
    policy = BoundsPolicy(sweep, clusters: k, algorithm)
    let d = sweep.matrix.columns
    labels = StoredLabels(rows: sweep.matrix.rows, clusters: k)
    sums = [Double](repeating: 0, count: k * d)
    clusterWeights = [Double](repeating: 0, count: k)
    partials = RowStorage(rows: sweep.shards.count * (k * d + k), repeating: 0)
  }

  /// - Parameter distances: Whether to compute each row's.
  mutating func run(
    from start: [Double], distances: Bool,
    _ progress: (_ iteration: Int, _ changed: Int, _ shift: Double) -> Void
  ) throws -> Outcome {
    let d = sweep.matrix.columns
    var centroids = start
    /// What the labels were computed from.
    var assignedTo = start
    var status = KMeansStatus.iterationLimit
    var iterations = 0
    var hasFullSums = false
    var lastShare: Double?
    var seen: Set<UInt64> = [Self.fingerprint(start)]
    while iterations < maxIterations {
      iterations += 1
      assignedTo = centroids
      var taking = StrictLoops.Taking.changed
      if iterations == maxIterations || iterations % Self.fullSumInterval == 1
        || lastShare ?? 1 > wholeShare ?? .infinity
      {
        taking = .all
      }
      if iterations == 1 { taking = .first }
      let usesBounds = policy.usesBounds(changed: lastShare)
      let changed = try assignAndUpdate(centroids, taking: taking, usesBounds: usesBounds)
      lastShare = Double(changed) / Double(sweep.matrix.rows)
      hasFullSums = taking != .changed
      if needsFullSums { try recomputeSums() }
      centroids = try means(assignedTo: assignedTo)
      var shift = 0.0
      for i in 0..<k * d {
        let difference = centroids[i] - assignedTo[i]
        shift += difference * difference
      }
      progress(iterations, changed, shift)
      if changed == 0 {
        status = .labelsStable
        break
      }
      if shift <= shiftTolerance {
        status = .centroidsStable
        break
      }
      if !seen.insert(Self.fingerprint(centroids)).inserted {
        status = .cycle
        break
      }
    }
    if !hasFullSums {
      // The same means; their relocations are counted already.
      let counted = relocations
      try recomputeSums()
      centroids = try means(assignedTo: assignedTo)
      relocations = counted
    }
    var outcome = try settle(centroids, distances: distances)
    outcome.iterations = iterations
    outcome.status = status
    return outcome
  }

  /// E step fused with the update of the sums. Returns how many labels changed.
  ///
  /// - Parameters:
  ///   - taking: Which points go into the sums.
  ///   - usesBounds: Groups of centroids that cannot be nearest are left out.
  private mutating func assignAndUpdate(
    _ centroids: [Double], taking: StrictLoops.Taking, usesBounds: Bool
  ) throws -> Int {
    let (sweep, labels, k) = (self.sweep, self.labels, self.k)
    let (matrix, kernel) = (sweep.matrix, sweep.kernel)
    let d = matrix.columns
    let pack = kernel.pack(centroids, columns: d)
    let bounds = usesBounds ? policy.bounds : nil
    bounds?.move(to: pack)
    let findsByTile = bounds == nil && kernel.worksByTile
    let counts = try forEachShard(bounds, wholeShards: !findsByTile) { partial, memory, tiles in
      var result = PassCounts()
      let fresh = memory.labels.base
      if let bounds, let scratch = memory.bounds, let previous = memory.previous {
        labels.copy(sweep.rows(of: tiles), to: previous.base)
        let found = bounds.assign(
          matrix, to: pack, tiles: tiles, previous: previous.base, labels: fresh,
          scratch: scratch)
        (result.rechecked, result.scored) = found
      } else if !findsByTile {
        result.rechecked = kernel.assign(
          matrix, to: pack, tiles: tiles, labels: fresh, scratch: memory.kernel)
      }
      let pass = StrictLoops.pass(
        matrix, pack, kernel: findsByTile ? kernel : nil, tiles: tiles, fresh: fresh,
        labels: labels, taking: taking, weights: sweep.weights(from: tiles.lowerBound),
        sums: partial, clusterWeights: partial + k * d)
      result.changed = pass.changed
      result.rechecked += pass.rechecked
      return result
    }
    if taking != .changed { clearSums() }
    merge { taking != .changed || counts[$0].changed > 0 }
    rechecked += counts.reduce(0) { $0 + $1.rechecked }
    assigned += matrix.rows
    if let bounds {
      policy.learn(
        scored: counts.reduce(0) { $0 + $1.scored }, of: bounds.scoresWithoutBounds(matrix))
    }
    return counts.reduce(0) { $0 + $1.changed }
  }

  /// What one shard's pass counted.
  private struct PassCounts: BitwiseCopyable {
    var changed = 0
    var rechecked = 0
    var scored = 0
  }

  /// What one thread's passes reuse.
  private struct ThreadMemory {
    let labels: RowStorage<Int32>
    let kernel: KernelScratch
    /// A shard's labels of the last pass, for bounds.
    let previous: RowStorage<Int32>?
    let bounds: CentroidBounds.Scratch?
  }

  /// Share of the scores that bounds left out of all that plain passes would have taken.
  var skippedShare: Double {
    guard policy.offered > 0 else { return 0 }
    return 1 - Double(policy.scored) / Double(policy.offered)
  }

  private mutating func clearSums() {
    for i in sums.indices { sums[i] = 0 }
    for j in clusterWeights.indices { clusterWeights[j] = 0 }
  }

  /// Sums of the current labels from nothing.
  private mutating func recomputeSums() throws {
    let (sweep, labels, k) = (self.sweep, self.labels, self.k)
    let matrix = sweep.matrix
    _ = try forEachShard(nil, wholeShards: true) { partial, memory, tiles in
      labels.copy(sweep.rows(of: tiles), to: memory.labels.base)
      StrictLoops.sum(
        matrix, clusters: k, tiles: tiles, labels: memory.labels.base,
        weights: sweep.weights(from: tiles.lowerBound), sums: partial,
        clusterWeights: partial + k * matrix.columns)
      return PassCounts()
    }
    clearSums()
    merge { _ in true }
  }

  /// Runs `body` on every shard with its zeroed partial sums and the thread's memory.
  ///
  /// - Parameter wholeShards: The memory has room for a shard's labels, not for a few tiles' only.
  private func forEachShard(
    _ bounds: CentroidBounds?, wholeShards: Bool,
    _ body:
      @Sendable (
        _ partial: UnsafeMutablePointer<Double>, _ memory: ThreadMemory, _ tiles: Range<Int>
      ) -> PassCounts
  ) throws -> [PassCounts] {
    let (sweep, partials, k) = (self.sweep, self.partials, self.k)
    let size = k * sweep.matrix.columns + k
    let results = RowStorage<PassCounts>(rows: sweep.shards.count, repeating: PassCounts())
    try sweep.workers.forEach(
      sweep.shards.count,
      scratch: {
        ThreadMemory(
          labels: RowStorage<Int32>(
            rows: wholeShards
              ? sweep.shards.rowsPerShard * FeatureMatrix.tileRows : StrictLoops.passRows,
            repeating: 0),
          kernel: sweep.kernel.scratch(columns: sweep.matrix.columns, k: k),
          previous: bounds.map { _ in
            RowStorage<Int32>(
              rows: sweep.shards.rowsPerShard * FeatureMatrix.tileRows, repeating: 0)
          },
          bounds: bounds.map(CentroidBounds.Scratch.init))
      },
      { memory, shard in
        let partial = partials.base + shard * size
        partial.update(repeating: 0, count: size)
        results.base[shard] = body(partial, memory, sweep.shards[shard])
      })
    return results.array
  }

  /// Adds the shards' partial sums, in shard order.
  private mutating func merge(_ matters: (Int) -> Bool) {
    let d = sweep.matrix.columns
    let size = k * d + k
    for shard in 0..<sweep.shards.count where matters(shard) {
      let partial = partials.base + shard * size
      sums.withUnsafeMutableBufferPointer { sums in
        for i in 0..<k * d { sums[i] += partial[i] }
      }
      for j in 0..<k { clusterWeights[j] += partial[k * d + j] }
    }
  }

  /// With fractional weights an emptied cluster may keep a rounding's worth of weight; only full
  /// sums tell it from a light one.
  private var needsFullSums: Bool {
    guard let weights = sweep.weights else { return false }
    let negligible = 1e-6 * weights.total / Double(k)
    return clusterWeights.contains { $0 < negligible && $0 != 0 }
  }

  /// M step: the means; an empty cluster takes the farthest point from its cluster.
  private mutating func means(assignedTo: [Double]) throws -> [Double] {
    let d = sweep.matrix.columns
    var sums = self.sums
    var clusterWeights = self.clusterWeights
    let empty = (0..<k).filter { clusterWeights[$0] <= 0 }
    if !empty.isEmpty {
      let current = RowStorage<Int32>(rows: sweep.matrix.rows, repeating: 0)
      labels.copy(0..<sweep.matrix.rows, to: current.base)
      let far = try farthestRows(
        empty.count, labels: current, from: assignedTo, leaving: clusterWeights)
      for (j, row) in zip(empty, far) {
        let from = labels[row]
        let weight = sweep.weights?.storage.base[row] ?? 1
        for i in 0..<d {
          let value = weight * Double(sweep.matrix[row, i])
          sums[from * d + i] -= value
          sums[j * d + i] = value
        }
        clusterWeights[from] -= weight
        clusterWeights[j] = weight
        relocations += 1
      }
    }
    var centroids = assignedTo
    for j in 0..<k where clusterWeights[j] > 0 {
      for i in 0..<d { centroids[j * d + i] = sums[j * d + i] / clusterWeights[j] }
    }
    return centroids
  }

  /// Labels, distances and inertia for final centroids. While a cluster is empty, it moves onto the
  /// farthest point and all points are assigned again; inertia falls each time, so this ends.
  ///
  /// - Parameter distances: Whether to compute each row's.
  mutating func settle(_ start: [Double], distances: Bool) throws -> Outcome {
    let d = sweep.matrix.columns
    var centroids = start
    while true {
      let outcome = try conclude(centroids, distances: distances)
      let empty = (0..<k).filter { outcome.clusterWeights[$0] == 0 }
      if empty.isEmpty { return outcome }
      let far = try farthestRows(
        empty.count, labels: outcome.labels, from: centroids, leaving: nil)
      guard !far.isEmpty else {
        throw ClusteringError.tooFewDistinctRows(clusters: k, largest: k - empty.count)
      }
      for (j, row) in zip(empty, far) {
        for i in 0..<d { centroids[j * d + i] = Double(sweep.matrix[row, i]) }
        relocations += 1
      }
    }
  }

  /// The last E step, with all that is reported of it, in one pass.
  private mutating func conclude(_ centroids: [Double], distances: Bool) throws -> Outcome {
    let (sweep, k) = (self.sweep, self.k)
    let pack = sweep.kernel.pack(centroids, columns: sweep.matrix.columns)
    let rows = sweep.matrix.rows
    let labels = RowStorage<Int32>(uninitialized: rows)
    try labels.populate(sweep.workers)
    let distances = distances ? RowStorage<Float>(uninitialized: rows) : nil
    try distances?.populate(sweep.workers)
    let parts = try sweep.workers.map(sweep.shards.count) {
      Conclusion(sweep, k, pack, shard: $0, labels: labels.base, distances: distances?.base)
    }
    rechecked += parts.reduce(0) { $0 + $1.rechecked }
    assigned += rows
    return Outcome(
      centroids: centroids, labels: labels, distances: distances,
      inertia: parts.reduce(0) { $0 + $1.inertia },
      sizes: (0..<k).map { j in parts.reduce(0) { $0 + $1.sizes[j] } },
      clusterWeights: (0..<k).map { j in parts.reduce(0) { $0 + $1.weights[j] } })
  }

  /// One shard's part of ``conclude(_:)``.
  private struct Conclusion: Sendable {
    var inertia = 0.0
    var sizes: [Int] = []
    var weights: [Double]
    var rechecked = 0

    init(
      _ sweep: Sweep, _ k: Int, _ pack: CentroidPack, shard: Int,
      labels: UnsafeMutablePointer<Int32>, distances: UnsafeMutablePointer<Float>?
    ) {
      var counts = [Int64](repeating: 0, count: k)
      weights = [Double](repeating: 0, count: k)
      let squared = RowStorage<Double>(uninitialized: Sweep.blockRows)
      let scratch = sweep.kernel.scratch(columns: sweep.matrix.columns, k: k)
      Sweep.forEachBlock(sweep.shards[shard]) { block in
        let rows = sweep.rows(of: block)
        let own = labels + rows.lowerBound
        rechecked += sweep.kernel.assign(
          sweep.matrix, to: pack, tiles: block, labels: own, scratch: scratch)
        StrictLoops.distances(sweep.matrix, pack, tiles: block, labels: own, out: squared.base)
        inertia += StrictLoops.conclude(
          rows: rows.count, clusters: k, squared: squared.base, labels: own,
          weights: sweep.weights(from: block.lowerBound),
          distances: distances.map { $0 + rows.lowerBound }, sizes: &counts,
          clusterWeights: &weights)
      }
      sizes = counts.map(Int.init)
      if sweep.weights == nil { weights = counts.map(Double.init) }
    }
  }

  /// At most `count` rows of positive weight and distance, no two alike, by distance to their
  /// centroid descending, then index ascending.
  ///
  /// - Parameters:
  ///   - labels: Of all rows.
  ///   - leaving: When given, the clusters' weights: no cluster gives its last row.
  private func farthestRows(
    _ count: Int, labels: RowStorage<Int32>, from centroids: [Double],
    leaving clusterWeights: [Double]?
  ) throws -> [Int] {
    let sweep = self.sweep
    let (matrix, weights) = (sweep.matrix, sweep.weights)
    let pack = sweep.kernel.pack(centroids, columns: matrix.columns)
    // Padding lanes have distances too, which no one reads, to whatever centroid.
    let padded = matrix.tileCount * FeatureMatrix.tileRows
    (labels.base + matrix.rows).update(repeating: 0, count: padded - matrix.rows)
    let distances = RowStorage<Double>(rows: matrix.rows, repeating: 0)
    try sweep.inertia(pack, labels: labels) { rows, squared in
      for row in rows {
        let counts = weights.map { $0.storage.base[row] > 0 } ?? true
        distances.base[row] = counts ? squared[row - rows.lowerBound] : 0
      }
    }
    var remaining = clusterWeights
    var found: [Int] = []
    while found.count < count {
      let best = try sweep.workers.map(sweep.shards.count) { shard -> (Int, Double) in
        var best = (-1, 0.0)
        for row in sweep.rows(of: sweep.shards[shard]) where distances.base[row] > best.1 {
          best = (row, distances.base[row])
        }
        return best
      }
      var (row, distance) = (-1, 0.0)
      for candidate in best where candidate.1 > distance { (row, distance) = candidate }
      guard row >= 0 else { break }
      let label = labels.base[row]
      let values = matrix.row(row)
      // Copies of the row are at the same distance: one centroid there is enough.
      let (bound, chosen) = (distance, row)
      try sweep.workers.forEach(sweep.shards.count) { shard in
        for row in sweep.rows(of: sweep.shards[shard])
        where distances.base[row] == bound && labels.base[row] == label
          && (row == chosen || matrix.row(row) == values)
        {
          distances.base[row] = 0
        }
      }
      if remaining != nil {
        let weight = weights?.storage.base[row] ?? 1
        guard remaining![Int(label)] - weight > 0 else { continue }
        remaining![Int(label)] -= weight
      }
      found.append(row)
    }
    return found
  }

  private static func fingerprint(_ centroids: [Double]) -> UInt64 {
    var hash: UInt64 = 0
    for value in centroids { hash = CounterBasedRandom.mix(hash &+ value.bitPattern &+ 1) }
    return hash
  }
}
