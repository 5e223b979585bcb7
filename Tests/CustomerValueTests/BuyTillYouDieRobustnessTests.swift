import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

/// Populations other packages refuse or answer with infinity.
enum Population: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case nobody, oneWithoutRepeats, oneActive, oneStopped, noRepeats, noTime, sameAge, clockwork
  case stopAtOnce, highFrequency, mixed, twoKinds, allAlive, poisson

  var testDescription: String { rawValue }

  var histories: [(x: Int32, recency: Double, age: Double, m: Double)] {
    let random = CounterBasedRandom(seed: 11, purpose: .init("populations"))
    func many(_ n: Int, _ row: (Int, Double, Double) -> (Int32, Double, Double, Double))
      -> [(x: Int32, recency: Double, age: Double, m: Double)]
    {
      (0..<n).map { row($0, random.unit(at: 2 * $0), random.unit(at: 2 * $0 + 1)) }
    }
    return switch self {
    case .nobody: []
    case .oneWithoutRepeats: [(0, 0, 50, 0)]
    case .oneActive: [(12, 49, 50, 20)]
    case .oneStopped: [(12, 10, 50, 20)]
    case .noRepeats: many(500) { _, u, _ in (0, 0, 1 + (u * 50).rounded(), 0) }
    case .noTime: many(50) { _, _, _ in (0, 0, 0, 0) }
    case .sameAge:
      many(800) { _, u, v in
        let x = Int32(-3 * Foundation.log(1 - u))
        return (x, x == 0 ? 0 : (52 * v).rounded() + 0.5, 60, 10 + 30 * v)
      }
    // Salaries: everyone buys once a week and is there at the end.
    case .clockwork:
      many(300) { i, _, _ in (Int32(20 + i % 30), Double(20 + i % 30), Double(20 + i % 30), 1_500) }
    case .stopAtOnce:
      many(400) { i, u, _ in i % 2 == 0 ? (0, 0, 52, 0) : (1, (5 * u).rounded() + 1, 52, 9) }
    // Card holders with hundreds of active days.
    case .highFrequency:
      many(600) { i, u, v in
        let x = Int32(1_500 * u)
        return (x, x == 0 ? 0 : (1_600 + 220 * v).rounded(), 1_825, 12 + 3 * u)
      }
    case .mixed:
      Population.allCases.filter { $0 != .mixed }.flatMap(\.histories)
    case .twoKinds: many(400) { i, u, _ in i % 2 == 0 ? (0, 0, 52, 0) : (51, 52, 52, 8 + u) }
    case .allAlive: many(400) { i, u, _ in (Int32(1 + 20 * u * u), 30, 30, 5 + 40 * u) }
    // One rate for all, no drop-out: counts of a Poisson process.
    case .poisson:
      many(700) { i, _, _ in
        var time = 0.0
        var last = 0.0
        var x: Int32 = 0
        var draw = 10_000 + i * 100
        while true {
          time += -Foundation.log(1 - random.unit(at: draw)) * 6
          draw += 1
          if time > 52 { break }
          last = time
          x += 1
        }
        return (x, last, 52, 20)
      }
    }
  }
}

@Suite struct BuyTillYouDieRobustnessTests {
  /// Fits everything, scores ten years; whatever the base, statuses have names and numbers are
  /// finite and ≥ 0.
  @Test(arguments: Population.allCases)
  func everyPopulation(population: Population) throws {
    let summary = try PurchaseSummary.histories(population.histories)
    let cells = try PurchaseCells(summary, workers: oneThread)
    let spend = try GammaGamma.fit(summary, workers: oneThread)
    try check(spend.fit, "Gamma-Gamma")
    func score(_ model: some PurchaseModel) throws {
      for years in [1.0, 10] {
        let scores = try model.score(
          summary, cells, spend: spend.fit.model,
          horizon: ValueHorizon(length: years * 12 * PurchaseTimeUnit.weeks.month),
          workers: oneThread)
        for row in 0..<summary.count {
          let alive = scores.probabilityAlive[row]
          #expect(alive >= 0 && alive <= 1)
          let money = try [
            scores.expectedTransactions[row], #require(scores.expectedSpend)[row],
            #require(scores.expectedValue)[row], #require(scores.clv)[row],
          ]
          #expect(money.allSatisfy { $0.isFinite && $0 >= 0 }, "row \(row): \(money)")
          #expect(money[3] <= money[2] * (1 + 1e-12))
        }
      }
    }
    for variant in [BetaGeometric.Variant.bgNBD, .mbgNBD] {
      let fit = try BetaGeometric.fit(variant, cells, workers: oneThread)
      try check(fit, variant.rawValue)
      try score(fit.model)
    }
    let pareto = try ParetoNBD.fit(cells, workers: oneThread)
    try check(pareto, "Pareto/NBD")
    try score(pareto.model)
  }

  private func check(_ fit: ModelFit<some Codable & Sendable>, _ name: String) throws {
    #expect(fit.status.kind != .iterationLimit, "\(name): \(fit)")
    #expect(fit.status.kind == .converged || !fit.status.boundaries.isEmpty, "\(name): \(fit)")
    #expect(fit.logLikelihood.isFinite && fit.gradientNorm.isFinite, "\(name): \(fit)")
    for estimate in fit.estimates {
      #expect(estimate.value.isFinite && estimate.value >= 0, "\(name): \(estimate)")
      if let error = estimate.standardError { #expect(error.isFinite && error > 0) }
    }
    if fit.status.kind == .converged {
      #expect(fit.estimates.allSatisfy { $0.standardError != nil }, "\(name): \(fit)")
      #expect(fit.gradientNorm < 1e-6)
    }
    _ = try JSONEncoder().encode(fit.estimates)
  }

  @Test func namesOfTheBoundaries() throws {
    func fit(_ population: Population) throws -> (FitStatus, FitStatus) {
      let cells = try PurchaseCells(.histories(population.histories), workers: oneThread)
      return (
        try BetaGeometric.fit(.bgNBD, cells, workers: oneThread).status,
        try ParetoNBD.fit(cells, workers: oneThread).status
      )
    }
    for population in [Population.clockwork, .allAlive, .twoKinds] {
      let (bg, pareto) = try fit(population)
      #expect(bg.boundaries.contains(.noDropOut), "\(population)")
      // Pareto/NBD can have lost those without a repeat before they came back.
      #expect(population == .twoKinds || pareto.boundaries.contains(.noDropOut), "\(population)")
      #expect(bg.sentence.contains("no drop-out detected"))
      #expect(bg.isUsable)
    }
    #expect(try fit(.poisson).0.boundaries.contains(.homogeneousRate))
    for population in [Population.noRepeats, .oneWithoutRepeats] {
      let (bg, pareto) = try fit(population)
      #expect(bg == FitStatus(.fallback, [.noRepeatPurchases]))
      #expect(pareto == bg)
      #expect(!bg.isUsable)
    }
    #expect(try fit(.noTime).0 == FitStatus(.fallback, [.noObservation]))
    let equal = try GammaGamma.fit(.histories(Population.clockwork.histories), workers: oneThread)
    #expect(equal.fit.status.boundaries == [.equalSpend])
    #expect(abs(equal.fit.model.expectedSpend(repeats: 3, meanSpend: 1_500) - 1_500) < 1e-3)
    let few = try GammaGamma.fit(.histories(Population.oneActive.histories), workers: oneThread)
    #expect(few.fit.status == FitStatus(.fallback, [.tooFewRepeaters]))
    #expect(abs(few.fit.model.expectedSpend(repeats: 0, meanSpend: 0) - 20) < 1e-5)
  }

  /// The NBD that is left without drop-out has a known answer for one rate: r / α = Σx / ΣT.
  @Test func noDropOutKeepsTheMeanRate() throws {
    let rows = Population.clockwork.histories
    let cells = try PurchaseCells(.histories(rows), workers: oneThread)
    let model = try BetaGeometric.fit(.bgNBD, cells, workers: oneThread).model
    let rate = rows.reduce(0) { $0 + Double($1.x) } / rows.reduce(0) { $0 + $1.age }
    #expect(model.a == 0)
    #expect(abs(model.r / model.alpha - rate) < 1e-3 * rate)
    #expect(model.probabilityAlive(repeats: 5, recency: 5, age: 20) == 1)
  }

  /// P(alive) rises with t_x and falls with T; expected transactions rise with the horizon, by less
  /// and less.
  @Test func monotone() throws {
    func check(_ model: some PurchaseModel, _ name: String) {
      for x in [1.0, 3, 40, 1_500] {
        var before = -1.0
        for last in stride(from: 1.0, through: 520, by: 17.3) {
          let alive = model.probabilityAlive(repeats: x, recency: last, age: 520)
          #expect(alive >= before, "\(name) x=\(x) t_x=\(last)")
          before = alive
        }
        before = 2
        for age in stride(from: 10.0, through: 520, by: 17.3) {
          let alive = model.probabilityAlive(repeats: x, recency: 10, age: age)
          #expect(alive <= before, "\(name) x=\(x) T=\(age)")
          before = alive
        }
      }
      for (x, age) in [(0.0, 0.0), (0, 300), (5, 10), (1_500, 520)] {
        let horizons = (0...40).map { Double($0) * 13 }
        var scratch: SurvivingPurchases?
        var expected = [Double](repeating: 0, count: horizons.count)
        model.expectedIfAlive(
          repeats: x, age: age, horizons: horizons, scratch: &scratch, into: &expected)
        #expect(expected[0] == 0)
        var step = Double.infinity
        for (one, two) in zip(expected, expected.dropFirst()) {
          #expect(two > one && two - one <= step * (1 + 1e-9), "\(name) x=\(x) T=\(age)")
          step = two - one
        }
      }
    }
    for (a, b) in [(0.793, 2.426), (1, 1), (0.01, 0.2), (30, 90)] {
      for variant in [BetaGeometric.Variant.bgNBD, .mbgNBD] {
        check(
          try BetaGeometric(variant, r: 0.243, alpha: 4.414, a: a, b: b, timeUnit: .weeks),
          "\(variant) \(a) \(b)")
      }
    }
    for (s, beta) in [(0.606, 11.669), (1, 10), (0.01, 0.2), (30, 900)] {
      check(
        try ParetoNBD(r: 0.553, alpha: 10.578, s: s, beta: beta, timeUnit: .weeks),
        "Pareto \(s) \(beta)")
    }
  }

  @Test func impossibleParameters() {
    for (r, alpha, a, b) in [
      (-1.0, 1.0, 1.0, 1.0), (1, 0, 1, 1), (1, 1, .nan, 1), (1, 1, 1, 0), (1, .infinity, 1, 1),
    ] {
      #expect(throws: ModelParameterError.self) {
        try BetaGeometric(.bgNBD, r: r, alpha: alpha, a: a, b: b, timeUnit: .weeks)
      }
      #expect(throws: ModelParameterError.self) {
        try ParetoNBD(r: r, alpha: alpha, s: a, beta: b, timeUnit: .weeks)
      }
    }
    #expect(throws: ModelParameterError.self) { try GammaGamma(p: 1, q: 0, gamma: 1) }
    #expect(throws: ModelParameterError.self) { try ValueHorizon(length: -1) }
    #expect(throws: ModelParameterError.self) { try ValueHorizon(length: 1, margin: 2) }
  }

  /// Draws from the model itself come back within four standard errors.
  @Test func recoversKnownParameters() throws {
    let random = CounterBasedRandom(seed: 5, purpose: .init("simulated purchases"))
    var draw = 0
    func unit() -> Double {
      draw += 1
      return random.unit(at: draw)
    }
    // Erlang rates with r = 2, α = 6 weeks; p = U^(1/1) ~ Beta(1, b): 1 − U^(1/b), b = 4.
    let rows: [(x: Int32, recency: Double, age: Double, m: Double)] = (0..<4_000).map { i in
      let rate = -(Foundation.log(1 - unit()) + Foundation.log(1 - unit())) / 6
      let dropOut = 1 - Foundation.pow(1 - unit(), 1 / 4.0)
      let age = Double(30 + i % 50)
      var (x, last, time) = (Int32(0), 0.0, 0.0)
      while true {
        time += -Foundation.log(1 - unit()) / rate
        if time > age { break }
        (x, last) = (x + 1, time)
        if unit() < dropOut { break }
      }
      return (x, last, age, 0)
    }
    let cells = try PurchaseCells(.histories(rows), workers: oneThread)
    let fit = try BetaGeometric.fit(.bgNBD, cells, workers: oneThread)
    #expect(fit.status.kind == .converged)
    for (estimate, truth) in zip(fit.estimates, [2.0, 6, 1, 4]) {
      let error = try #require(estimate.standardError)
      #expect(abs(estimate.value - truth) < 4 * error, "\(estimate)")
      #expect(error < truth / 3)
    }
  }
}
