import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

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
