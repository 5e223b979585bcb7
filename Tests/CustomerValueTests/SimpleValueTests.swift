import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

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
