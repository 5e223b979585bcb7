import Testing

@testable import Kernels

/// Bounds against the Double reference, pass after pass: equal labels while centroids move.
@Suite struct CentroidBoundsTests {
  static let bounded = KernelSet.supported.filter(\.hasBounds)

  /// Passes over `moves` of the centroids; returns the share of groups scored after the first.
  private func follow(
    _ points: FeatureMatrix, _ kernel: KernelSet, _ moves: [[Double]], _ note: String = ""
  ) throws -> Double {
    let d = points.columns
    let k = moves[0].count / d
    let bounds = try #require(CentroidBounds(points, clusters: k, kernel: kernel))
    let scratch = CentroidBounds.Scratch(bounds)
    let size = points.tileCount * FeatureMatrix.tileRows
    // Labels of no pass: any will do. Padding lanes are not read.
    var current = (0..<size).map { $0 < points.rows ? Int32($0 % k) : -1 }
    var (scored, all) = (0, 0)
    for (pass, centroids) in moves.enumerated() {
      let pack = kernel.pack(centroids, columns: d)
      bounds.move(to: pack)
      var fresh = [Int32](repeating: -7, count: size)
      // In two calls, as shards do.
      let middle = points.tileCount / 2
      for tiles in [0..<middle, middle..<points.tileCount] where !tiles.isEmpty {
        let place = tiles.lowerBound * FeatureMatrix.tileRows
        let counts = current.withUnsafeBufferPointer { previous in
          fresh.withUnsafeMutableBufferPointer {
            bounds.assign(
              points, to: pack, tiles: tiles, previous: previous.baseAddress! + place,
              labels: $0.baseAddress! + place, scratch: scratch)
          }
        }
        if pass > 0 { scored += counts.scored }
      }
      if pass > 0 { all += bounds.scoresWithoutBounds(points) }
      let expected = labels(points, centroids, .reference).labels
      #expect(Array(fresh.prefix(points.rows)) == expected, "pass \(pass) \(note)")
      for row in 0..<points.rows { current[row] = fresh[row] }
    }
    return Double(scored) / Double(max(all, 1))
  }

  @Test(arguments: bounded, [1, 2, 8, 9, 23, 40])
  func followsMovingCentroids(kernel: KernelSet, k: Int) throws {
    for (n, d) in [(1, 1), (65, 3), (200, 9), (130, 33)] {
      var random = TestRandom(n * 100 + d + k)
      let points = matrix(
        (0..<d).map { _ in (0..<n).map { _ in Double.random(in: -10...10, using: &random) } })
      var centroids = (0..<k * d).map { _ in Double.random(in: -10...10, using: &random) }
      var moves = [centroids]
      for step in [3.0, 1, 0.3, 0.1, 0.03, 0.01, 0, 5, 0.001] {
        for i in centroids.indices {
          // Some stand still.
          let reach = i / d % 3 == 0 ? 0 : step
          centroids[i] += Double.random(in: -1...1, using: &random) * reach
        }
        moves.append(centroids)
      }
      _ = try follow(points, kernel, moves, "n \(n) d \(d)")
    }
  }

  /// Blobs: once centroids settle, almost nothing is scored.
  @Test(arguments: bounded)
  func skipsWhatCannotBeNearest(kernel: KernelSet) throws {
    var random = TestRandom(3)
    let (n, d, k) = (640, 6, 32)
    var centroids = (0..<k * d).map { _ in Double.random(in: -50...50, using: &random) }
    let points = matrix(
      (0..<d).map { i in
        (0..<n).map { centroids[$0 % k * d + i] + Double.random(in: -1...1, using: &random) }
      }, centers: .init(repeating: 0, count: d))
    var moves = [centroids]
    for step in [0.1, 0.01, 0.001, 0] {
      for i in centroids.indices { centroids[i] += Double.random(in: -step...step, using: &random) }
      moves.append(centroids)
    }
    #expect(try follow(points, kernel, moves) < 0.05)
  }

  /// Ties between twins, and points on planes half-way, at a column mean of 10⁶.
  @Test(arguments: bounded, [0, 1e6])
  func decidesTiesAsTheReference(kernel: KernelSet, offset: Double) throws {
    var columns: [[Double]] = [[], []]
    for a in 0..<15 {
      for b in 0..<15 {
        columns[0].append(Double(a) / 2 + offset)
        columns[1].append(Double(b) / 2)
      }
    }
    let points = matrix(columns, centers: [offset, 0])
    var centroids: [Double] = []
    for a in 0..<4 {
      for b in 0..<4 { centroids += [Double(a * 2), Double(b * 2)] }
    }
    centroids += centroids
    var moves = [centroids, centroids]
    // Away and back, so that ties come and go; by steps that only Double sees, too.
    for step in [0.25, -0.25, 1e-9, -1e-9, 0.5, 0] {
      for i in stride(from: 0, to: centroids.count, by: 3) { centroids[i] += step }
      moves.append(centroids)
    }
    _ = try follow(points, kernel, moves, "offset \(offset)")
  }

  /// One far centroid, and one far point: bounds are loose, labels are right.
  @Test(arguments: bounded)
  func outliers(kernel: KernelSet) throws {
    var random = TestRandom(21)
    let (n, d, k) = (300, 3, 12)
    let points = matrix(
      (0..<d).map { _ in
        (0..<n).map { $0 == 7 ? 1e7 : Double.random(in: -1...1, using: &random) }
      }, centers: [0, 0, 0])
    var centroids = (0..<k * d).map { _ in Double.random(in: -1...1, using: &random) }
    for i in 0..<d { centroids[(k - 1) * d + i] = 1e7 }
    var moves = [centroids]
    for step in [0.2, 0.02, 0.002] {
      for i in 0..<(k - 1) * d { centroids[i] += Double.random(in: -step...step, using: &random) }
      moves.append(centroids)
    }
    _ = try follow(points, kernel, moves)
  }

  /// After passes without bounds the margins are made anew.
  @Test(arguments: bounded)
  func forgets(kernel: KernelSet) throws {
    var random = TestRandom(9)
    let (n, d, k) = (200, 4, 20)
    let points = matrix(
      (0..<d).map { _ in (0..<n).map { _ in Double.random(in: -1...1, using: &random) } })
    let bounds = try #require(CentroidBounds(points, clusters: k, kernel: kernel))
    let scratch = CentroidBounds.Scratch(bounds)
    let size = points.tileCount * FeatureMatrix.tileRows
    for pass in 0..<3 {
      let centroids = (0..<k * d).map { _ in Double.random(in: -1...1, using: &random) }
      let pack = kernel.pack(centroids, columns: d)
      bounds.move(to: pack)
      var fresh = [Int32](repeating: 0, count: size)
      let counts = bounds.assign(
        points, to: pack, tiles: 0..<points.tileCount,
        previous: [Int32](repeating: Int32(pass), count: size), labels: &fresh, scratch: scratch)
      #expect(counts.scored == bounds.scoresWithoutBounds(points))
      #expect(Array(fresh.prefix(n)) == labels(points, centroids, .reference).labels)
      bounds.forget()
    }
  }

  @Test func onlyFusedSetsHaveBounds() {
    let points = matrix([[1, 2, 3]])
    #expect(CentroidBounds(points, clusters: 2, kernel: .gemm) == nil)
    #expect(CentroidBounds(points, clusters: 2, kernel: .reference) == nil)
    let fused = KernelSet.supported.filter { $0.family == .fused }
    #expect(fused.allSatisfy { $0.hasBounds })
  }
}
