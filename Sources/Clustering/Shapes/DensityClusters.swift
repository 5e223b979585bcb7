import Kernels
import Sharding

/// DBSCAN: rows with enough neighbours are cores; cores within reach of each other are one cluster,
/// of any shape; what is in no core's reach is noise.
///
/// Looks at all rows where they are at most `sampleRows`, else at a sample in which a row stands for
/// as many as it was drawn from. The other rows, and a border row between two clusters, go to the
/// nearest core: so the labels do not depend on the order of the rows, and a later table is labelled
/// by the same rule.
///
/// Cost: O(m² · d) for m rows looked at, m² / 64 operations of 64 lanes; O(n · cores · d) for the
/// labels.
///
/// Source: Ester, Kriegel, Sander & Xu, KDD 1996.
package enum DensityClusters {
  /// - Parameters:
  ///   - radius: eps: how far a neighbour may be, in the matrix's units.
  ///   - minimumPoints: Neighbours that make a core, itself included.
  /// - Throws: ``ClusteringError/allNoise``, ``ClusteringError/noRows``.
  package static func fit(
    _ matrix: FeatureMatrix, radius: Double, minimumPoints: Int, sampleRows: Int = 20_000,
    seed: UInt64 = 0, kernel: String? = nil, workers: Workers = Workers()
  ) throws -> PrototypeFit {
    guard matrix.rows > 0 else { throw ClusteringError.noRows }
    guard radius > 0, radius.isFinite else {
      throw ConfigurationError.outOfRange(
        field: "radius", value: "\(radius)", allowed: "finite, above 0")
    }
    guard minimumPoints >= 1 else {
      throw ConfigurationError.outOfRange(
        field: "minimumPoints", value: "\(minimumPoints)", allowed: "1 or more")
    }
    let examined = ExaminedRows(sampleRows, of: matrix.rows, seed: seed)
    let points =
      examined.isWhole ? matrix : try matrix.rows(examined.rows, workers: workers)
    // A row of a sample stands for n / m rows.
    let needed = Double(minimumPoints) * Double(points.rows) / Double(matrix.rows)
    let limit = radius * radius
    let counts = try workers.map(points.tileCount) { tile in
      neighbourCounts(points, tile: tile, limit)
    }.flatMap { $0 }
    let cores = (0..<points.rows).filter { Double(counts[$0]) >= needed }
    guard !cores.isEmpty else { throw ClusteringError.allNoise }
    let (labels, clusters) = try components(points.rows(cores), limit, workers)
    let d = matrix.columns
    let prototypes = try PrototypeLabels(
      points: cores.flatMap { row in
        (0..<d).map { Double(points[row, $0]) + matrix.centers[$0] }
      }, columns: d, labels: labels, radius: radius, kernel: kernel, workers: workers)
    var fit = try PrototypeFit(
      matrix, prototypes, clusters: clusters, examined: points.rows, workers: workers)
    if !examined.isWhole, needed < 5 {
      fit.warnings.append(
        "a core is judged by fewer than 5 rows of the sample; raise --sample, --eps or --min-points"
      )
    }
    return fit
  }

  /// For each row of a tile, how many rows lie within the radius, itself included.
  private static func neighbourCounts(
    _ points: FeatureMatrix, tile: Int, _ limit: Double
  ) -> [Int32] {
    let tileRows = FeatureMatrix.tileRows
    let first = tile * tileRows
    let count = min(tileRows, points.rows - first)
    var counts = [Int32](repeating: 0, count: count)
    for lane in 0..<count {
      var found: Int32 = 0
      forEachTile(points, near: first + lane) { other, squared in
        let lanes = min(tileRows, points.rows - other * tileRows)
        for i in 0..<lanes where squared[i] <= limit { found += 1 }
      }
      counts[lane] = found
    }
    return counts
  }

  /// Squared distances, in Double in the order of the features, from a row to the rows of each tile.
  @inline(__always)
  private static func forEachTile(
    _ points: FeatureMatrix, from firstTile: Int = 0, near row: Int,
    _ body: (_ tile: Int, _ squared: UnsafePointer<Double>) -> Void
  ) {
    let tileRows = FeatureMatrix.tileRows
    let d = points.columns
    let values = points.row(row)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: tileRows) { squared in
      let squared = squared.baseAddress!
      withExtendedLifetime(points) {
        for tile in firstTile..<points.tileCount {
          squared.update(repeating: 0, count: tileRows)
          for i in 0..<d {
            let column = points.tiles + (tile * d + i) * tileRows
            let own = Double(values[i])
            for lane in 0..<tileRows {
              let difference = Double(column[lane]) - own
              squared[lane] += difference * difference
            }
          }
          body(tile, squared)
        }
      }
    }
  }

  /// Components of the cores that are within reach of each other, numbered by their first rows.
  private static func components(
    _ cores: FeatureMatrix, _ limit: Double, _ workers: Workers
  ) throws -> (labels: [Int32], count: Int) {
    let tileRows = FeatureMatrix.tileRows
    // Each piece joins what it finds in a forest of its own.
    let pieces = Shards(rows: cores.rows, rowsPerShard: max(256, (cores.rows + 63) / 64))
    let forests = try workers.map(pieces.count) { piece -> DisjointSets in
      var sets = DisjointSets(cores.rows)
      for row in pieces[piece] {
        forEachTile(cores, from: row / tileRows, near: row) { tile, squared in
          let first = tile * tileRows
          for lane in 0..<min(tileRows, cores.rows - first) where squared[lane] <= limit {
            sets.join(row, first + lane)
          }
        }
      }
      return sets
    }
    var sets = DisjointSets(cores.rows)
    for var forest in forests {
      for row in 0..<cores.rows { sets.join(row, forest.root(row)) }
    }
    var numbers = [Int32](repeating: -1, count: cores.rows)
    var count: Int32 = 0
    let labels = (0..<cores.rows).map { row -> Int32 in
      let root = sets.root(row)
      if numbers[root] < 0 {
        numbers[root] = count
        count += 1
      }
      return numbers[root]
    }
    return (labels, Int(count))
  }
}

/// Disjoint sets with path halving; a set's root is its least member.
struct DisjointSets: Sendable {
  private var parents: [Int32]

  init(_ count: Int) { parents = (0..<Int32(count)).map { $0 } }

  mutating func root(_ member: Int) -> Int {
    var at = member
    while parents[at] != Int32(at) {
      parents[at] = parents[Int(parents[at])]
      at = Int(parents[at])
    }
    return at
  }

  mutating func join(_ a: Int, _ b: Int) {
    let (first, second) = (root(a), root(b))
    if first != second { parents[max(first, second)] = Int32(min(first, second)) }
  }
}
