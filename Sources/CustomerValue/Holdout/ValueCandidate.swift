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
  /// Purchase days weighted by e^(−age / holdout), as a rate.
  case recencyWeightedRate = "recency-weighted-rate"
  /// What happened in the last window of the horizon's length, again.
  case lastWindow = "last-window"
  /// The last 30 days, as a rate.
  case lastMonth = "last-month"
  /// Repeat purchases over the time observed.
  case rate

  package var purchaseModels: [PurchaseModelKind] {
    switch self {
    case .bgNBD: [.bgNBD]
    case .mbgNBD: [.mbgNBD]
    case .paretoNBD: [.paretoNBD]
    case .purchaseModelMean: [.mbgNBD, .paretoNBD]
    default: []
    }
  }

  /// Learned from an earlier split's outcome.
  package var isRegression: Bool {
    switch self {
    case .recalibrated, .hybrid, .poisson, .hurdle, .ridge: true
    default: false
    }
  }

  package var usesPurchaseModels: Bool {
    !purchaseModels.isEmpty || self == .recalibrated || self == .hybrid
  }

  package var isSimpleRule: Bool { !isRegression && purchaseModels.isEmpty }
}
