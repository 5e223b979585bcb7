import CKernels

/// Loops whose results reach the model: the same bits on every instruction set. `level` only picks
/// the code path: 0 = baseline, 2 = AVX2, 3 = AVX-512.
package enum StrictLoops {
  /// Trials that one ``seed`` pass takes at most.
  package static let trialLimit = Int(TRANCHE_TRIALS)

  /// Double squared distances to the nearest and second-nearest centroid, and the nearest's label.
  /// Outputs hold `tileRows` entries per tile, from the range's first on; `second` is +∞ for k = 1.
  /// Each centroid's price (k; nil: none) is added to its squared distances.
  package static func nearestTwo(
    _ matrix: FeatureMatrix, _ pack: CentroidPack, prices: [Double]? = nil, tiles: Range<Int>,
    labels: UnsafeMutablePointer<Int32>, nearest: UnsafeMutablePointer<Double>,
    second: UnsafeMutablePointer<Double>,
    level: Int32 = KernelSet.strictLevel
  ) {
    precondition(
      tiles.upperBound <= matrix.tileCount && (prices.map { $0.count == pack.k } ?? true))
    withExtendedLifetime((matrix, pack)) {
      withUnsafePointer(to: pack.problem(matrix)) { problem in
        func assign(_ prices: UnsafePointer<Double>?) {
          tranche_exact_assign(
            level, problem, prices, Int64(tiles.lowerBound), Int64(tiles.upperBound), labels,
            nearest, second)
        }
        if let prices { assign(prices) } else { assign(nil) }
      }
    }
  }

  /// Double squared distances to the centroid that each label names; `labels` and `out` from the
  /// range's first tile on. Lanes past the rows need a label in 0..<k too.
  package static func distances(
    _ matrix: FeatureMatrix, _ pack: CentroidPack, tiles: Range<Int>,
    labels: UnsafePointer<Int32>, out: UnsafeMutablePointer<Double>,
    level: Int32 = KernelSet.strictLevel
  ) {
    precondition(tiles.upperBound <= matrix.tileCount && matrix.columns == pack.columns)
    withExtendedLifetime((matrix, pack)) {
      tranche_distances(
        level, matrix.tiles, Int64(matrix.columns), Int64(tiles.lowerBound),
        Int64(tiles.upperBound), pack.exact, Int64(pack.k), labels, out)
    }
  }

  /// One pass of k-means++: folds `chosen` into `nearest`, then sums weight · min(nearest, distance²)
  /// for each candidate. `nearest` and `weights` from the range's first tile on; lanes past the rows
  /// hold 0 in `nearest`.
  package static func seed(
    _ matrix: FeatureMatrix, tiles: Range<Int>, chosen: UnsafePointer<Float>?,
    candidates: UnsafePointer<Float>?, trials: Int, nearest: UnsafeMutablePointer<Float>,
    weights: UnsafePointer<Double>?, sums: UnsafeMutablePointer<Double>,
    level: Int32 = KernelSet.strictLevel
  ) {
    precondition(trials <= trialLimit && tiles.upperBound <= matrix.tileCount)
    withExtendedLifetime(matrix) {
      tranche_seed(
        level, matrix.tiles, Int64(matrix.columns), Int64(tiles.lowerBound),
        Int64(tiles.upperBound), chosen, candidates, Int64(trials), nearest, weights, sums)
    }
  }

  /// How ``pass(_:_:kernel:tiles:fresh:labels:taking:weights:sums:clusterWeights:level:)`` takes
  /// points into the sums.
  package enum Taking: Sendable {
    /// All of them; there are no labels yet.
    case first
    /// All of them.
    case all
    /// Those with a new label: out of their old cluster's sums, into their new one's.
    case changed

    fileprivate var mode: Int32 {
      switch self {
      case .first: Int32(TRANCHE_PASS_FIRST)
      case .all: Int32(TRANCHE_PASS_ALL)
      case .changed: Int32(TRANCHE_PASS_CHANGED)
      }
    }
  }

  /// Entries of `fresh` that a pass with a kernel needs.
  package static let passRows = Int(TRANCHE_PASS_TILES) * FeatureMatrix.tileRows

  /// Whether sums of all points of this shape are taken tile by tile, without a branch per point.
  package static func sumsAreDense(columns d: Int, k: Int) -> Bool {
    tranche_sums_are_dense(Int64(d), Int64(k)) != 0
  }

  /// A shard's part of an iteration: labels, and what they do to the sums.
  ///
  /// The sums depend on the tiles and on `taking`, not on who found the labels.
  ///
  /// - Parameters:
  ///   - kernel: A fused set that finds the labels tile by tile; nil: they are in `fresh`.
  ///   - fresh: Room for ``passRows`` labels, or those of the range's first tile on.
  ///   - labels: Where labels are kept, and were last time.
  ///   - sums: k × d, added to, as is `clusterWeights` (k).
  /// - Returns: How many labels are new, and how many points were decided in Double.
  package static func pass(
    _ matrix: FeatureMatrix, _ pack: CentroidPack, kernel: KernelSet?, tiles: Range<Int>,
    fresh: UnsafeMutablePointer<Int32>, labels: StoredLabels, taking: Taking,
    weights: UnsafePointer<Double>?, sums: UnsafeMutablePointer<Double>,
    clusterWeights: UnsafeMutablePointer<Double>, level: Int32 = KernelSet.strictLevel
  ) -> (changed: Int, rechecked: Int) {
    precondition(tiles.upperBound <= matrix.tileCount && labels.rows >= matrix.rows)
    precondition(kernel == nil || kernel?.tileFunction != nil)
    var state = tranche_pass_state(
      assign: kernel?.tileFunction?.call, fresh: fresh,
      labels: labels.base + tiles.lowerBound * FeatureMatrix.tileRows * labels.bytes,
      label_bytes: Int32(labels.bytes), mode: taking.mode, weights: weights, sums: sums,
      cluster_weights: clusterWeights, changed: 0, rechecked: 0)
    withExtendedLifetime((matrix, pack, labels)) {
      withUnsafePointer(to: pack.problem(matrix)) {
        tranche_pass(level, $0, Int64(tiles.lowerBound), Int64(tiles.upperBound), &state)
      }
    }
    return (Int(state.changed), Int(state.rechecked))
  }

  /// Adds weight · row of the rows of `tiles` to the sums (k × d) and weights (k) of their clusters,
  /// as a pass that takes all does. `labels` from the range's first tile on.
  package static func sum(
    _ matrix: FeatureMatrix, clusters k: Int, tiles: Range<Int>, labels: UnsafePointer<Int32>,
    weights: UnsafePointer<Double>?, sums: UnsafeMutablePointer<Double>,
    clusterWeights: UnsafeMutablePointer<Double>, level: Int32 = KernelSet.strictLevel
  ) {
    precondition(tiles.upperBound <= matrix.tileCount)
    var problem = tranche_problem()
    (problem.x, problem.rows) = (UnsafePointer(matrix.tiles), Int64(matrix.rows))
    (problem.d, problem.k) = (Int64(matrix.columns), Int64(k))
    // Without a kernel, `fresh` is only read.
    var state = tranche_pass_state(
      assign: nil, fresh: UnsafeMutablePointer(mutating: labels), labels: nil, label_bytes: 4,
      mode: Taking.first.mode, weights: weights, sums: sums, cluster_weights: clusterWeights,
      changed: 0, rechecked: 0)
    withExtendedLifetime(matrix) {
      tranche_pass(level, &problem, Int64(tiles.lowerBound), Int64(tiles.upperBound), &state)
    }
  }

  /// Euclidean distances (where asked for), cluster sizes and weights of rows whose squared distances and labels (all
  /// in 0..<k) are known; sizes and weights are added to. Without `weights`, `clusterWeights` is not
  /// touched.
  ///
  /// - Returns: Σ weight · squared, in 16 lanes of rows.
  package static func conclude(
    rows: Int, clusters k: Int, squared: UnsafePointer<Double>, labels: UnsafePointer<Int32>,
    weights: UnsafePointer<Double>?, distances: UnsafeMutablePointer<Float>?,
    sizes: UnsafeMutablePointer<Int64>, clusterWeights: UnsafeMutablePointer<Double>,
    level: Int32 = KernelSet.strictLevel
  ) -> Double {
    tranche_conclude(
      level, squared, labels, weights, Int64(rows), Int64(k), distances, sizes, clusterWeights)
  }

  /// Sums of the columns of row-major values (rows × d), in 16 lanes of rows.
  package static func columnSums(
    ofRows values: UnsafeBufferPointer<Float>, columns d: Int,
    level: Int32 = KernelSet.strictLevel
  ) -> [Double] {
    precondition(d >= 1 && values.count % d == 0)
    guard let base = values.baseAddress else { return [Double](repeating: 0, count: d) }
    var lanes = [Double](repeating: 0, count: 16 * d)
    return [Double](unsafeUninitializedCapacity: d) { sums, count in
      tranche_row_sums(
        level, base, Int64(values.count / d), Int64(d), &lanes, sums.baseAddress!)
      count = d
    }
  }

  /// Per cluster c and point p of `tile`: `sums[c * tileRows + p]` = Σ of Euclidean distances to the
  /// samples of c. `samples` are row-major, sorted by cluster: c's are `offsets[c]..<offsets[c + 1]`.
  package static func clusterDistances(
    _ matrix: FeatureMatrix, tile: Int, samples: UnsafePointer<Float>,
    offsets: UnsafePointer<Int64>, clusters: Int, sums: UnsafeMutablePointer<Double>,
    level: Int32 = KernelSet.strictLevel
  ) {
    precondition(tile < matrix.tileCount)
    withExtendedLifetime(matrix) {
      tranche_cluster_distances(
        level, matrix.tiles + tile * matrix.columns * FeatureMatrix.tileRows,
        Int64(matrix.columns), samples, offsets, Int64(clusters), sums)
    }
  }
}
