import Columnar
import CustomerValue
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Segments

let oneThread = Workers(threads: 1)
let threeThreads = Workers(threads: 3)

func array<Value>(_ buffer: Buffer<Value>) -> [Value] {
  withExtendedLifetime(buffer) { Array(buffer.values) }
}

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

@Suite struct SegmentNameTests {
  /// Summaries by hand: the base is 0 with quartiles ±0.6745, so both measures are the given value.
  func profile(_ features: [String], _ differences: [[Double]]) -> BaseProfile {
    let base = FeatureSummary(
      mean: 0, median: 0, lowerQuartile: -0.6745, upperQuartile: 0.6745, differenceFromBase: 0,
      missingShare: 0)
    return BaseProfile(
      customers: 10 * differences.count, featureNames: features,
      features: features.map { _ in base },
      segments: differences.enumerated().map { label, values in
        SegmentProfile(
          label: label, id: SegmentIDs.id(number: label + 1), name: "", size: 10,
          shareOfCustomers: 0.1, shareOfMoney: nil,
          features: values.map {
            FeatureSummary(
              mean: $0, median: $0, lowerQuartile: $0, upperQuartile: $0, differenceFromBase: $0,
              missingShare: 0)
          })
      })
  }

  let activity = ["recency_days", "frequency", "average_amount"]

  @Test func saysWhatStandsOut() {
    let names = SegmentNames.names(
      profile(activity, [[-0.4, 1.2, 0.9], [1.5, -0.6, -0.5], [0.1, -0.1, 0.2], [0, 0.4, 0]]),
      language: .english)
    #expect(names == ["frequent, high amounts", "dormant, low amounts", "typical", "frequent"])
  }

  @Test func nothingBelowTheThresholdIsNamed() {
    let names = SegmentNames.names(
      profile(activity, [[0.34, -0.34, 0.34]]), language: .english)
    #expect(names == ["typical"])
  }

  @Test func contradictingMeasuresNameNothing() {
    var base = profile(["average_amount"], [[0.8]])
    base.segments[0].features[0].differenceFromBase = -0.2
    #expect(SegmentNames.names(base, language: .english) == ["typical"])
  }

  @Test func heavyTailsDoNotSilenceNames() {
    // One outlier makes the standard deviation huge; the medians still differ.
    var base = profile(["average_amount"], [[-0.9]])
    base.segments[0].features[0].differenceFromBase = -0.05
    #expect(SegmentNames.names(base, language: .english) == ["low amounts"])
  }

  @Test func sameTraitsGetTheNextOneThenANumber() {
    let features = activity + ["share_atm"]
    let names = SegmentNames.names(
      profile(
        features,
        [[0, 1, 1, 0.9], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0]]),
      language: .english)
    #expect(
      names == [
        "frequent, high amounts, more ATM", "frequent, high amounts", "frequent, high amounts 2",
        "frequent, high amounts 3", "infrequent, high amounts",
      ])
  }

  @Test func ageIsNotAName() {
    #expect(SegmentNames.names(profile(["Age"], [[2]]), language: .english) == ["typical"])
  }

  @Test func otherColumnsAreCalledByTheirName() {
    let names = SegmentNames.names(profile(["LIMIT_BAL"], [[2], [-1]]), language: .english)
    #expect(names == ["high LIMIT_BAL", "low LIMIT_BAL"])
  }

  @Test(arguments: Language.allCases) func uniqueInEveryLanguage(language: Language) {
    let random = CounterBasedRandom(seed: 4, purpose: .init("names"))
    let features = [
      "recency_days", "frequency", "monetary", "average_amount", "tenure_days", "active_days",
      "refund_count", "trend", "mean_gap_days", "gap_regularity", "share_card", "share_paper",
    ]
    let differences = (0..<60).map { segment in
      features.indices.map { (random.unit(at: segment * 100 + $0) - 0.5) * 3 }
    }
    let names = SegmentNames.names(profile(features, differences), language: language)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { !$0.isEmpty })
    #expect(names == SegmentNames.names(profile(features, differences), language: language))
    let clones = SegmentNames.names(
      profile(features, [[Double]](repeating: differences[0], count: 30)), language: language)
    #expect(Set(clones).count == 30)
  }

  @Test func spokenInFourLanguages() {
    let base = profile(activity, [[1.5, 0, -0.5]])
    #expect(
      Language.allCases.map { SegmentNames.names(base, language: $0)[0] } == [
        "dormant, low amounts", "uyuyan, düşük tutarlı", "спящие, мелкие суммы", "休眠，小额",
      ])
  }
}

@Suite struct MatchingTests {
  @Test func assignmentAgreesWithTryingAll() {
    func permutations(_ n: Int) -> [[Int]] {
      guard n > 0 else { return [[]] }
      return permutations(n - 1).flatMap { shorter in
        (0...shorter.count).map { place in
          var longer = shorter
          longer.insert(n - 1, at: place)
          return longer
        }
      }
    }
    let random = CounterBasedRandom(seed: 5, purpose: .init("assignment"))
    for trial in 0..<60 {
      let rows = 1 + trial % 5
      let columns = 1 + trial / 5 % 5
      // Few distinct costs: ties.
      let cost = (0..<rows).map { row in
        (0..<columns).map { column -> Double in
          (random.unit(at: trial * 100 + row * 10 + column) * 6).rounded(.down) - 2
        }
      }
      let found = LinearAssignment.solve(cost)
      var total = 0.0
      for (row, column) in found.enumerated() { if let column { total += cost[row][column] } }
      #expect(found.compactMap { $0 }.count == min(rows, columns))
      #expect(Set(found.compactMap { $0 }).count == min(rows, columns))
      let n = max(rows, columns)
      let best = permutations(n).map { permutation in
        var sum = 0.0
        for row in 0..<rows where permutation[row] < columns { sum += cost[row][permutation[row]] }
        return sum
      }.min()!
      #expect(abs(total - best) < 1e-12)
    }
  }

  @Test func idsFollowTheCustomersWhenLabelsArePermuted() {
    let matching = SegmentMatching(
      previousIDs: ["S02", "S01", "S03"], currentCount: 3,
      overlap: [[5, 90, 0], [80, 3, 0], [0, 0, 40]],
      distances: [[1, 1, 1], [1, 1, 1], [1, 1, 1]])
    #expect(matching.ids == ["S01", "S02", "S03"])
    #expect(matching.previous == [1, 0, 2])
    #expect(matching.retired == [] && matching.splits == [] && matching.merges == [])
    #expect(matching.jaccard[2] == 1)
  }

  @Test func lowOverlapGetsANumberNeverUsedBefore() {
    let matching = SegmentMatching(
      previousIDs: ["S01", "S04"], currentCount: 2, overlap: [[100, 0], [80, 20]],
      distances: [[0, 1], [1, 0]], history: ["S01", "S02", "S03", "S07"])
    // 20 / (100 + 20 − 20) = 0.2 is below 0.3.
    #expect(matching.ids == ["S01", "S08"])
    #expect(matching.retired == ["S04"])
    #expect(matching.history == ["S01", "S02", "S03", "S07", "S04", "S08"])
  }

  @Test func equalOverlapsAreDecidedByDistance() {
    let overlap = [[10, 10], [10, 10]]
    let near = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: overlap,
      distances: [[5, 1], [1, 5]],
      threshold: 0.1)
    #expect(near.ids == ["S02", "S01"])
    let far = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: overlap,
      distances: [[1, 5], [5, 1]],
      threshold: 0.1)
    #expect(far.ids == ["S01", "S02"])
  }

  @Test func splitsAndMergesAreReported() {
    let split = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 3, overlap: [[60, 40, 0], [0, 0, 50]],
      distances: [[0, 1, 2], [2, 2, 0]])
    #expect(split.ids == ["S01", "S03", "S02"])
    #expect(split.splits == [.init(from: "S01", into: ["S01", "S03"])])
    let merge = SegmentMatching(
      previousIDs: ["S01", "S02", "S03"], currentCount: 2, overlap: [[60, 0], [40, 0], [0, 50]],
      distances: [[0, 1], [1, 1], [1, 0]])
    #expect(merge.ids == ["S01", "S03"])
    #expect(merge.retired == ["S02"])
    #expect(merge.merges == [.init(from: ["S01", "S02"], into: "S01")])
  }

  @Test func withoutSharedCustomersNearnessDecides() {
    let matching = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: [[0, 0], [0, 0]],
      distances: [[9, 1], [4, 8]], previousDistances: [[0, 10], [10, 0]])
    #expect(matching.ids == ["S02", "S01"])
    let strange = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: [[0, 0], [0, 0]],
      distances: [[9, 1], [6, 8]], previousDistances: [[0, 10], [10, 0]])
    #expect(strange.ids == ["S03", "S01"])
  }

  @Test func aFirstRunHasNothingToMatch() {
    let matching = SegmentMatching(
      previousIDs: [], currentCount: 2, overlap: [], distances: [], history: ["S05"])
    #expect(matching.ids == ["S06", "S07"])
  }
}

@Suite struct JoinTests {
  enum Order: CaseIterable, Sendable { case ascending, shuffled }
  enum Form: CaseIterable, Sendable { case int64, int32, text, dictionary }

  /// Every third id of each table is in the other one, too.
  func ids(_ rows: Int, step: Int, _ order: Order) -> [Int] {
    let ascending = (0..<rows).map { 1_000 + $0 * step }
    guard order == .shuffled else { return ascending }
    let random = CounterBasedRandom(seed: UInt64(step), purpose: .init("join tests"))
    return ascending.sorted { random.bits(at: $0) < random.bits(at: $1) }
  }

  func column(_ ids: [Int], _ form: Form) -> Column {
    switch form {
    case .int64: Column(.int64(Buffer(ids.map(Int64.init))))
    case .int32: Column(.int32(Buffer(ids.map(Int32.init))))
    case .text: Column(.strings(Strings(ids.map { "00\($0)" })))
    case .dictionary:
      Column(
        .dictionary(
          codes: Buffer(ids.indices.map { Int32(ids.count - 1 - $0) }),
          Strings(ids.reversed().map { "00\($0)" })))
    }
  }

  // 40,000 rows make several partitions.
  @Test(arguments: [0, 1, 2_000, 40_000], Form.allCases)
  func agreesWithADictionary(rows: Int, form: Form) throws {
    for left in Order.allCases {
      for right in Order.allCases {
        let current = ids(rows, step: 2, left)
        let previous = ids(rows / 2 + 1, step: 3, right)
        let rowOf = Dictionary(uniqueKeysWithValues: previous.enumerated().map { ($1, Int32($0)) })
        let expected = current.map { rowOf[$0] ?? -1 }
        for workers in [oneThread, threeThreads] {
          let found = try CustomerJoin.previousRows(
            of: column(current, form), in: column(previous, form), workers: workers)
          #expect(array(found) == expected)
        }
      }
    }
  }

  @Test func textAndDictionaryJoin() throws {
    let current = ids(50, step: 2, .shuffled)
    let found = try CustomerJoin.previousRows(
      of: column(current, .text), in: column(current.reversed(), .dictionary), workers: oneThread)
    #expect(array(found) == (0..<50).map { Int32(49 - $0) })
  }

  @Test func badIDsAreRefusedWithTheirPlace() {
    func join(_ current: Column, _ previous: Column) throws {
      _ = try CustomerJoin.previousRows(of: current, in: previous, workers: oneThread)
    }
    #expect(throws: MigrationError.duplicateID(run: "previous", id: "7", row: 3)) {
      try join(column([1, 2], .int64), column([7, 5, 7], .int64))
    }
    #expect(throws: MigrationError.duplicateID(run: "current", id: "007", row: 2)) {
      try join(column([7, 7], .text), column([7, 5], .text))
    }
    #expect(throws: MigrationError.mixedKinds(previous: "text", current: "numbers")) {
      try join(column([1], .int64), column([1], .text))
    }
    #expect(throws: MigrationError.notAnID(run: "current")) {
      try join(Column(.double(Buffer([1.0]))), column([1], .int64))
    }
    let gap = Column(.int64(Buffer([1, 2])), validity: Validity(present: [true, false]))
    #expect(throws: MigrationError.missingID(run: "previous", row: 2)) {
      try join(column([1], .int64), gap)
    }
  }
}

@Suite struct MigrationTests {
  let sides = ["S01", "S02", "S03"].map { Migration.Side(id: $0, name: "name of \($0)") }

  @Test func countsNewAndLeft() throws {
    let previous = SegmentedBase(
      customerIDs: Column(.int64(Buffer([1, 2, 3, 4, 5]))), segments: Buffer([0, 0, 1, 1, -1]),
      sides: Array(sides[0..<2]))
    let current = SegmentedBase(
      customerIDs: Column(.int64(Buffer([5, 3, 2, 1, 9]))), segments: Buffer([2, 1, 1, 0, 0]),
      sides: sides)
    let migration = try Migration(previous: previous, current: current, workers: threeThreads)
    // 1: S01 → S01; 2: S01 → S02; 3: S02 → S02; 4 left; 5 had no segment and 9 no past: new.
    #expect(migration.counts == [[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 1, 0]])
    #expect(migration.newCustomers == 2 && migration.leftCustomers == 1)
    #expect(abs(migration.stability - 2.0 / 3) < 1e-15)
    #expect(migration.rowShares[0] == [0.5, 0.5, 0, 0])
    let data = try JSONEncoder().encode(migration)
    #expect(try JSONDecoder().decode(Migration.self, from: data) == migration)
  }

  @Test func segmentIDsOfAScoresFile() throws {
    let ids = Column(.int64(Buffer([1, 2, 3, 4])))
    for segmentIDs in [
      Column(
        .strings(Strings(["S02", "S09", "", "S02"])),
        validity: Validity(present: [true, true, false, true])),
      Column(
        .dictionary(codes: Buffer([1, 0, 0, 1]), Strings(["S09", "S02"])),
        validity: Validity(present: [true, true, false, true])),
    ] {
      let base = try SegmentedBase(
        customerIDs: ids, segmentIDs: segmentIDs, sides: sides, workers: oneThread)
      #expect(base.sides.map(\.id) == ["S01", "S02", "S03", "S09"])
      #expect(array(base.segments) == [1, 3, -1, 1])
    }
    #expect(throws: MigrationError.notSegmentIDs) {
      try SegmentedBase(customerIDs: ids, segmentIDs: ids, sides: sides, workers: oneThread)
    }
  }

  /// Agreement as scikit-learn computes it.
  @Test func agreementEqualsScikitLearn() throws {
    let random = CounterBasedRandom(seed: 6, purpose: .init("agreement"))
    var cases: [([Int], [Int])] = [([0, 0, 1, 1], [1, 1, 0, 0]), ([0, 0, 0], [0, 0, 0])]
    cases.append(([0, 1, 2], [0, 0, 0]))
    for trial in 0..<6 {
      let noise = Double(trial) / 5
      let a = (0..<400).map { Int(random.unit(at: trial * 5_000 + $0) * 4) }
      let b = (0..<400).map { row in
        random.unit(at: trial * 5_000 + 1_000 + row) < noise
          ? Int(random.unit(at: trial * 5_000 + 2_000 + row) * 3) : a[row]
      }
      cases.append((a, b))
    }
    let text = cases.map {
      "\($0.0.map(String.init).joined(separator: ",")) \($0.1.map(String.init).joined(separator: ","))"
    }
    let output = try Shell.python(
      """
      import sys
      from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
      for pair in sys.argv[1:]:
          a, b = (list(map(int, side.split(","))) for side in pair.split(" "))
          print(repr(float(adjusted_rand_score(a, b))), repr(float(normalized_mutual_info_score(a, b))))
      """, text)
    for ((a, b), line) in zip(cases, output.split(separator: "\n")) {
      var table = [[Int]](repeating: [Int](repeating: 0, count: 4), count: 4)
      for (x, y) in zip(a, b) { table[x][y] += 1 }
      let expected = line.split(separator: " ").map { Double($0)! }
      let found = Agreement(table)
      #expect(abs(found.adjustedRandIndex - expected[0]) < 1e-12)
      #expect(abs(found.normalizedMutualInformation - expected[1]) < 1e-12)
    }
  }

  @Test func matchedAgainOnRefit() throws {
    let ids = Column(.int64(Buffer((0..<100).map(Int64.init))))
    let previous = SegmentedBase(
      customerIDs: ids, segments: Buffer((0..<100).map { Int32($0 / 50) }),
      sides: Array(sides[0..<2]))
    let current = SegmentedBase(
      customerIDs: ids, segments: Buffer((0..<100).map { $0 < 55 ? 1 : 0 }),
      sides: [.init(id: "?0", name: ""), .init(id: "?1", name: "")])
    let provisional = try Migration(previous: previous, current: current, workers: oneThread)
    #expect(provisional.stability == 0)
    let matching = SegmentMatching(provisional, distances: [[1, 1], [1, 1]])
    #expect(matching.ids == ["S02", "S01"])
    let final = Migration(
      previous: provisional.previous,
      current: matching.ids.map { Migration.Side(id: $0, name: $0) }, counts: provisional.counts)
    #expect(abs(final.stability - 0.95) < 1e-15)
  }
}

@Suite struct OfferTests {
  let profile = BaseProfile(
    customers: 3, featureNames: [], features: [],
    segments: [("S01", "frequent"), ("S02", "dormant"), ("S03", "typical")].enumerated().map {
      SegmentProfile(
        label: $0.offset, id: $0.element.0, name: $0.element.1, size: 1, shareOfCustomers: 1,
        shareOfMoney: nil, features: [])
    })

  @Test func byIDThenByNameThenDefault() throws {
    let offers = try Offers(
      entries: [
        .init(segment: "dormant", offer: "COMEBACK-10"),
        .init(segment: "S02", offer: "WELCOME_BACK"),
        .init(segment: "frequent", offer: "GOLD:CARD"), .init(segment: "S44", offer: "X"),
      ], defaultOffer: "NONE")
    let outcome = offers.applied(to: profile)
    #expect(outcome.profile.segments.map(\.offer) == ["GOLD:CARD", "WELCOME_BACK", "NONE"])
    #expect(outcome.unusedSegments == ["S44"])
    #expect(
      try Offers(entries: []).applied(to: profile).profile.segments.allSatisfy { $0.offer == nil })
  }

  @Test func badMappingsAreRefused() {
    #expect(throws: OfferError.duplicateSegment("S01")) {
      try Offers(entries: [.init(segment: "S01", offer: "A"), .init(segment: "S01", offer: "B")])
    }
    for code in ["", "two words", String(repeating: "A", count: 65), "a;b", "=cmd"] {
      #expect(throws: OfferError.self) {
        try Offers(entries: [.init(segment: "S01", offer: code)])
      }
    }
    #expect(throws: OfferError.self) { try Offers(entries: [.init(segment: " ", offer: "A")]) }
    #expect(throws: OfferError.self) { try Offers(entries: [], defaultOffer: "a b") }
  }
}

/// Speed, on request: `TRANCHE_MEASURE=1 swift test -c release --filter SegmentsMeasurements`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["TRANCHE_MEASURE"] != nil), .serialized)
struct SegmentsMeasurements {
  let random = CounterBasedRandom(seed: 1, purpose: .init("measure"))
  let workers = Workers(threads: 2)

  func measure(_ name: String, _ body: () throws -> Void) rethrows {
    let best = try (0..<3).map { _ in try ContinuousClock().measure(body) }.min()!
    print("\(name): \(best)")
  }

  func column<Value: BitwiseCopyable>(_ n: Int, _ value: (Int) -> Value) -> Buffer<Value> {
    Buffer(count: n) { target in
      for row in 0..<n { target.initializeElement(at: row, to: value(row)) }
    }
  }

  @Test func profileOfTwoMillion() throws {
    let n = 2_000_000
    let labels = column(n) { Int32(random.bits(at: $0) % 8) }
    let features = (0..<12).map { feature in
      BaseProfile.Feature(
        name: "f\(feature)",
        values: column(n) { row in
          let u = random.unit(at: row * 12 + feature)
          return feature % 3 == 0 ? (u * 365).rounded() : exp(u * 9)
        })
    }
    try measure("profile of 2,000,000 × 12, 8 segments") {
      _ = try BaseProfile(
        labels: labels, segmentCount: 8, features: features, money: features[1].values,
        workers: workers)
    }
  }

  @Test func migrationOfTenMillion() throws {
    let n = 10_000_000
    let segments = column(n) { Int32(random.bits(at: $0) % 8) }
    let sides = (1...8).map { Migration.Side(id: "S0\($0)", name: "") }
    func base(_ ids: Buffer<Int64>) -> SegmentedBase {
      SegmentedBase(customerIDs: Column(.int64(ids)), segments: segments, sides: sides)
    }
    let sorted = base(column(n) { Int64($0) + 1_000_000 })
    let other = base(column(n) { Int64(($0 &* 7_919) % n) + 1_000_000 })
    try measure("migration of 10,000,000, sorted") {
      _ = try Migration(previous: sorted, current: sorted, workers: workers)
    }
    try measure("migration of 10,000,000, shuffled") {
      _ = try Migration(previous: sorted, current: other, workers: workers)
    }
  }
}
