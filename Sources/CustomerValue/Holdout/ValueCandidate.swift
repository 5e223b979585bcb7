/// What may forecast a customer's purchases; raw values are the names of `--model` and of tables.
package enum ValueCandidate: String, Codable, Sendable, CaseIterable {
  case bgNBD = "bg-nbd"
  case mbgNBD = "mbg-nbd"
  case paretoNBD = "pareto-nbd"
  /// Mean of MBG/NBD, which lets customers leave at purchases, and Pareto/NBD, at any time.
  case purchaseModelMean = "purchase-model-mean"
  /// Poisson regression on the purchase models' forecasts alone: their level and curve, learned from
  /// an earlier split.
  case recalibrated
  /// Poisson regression on features and on the purchase models' forecasts.
  case hybrid
  case poisson
  /// Logistic regression of buying at all times Poisson regression of how often, given any.
  case hurdle
  case ridge
  /// Ridge regression on the days that monthly payments are due on, found customer by customer, and
  /// the rate of all other days.
  case recurring
  /// Two parts of that to one of Pareto/NBD, which draws a rate towards the base's.
  case recurringBlend = "recurring-blend"
  /// Mean of Pareto/NBD, which draws a rate towards the base's, of ridge and of the plain rate: their
  /// errors are different ones.
  case blend
  /// Purchase days weighted by e^(−age / holdout), as a rate.
  case recencyWeightedRate = "recency-weighted-rate"
  /// What happened in the last window of the horizon's length, again.
  case lastWindow = "last-window"
  /// The last 30 days, as a rate.
  case lastMonth = "last-month"
  /// Repeat purchases over the time observed.
  case rate

  /// What its forecast is the mean of: itself, or others.
  package var parts: [ValueCandidate] {
    switch self {
    case .purchaseModelMean: [.mbgNBD, .paretoNBD]
    case .recurringBlend: [.recurring, .recurring, .paretoNBD]
    case .blend: [.paretoNBD, .ridge, .rate]
    default: [self]
    }
  }

  /// A single purchase model.
  var purchaseModel: PurchaseModelKind? { PurchaseModelKind(rawValue: rawValue) }

  /// The purchase models that it is or is the mean of; empty for anything else.
  package var purchaseModels: [PurchaseModelKind] {
    let kinds = parts.compactMap(\.purchaseModel)
    return kinds.count == parts.count ? kinds : []
  }

  /// Learned from an earlier split's outcome.
  package var isRegression: Bool {
    switch self {
    case .recalibrated, .hybrid, .poisson, .hurdle, .ridge, .recurring: true
    default: false
    }
  }

  /// A regression without a logarithmic link, which plain rates are for.
  var isLinear: Bool { self == .ridge || self == .recurring }

  /// A regression on the purchase models' forecasts.
  var regressesOnModels: Bool { self == .recalibrated || self == .hybrid }

  /// Cannot be used without a time split.
  var needsSplit: Bool { purchaseModels.isEmpty }
}
