import Kernels
import Sharding

/// K-Means whose clusters keep limits on their sizes.
///
/// From the plain fit's centroids, in turn: the cheapest assignment that keeps the limits
/// (``TransportFlow``, exact on all rows), then the means of its clusters, until no label changes or
/// the centroids stand still. The last assignment's prices are part of the result: with them every
/// row finds its label by itself (``PowerDiagram``), so later rows are labelled by the same rule.
///
/// Cost: O(n·k·d) a pass; a pass or two for an iteration, since the prices of the iteration before
/// leave few rows to move. The first prices come from a sample. 12 bytes a row beside the matrix.
///
/// Source: Bradley, Bennett & Demiriz, "Constrained K-Means Clustering", MSR-TR-2000-65.
package struct LimitedKMeans {
  package struct Result: Sendable {
    package var fit: KMeansResult
    /// k: the further coordinate of each centroid.
    package var heights: [Double]
  }

  private let matrix: FeatureMatrix
  private let k: Int
  private let limits: SizeLimits
  private let workers: Workers
  private let labels: RowStorage<Int32>
  /// Of the last pass: each row's cheapest cluster, and how much more the next one costs.
  private let fresh: RowStorage<Int32>
  private let gaps: RowStorage<Float>

  private static let sampleRows = 16_384
  private static let shardTiles = 128
  /// Candidates beside those for rows that must move: prices are centred between them.
  private static let fewestCandidates = 256

  /// - Throws: ``ClusteringError/sizeLimits(size:least:most:)`` where rows that are alike cannot be
  ///   told apart and so keep a cluster out of its limits.
  package static func fit(
    _ matrix: FeatureMatrix, configuration: KMeansConfiguration, limits: SizeLimits,
    workers: Workers = Workers(), progress: (KMeansProgress) -> Void = { _ in }
  ) throws -> Result {
    let clock = ContinuousClock()
    var plain = try KMeans.fit(
      matrix, configuration: configuration, workers: workers, progress: progress)
    let began = clock.now
    let sweep = try KMeans.makeSweep(matrix, weights: nil, configuration, workers)
    let tolerance =
      configuration.tolerance == 0
      ? 0 : configuration.tolerance * (try sweep.meanVariance())
    let work = LimitedKMeans(
      matrix: matrix, k: configuration.clusterCount, limits: limits, workers: workers,
      labels: RowStorage(rows: matrix.rows, repeating: -1))
    var centroids = try KMeans.centred(plain.centroids, k: work.k, matrix)
    var prices = try work.samplePrices(centroids, seed: configuration.seed)
    var status = KMeansStatus.iterationLimit
    var iterations = 0
    while iterations < configuration.maxIterations {
      try workers.cancellation.check()
      iterations += 1
      let step = try work.assign(centroids, prices)
      prices = step.flow.prices
      let means = try work.means(instead: centroids)
      var shift = 0.0
      for i in centroids.indices {
        let difference = means[i] - centroids[i]
        shift += difference * difference
      }
      centroids = means
      progress(
        KMeansProgress(restart: 0, iteration: iterations, changed: step.changed, shift: shift))
      if step.changed == 0 || shift <= tolerance {
        status = step.changed == 0 ? .labelsStable : .centroidsStable
        break
      }
    }
    var last = try work.assign(centroids, prices).flow
    prices = last.centredPrices()
    var original = centroids
    for i in original.indices { original[i] += matrix.centers[i % matrix.columns] }
    let heights = PowerDiagram.heights(prices: prices)
    let outcome = try work.conclude(original, heights, kernel: configuration.kernel)
    plain.centroids = original
    plain.rows = outcome.rows
    plain.inertia = outcome.inertia
    plain.iterations += iterations
    plain.status = status
    plain.sizes = outcome.sizes
    plain.seconds.iterate += (clock.now - began) / .seconds(1)
    return Result(fit: plain, heights: heights)
  }

  private init(
    matrix: FeatureMatrix, k: Int, limits: SizeLimits, workers: Workers,
    labels: RowStorage<Int32>
  ) {
    self.matrix = matrix
    self.k = k
    self.limits = limits
    self.workers = workers
    self.labels = labels
    fresh = RowStorage(uninitialized: matrix.rows)
    gaps = RowStorage(uninitialized: matrix.rows)
  }

  /// Prices that keep the limits on a sample.
  private func samplePrices(_ centroids: [Double], seed: UInt64) throws -> [Double] {
    let none = [Double](repeating: 0, count: k)
    guard matrix.rows >= 4 * Self.sampleRows else { return none }
    let random = CounterBasedRandom(seed: seed, purpose: .init("size limits"))
    let threshold = Double(Self.sampleRows) / Double(matrix.rows)
    let rows = (0..<matrix.rows).filter { random.unit(at: $0) < threshold }
    guard rows.count >= k else { return none }
    let sample = LimitedKMeans(
      matrix: matrix.rows(rows), k: k, limits: limits.scaled(from: matrix.rows, to: rows.count),
      workers: workers, labels: RowStorage(rows: rows.count, repeating: -1))
    return try sample.assign(centroids, none).flow.prices
  }

  /// Labels of the cheapest assignment within the limits.
  ///
  /// Only the rows nearest to a boundary become candidates, some times as many as must move.
  private func assign(
    _ centroids: [Double], _ start: [Double]
  ) throws -> (flow: TransportFlow, changed: Int) {
    var prices = start
    var share = 16
    while true {
      try workers.cancellation.check()
      let sizes = try pass(centroids, prices)
      let excess = zip(sizes, TransportFlow.outflow(sizes, prices, limits)).reduce(0) {
        $0 + abs($1.0 - $1.1)
      }
      let reach = reach(candidates: share * (excess + Self.fewestCandidates))
      let parts = try candidates(centroids, within: reach)
      let rows = parts.flatMap(\.rows)
      var flow = TransportFlow(
        costs: parts.flatMap(\.costs), labels: rows.map { fresh.base[$0] }, sizes: sizes,
        prices: prices, reach: Double(reach), limits: limits)
      guard flow.solve() else {
        // What was found is a better start; the boundary is looked at more widely.
        prices = flow.prices
        share *= 4
        continue
      }
      var changed = parts.reduce(0) { $0 + $1.changed }
      for (candidate, row) in rows.enumerated() {
        if labels.base[row] != flow.labels[candidate] { changed += 1 }
        labels.base[row] = flow.labels[candidate]
      }
      return (flow, changed)
    }
  }

  /// Each row's cheapest cluster and how much more the next one costs. Returns the sizes.
  private func pass(_ centroids: [Double], _ prices: [Double]) throws -> [Int] {
    let (matrix, k, fresh, gaps) = (self.matrix, self.k, self.fresh, self.gaps)
    let pack = KernelSet.generic.pack(centroids, columns: matrix.columns)
    let parts = try workers.map(shards.count) { shard in
      var sizes = [Int](repeating: 0, count: k)
      let costs = RowStorage<Double>(uninitialized: 2 * Sweep.blockRows)
      let (nearest, second) = (costs.base, costs.base + Sweep.blockRows)
      Sweep.forEachBlock(shards[shard]) { tiles in
        let rows = rows(of: tiles)
        let own = fresh.base + rows.lowerBound
        StrictLoops.nearestTwo(
          matrix, pack, prices: prices, tiles: tiles, labels: own, nearest: nearest,
          second: second)
        for at in 0..<rows.count {
          sizes[Int(own[at])] += 1
          gaps.base[rows.lowerBound + at] = Float(second[at] - nearest[at])
        }
      }
      return sizes
    }
    return (0..<k).map { j in parts.reduce(0) { $0 + $1[j] } }
  }

  /// A gap within which about so many rows lie, by a sample of them.
  private func reach(candidates count: Int) -> Float {
    guard matrix.rows > 4 * Self.sampleRows, count < matrix.rows else { return .infinity }
    let step = matrix.rows / (4 * Self.sampleRows)
    let sample = stride(from: 0, to: matrix.rows, by: step).map { gaps.base[$0] }.sorted()
    return sample[min(sample.count - 1, count / step)]
  }

  /// One shard's candidates.
  private struct Part: Sendable {
    var rows: [Int] = []
    /// k a row.
    var costs: [Double] = []
    /// Other rows whose label is not the one of the pass before.
    var changed = 0
  }

  /// The rows whose gap is within the reach; all others take their labels.
  ///
  /// A gap rounded to Float is above the reach, itself a Float, only where the gap is.
  private func candidates(_ centroids: [Double], within reach: Float) throws -> [Part] {
    let (matrix, k) = (self.matrix, self.k)
    let (labels, fresh, gaps) = (self.labels, self.fresh, self.gaps)
    return try workers.map(shards.count) { shard in
      var part = Part()
      for row in rows(of: shards[shard]) {
        if gaps.base[row] <= reach {
          part.rows.append(row)
          ClusterMeans.forEachRow(matrix, row..<row + 1) { _, values in
            for j in 0..<k {
              part.costs.append(Self.squared(values, centroids, j, matrix.columns))
            }
          }
        } else if labels.base[row] != fresh.base[row] {
          part.changed += 1
          labels.base[row] = fresh.base[row]
        }
      }
      return part
    }
  }

  @inline(__always)
  private static func squared(
    _ values: UnsafePointer<Float>, _ centroids: [Double], _ j: Int, _ d: Int
  ) -> Double {
    var sum = 0.0
    for i in 0..<d {
      let difference = Double(values[i * FeatureMatrix.tileRows]) - centroids[j * d + i]
      sum += difference * difference
    }
    return sum
  }

  /// Means of the labelled rows; an empty cluster keeps its centroid.
  private func means(instead centroids: [Double]) throws -> [Double] {
    let (matrix, k, labels) = (self.matrix, self.k, self.labels)
    let d = matrix.columns
    let parts = try workers.map(shards.count) { shard in
      let tiles = shards[shard]
      return [Double](unsafeUninitializedCapacity: k * d + k) { sums, count in
        sums.initialize(repeating: 0)
        let base = sums.baseAddress!
        StrictLoops.sum(
          matrix, clusters: k, tiles: tiles, labels: labels.base + rows(of: tiles).lowerBound,
          weights: nil, sums: base, clusterWeights: base + k * d)
        count = k * d + k
      }
    }
    var sums = [Double](repeating: 0, count: k * d + k)
    for part in parts {
      for i in sums.indices { sums[i] += part[i] }
    }
    return centroids.indices.map { i in
      let size = sums[k * d + i / d]
      return size > 0 ? sums[i] / size : centroids[i]
    }
  }

  /// In tiles.
  private var shards: Shards { Shards(rows: matrix.tileCount, rowsPerShard: Self.shardTiles) }

  private func rows(of tiles: Range<Int>) -> Range<Int> {
    let start = tiles.lowerBound * FeatureMatrix.tileRows
    return start..<min(tiles.upperBound * FeatureMatrix.tileRows, matrix.rows)
  }

  /// Labels by the saved rule, checked against the limits.
  private func conclude(
    _ centroids: [Double], _ heights: [Double], kernel: String?
  ) throws -> (rows: RowResults, sizes: [Int], inertia: Double) {
    let d = matrix.columns
    let lifted = try PowerDiagram.lifted(matrix, workers: workers)
    let result = try PowerDiagram(
      centroids: centroids, columns: d, heights: heights, kernel: kernel, workers: workers
    ).assign(lifted)
    var sizes = [Int](repeating: 0, count: k)
    for label in result.labels { sizes[Int(label)] += 1 }
    if let size = sizes.first(where: { $0 < limits.least || $0 > limits.most }) {
      throw ClusteringError.sizeLimits(size: size, least: limits.least, most: limits.most)
    }
    let distances = RowStorage<Float>(rows: matrix.rows, repeating: 0)
    labels.base.update(from: result.labels, count: matrix.rows)
    distances.base.update(from: result.distances, count: matrix.rows)
    let pack = KernelSet.generic.pack(try KMeans.centred(centroids, k: k, matrix), columns: d)
    let sweep = Sweep(matrix, clusters: k, kernel: .generic, workers: workers, weights: nil)
    let padded = matrix.tileCount * FeatureMatrix.tileRows
    (labels.base + matrix.rows).update(repeating: 0, count: padded - matrix.rows)
    return (
      RowResults(labels: labels, distances: distances), sizes,
      try sweep.inertia(pack, labels: labels)
    )
  }
}
