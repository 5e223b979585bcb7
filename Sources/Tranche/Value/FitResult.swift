import CustomerValue

extension ValueRun {
  /// A fit as results print it: of a base, or of one of its groups.
  public struct FitResult: Encodable, Sendable {
    /// The one that forecasts transactions.
    public var model: String
    /// The one that forecasts value.
    public var valueModel: String
    /// As `--parameters` reads them.
    public var parameters: ValueParameters
    /// By model, then by parameter; null where a parameter sits on a boundary.
    public var standardErrors: [String: [String: Double?]]
    /// Of the purchase model; null where the forecast has none of its own.
    public var logLikelihood: Double?
    /// How the fit ended, in words; "given" where nothing was fitted.
    public var status: String
    public var spend: Spend?
    public var candidates: [Candidate]
    public var holdout: Holdout?
    public var churn: Churn?
    public var regression: [Regression]?
  }
}

extension ValueRun.FitResult {
  init(_ model: ValueModel) {
    let spendName = ValueParameters.spendName
    let purchases = model.fits.filter { $0.model != spendName }
    let own = purchases.first { $0.model == model.candidate.rawValue }
    var parameters = ValueParameters(
      models: model.parameters, timeUnit: model.timeUnit.rawValue)
    parameters.models[spendName] = model.spendParameters
    var errors: [String: [String: Double?]] = [:]
    for fit in model.fits where !fit.estimates.isEmpty {
      errors[fit.model] = Dictionary(
        uniqueKeysWithValues: fit.estimates.map { ($0.name, $0.standardError) })
    }
    let table = model.comparison
    let base = ValueRun.Candidate.baseName
    self.init(
      model: table?.base?.isChosen ?? false ? base : model.candidate.rawValue,
      valueModel: table?.base?.isChosenForAmounts ?? false ? base : model.amountCandidate.rawValue,
      parameters: parameters, standardErrors: errors, logLikelihood: own?.logLikelihood,
      status: own?.status ?? purchases.map { "\($0.model): \($0.status)" }.joined(separator: "; "),
      spend: model.fits.first { $0.model == spendName }.map(ValueRun.Spend.init),
      candidates: table.map(ValueRun.Candidate.all)
        ?? purchases.map {
          ValueRun.Candidate(
            name: $0.model, chosen: $0.model == model.candidate.rawValue,
            logLikelihood: $0.logLikelihood, status: $0.status)
        },
      holdout: table.map(ValueRun.Holdout.init), churn: ValueRun.Churn(model),
      regression: ValueRun.Regression.all(model))
  }

  init(_ fit: SummaryFit) {
    self.init(
      model: fit.kind.rawValue, valueModel: fit.kind.rawValue, parameters: fit.parameters,
      standardErrors: fit.standardErrors, logLikelihood: fit.logLikelihood, status: fit.status,
      spend: fit.spend, candidates: fit.candidates, holdout: nil, churn: nil, regression: nil)
  }
}

extension ValueRun.Spend {
  fileprivate init(_ fit: ValueModel.FitReport) {
    let isGiven = fit.status == "given"
    self.init(
      logLikelihood: isGiven ? nil : fit.logLikelihood, status: fit.status,
      repeaters: isGiven ? nil : fit.customers, correlation: fit.correlation)
  }
}

extension ValueRun.Holdout {
  init(_ comparison: HoldoutComparison) {
    self.init(
      days: comparison.days, innerDays: comparison.innerDays, customers: comparison.customers,
      actualCount: comparison.actualDays, actualValue: comparison.actualAmount)
  }
}

extension ValueRun.Churn {
  fileprivate init?(_ model: ValueModel) {
    guard let calibration = model.comparison?.churn else { return nil }
    self.init(
      source: model.churn != nil
        ? "logistic" : model.riskCalibration == nil ? "1 - p_alive" : "1 - p_alive, recalibrated",
      brier: calibration.brier, brierBefore: calibration.brierBefore,
      brierOfBaseRate: calibration.brierOfBaseRate, baseRate: calibration.baseRate,
      reliability: calibration.reliability.map(ValueRun.Decile.init))
  }
}

extension ValueRun.Regression {
  fileprivate static func all(_ model: ValueModel) -> [ValueRun.Regression] {
    var list: [ValueRun.Regression] = []
    for (name, regression) in model.regressions.sorted(by: { $0.key < $1.key }) {
      if let buying = regression.buying {
        list.append(ValueRun.Regression(name, "buying", buying))
      }
      list.append(ValueRun.Regression(name, "count", regression.days))
      list.append(ValueRun.Regression(name, "value", regression.amounts))
    }
    if let churn = model.churn { list.append(ValueRun.Regression("logistic", "churn", churn)) }
    return list
  }
}
