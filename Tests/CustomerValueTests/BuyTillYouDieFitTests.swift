import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

@Suite struct PurchaseSummaryTests {
  @Test func byHand() throws {
    let (summary, customers) = try PurchaseSummary.summarizing(
      [
        (7, 24, 5), (7, 10, 100), (7, 24, 7), (7, 31, 8), (7, 60, 1), (3, 38, 4), (3, 38, 6),
        (9, 41, 2),
      ], through: 40, unit: .days)
    #expect(customers == [3, 7])
    #expect(array(summary.repeats) == [0, 2])
    #expect(array(summary.recency) == [0, 21])
    #expect(array(summary.age) == [2, 30])
    // The first day's spend does not count; two purchases on a day are one of 12.
    #expect(array(try #require(summary.meanSpend)) == [0, 10])
  }

  @Test func impossibleHistories() throws {
    let rows: [(history: (x: Int32, recency: Double, age: Double, m: Double), words: String)] = [
      ((1, 5, 4, 0), "after the end of observation"), ((-1, 0, 4, 0), "negative"),
      ((0, 1, 4, 0), "without a repeat"), ((1, .nan, 4, 0), "not a time"),
      ((1, 1, .infinity, 0), "not a time"), ((1, 1, 2, .nan), "not an amount"),
    ]
    for (row, words) in rows {
      let error = #expect(throws: PurchaseSummaryError.self) {
        try PurchaseSummary.histories([(0, 0, 1, 0), row])
      }
      #expect(try #require(error).description.contains(words))
      #expect(try #require(error).description.contains("Row 2"))
    }
  }

  @Test func cellsCountEveryCustomer() throws {
    let summary = try CDNOW.sample.summary()
    let cells = try PurchaseCells(summary, workers: threeThreads)
    #expect(cells.customers == 2_357)
    #expect(cells.weight.reduce(0, +) == 2_357)
    #expect(cells.count < 1_100)
    for row in 0..<summary.count {
      let cell = Int(cells.cellOfRow[row])
      #expect(cells.repeats[cell] == summary.repeats[row])
      #expect(cells.recency[cell] == summary.recency[row])
      #expect(cells.age[cell] == summary.age[row])
      let exposure = cells.exposures[Int(cells.exposureOfCell[cell])]
      #expect(exposure.repeats == summary.repeats[row] && exposure.age == summary.age[row])
    }
    #expect(Set(cells.exposures.map { "\($0)" }).count == cells.exposures.count)
    #expect(cells.distinctRepeats.map(\.repeats) == Set(array(summary.repeats)).sorted())
  }
}

/// Figures in print, to their last digit.
@Suite struct PublishedFiguresTests {
  static func rounded(_ values: [Double], _ digits: Int) -> [String] {
    values.map { String(format: "%.\(digits)f", $0) }
  }

  @Test func betaGeometricOfTheSample() throws {
    let cells = try PurchaseCells(CDNOW.sample.summary(), workers: threeThreads)
    let fit = try BetaGeometric.fit(.bgNBD, cells, workers: threeThreads)
    let model = fit.model
    #expect(fit.status.kind == .converged)
    #expect(fit.gradientNorm < 1e-10)
    #expect(try #require(fit.hessianCondition) < 1e4)
    #expect(
      Self.rounded([model.r, model.alpha, model.a, model.b], 3) == [
        "0.243", "4.414", "0.793", "2.426",
      ])
    // Six digits on: a peer's optimum of the same likelihood, which ours must not fall short of.
    let peer = try BetaGeometric(
      .bgNBD, r: 0.2425946, alpha: 4.4136053, a: 0.7929212, b: 2.4259055, timeUnit: .weeks)
    for (ours, theirs) in zip(
      [model.r, model.alpha, model.a, model.b], [peer.r, peer.alpha, peer.a, peer.b])
    {
      #expect(abs(ours - theirs) < 2e-6 * theirs)
    }
    #expect(try peer.logLikelihood(cells, workers: oneThread) <= fit.logLikelihood)
    #expect(Self.rounded([fit.logLikelihood], 5) == ["-9582.42921"])
    #expect(
      Self.rounded([model.expectedRepeats(until: 1), model.expectedRepeats(until: 32)], 4) == [
        "0.0532", "1.0437",
      ])
    let published = try BetaGeometric(
      .bgNBD, r: 0.243, alpha: 4.414, a: 0.793, b: 2.426, timeUnit: .weeks)
    let expected = published.expectedTransactions(
      repeats: 2, recency: 30.43, age: 38.86, horizon: 39)
    #expect(Self.rounded([expected], 3) == ["1.226"])
  }

  @Test func paretoOfTheSample() throws {
    let cells = try PurchaseCells(CDNOW.sample.summary(), workers: threeThreads)
    let fit = try ParetoNBD.fit(cells, workers: threeThreads)
    let model = fit.model
    #expect(fit.status.kind == .converged)
    #expect(
      Self.rounded([model.r, model.alpha, model.s, model.beta], 3) == [
        "0.553", "10.578", "0.606", "11.669",
      ])
    #expect(Self.rounded([fit.logLikelihood], 1) == ["-9595.0"])
  }

  @Test func modifiedBetaGeometricOfTheSample() throws {
    let cells = try PurchaseCells(CDNOW.sample.summary(), workers: threeThreads)
    let fit = try BetaGeometric.fit(.mbgNBD, cells, workers: threeThreads)
    let model = fit.model
    #expect(fit.status.kind == .converged)
    #expect(
      Self.rounded([model.r, model.alpha, model.a, model.b], 3) == [
        "0.525", "6.183", "0.891", "1.614",
      ])
    // Printed as −9582.13: cut, not rounded.
    #expect(Self.rounded([fit.logLikelihood], 3) == ["-9582.136"])
  }

  @Test(arguments: [
    (CDNOW.sample, 946, ["6.25", "3.74", "15.44"], 2),
    (CDNOW.full, 9_450, ["6.2754", "3.6245", "14.9837"], 4),
  ])
  func spend(base: CDNOW, repeaters: Int, parameters: [String], digits: Int) throws {
    let result = try GammaGamma.fit(base.summary(), workers: threeThreads)
    let model = result.fit.model
    #expect(result.fit.status.kind == .converged)
    #expect(result.repeaters == repeaters)
    #expect(Self.rounded([model.p, model.q, model.gamma], digits) == parameters)
    #expect(abs(try #require(result.correlation)) < 0.12)
    if base == .sample { #expect(Self.rounded([result.fit.logLikelihood], 2) == ["-4055.92"]) }
  }

  @Test func fullBase() throws {
    let cells = try PurchaseCells(CDNOW.full.summary(), workers: threeThreads)
    let bg = try BetaGeometric.fit(.bgNBD, cells, workers: threeThreads).model
    #expect(
      Self.rounded([bg.r, bg.alpha, bg.a, bg.b], 4) == ["0.2516", "4.7889", "0.7234", "2.1611"])
    let mbg = try BetaGeometric.fit(.mbgNBD, cells, workers: threeThreads).model
    #expect(
      Self.rounded([mbg.r, mbg.alpha, mbg.a, mbg.b], 4) == [
        "0.6371", "7.3103", "0.8075", "1.2284",
      ])
    let pareto = try ParetoNBD.fit(cells, workers: threeThreads)
    #expect(Self.rounded([pareto.model.r, pareto.model.s], 4) == ["0.5974", "0.5222"])
    // α 11.5858 and β 8.8271 are in print; the likelihood there is lower than at our maximum.
    #expect(abs(pareto.model.alpha - 11.5858) < 2e-4)
    #expect(abs(pareto.model.beta - 8.8271) < 1e-3)
    let peer = try ParetoNBD(r: 0.5974, alpha: 11.5858, s: 0.5222, beta: 8.8271, timeUnit: .weeks)
    #expect(try peer.logLikelihood(cells, workers: threeThreads) < pareto.logLikelihood)
    #expect(pareto.gradientNorm < 1e-10)
  }

  /// Days are weeks by seven: the same optimum in other units.
  @Test func unitsOfTime() throws {
    let weeks = try BetaGeometric.fit(
      .bgNBD, PurchaseCells(CDNOW.sample.summary(.weeks), workers: oneThread), workers: oneThread)
    let days = try BetaGeometric.fit(
      .bgNBD, PurchaseCells(CDNOW.sample.summary(.days), workers: oneThread), workers: oneThread)
    #expect(abs(days.model.r - weeks.model.r) < 1e-8)
    #expect(abs(days.model.alpha - 7 * weeks.model.alpha) < 1e-6)
    #expect(days.model.timeUnit == .days)
  }
}

@Suite struct LikelihoodTests {
  /// Gradient against differences of the value, Hessian against differences of the gradient.
  private func check(
    _ point: [Double], _ function: ([Double]) throws -> Derivatives, _ name: String
  ) rethrows {
    let here = try function(point)
    let size = point.count
    for i in 0..<size {
      let step = 1e-5 * point[i]
      var (up, down) = (point, point)
      up[i] += step
      down[i] -= step
      let (above, below) = (try function(up), try function(down))
      let slope = (above.value - below.value) / (2 * step)
      let scale = here.gradient.indices.reduce(0.0) {
        max($0, abs(here.gradient[$1] * point[$1]))
      }
      #expect(abs(slope - here.gradient[i]) * point[i] <= 1e-6 * scale, "\(name) gradient \(i)")
      for j in 0..<size {
        let curve = (above.gradient[j] - below.gradient[j]) / (2 * step)
        let expected = here.hessian[i * size + j]
        let curvature = (0..<size).reduce(0.0) {
          max($0, abs(here.hessian[$1 * size + $1]) * point[$1] * point[$1])
        }
        #expect(
          abs(curve - expected) * point[i] * point[j] <= 1e-6 * curvature,
          "\(name) Hessian \(i) \(j): \(curve), \(expected)")
      }
    }
  }

  @Test func derivatives() throws {
    let summary = try CDNOW.sample.summary()
    let cells = try PurchaseCells(summary, workers: oneThread).thinned(by: 7)
    for variant in [BetaGeometric.Variant.bgNBD, .mbgNBD] {
      let likelihood = BetaGeometricLikelihood(
        variant: variant, cells: cells, workers: threeThreads)
      for point in [[0.3, 5, 0.5, 2], [2, 1, 0.01, 0.3]] {
        try check(
          point, { try likelihood.derivatives(r: $0[0], alpha: $0[1], a: $0[2], b: $0[3]) },
          variant.rawValue)
      }
      try check([0.3, 5], { try likelihood.withoutDropOut(r: $0[0], alpha: $0[1]) }, "NBD")
    }
    let pareto = ParetoNBDLikelihood(cells: cells, workers: threeThreads)
    for point in [[0.5, 10, 0.6, 12], [0.5, 12, 0.6, 10], [2, 0.5, 0.1, 30], [0.4, 30, 3, 1]] {
      try check(
        point, { try pareto.derivatives(r: $0[0], alpha: $0[1], s: $0[2], beta: $0[3]) }, "Pareto")
    }
    let totals = try SpendTotals(summary, workers: threeThreads)
    for point in [[6, 3.7, 15], [0.5, 1.2, 80]] {
      try check(
        point,
        { try totals.derivatives(p: $0[0], q: $0[1], gamma: $0[2], workers: threeThreads) },
        "Gamma-Gamma")
    }
  }

  @Test func sameBytesForAnyThreadCount() throws {
    let summary = try CDNOW.full.summary()
    func all(_ threads: Int) throws -> [UInt64] {
      let workers = Workers(threads: threads)
      let cells = try PurchaseCells(summary, workers: workers)
      let bg = try BetaGeometric.fit(.bgNBD, cells, workers: workers)
      let spend = try GammaGamma.fit(summary, workers: workers)
      let scores = try bg.model.score(
        summary, cells, spend: spend.fit.model, horizon: .year(.weeks), workers: workers)
      let pareto = try ParetoNBD.fit(cells, workers: workers)
      var values = bg.estimates.map(\.value) + pareto.estimates.map(\.value)
      values += spend.fit.estimates.map(\.value)
      values += [bg.logLikelihood, pareto.logLikelihood, spend.fit.logLikelihood]
      values += array(try #require(scores.clv)) + array(scores.probabilityAlive)
      return values.map(\.bitPattern)
    }
    let one = try all(1)
    #expect(try all(2) == one)
    #expect(try all(5) == one)
  }

  @Test func scoresAreTheModelsAnswers() throws {
    let summary = try CDNOW.sample.summary()
    let cells = try PurchaseCells(summary, workers: threeThreads)
    let horizon = try ValueHorizon(length: 39, monthlyDiscount: 0, margin: 0.4)
    let spend = try GammaGamma.fit(summary, workers: threeThreads).fit.model
    func check(_ scores: ValueScores, alive: (Int) -> Double, expected: (Int) -> Double) throws {
      for row in stride(from: 0, to: summary.count, by: 11) {
        let money = spend.expectedSpend(
          repeats: Double(summary.repeats[row]), meanSpend: try #require(summary.meanSpend)[row])
        #expect(abs(scores.probabilityAlive[row] - alive(row)) <= 1e-14)
        #expect(abs(scores.expectedTransactions[row] - expected(row)) <= 1e-12 * expected(row))
        #expect(try #require(scores.expectedSpend)[row] == money)
        let value = expected(row) * money * 0.4
        #expect(abs(try #require(scores.expectedValue)[row] - value) <= 1e-12 * value)
        // Without a discount, value is value.
        #expect(abs(try #require(scores.clv)[row] - value) <= 1e-12 * value)
      }
    }
    for variant in [BetaGeometric.Variant.bgNBD, .mbgNBD] {
      let model = try BetaGeometric.fit(variant, cells, workers: threeThreads).model
      try check(
        model.score(summary, cells, spend: spend, horizon: horizon, workers: threeThreads),
        alive: {
          model.probabilityAlive(
            repeats: Double(summary.repeats[$0]), recency: summary.recency[$0],
            age: summary.age[$0])
        },
        expected: {
          model.expectedTransactions(
            repeats: Double(summary.repeats[$0]), recency: summary.recency[$0],
            age: summary.age[$0], horizon: 39)
        })
    }
    let model = try ParetoNBD.fit(cells, workers: threeThreads).model
    try check(
      model.score(summary, cells, spend: spend, horizon: horizon, workers: threeThreads),
      alive: {
        model.probabilityAlive(
          repeats: Double(summary.repeats[$0]), recency: summary.recency[$0], age: summary.age[$0])
      },
      expected: {
        model.expectedTransactions(
          repeats: Double(summary.repeats[$0]), recency: summary.recency[$0],
          age: summary.age[$0], horizon: 39)
      })
  }

  @Test func frozenModelsComeBackToTheBit() throws {
    let summary = try CDNOW.sample.summary()
    let cells = try PurchaseCells(summary, workers: oneThread)
    func again<Value: Codable>(_ value: Value) throws -> Value {
      try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
    }
    let bg = try BetaGeometric.fit(.mbgNBD, cells, workers: oneThread)
    #expect(try again(bg).model == bg.model)
    #expect(try again(bg).estimates == bg.estimates)
    #expect(try again(bg).status == bg.status)
    let pareto = try ParetoNBD.fit(cells, workers: oneThread).model
    #expect(try again(pareto) == pareto)
    let spend = try GammaGamma.fit(summary, workers: oneThread).fit.model
    #expect(try again(spend) == spend)
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode(
        BetaGeometric.self,
        from: Data(#"{"model":"bg-nbd","time_unit":"weeks","r":-1,"alpha":4,"a":1,"b":2}"#.utf8))
    }
  }
}
