import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

@Suite struct OrderStatisticsTests {
  @Test func keysOrderAsValuesDo() {
    let ascending = [-Double.infinity, -1e300, -2, -1e-310, 0, 1e-310, 1, 1.0.nextUp, .infinity]
    let keys = ascending.map(OrderStatistics.key)
    #expect(keys == keys.sorted())
    #expect(keys.map(OrderStatistics.value) == ascending)
    #expect(OrderStatistics.key(-0.0) == OrderStatistics.key(0.0))
  }

  @Test(arguments: Sample.allCases) func ranksAgreeWithSorting(sample: Sample) throws {
    let sorted = sample.present
    let ranks = [0, sorted.count / 5, sorted.count / 2, sorted.count - 1]
    let found = try OrderStatistics.select(
      Buffer(sample.values), ranks: ranks, workers: threeThreads)
    #expect(found == ranks.map { sorted[$0] })
  }

  /// Bit for bit numpy's default definition.
  @Test func quantilesAgreeWithNumpy() throws {
    let folder = try TemporaryFolder()
    let probabilities = [0, 0.01, 0.25, 0.5, 0.75, 0.9, 1]
    for sample in Sample.allCases {
      try sample.values.withUnsafeBytes { Data($0) }
        .write(to: URL(fileURLWithPath: folder.path(sample.rawValue)))
    }
    let lines = try Shell.python(
      """
      import sys, numpy as np
      for name in sys.argv[2:]:
          x = np.fromfile(f"{sys.argv[1]}/{name}")
          q = np.nanquantile(x, [0, 0.01, 0.25, 0.5, 0.75, 0.9, 1])
          print(" ".join(repr(float(v)) for v in q))
      """, [folder.url.path] + Sample.allCases.map(\.rawValue)
    ).split(separator: "\n")
    for (sample, line) in zip(Sample.allCases, lines) {
      let expected = line.split(separator: " ").map { Double($0)! }
      let column = Buffer(sample.values)
      let found = try OrderStatistics.quantiles(
        column, at: probabilities, workers: threeThreads)
      #expect(found == expected, "\(sample)")
    }
  }

  /// Counted whole numbers against sorting, with one value at or past what is counted.
  @Test(arguments: [16_383.0, 16_384, -1, 0.5, 7, .infinity])
  func wholeNumbersGiveWhatSortingGives(odd: Double) throws {
    let random = CounterBasedRandom(seed: 4, purpose: .init("whole numbers"))
    var values = (0..<150_000).map { Double(Int(random.unit(at: $0) * random.unit(at: $0) * 900)) }
    (values[3_000], values[7], values[140_001]) = (odd, -0.0, .nan)
    let probabilities = [0, 0.001, 0.25, 0.5, 0.75, 0.999, 1]
    let found = try OrderStatistics.quantiles(
      Buffer(values), at: probabilities, workers: threeThreads)
    let sorted = values.filter { $0 == $0 }.map { $0 + 0.0 }.sorted()
    let expected = OrderStatistics.quantiles(count: sorted.count, at: probabilities) { sorted[$0] }
    #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
    let isCounted = try SmallIntegerCounts(Buffer(values), workers: threeThreads) != nil
    #expect(isCounted == (odd == 16_383 || odd == 7))
  }

  @Test func nothingHasNoQuantiles() throws {
    for values in [[], [Double.nan]] {
      let found = try OrderStatistics.quantiles(Buffer(values), at: [0.5], workers: oneThread)
      #expect(found.count == 1 && found[0].isNaN)
    }
  }
}
