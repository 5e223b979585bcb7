import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

/// Regressions against scikit-learn's optimum and the textbook's standard errors.
@Suite struct RegressionTests {
  private static let rows = 3_001
  private static let random = CounterBasedRandom(seed: 3, purpose: .init("regression"))

  /// Two informative features of different scale, and one that says the same as the first.
  private static func samples() -> DesignMatrix {
    let values = Buffer<Double>(count: rows * 3) { target in
      for row in 0..<rows {
        let (a, b) = (random.unit(at: 4 * row), random.unit(at: 4 * row + 1))
        target[3 * row] = 100 + 20 * a
        target[3 * row + 1] = b - 0.5
        target[3 * row + 2] = a + 1e-3 * random.unit(at: 4 * row + 2)
      }
    }
    return DesignMatrix(names: ["a", "b", "c"], rows: rows, values: values)
  }

  private static func target(_ family: GeneralizedLinearModel.Family) -> Buffer<Double> {
    let samples = samples()
    return Buffer(
      (0..<rows).map { row in
        let linear = (samples.values[3 * row] - 110) / 10 + 2 * samples.values[3 * row + 1]
        let noise = random.unit(at: 4 * row + 3)
        switch family {
        case .gaussian: return 5 + linear + noise
        case .poisson: return (exp(linear) * 2 * noise).rounded()
        case .binomial: return noise < 1 / (1 + exp(-linear)) ? 1 : 0
        }
      })
  }

  @Test(arguments: [GeneralizedLinearModel.Family.gaussian, .poisson, .binomial])
  func agreesWithScikitLearn(family: GeneralizedLinearModel.Family) throws {
    let (samples, target) = (Self.samples(), Self.target(family))
    let fit = try GeneralizedLinearModel(
      family, samples, target: target, workers: Workers(threads: 2))
    let folder = try TemporaryFolder()
    let text = (0..<Self.rows).map { row in
      ((0..<3).map { "\(samples.values[3 * row + $0])" } + ["\(target[row])"])
        .joined(separator: ",")
    }.joined(separator: "\n")
    _ = try folder.write("samples.csv", text)
    let output = try Shell.python(
      """
      import sys, numpy as np
      from sklearn.linear_model import Ridge, PoissonRegressor, LogisticRegression
      d = np.loadtxt(sys.argv[1], delimiter=",")
      X, y = d[:, :3], d[:, 3]
      X = (X - X.mean(0)) / X.std(0)
      n = len(y)
      family = sys.argv[2]
      if family == "gaussian": m = Ridge(alpha=1e-2 * n, solver="cholesky")
      elif family == "poisson": m = PoissonRegressor(alpha=1e-2, tol=1e-12, max_iter=10000, solver="newton-cholesky")
      else: m = LogisticRegression(C=1 / (1e-2 * n), tol=1e-12, max_iter=10000, solver="newton-cholesky")
      m.fit(X, y)
      b, a = m.coef_.ravel(), float(np.ravel(m.intercept_)[0])
      eta = X @ b + a
      mu, w = {"gaussian": (eta, np.ones(n)), "poisson": (np.exp(eta), np.exp(eta)),
        "binomial": (1 / (1 + np.exp(-eta)), np.exp(eta) / (1 + np.exp(eta)) ** 2)}[family]
      Z = np.column_stack([X, np.ones(n)])
      P = np.diag([1e-2 * n] * 3 + [0])
      phi = 1 if family == "binomial" else ((y - mu) ** 2 / (w if family == "poisson" else 1)).sum() / (n - 4)
      se = np.sqrt(np.diag(np.linalg.inv(Z.T @ (Z * w[:, None]) + P)) * phi)
      print(*b, a, *se)
      """, [folder.path("samples.csv"), "\(family)"])
    let expected = output.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    try #require(expected.count == 8)
    let own = fit.coefficients + [fit.intercept] + fit.standardErrors
    for (mine, theirs) in zip(own, expected) {
      // Both stop within 1e-10 of the optimum's value: half as many digits of its place.
      #expect(abs(mine - theirs) < 2e-5 * max(1, abs(theirs)), "\(own) against \(expected)")
    }
    #expect(fit.converged)
  }

  @Test func separatedClassesStayFinite() throws {
    let samples = Self.samples()
    let target = Buffer((0..<Self.rows).map { samples.values[3 * $0] > 110 ? 1.0 : 0 })
    let fit = try GeneralizedLinearModel(
      .binomial, samples, target: target, workers: Workers(threads: 1))
    let isFinite = (fit.coefficients + fit.standardErrors).allSatisfy { $0.isFinite }
    #expect(isFinite)
    let risks = try fit.predictions(samples, workers: Workers(threads: 1))
    #expect(risks.allSatisfy { $0 >= 0 && $0 <= 1 })
  }

  @Test func constantFeaturesAndTargetsSayNothing() throws {
    let samples = DesignMatrix(
      names: ["one"], rows: 64, values: Buffer([Double](repeating: 7, count: 64)))
    for family in [GeneralizedLinearModel.Family.gaussian, .poisson, .binomial] {
      let fit = try GeneralizedLinearModel(
        family, samples, target: Buffer([Double](repeating: 0, count: 64)),
        workers: Workers(threads: 1))
      let forecasts = try fit.predictions(samples, workers: Workers(threads: 1))
      #expect(forecasts.allSatisfy { abs($0) < 1e-3 }, "\(family): \(forecasts[0])")
    }
  }

  @Test func sameBitsForAnyThreadCount() throws {
    let (samples, target) = (Self.samples(), Self.target(.poisson))
    let one = try GeneralizedLinearModel(
      .poisson, samples, target: target, workers: Workers(threads: 1))
    let eight = try GeneralizedLinearModel(
      .poisson, samples, target: target, workers: Workers(threads: 8))
    #expect(one == eight)
  }
}

@Suite struct HoldoutMetricsTests {
  @Test func fourCustomersByHand() {
    let metrics = HoldoutMetrics(predicted: [1, 0, 3, 2], actual: [0, 0, 4, 2])
    #expect(metrics.meanAbsoluteError == 0.5)
    #expect(metrics.rootMeanSquaredError == (2.0 / 4).squareRoot())
    #expect(metrics.totalError == 0)
    // The order is right, so the Gini is its own.
    #expect(metrics.normalisedGini == 1)
    #expect(abs((metrics.topDecileCapture ?? 0) - 4.0 / 6) < 1e-15)
    let backwards = HoldoutMetrics(predicted: [3, 2, 0, 1], actual: [0, 0, 4, 2])
    #expect(backwards.normalisedGini == -1)
  }

  @Test func equalPredictionsHaveNoOrder() {
    let metrics = HoldoutMetrics(predicted: [1, 1, 1, 1], actual: [0, 9, 0, 1])
    #expect(abs(metrics.normalisedGini ?? 1) < 1e-15)
    #expect(metrics.topDecileCapture == 0.25)
  }

  @Test func nothingHappened() {
    let metrics = HoldoutMetrics(predicted: [1, 2], actual: [0, 0])
    #expect(metrics.totalError == nil && metrics.normalisedGini == nil)
    #expect(metrics.meanAbsoluteError == 1.5)
  }

  @Test func upliftIsTheDifferenceWithWelchsInterval() {
    var (treated, control) = (Uplift.Side(), Uplift.Side())
    for value in [3.0, 5, 7] { treated.add(value) }
    for value in [1.0, 2, 2, 3] { control.add(value) }
    let uplift = Uplift(treated: treated, control: control)
    #expect(uplift.difference == 3)
    // Variances 4 of 3 and 2/3 of 4.
    let reach = 1.959963984540054 * (4.0 / 3 + 2.0 / 3 / 4).squareRoot()
    #expect(abs((uplift.high ?? 0) - (3 + reach)) < 1e-12)
    #expect(abs((uplift.low ?? 0) - (3 - reach)) < 1e-12)
    var alone = Uplift.Side()
    alone.add(1)
    #expect(Uplift(treated: treated, control: alone).low == nil)
  }
}
