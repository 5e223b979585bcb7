import Columnar
import CustomerValue
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Segments

/// A base with ties, missing values, an empty segment and customers without a segment.
struct LabelledBase {
  let labels: [Int32]
  let features: [(name: String, values: [Double])]
  let segmentCount = 5

  init(rows: Int) {
    let random = CounterBasedRandom(seed: 3, purpose: .init("profile tests"))
    func unit(_ row: Int, _ column: Int) -> Double { random.unit(at: row * 8 + column) }
    // Nobody is in segment 3.
    labels = (0..<rows).map { [0, 0, 0, 1, 2, 4, 4, -1][Int(unit($0, 0) * 8)] }
    features = [
      ("frequency", (0..<rows).map { (unit($0, 1) * 9).rounded() }),
      ("average_amount", (0..<rows).map { exp(unit($0, 2) * 6) }),
      ("recency_days", (0..<rows).map { unit($0, 3) < 0.2 ? .nan : (unit($0, 4) * 365).rounded() }),
      ("constant", [Double](repeating: 7, count: rows)),
      ("empty", [Double](repeating: .nan, count: rows)),
    ]
  }

  func profile(money: Bool = true, workers: Workers) throws -> BaseProfile {
    try BaseProfile(
      labels: Buffer(labels), segmentCount: segmentCount,
      features: features.map { .init(name: $0.name, values: Buffer($0.values)) },
      money: money ? Buffer(features[1].values) : nil, workers: workers)
  }
}

@Suite struct ProfileTests {
  // Around one shard of 65,536 rows.
  @Test(arguments: [1, 7, 1_000, 70_001]) func sameForAnyThreadCount(rows: Int) throws {
    let base = LabelledBase(rows: rows)
    let profile = try base.profile(workers: oneThread)
    #expect(try base.profile(workers: threeThreads) == profile)
    #expect(profile.customers == base.labels.filter { $0 >= 0 }.count)
  }

  /// Medians, quartiles: bit for bit numpy's. Means, differences: to rounding.
  @Test func agreesWithNumpyAndDuckDB() throws {
    let rows = 20_003
    let base = LabelledBase(rows: rows)
    let profile = try base.profile(workers: threeThreads)
    let folder = try TemporaryFolder()
    func save<Value>(_ name: String, _ values: [Value]) throws {
      try values.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: folder.path(name)))
    }
    try save("labels", base.labels)
    for feature in base.features { try save(feature.name, feature.values) }
    let output = try Shell.python(
      """
      import sys, numpy as np, duckdb, pyarrow as pa
      folder = sys.argv[1]
      labels = np.fromfile(f"{folder}/labels", np.int32)
      money = np.fromfile(f"{folder}/average_amount")
      for name in ["frequency", "average_amount", "recency_days"]:
          x = np.fromfile(f"{folder}/{name}")
          known = x[labels >= 0]
          mean, deviation = np.nanmean(known), np.nanstd(known)
          for label in [0, 1, 2, 4]:
              own = x[labels == label]
              q = np.nanquantile(own, [0.25, 0.5, 0.75])
              known_values = pa.table({"x": own[~np.isnan(own)]})
              duck = duckdb.sql("select quantile_cont(x, 0.5) from known_values").fetchall()[0][0]
              print(name, label, *map(repr, map(float, [
                  q[0], q[1], q[2], np.nanmean(own), (np.nanmean(own) - mean) / deviation,
                  np.isnan(own).mean(), (labels == label).sum() / (labels >= 0).sum(),
                  money[labels == label].sum() / money[labels >= 0].sum(), duck])))
      """, [folder.url.path])
    let lines = output.split(separator: "\n")
    #expect(lines.count == 12)
    for line in lines {
      let words = line.split(separator: " ")
      let expected = words.dropFirst(2).map { Double($0)! }
      let segment = profile.segments[Int(words[1])!]
      let feature = profile.featureNames.firstIndex(of: String(words[0]))!
      let found = segment.features[feature]
      #expect(
        [found.lowerQuartile, found.median, found.upperQuartile] == Array(expected[0..<3]),
        "\(line)")
      #expect(found.median == expected[8], "DuckDB: \(line)")
      #expect(abs(found.mean / expected[3] - 1) < 1e-13)
      #expect(abs(found.differenceFromBase - expected[4]) < 1e-11)
      #expect(found.missingShare == expected[5])
      #expect(segment.shareOfCustomers == expected[6])
      #expect(abs(segment.shareOfMoney! / expected[7] - 1) < 1e-12)
    }
  }

  /// Quartiles against sorting: many segments leave few bins each; zeros that half of the values are,
  /// refunds, whole numbers beyond those that are counted, and magnitudes from end to end.
  @Test(arguments: [1, 8, 700]) func quartilesAreThoseOfTheSortedValues(segmentCount: Int) throws {
    let rows = 70_001
    let random = CounterBasedRandom(seed: 8, purpose: .init("quartiles"))
    func unit(_ row: Int, _ column: Int) -> Double { random.unit(at: row * 8 + column) }
    let labels = (0..<rows).map { Int32(unit($0, 0) * Double(segmentCount)) }
    let features: [(name: String, values: [Double])] = [
      ("zeros", (0..<rows).map { unit($0, 1) < 0.5 ? -0.0 : (unit($0, 2) * 1e4).rounded() / 100 }),
      ("refunds", (0..<rows).map { ((unit($0, 3) - 0.4) * 1e6).rounded() / 100 }),
      ("large", (0..<rows).map { (unit($0, 4) * 1e12).rounded() }),
      ("wide", (0..<rows).map { exp2((unit($0, 5) - 0.5) * 2_000) }),
      ("days", (0..<rows).map { (unit($0, 6) * 365).rounded() }),
    ]
    let profile = try BaseProfile(
      labels: Buffer(labels), segmentCount: segmentCount,
      features: features.map { .init(name: $0.name, values: Buffer($0.values)) }, money: nil,
      workers: threeThreads)
    func check(_ found: FeatureSummary, _ values: [Double], _ name: String) {
      let sorted = values.sorted()
      let expected = [0.25, 0.5, 0.75].map { probability in
        let position = Double(sorted.count - 1) * probability
        let lower = Int(position)
        let (a, b) = (sorted[lower], sorted[min(lower + 1, sorted.count - 1)])
        let fraction = position - Double(lower)
        return fraction >= 0.5 ? b - (b - a) * (1 - fraction) : a + (b - a) * fraction
      }
      #expect([found.lowerQuartile, found.median, found.upperQuartile] == expected, "\(name)")
    }
    for (column, feature) in features.enumerated() {
      check(profile.features[column], feature.values, feature.name)
      for label in [0, segmentCount / 2, segmentCount - 1] {
        let own = (0..<rows).filter { labels[$0] == Int32(label) }.map { feature.values[$0] }
        check(profile.segments[label].features[column], own, "\(feature.name) of \(label)")
      }
    }
  }

  @Test func emptySegmentsAndColumnsAreZeroWithAMissingShareOfOne() throws {
    let profile = try LabelledBase(rows: 500).profile(workers: oneThread)
    let nobody = profile.segments[3]
    #expect(nobody.size == 0 && nobody.shareOfMoney == 0)
    #expect(nobody.features.allSatisfy { $0.missingShare == 1 && $0.mean == 0 })
    let empty = profile.featureNames.firstIndex(of: "empty")!
    #expect(profile.features[empty].missingShare == 1 && profile.features[empty].median == 0)
    let constant = profile.featureNames.firstIndex(of: "constant")!
    #expect(profile.segments[0].features[constant].differenceFromBase == 0)
    #expect(profile.segments[0].features[constant].median == 7)
    // JSON has no NaN: a profile must never hold one.
    let data = try JSONEncoder().encode(profile)
    #expect(try JSONDecoder().decode(BaseProfile.self, from: data) == profile)
  }

  @Test func noMoneyNoShares() throws {
    let profile = try LabelledBase(rows: 300).profile(money: false, workers: oneThread)
    #expect(profile.segments.allSatisfy { $0.shareOfMoney == nil })
    // Without money the largest segment is the first.
    let largest = profile.segments.max { $0.size < $1.size }
    #expect(largest?.id == "S01")
  }

  @Test func idsFollowMeanMoneyThenSizeThenLabel() {
    #expect(SegmentIDs.initial(sizes: [5, 9, 9], meanMoney: [1, 3, 2]) == ["S03", "S01", "S02"])
    #expect(SegmentIDs.initial(sizes: [5, 9, 9], meanMoney: [1, 1, 1]) == ["S03", "S01", "S02"])
    #expect(SegmentIDs.initial(sizes: [5, 9, 9], meanMoney: nil) == ["S03", "S01", "S02"])
    let many = SegmentIDs.initial(sizes: [Int](repeating: 1, count: 120), meanMoney: nil)
    #expect(many[8] == "S09" && many[9] == "S10" && many[119] == "S120")
    #expect(SegmentIDs.number(of: "S09") == 9 && SegmentIDs.number(of: "S120") == 120)
    #expect(SegmentIDs.number(of: "S9") == nil && SegmentIDs.number(of: "S009") == nil)
    #expect(SegmentIDs.number(of: "gold") == nil && SegmentIDs.number(of: "S+9") == nil)
  }
}
