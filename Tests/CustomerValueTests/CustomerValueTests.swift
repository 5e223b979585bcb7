import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

/// Columns that break selections: ties, signs, missing values, sizes around a shard.
enum Sample: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case one, two, allEqual, counts, logNormal, negative, missing, zeros, large

  var testDescription: String { rawValue }

  var values: [Double] {
    let random = CounterBasedRandom(seed: 7, purpose: .init("value tests"))
    func draw(_ n: Int, _ value: (Double) -> Double) -> [Double] {
      (0..<n).map { value(random.unit(at: $0)) }
    }
    return switch self {
    case .one: [3.5]
    case .two: [2, -1]
    case .allEqual: [Double](repeating: 4, count: 1_000)
    case .counts: draw(5_003) { (-log(1 - $0) * 1.4).rounded(.down) }
    case .logNormal: draw(4_999) { exp(8 * $0 - 4) * 17.3 }
    case .negative: draw(3_001) { ($0 - 0.6) * 1e5 }
    case .missing: draw(2_000) { $0 < 0.3 ? .nan : $0 }
    case .zeros: draw(999) { $0 < 0.4 ? -0.0 : $0 < 0.8 ? 0.0 : $0 }
    // More than one shard of 2¹⁷ rows, with a bin of more than 2,048 candidates.
    case .large: draw(140_001) { ($0 * 3e4).rounded() / 100 + 1_000 }
    }
  }

  var present: [Double] { values.filter { $0 == $0 }.sorted() }
}

/// A copy of a buffer's values. `Array(buffer.values)` on a temporary would read freed memory.
func array<Value>(_ buffer: Buffer<Value>) -> [Value] {
  withExtendedLifetime(buffer) { Array(buffer.values) }
}

let oneThread = Workers(threads: 1)
let threeThreads = Workers(threads: 3)

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
      let keys = sample.values.filter { $0 == $0 }.map(OrderStatistics.key)
      var scratch = SelectionScratch()
      for _ in 0..<2 {  // the second time with used memory
        keys.withUnsafeBufferPointer {
          #expect(
            OrderStatistics.quantiles(ofKeys: $0, at: probabilities, scratch: &scratch) == expected)
        }
      }
    }
  }

  @Test func nothingHasNoQuantiles() throws {
    for values in [[], [Double.nan]] {
      let found = try OrderStatistics.quantiles(Buffer(values), at: [0.5], workers: oneThread)
      #expect(found.count == 1 && found[0].isNaN)
    }
  }
}

@Suite struct ScoreTests {
  /// The rule, written down again without cut points: a block of equal values is scored by the share
  /// of rows before its middle.
  func plainScores(_ values: [Double], reversed: Bool) -> [Int32] {
    let oriented = values.map { reversed ? -$0 : $0 }
    let present = oriented.filter { $0 == $0 }.sorted()
    var blocks: [Double: Int32] = [:]
    var row = 0
    while row < present.count {
      var end = row
      while end < present.count && present[end] == present[row] { end += 1 }
      let middle = Double(row) + Double(end - row) / 2
      let cuts = [0.2, 0.4, 0.6, 0.8].filter { middle >= $0 * Double(present.count) }.count
      blocks[present[row]] = Int32(1 + cuts)
      row = end
    }
    return oriented.map { $0 == $0 ? blocks[$0]! : 0 }
  }

  @Test(arguments: Sample.allCases, [ScoreScale.Direction.higherIsBetter, .lowerIsBetter])
  func agreeWithThePlainRule(sample: Sample, direction: ScoreScale.Direction) throws {
    let column = Buffer(sample.values)
    let scale = try ScoreScale(
      fitting: column, named: "x", direction: direction, workers: threeThreads)
    let expected = plainScores(sample.values, reversed: direction == .lowerIsBetter)
    #expect(array(try scale.scores(column, workers: threeThreads)) == expected)
    #expect(array(try scale.scores(column, workers: oneThread)) == expected)
    #expect(sample.values.map(scale.score) == expected)
  }

  @Test func fiveDistinctValuesGetFiveScores() throws {
    let column = Buffer([30.0, 10, 50, 20, 40])
    let up = try ScoreScale(
      fitting: column, named: "x", direction: .higherIsBetter, workers: oneThread)
    #expect(array(try up.scores(column, workers: oneThread)) == [3, 1, 5, 2, 4])
    let down = try ScoreScale(
      fitting: column, named: "x", direction: .lowerIsBetter, workers: oneThread)
    #expect(array(try down.scores(column, workers: oneThread)) == [3, 5, 1, 4, 2])
  }

  @Test func withoutTiesQuintilesHoldAFifth() throws {
    let column = Buffer((0..<10_000).map { Double(($0 * 7_919) % 10_000) })
    let scale = try ScoreScale(
      fitting: column, named: "x", direction: .lowerIsBetter, workers: oneThread)
    let scores = array(try scale.scores(column, workers: oneThread))
    for score in Int32(1)...5 { #expect(scores.filter { $0 == score }.count == 2_000) }
  }

  @Test func frozenScalesSurviveTheModelFile() throws {
    let values = Sample.logNormal.values
    let rfm = try RFM(
      fittingRecency: Buffer(values), frequency: Buffer(values), monetary: Buffer(values),
      table: .standard(.turkish), workers: oneThread)
    let decoded = try JSONDecoder().decode(RFM.self, from: JSONEncoder().encode(rfm))
    #expect(decoded == rfm)
    #expect(decoded.recency.score(1e9) == 1 && decoded.frequency.score(1e9) == 5)
  }

  @Test func damagedScalesAreRefused() {
    #expect(throws: RFMError.self) {
      try ScoreScale(direction: .lowerIsBetter, cutPoints: [1, 2, 3, 4])
    }
    #expect(throws: RFMError.self) {
      try ScoreScale(direction: .higherIsBetter, cutPoints: [1, 2])
    }
    #expect(throws: RFMError.noValues("recency_days")) {
      try ScoreScale(
        fitting: Buffer([Double.nan]), named: "recency_days", direction: .lowerIsBetter,
        workers: oneThread)
    }
  }
}

@Suite struct RFMTableTests {
  @Test(arguments: Language.allCases) func theStandardMapNamesEveryCellOnce(language: Language) {
    let table = RFMTable.standard(language)
    #expect(table.cells.count == 25)
    #expect(Set(table.cells) == Set(0..<10))
    #expect(Set(table.names).count == 10)
  }

  @Test func theStandardMapIsThePublishedOne() {
    let table = RFMTable.standard()
    func name(_ r: Int, _ f: Int) -> String {
      table.names[table.entry(recency: r, frequency: f, monetary: 1)]
    }
    #expect(name(1, 1) == "hibernating" && name(2, 2) == "hibernating")
    #expect(name(2, 4) == "at risk" && name(1, 5) == "can't lose" && name(3, 2) == "about to sleep")
    #expect(name(3, 3) == "needs attention" && name(3, 4) == "loyal" && name(4, 5) == "loyal")
    #expect(name(4, 1) == "promising" && name(5, 1) == "new")
    #expect(name(5, 3) == "potential loyalist" && name(5, 4) == "champions")
  }

  @Test func missingAndDoubledCellsAreNamed() {
    #expect(throws: RFMError.cellsWithoutName(["15", "25"])) {
      try RFMTable(entries: [
        .init(name: "a", patterns: ["[12][1234]"]), .init(name: "b", patterns: ["[345][12345]"]),
      ])
    }
    do {
      _ = try RFMTable(entries: [
        .init(name: "a", patterns: ["[12][12345]"]), .init(name: "b", patterns: ["[345][12345]"]),
        .init(name: "c", patterns: ["55"]),
      ])
      Issue.record("accepted a cell with two names")
    } catch {
      #expect(error.description.contains("55 ('b' and 'c')"))
    }
  }

  @Test func threeDigitTablesHave125Cells() throws {
    let table = try RFMTable(entries: [
      .init(name: "rich", patterns: ["[12345][12345]5"]),
      .init(name: "other", patterns: ["[12345][12345][1234]"]),
    ])
    #expect(table.names[table.entry(recency: 1, frequency: 3, monetary: 5)] == "rich")
    #expect(table.names[table.entry(recency: 5, frequency: 5, monetary: 4)] == "other")
    #expect(throws: RFMError.self) {
      // What circulates: 61 of 125 cells.
      try RFMTable(entries: [
        .init(name: "champions", patterns: ["555", "554", "544", "545", "454", "455", "445"])
      ])
    }
  }

  @Test(arguments: ["", "1", "[12", "12]", "[]1", "[[1]2]3", "6[12]", "1-2", "[11]2", "1111"])
  func unreadablePatternsAreRefused(pattern: String) {
    #expect(throws: RFMError.self) {
      try RFMTable(entries: [.init(name: "a", patterns: [pattern])])
    }
  }

  @Test func tablesFromFilesAreChecked() throws {
    let text = #"[{"name": "all", "patterns": ["[12345][1234]"]}]"#
    #expect(throws: RFMError.self) {
      try JSONDecoder().decode(RFMTable.self, from: Data(text.utf8))
    }
  }

  @Test func segmentsFollowTheScores() throws {
    let recency = Buffer([1.0, 2, 3, 4, 5, .nan])
    let frequency = Buffer([50.0, 40, 30, 20, 10, 30])
    let rfm = try RFM(
      fittingRecency: recency, frequency: frequency, monetary: frequency, workers: oneThread)
    let scores = try rfm.scores(
      recency: recency, frequency: frequency, monetary: frequency, workers: threeThreads)
    let names = array(scores.segment).map { $0 < 0 ? "-" : rfm.table.names[Int($0)] }
    #expect(names[0] == "champions" && names[4] == "hibernating" && names[5] == "-")
  }
}

@Suite struct SimpleValueTests {
  func decimal(_ minor: [Int64], scale: Int = 2) -> Column {
    Column(.decimal(Buffer(minor), precision: 18, scale: scale))
  }

  @Test func incomeLessCost() throws {
    let value = try SimpleValue.balance(
      income: [
        ("deposit_interest", decimal([200_000_00, 1])),
        ("loan_interest", decimal([250_000_00, 1])),
        ("fees", Column(.int32(Buffer([50_000, 0])))),
      ],
      cost: [
        ("acquisition", decimal([60_000_000, 0], scale: 3)), ("service", decimal([40_000_00, 5])),
      ], workers: oneThread)
    guard case .decimal(let minor, precision: 18, scale: 3) = value.values else {
      Issue.record("decimal expected, got \(value.type)")
      return
    }
    #expect(array(minor) == [400_000_000, -30])  // 400,000.000 and −0.030
  }

  @Test func floatingPointMakesDoubles() throws {
    let value = try SimpleValue.balance(
      income: [("a", Column(.double(Buffer([500_000.0]))))],
      cost: [("b", decimal([100_000_00]))], workers: oneThread)
    guard case .double(let values) = value.values else {
      Issue.record("doubles expected")
      return
    }
    #expect(values[0] == 400_000)
  }

  @Test func missingAmountsAreMissingOrNone() throws {
    let income = Column(
      .decimal(Buffer([100, 100]), precision: 18, scale: 2),
      validity: Validity(present: [true, false]))
    let strict = try SimpleValue.balance(income: [("a", income)], cost: [], workers: oneThread)
    #expect(!strict.isMissing(0) && strict.isMissing(1))
    let lenient = try SimpleValue.balance(
      income: [("a", income)], cost: [], missingAsZero: true, workers: oneThread)
    guard case .decimal(let minor, _, _) = lenient.values else { return }
    #expect(array(minor) == [100, 0])
  }

  @Test func overflowNamesRowAndColumn() throws {
    do {
      _ = try SimpleValue.balance(
        income: [("a", decimal([1, .max])), ("fees", decimal([1, 1]))], cost: [],
        workers: oneThread)
      Issue.record("overflow went unseen")
    } catch let error as SimpleValueError {
      #expect(error.description.contains("row 2") && error.description.contains("fees"))
    }
  }

  @Test func turnoverBySegment() throws {
    let parameters = try [
      SimpleValue.Parameters(margin: 0.25, acquisitionCost: 100),
      SimpleValue.Parameters(margin: 0.5, periods: 3),
    ]
    let values = try SimpleValue.turnover(
      frequency: Buffer([12.0, 12, .nan]), averageValue: Buffer([150.0, 150, 1]),
      segments: Buffer([0, 1, 0]), parameters: parameters, workers: oneThread)
    #expect(values[0] == 350 && values[1] == 2_700 && values[2].isNaN)
    #expect(throws: SimpleValueError.self) {
      try SimpleValue.turnover(
        frequency: Buffer([1.0]), averageValue: Buffer([1.0]), segments: Buffer([2]),
        parameters: parameters, workers: oneThread)
    }
    #expect(throws: SimpleValueError.self) { try SimpleValue.Parameters(margin: 20) }
  }
}

@Suite struct TierTests {
  @Test func defaultSharesWithoutTies() throws {
    let column = Buffer((0..<1_000).map { Double(($0 * 389) % 1_000) })
    let tiers = try Tiers(fitting: column, workers: oneThread)
    let codes = array(try tiers.assign(column, workers: threeThreads))
    #expect(codes.filter { $0 == Tier.high.rawValue }.count == 200)
    #expect(codes.filter { $0 == Tier.mid.rawValue }.count == 300)
    #expect(tiers.tier(800) == .high && tiers.tier(799) == .mid && tiers.tier(499) == .low)
    #expect(tiers.tier(.nan) == nil)
  }

  @Test func equalValuesShareATier() throws {
    let tiers = try Tiers(fitting: Buffer([Double](repeating: 5, count: 40)), workers: oneThread)
    // The middle of the only block is at one half: mid begins there.
    #expect(tiers.tier(5) == .mid)
  }

  @Test func hysteresisHoldsWhoIsNearACut() throws {
    let column = Buffer((0..<1_000).map(Double.init))
    let tiers = try Tiers(fitting: column, hysteresis: 0.05, workers: oneThread)
    #expect(tiers.high.value == 800 && tiers.high.toRise == 850 && tiers.high.toStay == 750)
    #expect(tiers.tier(820) == .high)
    #expect(tiers.tier(820, previous: .mid) == .mid)
    #expect(tiers.tier(850, previous: .mid) == .high)
    #expect(tiers.tier(760, previous: .high) == .high)
    #expect(tiers.tier(749, previous: .high) == .mid)
    #expect(tiers.tier(10, previous: .high) == .low)
    #expect(tiers.tier(990, previous: .low) == .high)
    #expect(tiers.tier(520, previous: .low) == .low)
    let codes = try tiers.assign(
      Buffer([820.0, 820]), previous: Buffer([Int32(1), -1]), workers: oneThread)
    #expect(array(codes) == [1, 0])
  }

  @Test func thresholds() throws {
    let tiers = try Tiers(
      fitting: Buffer([0.0]), rule: .thresholds(high: 1_000, mid: -100), hysteresis: 0.1,
      workers: oneThread)
    #expect(tiers.tier(1_000) == .high && tiers.tier(999) == .mid && tiers.tier(-101) == .low)
    #expect(tiers.mid.toRise == -90 && tiers.mid.toStay == -110)
    #expect(throws: TierError.self) {
      try Tiers(fitting: Buffer([0.0]), rule: .thresholds(high: 1, mid: 2), workers: oneThread)
    }
    #expect(throws: TierError.noValues) {
      try Tiers(fitting: Buffer([Double.nan]), workers: oneThread)
    }
  }
}

@Suite struct ConcentrationTests {
  @Test(arguments: Sample.allCases) func agreesWithThePlainDefinition(sample: Sample) throws {
    let held = sample.present.map { max(0, $0) }
    let n = Double(held.count)
    let total = held.reduce(0, +)
    let found = try Concentration(Buffer(sample.values), workers: threeThreads)
    #expect(found == (try Concentration(Buffer(sample.values), workers: oneThread)))
    let concentration = try #require(found)
    // Gini by its definition through the sorted values; both sums round at most n times.
    let weighted = held.enumerated().reduce(0.0) { $0 + Double($1.offset + 1) * $1.element }
    #expect(abs(concentration.gini - (2 * weighted / (n * total) - (n + 1) / n)) < 1e-9)
    #expect(concentration.curve.count == 101)
    #expect(concentration.curve[0] == 0 && concentration.curve[100] == 1)
    let top = n * 20 / 100
    let whole = Int(top)
    var topSum = held.suffix(whole).reduce(0, +)
    if whole < held.count { topSum += (top - Double(whole)) * held[held.count - whole - 1] }
    #expect(abs(concentration.curve[20] - topSum / total) < 1e-9)
  }

  @Test func extremes() throws {
    let equal = try #require(
      try Concentration(Buffer([Double](repeating: 2, count: 100)), workers: oneThread))
    #expect(equal.gini < 1e-12)
    #expect(abs(equal.curve[30] - 0.3) < 1e-12)
    let one = try #require(
      try Concentration(Buffer((0..<100).map { $0 == 9 ? 1.0 : 0 }), workers: oneThread))
    #expect(abs(one.gini - 0.99) < 1e-12 && one.curve[1] == 1)
    #expect(try Concentration(Buffer([-1.0, 0]), workers: oneThread) == nil)
    let mixed = try #require(try Concentration(Buffer([-3.0, 1, 1]), workers: oneThread))
    #expect(mixed.negativeCount == 1 && mixed.negativeSum == -3 && mixed.total == 2)
  }

  @Test func sortedKeysAreSorted() throws {
    for sample in Sample.allCases {
      let keys = try SortedKeys(Buffer(sample.values), workers: threeThreads)
      #expect((0..<keys.count).map { keys[$0] } == sample.present, "\(sample)")
    }
  }
}

/// Speed, on request: `TRANCHE_MEASURE=1 swift test -c release --filter CustomerValueTests`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["TRANCHE_MEASURE"] != nil), .serialized)
struct CustomerValueMeasurements {
  @Test func tenMillionCustomers() throws {
    let n = 10_000_000
    let random = CounterBasedRandom(seed: 1, purpose: .init("measure"))
    let recency = Buffer<Double>(count: n) { target in
      for row in 0..<n {
        target.initializeElement(at: row, to: (random.unit(at: row) * 365).rounded())
      }
    }
    let money = Buffer<Double>(count: n) { target in
      for row in 0..<n { target.initializeElement(at: row, to: exp(random.unit(at: row) * 9)) }
    }
    let workers = Workers(threads: 2)
    func measure(_ name: String, _ body: () throws -> Void) rethrows {
      let best = try (0..<3).map { _ in try ContinuousClock().measure(body) }.min()!
      print("\(name) of 10,000,000: \(best)")
    }
    try measure("RFM fit and scores") {
      let rfm = try RFM(
        fittingRecency: recency, frequency: recency, monetary: money, workers: workers)
      _ = try rfm.scores(recency: recency, frequency: recency, monetary: money, workers: workers)
    }
    try measure("tiers fit and assign") {
      _ = try Tiers(fitting: money, workers: workers).assign(money, workers: workers)
    }
    try measure("concentration") { _ = try Concentration(money, workers: workers) }
  }
}
