import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

/// Against 200-digit arithmetic on the published formulas; `Tests/Golden/buy_till_you_die.py` made
/// the numbers. The corners are those where the published forms cancel, overflow or divide by 0.
@Suite struct BuyTillYouDieGoldenTests {
  struct Golden: Decodable, Sendable {
    struct History: Decodable, Sendable {
      let model: String
      let parameters: [Double]
      let x: Int32
      let t_x, T, horizon, log_likelihood, p_alive, if_alive, expected: Double
    }
    struct Population: Decodable, Sendable {
      let model: String
      let parameters: [Double]
      let t, expected: Double
    }
    struct Value: Decodable, Sendable {
      let x: Int32
      let t_x, T, m, spend, clv: Double
    }
    struct Spend: Decodable, Sendable {
      let p, q, gamma, m, log_likelihood: Double
      let x: Int32
    }
    struct Gamma: Decodable, Sendable { let z, log, digamma, trigamma: Double }
    struct Rising: Decodable, Sendable { let z, n, log, first, second: Double }
    let cases: [History]
    let population: [Population]
    let value: [Value]
    let spend: [Spend]
    let gamma: [Gamma]
    let rising: [Rising]
  }

  let golden: Golden

  init() throws {
    let file = Repository.golden.appendingPathComponent("buy_till_you_die.json")
    golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }

  enum Model {
    case betaGeometric(BetaGeometric)
    case pareto(ParetoNBD)

    init(_ name: String, _ p: [Double]) throws {
      self =
        name == "pareto-nbd"
        ? .pareto(try ParetoNBD(r: p[0], alpha: p[1], s: p[2], beta: p[3], timeUnit: .weeks))
        : .betaGeometric(
          try BetaGeometric(
            #require(.init(rawValue: name)), r: p[0], alpha: p[1], a: p[2], b: p[3],
            timeUnit: .weeks))
    }
  }

  /// 1e-8 is promised; 1e-10 is measured, but where the odds themselves are e^±10,000.
  static func close(_ value: Double, _ expected: Double, _ tolerance: Double = 1e-9) -> Bool {
    // Below 1e-290 the last digits of a denormal number are gone for anyone.
    abs(value - expected) <= tolerance * abs(expected) + 1e-290
  }

  @Test func everyHistory() throws {
    #expect(golden.cases.count >= 390)
    for row in golden.cases {
      let name =
        "\(row.model) \(row.parameters) x=\(row.x) t_x=\(row.t_x) T=\(row.T) \(row.horizon)"
      let cells = try PurchaseCells(
        .histories([(row.x, row.t_x, row.T, 0)]), workers: oneThread)
      let x = Double(row.x)
      let (alive, future, expected, likelihood): (Double, Double, Double, Double)
      switch try Model(row.model, row.parameters) {
      case .betaGeometric(let model):
        alive = model.probabilityAlive(repeats: x, recency: row.t_x, age: row.T)
        future = model.expectedIfAlive(repeats: x, age: row.T, horizon: row.horizon)
        expected = model.expectedTransactions(
          repeats: x, recency: row.t_x, age: row.T, horizon: row.horizon)
        likelihood = try model.logLikelihood(cells, workers: oneThread)
      case .pareto(let model):
        alive = model.probabilityAlive(repeats: x, recency: row.t_x, age: row.T)
        future = model.expectedIfAlive(repeats: x, age: row.T, horizon: row.horizon)
        expected = model.expectedTransactions(
          repeats: x, recency: row.t_x, age: row.T, horizon: row.horizon)
        likelihood = try model.logLikelihood(cells, workers: oneThread)
      }
      #expect(Self.close(alive, row.p_alive), "P(alive) \(alive), not \(row.p_alive): \(name)")
      #expect(Self.close(future, row.if_alive), "if alive \(future), not \(row.if_alive): \(name)")
      #expect(Self.close(expected, row.expected), "E[X] \(expected), not \(row.expected): \(name)")
      #expect(
        abs(likelihood - row.log_likelihood) <= 1e-10 * max(1, abs(row.log_likelihood)),
        "ln L \(likelihood), not \(row.log_likelihood): \(name)")
    }
  }

  @Test func everyPopulation() throws {
    for row in golden.population {
      let expected =
        switch try Model(row.model, row.parameters) {
        case .betaGeometric(let model): model.expectedRepeats(until: row.t)
        case .pareto(let model): model.expectedRepeats(until: row.t)
        }
      #expect(
        Self.close(expected, row.expected),
        "\(row.model) \(row.parameters) t=\(row.t): \(expected), not \(row.expected)")
    }
  }

  /// Both ways to sum over the drop-out probability, on cases either could take.
  @Test func seriesAndIntegralAgree() {
    for (a, b) in [(0.793, 2.426), (1, 1), (1e-3, 0.2), (1e-6, 1), (40, 300), (0.05, 1501)] {
      for (shape, exposure) in [
        (0.243, 0.2), (0.243, 100), (3, 1), (30, 1), (1500, 2), (900, 1e-6),
      ] {
        var both = SurvivingPurchases(a: a, b: b)
        let series = both.series(shape, exposure)
        let integral = both.integral(shape, exposure)
        #expect(Self.close(integral, series), "\((a, b, shape, exposure)): \(integral), \(series)")
      }
    }
  }

  @Test func discountedValue() throws {
    let model = try BetaGeometric(
      .bgNBD, r: 0.243, alpha: 4.414, a: 0.793, b: 2.426, timeUnit: .weeks)
    let spend = try GammaGamma(p: 6.25, q: 3.74, gamma: 15.44)
    let summary = try PurchaseSummary.histories(golden.value.map { ($0.x, $0.t_x, $0.T, $0.m) })
    let cells = try PurchaseCells(summary, workers: oneThread)
    let scores = try model.score(
      summary, cells, spend: spend, horizon: .year(.weeks), workers: oneThread)
    for (row, expected) in golden.value.enumerated() {
      #expect(Self.close(try #require(scores.expectedSpend)[row], expected.spend))
      #expect(Self.close(try #require(scores.clv)[row], expected.clv))
    }
  }

  @Test func spendLikelihood() throws {
    for row in golden.spend {
      let model = try GammaGamma(p: row.p, q: row.q, gamma: row.gamma)
      let summary = try PurchaseSummary.histories([(row.x, 1, 2, row.m)])
      let value = try model.logLikelihood(summary, workers: oneThread)
      #expect(Self.close(value, row.log_likelihood), "\(row): \(value)")
    }
  }

  @Test func gammaFunctions() {
    for row in golden.gamma {
      let value = SpecialFunctions.gamma(row.z)
      #expect(abs(value.log - row.log) <= 2e-14 * max(1, abs(row.log)), "\(row): \(value)")
      #expect(abs(value.digamma - row.digamma) <= 1e-14 * max(1, abs(row.digamma)), "\(row)")
      #expect(Self.close(value.trigamma, row.trigamma, 1e-14), "\(row): \(value)")
    }
    for row in golden.rising {
      let value = SpecialFunctions.rising(row.z, row.n)
      #expect(abs(value.log - row.log) <= 1e-14 * max(1, abs(row.log)), "\(row): \(value)")
      #expect(Self.close(value.first, row.first, 1e-13), "\(row): \(value)")
      // A difference of ψ′, which only a Hessian uses: right to the last place of ψ′(z).
      #expect(
        abs(value.second - row.second) <= 1e-15 / row.z + 1e-13 * abs(row.second),
        "\(row): \(value)")
    }
  }

  /// The library's functions may differ from ours in the last places only.
  @Test func elementaryFunctions() {
    let random = CounterBasedRandom(seed: 3, purpose: .init("elementary"))
    for index in 0..<20_000 {
      let wide = (random.unit(at: index) - 0.5) * 1_400
      let x = Foundation.exp(wide)
      #expect(abs(SpecialFunctions.log(x) - Foundation.log(x)) <= abs(Foundation.log(x)) * 0x1p-52)
      #expect(Self.close(SpecialFunctions.exp(wide), Foundation.exp(wide), 0x1p-51))
      let small = Foundation.exp(wide / 120) * (index % 2 == 0 ? 1 : -1)
      #expect(Self.close(SpecialFunctions.expm1(small), Foundation.expm1(small), 4e-16 * 2))
      if small > -1 {
        #expect(Self.close(SpecialFunctions.log1p(small), Foundation.log1p(small), 4e-16 * 2))
      }
    }
    #expect(SpecialFunctions.exp(-1_000) == 0)
    #expect(SpecialFunctions.exp(1_000) == .infinity)
    #expect(SpecialFunctions.log(0) == -.infinity)
    #expect(Self.close(SpecialFunctions.log(5e-324), Foundation.log(5e-324), 0x1p-51))
  }
}
