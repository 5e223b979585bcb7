import Columnar
import Sharding
import Testing

@testable import CustomerValue

/// Curves over T against the evaluation of each customer.
@Suite struct ExposureCurvesTests {
  private static func cells(_ count: Int, longest: Double) throws -> PurchaseCells {
    let random = CounterBasedRandom(seed: 9, purpose: .init("curves"))
    let repeats = Buffer(
      (0..<count).map { row -> Int32 in
        // Most customers share a small x; a few have one of their own.
        row % 40 == 0 ? Int32(row % 1_500) : Int32(random.unit(at: 2 * row) * 4)
      })
    let age = Buffer((0..<count).map { 0.01 + random.unit(at: 2 * $0 + 1) * longest })
    let recency = Buffer((0..<count).map { repeats[$0] == 0 ? 0 : age[$0] * 0.5 })
    return try PurchaseCells(
      PurchaseSummary(timeUnit: .days, repeats: repeats, recency: recency, age: age),
      workers: Workers(threads: 2))
  }

  private func check(_ model: some PurchaseModel, longest: Double, horizon: Double) throws {
    let cells = try Self.cells(2_000, longest: longest)
    let (ends, factors) = try ValueHorizon(length: horizon).months(.days)
    let futures = try ExposureCurves(
      model, cells, ends: ends, factors: factors, workers: Workers(threads: 2)
    ).futures(cells, workers: Workers(threads: 2))
    var evaluation = FutureEvaluation(model, ends: ends, factors: factors)
    for row in 0..<cells.count {
      let exact = evaluation.future(repeats: Double(cells.repeats[row]), age: cells.age[row])
      for lane in 0..<2 {
        #expect(
          abs(futures[row][lane] - exact[lane]) <= 1e-11 * abs(exact[lane]),
          "x = \(cells.repeats[row]), T = \(cells.age[row]): \(futures[row]) \(exact)")
      }
    }
  }

  @Test(arguments: [(400.0, 365.25), (4_000, 3_652.5), (3, 30)])
  func agreeWithEveryCustomersOwn(longest: Double, horizon: Double) throws {
    for alpha in [0.5, 4.4, 300] {
      try check(
        BetaGeometric(.bgNBD, r: 0.24, alpha: alpha, a: 0.79, b: 2.4, timeUnit: .days),
        longest: longest, horizon: horizon)
    }
    try check(
      ParetoNBD(r: 0.55, alpha: 10, s: 0.6, beta: 11, timeUnit: .days), longest: longest,
      horizon: horizon)
  }
}
