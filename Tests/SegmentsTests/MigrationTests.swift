import Columnar
import CustomerValue
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Segments

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
      // Four segments on either side, nobody new and nobody left.
      var table = [[Int]](repeating: [Int](repeating: 0, count: 5), count: 5)
      for (x, y) in zip(a, b) { table[x][y] += 1 }
      let expected = line.split(separator: " ").map { Double($0)! }
      let four = (0..<4).map { Migration.Side(id: "S0\($0)", name: "") }
      let found = Migration(previous: four, current: four, counts: table)
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
