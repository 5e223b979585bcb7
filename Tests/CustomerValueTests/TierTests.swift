import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

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
