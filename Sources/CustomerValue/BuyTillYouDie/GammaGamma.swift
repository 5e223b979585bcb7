/// The Gamma-Gamma model of spend: a customer's purchases are Gamma(p, ν) with ν ~ Gamma(q, γ)
/// across customers, independent of how often they buy.
///
/// Source: Fader & Hardie, "The Gamma-Gamma model of monetary value", 2013.
package struct GammaGamma: Codable, Sendable, Equatable {
  package let p: Double
  package let q: Double
  /// In units of money.
  package let gamma: Double
  /// Mean of the repeat customers' mean spend: stands in where the model has no expectation.
  package let observedMean: Double

  /// - Throws: ``ModelParameterError``.
  package init(
    p: Double, q: Double, gamma: Double, observedMean: Double? = nil
  ) throws(ModelParameterError) {
    try ModelParameterError.check("p", p, above: nil)
    try ModelParameterError.check("q", q, above: 0)
    guard gamma >= 0, gamma.isFinite else {
      throw .outOfRange("gamma", gamma, "of 0 or more")
    }
    let mean = observedMean ?? (q > 1 ? p * gamma / (q - 1) : p * gamma)
    guard mean >= 0, mean.isFinite else {
      throw .outOfRange("observed_mean", mean, "of 0 or more")
    }
    self.p = p
    self.q = q
    self.gamma = gamma
    self.observedMean = mean
  }

  private enum CodingKeys: String, CodingKey {
    case p, q, gamma
    case observedMean = "observed_mean"
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      p: values.decode(Double.self, forKey: .p), q: values.decode(Double.self, forKey: .q),
      gamma: values.decode(Double.self, forKey: .gamma),
      observedMean: values.decodeIfPresent(Double.self, forKey: .observedMean))
  }

  /// Mean spend of a customer of whom nothing is known: p γ / (q − 1), or the observed mean.
  package var populationMean: Double { q > 1 ? p * gamma / (q - 1) : observedMean }

  /// E[mean spend | x, m] = p (γ + x m) / (p x + q − 1); the population's where x = 0 or m ≤ 0.
  @inline(__always)
  package func expectedSpend(repeats: Double, meanSpend: Double) -> Double {
    guard repeats >= 1, meanSpend > 0 else { return populationMean }
    let weight = p * repeats + q - 1
    return weight > 0 ? p * (gamma + repeats * meanSpend) / weight : observedMean
  }
}
