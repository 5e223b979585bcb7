import Testing

@testable import Kernels

/// Row-major values fill the same tiles as their columns do.
@Suite struct RowMajorTests {
  @Test func rowsAndColumnsFillTheSameTiles() {
    for (n, d) in StrictLoopTests.shapes {
      var random = TestRandom(n * 100 + d)
      let rows = (0..<n * d).map { _ in Float.random(in: -5...5, using: &random) }
      let columns = (0..<d).map { column in (0..<n).map { Double(rows[$0 * d + column]) } }
      let expected = matrix(columns)
      let filled = FeatureMatrix(rows: n, columns: d, centers: expected.centers)
      let bad = rows.withUnsafeBufferPointer {
        filled.fill(tiles: 0..<filled.tileCount, fromRows: $0)
      }
      #expect(bad == nil)
      for value in 0..<filled.tileCount * FeatureMatrix.tileRows * d {
        #expect(filled.tiles[value].bitPattern == expected.tiles[value].bitPattern)
      }
    }
  }

  @Test func theFirstBadValueIsNamed() {
    for bad in [Float.nan, .infinity, 1e30] {
      var rows = [Float](repeating: 1, count: 200 * 3)
      rows[70 * 3 + 2] = bad
      rows[71 * 3] = bad
      let matrix = FeatureMatrix(rows: 200, columns: 3, centers: [0, 0, 0])
      let place = rows.withUnsafeBufferPointer {
        matrix.fill(tiles: 0..<matrix.tileCount, fromRows: $0)
      }
      #expect(place == 70 * 3 + 2)
    }
  }
}

/// What a processor can do at best is counted right: the loops do the work they claim.
@Suite struct ProcessorPeakTests {
  @Test(arguments: StrictLoopTests.levels)
  func operationsAreCounted(level: Int32) {
    let clock = ContinuousClock()
    func seconds(_ operations: Int) -> Double {
      (0..<5).map { _ in
        clock.measure { _ = ProcessorPeak.multiplyAdd(operations: operations, level: level) }
          / .seconds(1)
      }.min()!
    }
    let done = ProcessorPeak.multiplyAdd(operations: 1_000_000, level: level)
    #expect(done >= 1_000_000 && done < 1_001_000)
    // No core of today does 1,000 operations of this kind a nanosecond: the loop was not left out.
    #expect(seconds(50_000_000) > 50e-6)
  }
}
