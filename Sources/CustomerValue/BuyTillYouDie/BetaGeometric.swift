/// The BG/NBD and MBG/NBD models: purchases are Poisson with a rate λ ~ Gamma(r, α) across
/// customers; after a purchase a customer drops out with probability p ~ Beta(a, b). In the
/// modified model the first purchase (time 0) is such a chance too.
///
/// Both share every formula once n, the chances to drop out that were survived or used, is x in
/// BG/NBD and x + 1 in MBG/NBD.
///
/// Sources: Fader, Hardie & Lee, Marketing Science 2005; Batislam, Denizel & Filiztekin, IJRM 2007;
/// Hoppe & Wagner, Marketing JRM 2007.
package struct BetaGeometric: Codable, Sendable, Equatable {
  package enum Variant: String, Codable, Sendable {
    case bgNBD = "bg-nbd"
    case mbgNBD = "mbg-nbd"
  }

  package let variant: Variant
  package let timeUnit: PurchaseTimeUnit
  /// Shape of the purchase rates; 0 = nobody ever buys again.
  package let r: Double
  /// Rate parameter, in time units: the mean purchase rate is r / α.
  package let alpha: Double
  /// 0 = nobody drops out.
  package let a: Double
  package let b: Double

  /// - Throws: ``ModelParameterError``.
  package init(
    _ variant: Variant, r: Double, alpha: Double, a: Double, b: Double, timeUnit: PurchaseTimeUnit
  ) throws(ModelParameterError) {
    try ModelParameterError.check("r", r, above: nil)
    try ModelParameterError.check("alpha", alpha, above: 0)
    try ModelParameterError.check("a", a, above: nil)
    try ModelParameterError.check("b", b, above: 0)
    self.variant = variant
    self.timeUnit = timeUnit
    self.r = r
    self.alpha = alpha
    self.a = a
    self.b = b
  }

  private enum CodingKeys: String, CodingKey {
    case variant = "model"
    case timeUnit = "time_unit"
    case r, alpha, a, b
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      values.decode(Variant.self, forKey: .variant), r: values.decode(Double.self, forKey: .r),
      alpha: values.decode(Double.self, forKey: .alpha), a: values.decode(Double.self, forKey: .a),
      b: values.decode(Double.self, forKey: .b),
      timeUnit: values.decode(PurchaseTimeUnit.self, forKey: .timeUnit))
  }

  /// Chances to drop out at the first purchase: the two models differ in nothing else.
  @inline(__always)
  var chancesAtStart: Double { variant == .bgNBD ? 0 : 1 }

  /// P(the customer has not dropped out by T | x, t_x, T).
  package func probabilityAlive(repeats: Double, recency: Double, age: Double) -> Double {
    let chances = repeats + chancesAtStart
    if chances == 0 || a == 0 { return 1 }
    let logOdds =
      SpecialFunctions.log(a / (b + chances - 1)) + (r + repeats)
      * SpecialFunctions.log1p((age - recency) / (alpha + recency))
    return SpecialFunctions.logistic(-logOdds)
  }

  /// E[X(T, T + t) | alive at T, x, T]: it does not depend on t_x.
  package func expectedIfAlive(repeats: Double, age: Double, horizon: Double) -> Double {
    var future = SurvivingPurchases(a: a, b: b + repeats + chancesAtStart)
    return future.expected(shape: r + repeats, exposure: horizon / (alpha + age))
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
    let survivesFirst = variant == .bgNBD || a == 0 ? 1 : b / (a + b)
    return survivesFirst * expectedIfAlive(repeats: 0, age: 0, horizon: time)
  }
}

package enum ModelParameterError: Error, CustomStringConvertible {
  case outOfRange(String, Double, String)

  static func check(
    _ name: String, _ value: Double, above bound: Double?
  ) throws(ModelParameterError) {
    // Beyond 10¹² the products of parameters and times would lose their digits.
    if let bound {
      guard value > bound, value <= 1e12 else {
        throw .outOfRange(name, value, "above \(bound) and at most 1e12")
      }
    } else {
      guard value >= 0, value <= 1e12 else { throw .outOfRange(name, value, "from 0 to 1e12") }
    }
  }

  package var description: String {
    switch self {
    case .outOfRange(let name, let value, let allowed):
      "Parameter \(name) = \(value) is out of range; give a number \(allowed)."
    }
  }
}
