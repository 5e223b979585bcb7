import Testing

@testable import Kernels

/// Every set against the Double reference: equal labels, not nearly equal.
@Suite struct AssignmentKernelTests {
  static let optimised = KernelSet.supported.filter { $0.family != .reference }

  // Around the vector widths (4, 8, 16), the tile (64) and the groups of centroids (3, 4, 6).
  @Test(arguments: optimised, [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 23, 31, 70])
  func agreesOnRandomPoints(kernel: KernelSet, k: Int) {
    for (n, d) in [(1, 1), (15, 2), (64, 3), (65, 7), (127, 8), (130, 17), (200, 33)] {
      var random = TestRandom(n * 1000 + d * 10 + k)
      let columns = (0..<d).map { _ in
        (0..<n).map { _ in Double.random(in: -10...10, using: &random) }
      }
      let points = matrix(columns)
      let centroids = (0..<k * d).map { _ in Double.random(in: -10...10, using: &random) }
      let expected = labels(points, centroids, .reference).labels
      #expect(labels(points, centroids, kernel).labels == expected, "n \(n) d \(d)")
    }
  }

  /// Points half-way between centroids of an integer lattice, each centroid there twice.
  @Test(arguments: optimised)
  func decidesTiesAsTheReference(kernel: KernelSet) {
    var columns: [[Double]] = [[], [], []]
    for a in 0..<9 {
      for b in 0..<9 {
        for c in 0..<9 {
          columns[0].append(Double(a) / 2)
          columns[1].append(Double(b) / 2)
          columns[2].append(Double(c) / 2)
        }
      }
    }
    var centroids: [Double] = []
    for copy in 0..<2 {
      for a in 0..<3 {
        for b in 0..<3 { centroids += [Double(a * 2), Double(b * 2), Double(copy * 2)] }
      }
    }
    centroids += centroids
    let points = matrix(columns, centers: [0, 0, 0])
    let expected = labels(points, centroids, .reference).labels
    let actual = labels(points, centroids, kernel)
    #expect(actual.labels == expected)
    // Every centroid has a twin, so every point is a tie, settled for the first twin.
    #expect(actual.rechecked == points.rows)
    #expect(expected.allSatisfy { $0 < 18 })
  }

  /// Ties that only Double tells apart: centroids one Float step from the mirror image.
  @Test(arguments: optimised)
  func tellsNearTiesApart(kernel: KernelSet) {
    var random = TestRandom(5)
    let n = 300
    let d = 5
    var centroids: [Double] = []
    for j in 0..<6 {
      let sign: Double = j % 2 == 0 ? 1 : -1
      for i in 0..<d { centroids.append(sign * (1 + Double(i * j) * 1e-9)) }
    }
    // On the plane Σx = 0, up to a rounding: as far from one centroid as from its mirror image.
    var rows = (0..<n).map { _ in
      (0..<d).map { _ in Double(Float.random(in: -1...1, using: &random)) }
    }
    for i in rows.indices { rows[i][d - 1] = -rows[i][..<(d - 1)].reduce(0, +) }
    let points = matrix(
      (0..<d).map { i in rows.map { $0[i] } }, centers: .init(repeating: 0, count: d))
    let expected = labels(points, centroids, .reference).labels
    #expect(labels(points, centroids, kernel).labels == expected)
    #expect(Set(expected).count > 1)
  }

  /// A mean of 10⁶ or 10⁹ beside a spread of 1 costs no precision and few rechecks.
  @Test(arguments: optimised, [1e6, 1e9])
  func largeOffsets(kernel: KernelSet, offset: Double) {
    var random = TestRandom(11)
    let (n, d, k) = (1000, 4, 9)
    let columns = (0..<d).map { i in
      (0..<n).map { _ in Double.random(in: -1...1, using: &random) + (i == 1 ? offset : 0) }
    }
    let points = matrix(columns)
    let centroids = (0..<k * d).map { _ in Double.random(in: -1...1, using: &random) }
    let expected = labels(points, centroids, .reference).labels
    let actual = labels(points, centroids, kernel)
    #expect(actual.labels == expected)
    #expect(actual.rechecked <= 2)
  }

  /// One centroid alone with an outlier must not widen the bound of all other points.
  @Test(arguments: optimised)
  func aFarCentroidCostsNoRechecks(kernel: KernelSet) {
    var random = TestRandom(13)
    let (n, d) = (2000, 3)
    let columns = (0..<d).map { _ in
      (0..<n).map { $0 == n - 1 ? 1e7 : Double.random(in: -1...1, using: &random) }
    }
    let points = matrix(columns, centers: [0, 0, 0])
    let centroids =
      (0..<5 * d).map { _ in Double.random(in: -1...1, using: &random) } + [1e7, 1e7, 1e7]
    let expected = labels(points, centroids, .reference).labels
    let actual = labels(points, centroids, kernel)
    #expect(actual.labels == expected)
    #expect(actual.rechecked <= 1)
  }

  @Test(arguments: optimised)
  func wideAndExtremeValues(kernel: KernelSet) {
    var random = TestRandom(17)
    for (n, d, k, scale) in [
      (70, 1000, 3, 1.0), (70, 130, 300, 1.0), (100, 3, 5, 1e14), (100, 3, 5, 1e-30),
    ] {
      let columns = (0..<d).map { _ in
        (0..<n).map { _ in scale * Double.random(in: -1...1, using: &random) }
      }
      let points = matrix(columns)
      let centroids = (0..<k * d).map { _ in scale * Double.random(in: -1...1, using: &random) }
      let expected = labels(points, centroids, .reference).labels
      #expect(labels(points, centroids, kernel).labels == expected, "d \(d) k \(k) × \(scale)")
    }
  }

  /// A run on part of the tiles writes that part only.
  @Test(arguments: optimised)
  func assignsATileRange(kernel: KernelSet) {
    var random = TestRandom(19)
    let (n, d, k) = (64 * 20 + 5, 3, 4)
    let points = matrix(
      (0..<d).map { _ in (0..<n).map { _ in Double.random(in: -1...1, using: &random) } })
    let centroids = (0..<k * d).map { _ in Double.random(in: -1...1, using: &random) }
    let all = labels(points, centroids, .reference).labels
    let pack = kernel.pack(centroids, columns: d)
    var part = [Int32](repeating: -7, count: 64 * 12)
    part.withUnsafeMutableBufferPointer {
      kernel.assign(
        points, to: pack, tiles: 9..<20, labels: $0.baseAddress!,
        scratch: kernel.scratch(columns: d, k: k))
    }
    #expect(Array(part[..<(64 * 11)]) == Array(all[(64 * 9)..<(64 * 20)]))
    #expect(part[(64 * 11)...].allSatisfy { $0 == -7 })
  }

  /// Centroids that 16 bits do not tell apart, among some that they do: from a few undecided points of a
  /// tile to all, with an odd number of features and more centroids than a group, a tile, a byte has.
  @Test(arguments: optimised, [1e-2, 1e-4, 1e-6, 1e-9])
  func centroidsCloserThanIntegers(kernel: KernelSet, gap: Double) {
    var random = TestRandom(23)
    for (n, d, k) in [(300, 3, 8), (200, 17, 70), (130, 9, 300)] {
      let points = matrix(
        (0..<d).map { _ in (0..<n).map { _ in Double.random(in: -1...1, using: &random) } })
      var centroids = (0..<k * d).map { _ in Double.random(in: -1...1, using: &random) }
      for j in stride(from: 1, to: k, by: 3) {
        for i in 0..<d {
          centroids[j * d + i] =
            centroids[(j - 1) * d + i] + gap * Double.random(in: -1...1, using: &random)
        }
      }
      let expected = labels(points, centroids, .reference).labels
      #expect(labels(points, centroids, kernel).labels == expected, "d \(d) k \(k)")
    }
  }

  /// What integers cannot hold is scored in Float: very many features or centroids, centroids all 0,
  /// and tiles of nothing but 0.
  @Test(arguments: optimised)
  func beyondIntegers(kernel: KernelSet) {
    var random = TestRandom(29)
    for (n, d, k) in [(65, 513, 4), (65, 512, 4), (65, 2, 4097), (65, 2, 4096), (130, 5, 6)] {
      var columns = (0..<d).map { _ in
        (0..<n).map { _ in Double.random(in: -1...1, using: &random) }
      }
      for i in 0..<d { for row in 0..<64 where k == 6 { columns[i][row] = 0 } }
      let points = matrix(columns, centers: .init(repeating: 0, count: d))
      for scale in [1.0, 0] {
        let centroids = (0..<k * d).map { _ in scale * Double.random(in: -1...1, using: &random) }
        let expected = labels(points, centroids, .reference).labels
        #expect(labels(points, centroids, kernel).labels == expected, "d \(d) k \(k) × \(scale)")
      }
    }
  }

  /// On points around centres hardly any is decided in Double, and integers leave few to Float.
  @Test(arguments: optimised)
  func rechecksAreRare(kernel: KernelSet) {
    var random = TestRandom(31)
    let (n, d, k) = (20_000, 16, 32)
    let centers = (0..<k * d).map { _ in Double.random(in: -2...2, using: &random) }
    let points = matrix(
      (0..<d).map { i in
        (0..<n).map { row in
          centers[row % k * d + i]
            + (0..<4).reduce(0) { sum, _ in
              sum + Double.random(in: -1...1, using: &random)
            }
        }
      }, centers: .init(repeating: 0, count: d))
    let expected = labels(points, centers, .reference).labels
    let actual = labels(points, centers, kernel)
    #expect(actual.labels == expected)
    #expect(actual.rechecked <= 20)
  }
}
