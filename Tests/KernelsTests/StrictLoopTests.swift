import Foundation
import Testing

@testable import Kernels

/// Loops whose results reach the model: on every instruction set the bits of a plain Swift twin.
@Suite struct StrictLoopTests {
  static let levels: [Int32] =
    [0] + (KernelSet.avx2.isSupported ? [2] : []) + (KernelSet.avx512.isSupported ? [3] : [])
  static let shapes = [(1, 1), (63, 2), (64, 3), (65, 7), (130, 8), (200, 9), (129, 17), (70, 33)]

  private func points(_ n: Int, _ d: Int) -> (FeatureMatrix, [[Float]]) {
    var random = TestRandom(n * 100 + d)
    let matrix = matrix(
      (0..<d).map { _ in (0..<n).map { _ in Double.random(in: -5...5, using: &random) } })
    return (matrix, (0..<n).map { matrix.row($0) })
  }

  private func squared(_ x: [Float], _ c: ArraySlice<Double>) -> Double {
    var sum = 0.0
    for (a, b) in zip(x, c) { sum += (Double(a) - b) * (Double(a) - b) }
    return sum
  }

  @Test(arguments: levels)
  func nearestTwoAndDistances(level: Int32) {
    for (n, d) in Self.shapes {
      for k in [1, 2, 3, 4, 5, 9] {
        let (matrix, rows) = points(n, d)
        var random = TestRandom(k)
        let centroids = (0..<k * d).map { _ in Double.random(in: -5...5, using: &random) }
        let pack = KernelSet.reference.pack(centroids, columns: d)
        let size = matrix.tileCount * FeatureMatrix.tileRows
        var labels = [Int32](repeating: -1, count: size)
        var nearest = [Double](repeating: -1, count: size)
        var second = nearest
        var own = nearest
        let prices = (0..<k).map { _ in Double.random(in: 0...9, using: &random) }
        for prices in [nil, prices] {
          StrictLoops.nearestTwo(
            matrix, pack, prices: prices, tiles: 0..<matrix.tileCount, labels: &labels,
            nearest: &nearest, second: &second, level: level)
          StrictLoops.distances(
            matrix, pack, tiles: 0..<matrix.tileCount, labels: labels, out: &own, level: level)
          for row in 0..<n {
            let all = (0..<k).map { squared(rows[row], centroids[($0 * d)..<(($0 + 1) * d)]) }
            let priced = zip(all, prices ?? .init(repeating: 0, count: k)).map(+)
            let label = priced.indices.min { priced[$0] < priced[$1] }!
            #expect(labels[row] == Int32(label))
            #expect(nearest[row] == priced[label] && own[row] == all[label])
            let others = priced.indices.filter { $0 != label }.map { priced[$0] }
            #expect(second[row] == others.min() ?? .infinity)
          }
        }
      }
    }
  }

  /// Every count of a vector's rest, every kind of number, in place and beside.
  @Test(arguments: levels)
  func shapedValues(level: Int32) {
    var random = TestRandom(11)
    let edges = [
      0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1,
      0.41421356237309503, 0.41421356237309509, 1e-300, -3,
    ]
    let values =
      edges
      + (0..<501).map { _ in
        Double.random(in: -1...1, using: &random)
          * exp2(Double.random(in: -40...60, using: &random).rounded())
      }
    for count in [0, 1, 7, 8, 9, 15, 16, 17, values.count] {
      for isLogarithmic in [false, true] {
        for isScaled in [false, true] {
          for (filler, floor, ceiling) in [(Double.nan, -.infinity, .infinity), (2.5, -10.0, 1e6)] {
            let shape = StrictLoops.Shape(
              filler: filler, floor: floor, ceiling: ceiling, center: 0.7, scale: 1.3,
              is_logarithmic: isLogarithmic, is_scaled: isScaled)
            let expected = values.prefix(count).map { value -> Double in
              var x = value.isFinite ? value : filler
              if x < floor { x = floor }
              if x > ceiling { x = ceiling }
              if isLogarithmic { x = SignedLogarithm.value(x) }
              return isScaled ? (x - 0.7) / 1.3 : x
            }
            var shaped = Array(values.prefix(count))
            shaped.withUnsafeMutableBufferPointer { target in
              guard let base = target.baseAddress else { return }
              StrictLoops.shape(UnsafeBufferPointer(target), by: shape, into: base, level: level)
            }
            #expect(
              zip(shaped, expected).allSatisfy {
                $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN
              })
          }
        }
      }
    }
  }

  @Test(arguments: levels)
  func deviations(level: Int32) {
    var random = TestRandom(12)
    for count in [0, 1, 15, 16, 17, 33, 1_000] {
      let values = (0..<count).map { _ in Double.random(in: -1e6...1e6, using: &random) }
      let pivot = values.first ?? 0
      // Sixteen lanes, the two halves added to one another, then lane after lane, then the rest.
      var (sums, squares) = ([Double](repeating: 0, count: 16), [Double](repeating: 0, count: 16))
      let whole = count / 16 * 16
      for row in 0..<whole {
        sums[row % 16] += values[row] - pivot
        squares[row % 16] += (values[row] - pivot) * (values[row] - pivot)
      }
      var (sum, square) = (0.0, 0.0)
      for lane in 0..<8 {
        sum += sums[lane] + sums[lane + 8]
        square += squares[lane] + squares[lane + 8]
      }
      for row in whole..<count {
        sum += values[row] - pivot
        square += (values[row] - pivot) * (values[row] - pivot)
      }
      let found = values.withUnsafeBufferPointer {
        StrictLoops.deviations(of: $0, from: pivot, level: level)
      }
      #expect(found.sum == sum && found.squares == square)
    }
  }

  @Test(arguments: levels, [false, true])
  func seed(level: Int32, weighted: Bool) {
    for (n, d) in Self.shapes {
      let (matrix, rows) = points(n, d)
      let size = matrix.tileCount * FeatureMatrix.tileRows
      let weights = (0..<size).map { $0 < n ? Double($0 % 3) : 0 }
      let chosen = rows[n / 2]
      let candidates = [rows[0], rows[n - 1], rows[n / 3]]
      var nearest = (0..<size).map { $0 < n ? Float($0 % 7 * 3) : 0 }
      let before = nearest
      var sums = [Double](repeating: 0, count: 3)
      StrictLoops.seed(
        matrix, tiles: 0..<matrix.tileCount, chosen: chosen, candidates: candidates.flatMap { $0 },
        trials: 3, nearest: &nearest, weights: weighted ? weights : nil, sums: &sums, level: level)

      func squared(_ a: [Float], _ b: [Float]) -> Float {
        var sum: Float = 0
        for (a, b) in zip(a, b) { sum += (a - b) * (a - b) }
        return sum
      }
      for row in 0..<n { #expect(nearest[row] == min(before[row], squared(rows[row], chosen))) }
      for (trial, candidate) in candidates.enumerated() {
        // Sixteen lanes, each in row order, then lane by lane.
        var lanes = [Double](repeating: 0, count: 16)
        for row in 0..<n {
          let least = Double(min(nearest[row], squared(rows[row], candidate)))
          lanes[row % 16] += weighted ? least * weights[row] : least
        }
        #expect(sums[trial] == lanes.reduce(0, +))
      }
    }
  }

  /// Point by point; all points of few sums in eight lanes of points.
  @Test(arguments: levels, [false, true])
  func pass(level: Int32, weighted: Bool) {
    for (n, d) in Self.shapes {
      // Labels of one byte and of four; few sums and many.
      for (k, everyOther) in [(5, 1), (3, 7), (1, 1), (17, 3), (300, 2)] {
        for taking in [StrictLoops.Taking.first, .all, .changed] {
          checkPass(n, d, k, everyOther, taking, level: level, weighted: weighted)
        }
      }
    }
  }

  private func checkPass(
    _ n: Int, _ d: Int, _ k: Int, _ everyOther: Int, _ taking: StrictLoops.Taking, level: Int32,
    weighted: Bool
  ) {
    let (matrix, rows) = points(n, d)
    let size = matrix.tileCount * FeatureMatrix.tileRows
    let all = 0..<matrix.tileCount
    let weights = (0..<size).map { Double($0 % 4) / 3 }
    var before = (0..<size).map { Int32($0 % k) }
    var fresh = (0..<size).map { $0 % everyOther == 0 ? Int32($0 * 7 % k) : before[$0] }
    let kernel = KernelSet.generic
    let pack = kernel.pack([Double](repeating: 0, count: k * d), columns: d)
    let labels = StoredLabels(rows: n, clusters: k)
    #expect(labels.bytes == (k <= 256 ? 1 : 4))
    var sums = [Double](repeating: 1, count: k * d)
    var clusterWeights = [Double](repeating: 2, count: k)
    func run(_ taking: StrictLoops.Taking, _ labelled: inout [Int32]) -> Int {
      StrictLoops.pass(
        matrix, pack, kernel: nil, tiles: all, fresh: &labelled, labels: labels, taking: taking,
        weights: weighted ? weights : nil, sums: &sums, clusterWeights: &clusterWeights,
        level: level
      ).changed
    }
    if taking != .first {
      #expect(run(.first, &before) == n)
      sums = [Double](repeating: 1, count: k * d)
      clusterWeights = [Double](repeating: 2, count: k)
    }
    let changed = run(taking, &fresh)

    let moves = taking == .changed
    var expected = [Double](repeating: 1, count: k * d)
    var expectedWeights = [Double](repeating: 2, count: k)
    var lanes = [Double](repeating: 0, count: k * d * 8)
    // Up to four features are summed apart from what was there.
    var apart = [Double](repeating: 0, count: k * d)
    let isDense = !moves && !weighted && k <= 16 && k * d <= 128
    let isNarrow = !isDense && d <= 4 && k <= 64
    for row in 0..<n where !moves || fresh[row] != before[row] {
      let weight = weighted ? weights[row] : 1
      let (to, from) = (Int(fresh[row]), Int(before[row]))
      if moves { expectedWeights[from] -= weight }
      expectedWeights[to] += weight
      for i in 0..<d {
        let value = weight * Double(rows[row][i])
        if isDense {
          lanes[(to * d + i) * 8 + row % 8] += value
        } else if isNarrow {
          apart[to * d + i] += value
          if moves { apart[from * d + i] -= value }
        } else {
          expected[to * d + i] += value
          if moves { expected[from * d + i] -= value }
        }
      }
    }
    for i in expected.indices {
      expected[i] += lanes[i * 8..<i * 8 + 8].reduce(0, +)
      expected[i] += apart[i]
    }
    let isAlike = sums == expected && clusterWeights == expectedWeights
    #expect(isAlike, "n \(n) d \(d) k \(k) \(taking)")
    #expect((0..<n).allSatisfy { labels[$0] == Int(fresh[$0]) })
    var copied = [Int32](repeating: -1, count: n)
    labels.copy(0..<n, to: &copied)
    #expect(copied == Array(fresh[..<n]))
    #expect(changed == (taking == .first ? n : (0..<n).count { fresh[$0] != before[$0] }))
  }

  /// A pass that finds the labels itself is one that is given them.
  @Test(arguments: KernelSet.supported.filter(\.worksByTile))
  func passesFindTheKernelsLabels(kernel: KernelSet) {
    for (n, d) in Self.shapes {
      for k in [1, 3, 7, 40] {
        let (matrix, rows) = points(n, d)
        let centroids = (0..<k).flatMap { rows[$0 * 11 % n].map { Double($0) + 0.25 } }
        let pack = kernel.pack(centroids, columns: d)
        let all = 0..<matrix.tileCount
        let scratch = kernel.scratch(columns: d, k: k)
        var given = [Int32](repeating: 0, count: matrix.tileCount * FeatureMatrix.tileRows)
        let rechecked = kernel.assign(
          matrix, to: pack, tiles: all, labels: &given, scratch: scratch)
        var outcomes: [[Double]] = []
        for finder in [kernel, nil] {
          let labels = StoredLabels(rows: n, clusters: k)
          var fresh =
            finder == nil ? given : [Int32](repeating: 0, count: StrictLoops.passRows)
          var sums = [Double](repeating: 0, count: k * d)
          var clusterWeights = [Double](repeating: 0, count: k)
          let pass = StrictLoops.pass(
            matrix, pack, kernel: finder, tiles: all, fresh: &fresh, labels: labels,
            taking: .first, weights: nil, sums: &sums, clusterWeights: &clusterWeights)
          #expect(pass.rechecked == (finder == nil ? 0 : rechecked))
          #expect((0..<n).allSatisfy { labels[$0] == Int(given[$0]) })
          outcomes.append(sums + clusterWeights)
        }
        #expect(outcomes[0] == outcomes[1], "n \(n) d \(d) k \(k)")
      }
    }
  }

  @Test(arguments: levels, [false, true])
  func conclude(level: Int32, weighted: Bool) {
    for (n, k) in [(1, 1), (15, 2), (16, 8), (100, 9), (333, 40)] {
      var random = TestRandom(n)
      let squared = (0..<n).map { _ in Double.random(in: 0...9, using: &random) }
      let weights = (0..<n).map { Double($0 % 4) / 3 }
      let labels = (0..<n).map { Int32($0 * 7 % k) }
      var distances = [Float](repeating: -1, count: n + 1)
      var sizes = [Int64](repeating: 5, count: k)
      var clusterWeights = [Double](repeating: 0, count: k)
      let sum = StrictLoops.conclude(
        rows: n, clusters: k, squared: squared, labels: labels, weights: weighted ? weights : nil,
        distances: &distances, sizes: &sizes, clusterWeights: &clusterWeights, level: level)

      var lanes = [Double](repeating: 0, count: 16)
      var expected = 0.0
      var expectedWeights = [Double](repeating: 0, count: k)
      for row in 0..<n {
        let share = weighted ? squared[row] * weights[row] : squared[row]
        if row < n / 16 * 16 { lanes[row % 16] += share }
        if weighted { expectedWeights[Int(labels[row])] += weights[row] }
      }
      expected = lanes.reduce(0, +)
      for row in n / 16 * 16..<n {
        expected += weighted ? squared[row] * weights[row] : squared[row]
      }
      #expect(sum == expected && clusterWeights == expectedWeights)
      #expect(distances == squared.map { Float($0.squareRoot()) } + [-1])
      #expect((0..<k).allSatisfy { j in Int(sizes[j]) == 5 + labels.count { $0 == j } })
    }
  }

  @Test(arguments: levels)
  func fillsRowMajorValues(level: Int32) {
    for (n, d) in Self.shapes {
      var random = TestRandom(n + d)
      var values = (0..<n * d).map { _ in Float.random(in: 1e6...2e6, using: &random) }
      let centers = (0..<d).map { 1.5e6 + Double($0) / 3 }
      let matrix = FeatureMatrix(rows: n, columns: d, centers: centers)
      func fill() -> Int? {
        values.withUnsafeBufferPointer {
          matrix.fill(tiles: 0..<matrix.tileCount, fromRows: $0, level: level)
        }
      }
      #expect(fill() == nil)
      for row in 0..<n {
        #expect(
          matrix.row(row) == (0..<d).map { Float(Double(values[row * d + $0]) - centers[$0]) })
      }
      let found = (0..<matrix.tileCount).map { matrix.norms[$0] }
      matrix.finish(tiles: 0..<matrix.tileCount)
      #expect(found == (0..<matrix.tileCount).map { matrix.norms[$0] })
      let padded = matrix.tileCount * 64
      for lane in n..<padded {
        let place = lane / 64 * d * 64 + lane % 64
        #expect((0..<d).allSatisfy { matrix.tiles[place + $0 * 64] == 0 })
      }
      let sums = values.withUnsafeBufferPointer {
        StrictLoops.columnSums(ofRows: $0, columns: d, level: level)
      }
      var lanes = [[Double]](repeating: .init(repeating: 0, count: 16), count: d)
      for row in 0..<n / 16 * 16 {
        for i in 0..<d { lanes[i][row % 16] += Double(values[row * d + i]) }
      }
      for i in 0..<d {
        let sum = (n / 16 * 16..<n).reduce(lanes[i].reduce(0, +)) {
          $0 + Double(values[$1 * d + i])
        }
        #expect(sums[i] == sum)
      }
      values[n * d - 1] = .nan
      #expect(fill() == n * d - 1)
      values[n / 2 * d] = .infinity
      #expect(fill() == n / 2 * d)
    }
  }

  @Test(arguments: levels)
  func clusterDistances(level: Int32) {
    for (n, d) in Self.shapes where n >= 64 {
      let (matrix, rows) = points(n, d)
      let offsets: [Int64] = [0, 3, 3, 10]
      var sums = [Double](repeating: 0, count: 3 * 64)
      StrictLoops.clusterDistances(
        matrix, tile: 0, samples: rows[..<10].flatMap { $0 }, offsets: offsets, clusters: 3,
        sums: &sums, level: level)
      for p in 0..<64 {
        for c in 0..<3 {
          var expected = 0.0
          for m in Int(offsets[c])..<Int(offsets[c + 1]) {
            expected += squared(rows[p], rows[m].map(Double.init)[...]).squareRoot()
          }
          #expect(sums[c * 64 + p] == expected)
        }
      }
    }
  }

  @Test func fillingReportsTheFirstBadRow() {
    let points = FeatureMatrix(rows: 200, columns: 2, centers: [1, 0])
    var values = (0..<200).map(Double.init)
    func fill(_ column: Int = 0) -> Int? {
      values.withUnsafeBufferPointer { points.fill(column, tiles: 0..<4, from: $0) }
    }
    #expect(fill() == nil)
    values[170] = .nan
    values[71] = -.infinity
    #expect(fill() == 71)
    values[71] = 1e16
    #expect(fill(1) == 71)
    values[71] = 0
    #expect(fill() == 170)
    let floats = [Float](repeating: 2.5, count: 200)
    #expect(floats.withUnsafeBufferPointer { points.fill(1, tiles: 0..<4, from: $0) } == nil)
    #expect(points[199, 1] == 2.5 && points[5, 0] == 4)
    // Padding lanes hold 0.
    #expect(points.tiles[(3 * 2 + 1) * 64 + 8] == 0)
  }
}
