import Columnar
import Features
import Sharding

/// A forecast of every customer's purchases, chosen and fitted: all that next month needs to score
/// without fitting again.
package struct ValueModel: Sendable, Codable, Equatable {
  /// Of purchase days, and so of P(alive).
  package let candidate: ValueCandidate
  package let amountCandidate: ValueCandidate
  package let timeUnit: PurchaseTimeUnit
  /// Days of the holdout that regressions forecast; nil where nothing was held out.
  package let holdoutDays: Int?
  /// Days of the shortest feature window.
  package let window: Int
  /// Parameters of the purchase models it needs, by model.
  package let parameters: [String: [String: Double]]
  /// Of Gamma-Gamma: p, q, gamma, observed_mean.
  package let spendParameters: [String: Double]
  /// By the candidate's name.
  package let regressions: [String: ValueRegression]
  /// Nil where the risk is 1 − P(alive).
  package let churn: GeneralizedLinearModel?
  /// What 1 − P(alive) becomes, where that proved better calibrated; nil where it is the risk.
  package let riskCalibration: RiskCalibration?
  /// Centre of the base, which reasons are told against: repeats, t_x, T, in the time unit.
  package let typical: [Double]
  package let fits: [FitReport]
  package let comparison: HoldoutComparison?
  package let warnings: [String]

  /// How a fit ended.
  package struct FitReport: Sendable, Codable, Equatable {
    package let model: String
    package let estimates: [Estimate]
    package let logLikelihood: Double
    package let status: String
    package let customers: Int
    /// Of x and m, where it is a spend model.
    package let correlation: Double?
  }

  /// What is asked of a fit.
  package struct Options: Sendable {
    /// Days since 1970-01-01.
    package let asOf: Int
    /// Nil: chosen by holdout.
    package var candidate: ValueCandidate?
    package var unit = PurchaseTimeUnit.days
    /// Days; nil: 90, less where the ledger is short.
    package var holdoutDays: Int?
    /// Whether to compare although the candidate is given.
    package var compares = false

    package init(asOf: Int) { self.asOf = asOf }
  }

  /// Windows of amounts that a fold must keep for a fit with such a holdout.
  ///
  /// - Parameter also: Further ages that amounts are to be cut at.
  package static func windows(
    _ kind: PurchaseWindows.Kind, holdoutDays: Int?, also: [Int] = []
  ) -> PurchaseWindows {
    let lengths = holdoutDays.map { [$0] } ?? usualHoldouts
    return PurchaseWindows(
      kind: kind, edges: lengths.flatMap { HoldoutSplit.edges(length: $0) } + also)
  }

  /// Windows that scoring by this model needs, far fewer than its fit: those of its features, and what
  /// a rule looks back on. Models of groups have the base's holdout and so the same.
  package func windows(_ kind: PurchaseWindows.Kind) -> PurchaseWindows {
    PurchaseWindows(
      kind: kind,
      edges: [window, 3 * window, 12 * window, holdoutDays ?? Self.defaultHoldoutDays])
  }

  package static let defaultHoldoutDays = 90
  /// Those that a ledger's length may ask for.
  private static let usualHoldouts = [30, 60, defaultHoldoutDays]

  /// A quarter where three quarters come before it, else as many months as leave thrice as much.
  static func holdoutDays(oldestAge: Int) -> Int? {
    let months = min(3, oldestAge / 120)
    return months > 0 ? 30 * months : nil
  }

  init(
    _ candidate: ValueCandidate, _ amountCandidate: ValueCandidate, _ unit: PurchaseTimeUnit,
    _ models: PurchaseModelSet, _ base: PurchaseSnapshot, split: HoldoutSplit?,
    regressions: [String: ValueRegression], churn: GeneralizedLinearModel?,
    comparison: HoldoutComparison?, warnings: [String]
  ) {
    self.candidate = candidate
    self.amountCandidate = amountCandidate
    timeUnit = unit
    holdoutDays = split?.length
    riskCalibration =
      comparison?.churn?.brierBefore == nil
      ? nil : split?.riskCalibration(candidate.purchaseModels)
    window = split?.window ?? 30
    var parameters: [String: [String: Double]] = [:]
    for fit in models.fits {
      parameters[fit.kind.rawValue] = Dictionary(
        uniqueKeysWithValues: fit.estimates.map { ($0.name, $0.value) })
    }
    self.parameters = parameters
    let spend = models.spend.fit.model
    spendParameters = [
      "p": spend.p, "q": spend.q, "gamma": spend.gamma, "observed_mean": spend.observedMean,
    ]
    self.regressions = regressions
    self.churn = churn
    typical = Self.centre(base.summary)
    fits =
      models.fits.map {
        FitReport(
          model: $0.kind.rawValue, estimates: $0.estimates, logLikelihood: $0.logLikelihood,
          status: $0.status.sentence, customers: $0.customers, correlation: nil)
      } + [
        FitReport(
          model: "gamma-gamma", estimates: models.spend.fit.estimates,
          logLikelihood: models.spend.fit.logLikelihood,
          status: models.spend.fit.status.sentence, customers: models.spend.repeaters,
          correlation: models.spend.correlation)
      ]
    self.comparison = comparison
    self.warnings = warnings
  }

  /// A model of given parameters; spend is fitted where it is not given.
  package static func given(
    _ kind: PurchaseModelKind, parameters: [String: Double], spend: GammaGamma?,
    _ purchases: CustomerPurchases, unit: PurchaseTimeUnit, workers: Workers
  ) throws -> ValueModel {
    let base = try PurchaseSnapshot(purchases, age: 0, unit: unit, workers: workers)
    guard base.count > 0 else { throw ValueModelError.noPurchases }
    let cells = try PurchaseCells(base.summary, workers: workers)
    let model = try kind.model(parameters, unit: unit)
    let fitted = spend == nil ? try GammaGamma.fit(base.summary, workers: workers) : nil
    return ValueModel(
      given: kind, parameters, spend: spend ?? fitted!.fit.model, spendFit: fitted, base,
      logLikelihood: try model.logLikelihood(cells, workers: workers))
  }

  private init(
    given kind: PurchaseModelKind, _ parameters: [String: Double], spend: GammaGamma,
    spendFit: GammaGamma.SpendFit?, _ base: PurchaseSnapshot, logLikelihood: Double
  ) {
    candidate = ValueCandidate(rawValue: kind.rawValue) ?? .bgNBD
    amountCandidate = candidate
    timeUnit = base.summary.timeUnit
    holdoutDays = nil
    window = 30
    self.parameters = [kind.rawValue: parameters]
    spendParameters = [
      "p": spend.p, "q": spend.q, "gamma": spend.gamma, "observed_mean": spend.observedMean,
    ]
    regressions = [:]
    churn = nil
    riskCalibration = nil
    typical = Self.centre(base.summary)
    fits = [
      FitReport(
        model: kind.rawValue, estimates: [], logLikelihood: logLikelihood, status: "given",
        customers: base.count, correlation: nil),
      FitReport(
        model: "gamma-gamma", estimates: spendFit?.fit.estimates ?? [],
        logLikelihood: spendFit?.fit.logLikelihood ?? 0,
        status: spendFit?.fit.status.sentence ?? "given",
        customers: spendFit?.repeaters ?? base.count, correlation: spendFit?.correlation),
    ]
    comparison = nil
    warnings = []
  }

  private static func centre(_ summary: PurchaseSummary) -> [Double] {
    var sums = [0.0, 0.0, 0.0]
    for row in 0..<summary.count {
      sums[0] += Double(summary.repeats[row])
      sums[1] += summary.recency[row]
      sums[2] += summary.age[row]
    }
    return sums.map { $0 / Double(max(summary.count, 1)) }
  }

  func spend() throws -> GammaGamma {
    try GammaGamma(
      p: spendParameters["p"] ?? 0, q: spendParameters["q"] ?? 1,
      gamma: spendParameters["gamma"] ?? 0, observedMean: spendParameters["observed_mean"])
  }

  /// The purchase models, in the order of `PurchaseModelKind`.
  func purchaseModels() throws -> [(kind: PurchaseModelKind, model: any PurchaseModel)] {
    try PurchaseModelKind.allCases.compactMap { kind in
      try parameters[kind.rawValue].map { (kind, try kind.model($0, unit: timeUnit)) }
    }
  }
}

package enum ValueModelError: Error, CustomStringConvertible {
  case noPurchases
  case nothingBeforeHoldout(days: Int, oldest: Int)
  case tooShort(days: Int)

  package var description: String {
    switch self {
    case .noPurchases:
      "no customer has a purchase: every amount is a refund, or there are none"
    case .nothingBeforeHoldout(let days, let oldest):
      "a holdout of \(days) days leaves nothing before it: the first purchase is \(oldest) days old"
    case .tooShort(let days):
      "\(days) days of purchases are too few to learn from: a regression needs a time split"
    }
  }
}
