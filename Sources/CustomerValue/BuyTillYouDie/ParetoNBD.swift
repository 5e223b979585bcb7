import Kernels

/// The Pareto/NBD model: purchases are Poisson with a rate λ ~ Gamma(r, α) across customers, who
/// leave after a lifetime that is exponential with rate μ ~ Gamma(s, β).
///
/// Sources: Schmittlein, Morrison & Colombo, Management Science 1987; Fader & Hardie, "A note on
/// deriving the Pareto/NBD model", 2005.
package struct ParetoNBD: Codable, Sendable, Equatable {
  package let timeUnit: PurchaseTimeUnit
  /// Shape of the purchase rates; 0 = nobody ever buys again.
  package let r: Double
  /// Rate parameter, in time units.
  package let alpha: Double
  /// Shape of the drop-out rates; 0 = nobody drops out.
  package let s: Double
  /// Rate parameter of the drop-out rates, in time units.
  package let beta: Double

  /// - Throws: ``ModelParameterError``.
  package init(
    r: Double, alpha: Double, s: Double, beta: Double, timeUnit: PurchaseTimeUnit
  ) throws(ModelParameterError) {
    try ModelParameterError.check("r", r, above: nil)
    try ModelParameterError.check("alpha", alpha, above: 0)
    try ModelParameterError.check("s", s, above: nil)
    try ModelParameterError.check("beta", beta, above: 0)
    self.timeUnit = timeUnit
    self.r = r
    self.alpha = alpha
    self.s = s
    self.beta = beta
  }

  private enum CodingKeys: String, CodingKey {
    case timeUnit = "time_unit"
    case r, alpha, s, beta
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      r: values.decode(Double.self, forKey: .r), alpha: values.decode(Double.self, forKey: .alpha),
      s: values.decode(Double.self, forKey: .s), beta: values.decode(Double.self, forKey: .beta),
      timeUnit: values.decode(PurchaseTimeUnit.self, forKey: .timeUnit))
  }

  /// P(the customer has not dropped out by T | x, t_x, T).
  package func probabilityAlive(repeats: Double, recency: Double, age: Double) -> Double {
    if s == 0 || age <= recency { return 1 }
    let leaving = DropOutIntegral(
      shape: r + repeats, alpha: alpha, s: s, beta: beta, recency: recency, age: age,
      moments: false)
    return SpecialFunctions.logistic(-leaving.logOdds)
  }

  /// E[X(T, T + t) | alive at T, x, T]:
  /// (r + x) / (α + T) · ∫₀ᵗ [(β + T) / (β + T + τ)]ˢ dτ, with no singularity at s = 1.
  package func expectedIfAlive(repeats: Double, age: Double, horizon: Double) -> Double {
    let rate = (r + repeats) / (alpha + age)
    let q = SpecialFunctions.log1p(horizon / (beta + age))
    return rate * (beta + age) * q * SpecialFunctions.decayMean((s - 1) * q)
  }

  /// E[X(T, T + t) | x, t_x, T].
  package func expectedTransactions(
    repeats: Double, recency: Double, age: Double, horizon: Double
  ) -> Double {
    probabilityAlive(repeats: repeats, recency: recency, age: age)
      * expectedIfAlive(repeats: repeats, age: age, horizon: horizon)
  }

  /// E[X(t)] of a customer just acquired: repeat purchases in the first t.
  package func expectedRepeats(until time: Double) -> Double {
    expectedIfAlive(repeats: 0, age: 0, horizon: time)
  }
}

/// The odds that a customer dropped out between t_x and T, and their means by time of drop-out τ:
///
///     odds = s ∫ f(τ) dτ / [(α + T)^−R (β + T)^−s],   f(τ) = (α + τ)^−R (β + τ)^−(s + 1)
///
/// The published form is a difference of two ₂F₁ that loses all digits for busy customers; here a
/// positive integrand is summed. In w = ln[(γ + τ) / (γ + t_x)], γ = min(α, β), f is nearly
/// exponential and analytic in |Im w| < π, so 16-point Gauss–Legendre panels no longer than 1.5,
/// nor than 8 lengths of the decay, give full precision; beyond 50 such lengths nothing is left.
struct DropOutIntegral {
  private(set) var logOdds = -Double.infinity
  /// Means under f of ln[(α + τ) / (α + T)], ln[(β + τ) / (β + T)], 1 / (α + τ), 1 / (β + τ).
  private(set) var mean = SIMD4<Double>()
  /// Their products: diagonal, then with the entry one and two places on.
  private(set) var squares = SIMD4<Double>()
  private(set) var next = SIMD4<Double>()
  private(set) var opposite = SIMD4<Double>()

  /// - Parameter moments: Whether the means are wanted, too; otherwise they stay 0.
  init(
    shape: Double, alpha: Double, s: Double, beta: Double, recency: Double, age: Double,
    moments: Bool
  ) {
    guard age > recency else { return }
    let lesser = min(alpha, beta)
    let base = lesser + recency
    let gap = max(alpha, beta) - lesser
    let alphaIsLesser = alpha <= beta
    // Powers of the lesser and the greater one in f dτ = f · (γ + τ) dw.
    let near = alphaIsLesser ? shape - 1 : s
    let far = alphaIsLesser ? s + 1 : shape
    let span = SpecialFunctions.log1p((age - recency) / base)
    // Where both decay; (γ + τ) grows by eʷ, the other at least by its share of it.
    let decay = near + far * base / (base + gap)
    let length = decay > 0 ? min(span, 50 / decay + (near < 0 ? 1 : 0)) : span
    let reached = base * SpecialFunctions.exp(length)
    let steepest = abs(near) + far * reached / (reached + gap)
    let panels = max(1, (length * max(1 / 1.5, steepest / 8)).rounded(.up))
    let half = 0.5 * length / panels
    let logAlphaEnd = SpecialFunctions.log1p((age - recency) / (alpha + recency))
    let logBetaEnd = SpecialFunctions.log1p((age - recency) / (beta + recency))
    let quadrature = StrictLoops.DropOutPanels(
      base: base, gap: gap, near: near, far: far, half: half,
      log_near: alphaIsLesser ? logAlphaEnd : logBetaEnd,
      log_far: alphaIsLesser ? logBetaEnd : logAlphaEnd, panels: Int64(panels))
    let total: Double
    if moments {
      total = withUnsafeTemporaryAllocation(of: Double.self, capacity: 15) { sums in
        StrictLoops.dropOut(quadrature, moments: sums.baseAddress!)
        take(sums, alphaIsLesser)
        return sums[0]
      }
    } else {
      total = StrictLoops.dropOut(quadrature)
    }
    // ∫ f over its value at t_x, f(t_x) over the chance to be alive at T.
    logOdds =
      SpecialFunctions.log(s * total * half)
      + (alphaIsLesser ? -SpecialFunctions.log((base + gap) / base) : 0)
      + shape * logAlphaEnd + s * logBetaEnd
  }

  /// Sums come in the order lesser, greater constant; α stands first here.
  @inline(__always)
  private mutating func take(_ sums: UnsafeMutableBufferPointer<Double>, _ alphaIsLesser: Bool) {
    let scale = 1 / sums[0]
    // Of the pairs (0, 0) (0, 1) (0, 2) (0, 3) (1, 1) (1, 2) (1, 3) (2, 2) (2, 3) (3, 3).
    let (one, other, inverse, otherInverse) = (sums[1], sums[2], sums[3], sums[4])
    if alphaIsLesser {
      mean = scale * SIMD4(one, other, inverse, otherInverse)
      squares = scale * SIMD4(sums[5], sums[9], sums[12], sums[14])
      next = scale * SIMD4(sums[6], sums[10], sums[13], sums[8])
      opposite = scale * SIMD4(sums[7], sums[11], sums[7], sums[11])
    } else {
      mean = scale * SIMD4(other, one, otherInverse, inverse)
      squares = scale * SIMD4(sums[9], sums[5], sums[14], sums[12])
      next = scale * SIMD4(sums[6], sums[8], sums[13], sums[10])
      opposite = scale * SIMD4(sums[11], sums[7], sums[11], sums[7])
    }
  }
}
