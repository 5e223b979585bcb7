import CustomerValue
import Sharding

/// The models of a ready summary, fitted or given.
struct SummaryFit {
  let kind: PurchaseModelKind
  let model: any PurchaseModel
  let logLikelihood: Double
  let status: String
  let candidates: [ValueRun.Candidate]
  private(set) var spendModel: GammaGamma?
  private(set) var spend: ValueRun.Spend?
  private(set) var parameters: ValueParameters
  private(set) var standardErrors: [String: [String: Double?]] = [:]
  private(set) var warnings: [String] = []

  init(
    _ cells: PurchaseCells, _ settings: ValueSettings, _ given: ValueParameters?, _ file: String,
    _ workers: Workers
  ) throws {
    parameters = ValueParameters(timeUnit: settings.unit.rawValue)
    if let given {
      kind = try given.kind(asked: settings.candidate, file: file)
      guard let model = try given.purchases(kind, unit: settings.unit, file: file) else {
        throw RunFailure(.bug, "the parameters of \(kind.rawValue) were there a moment ago")
      }
      self.model = model
      logLikelihood = try model.logLikelihood(cells, workers: workers)
      status = "given"
      candidates = [
        ValueRun.Candidate(
          name: kind.rawValue, chosen: true, logLikelihood: logLikelihood, status: "given")
      ]
      parameters.models[kind.rawValue] = given.models[kind.rawValue]
      return
    }
    let fits: [PurchaseModelFit]
    let best: Int
    if let asked = settings.candidate.flatMap({ PurchaseModelKind(rawValue: $0.rawValue) }) {
      fits = [try asked.fit(cells, workers: workers)]
      best = 0
    } else {
      let compared = try PurchaseModelKind.compare(cells, workers: workers)
      (fits, best) = (compared.fits, compared.likeliest)
      if compared.isSampled {
        warnings.append(
          "the candidates were compared on a sample; the chosen one is fitted to all customers")
      }
    }
    let fit = fits[best]
    (kind, model, logLikelihood) = (fit.kind, fit.model, fit.logLikelihood)
    status = fit.status.sentence
    candidates = fits.indices.map { ValueRun.Candidate(fits[$0], chosen: $0 == best) }
    add(fit.kind.rawValue, fit.estimates)
    if fit.status.kind != .converged { warnings.append("\(kind.rawValue): \(status)") }
  }

  mutating func addSpend(
    _ summary: PurchaseSummary, _ given: ValueParameters?, _ file: String, _ workers: Workers
  ) throws {
    if let model = try given?.spend(file: file) {
      spendModel = model
      spend = ValueRun.Spend(logLikelihood: nil, status: "given")
      parameters.models[ValueParameters.spendName] = given?.models[ValueParameters.spendName]
      return
    }
    let fit = try GammaGamma.fit(summary, workers: workers)
    spendModel = fit.fit.model
    spend = ValueRun.Spend(
      logLikelihood: fit.fit.logLikelihood, status: fit.fit.status.sentence,
      repeaters: fit.repeaters, correlation: fit.correlation)
    add(ValueParameters.spendName, fit.fit.estimates)
    parameters.models[ValueParameters.spendName]?["observed_mean"] = fit.fit.model.observedMean
    if fit.fit.status.kind != .converged {
      warnings.append("gamma-gamma: \(fit.fit.status.sentence)")
    }
    if let correlation = fit.correlation, abs(correlation) > 0.3 {
      warnings.append(
        "frequency and mean spend correlate (\((correlation * 100).rounded() / 100)), "
          + "gamma-gamma assumes they do not")
    }
  }

  private mutating func add(_ name: String, _ estimates: [Estimate]) {
    parameters.models[name] = Dictionary(
      uniqueKeysWithValues: estimates.map { ($0.name, $0.value) })
    standardErrors[name] = Dictionary(
      uniqueKeysWithValues: estimates.map { ($0.name, $0.standardError) })
  }
}

/// A value model's fits and comparison, as results print them.
struct ValueReport {
  let model: ValueModel

  init(_ model: ValueModel) { self.model = model }

  func result(out: String, settings: ValueSettings, customers: Int) -> ValueRun.Result {
    let spendName = ValueParameters.spendName
    let purchases = model.fits.filter { $0.model != spendName }
    let own = purchases.first { $0.model == model.candidate.rawValue }
    let spend = model.fits.first { $0.model == spendName }
    var parameters = ValueParameters(
      models: model.parameters, timeUnit: model.timeUnit.rawValue)
    parameters.models[spendName] = model.spendParameters
    var errors: [String: [String: Double?]] = [:]
    for fit in model.fits where !fit.estimates.isEmpty {
      errors[fit.model] = Dictionary(
        uniqueKeysWithValues: fit.estimates.map { ($0.name, $0.standardError) })
    }
    let comparison = model.comparison
    let candidates =
      comparison.map { table in
        table.candidates.map { ValueRun.Candidate($0, in: table) }
      }
      ?? purchases.map {
        ValueRun.Candidate(
          name: $0.model, chosen: $0.model == model.candidate.rawValue,
          logLikelihood: $0.logLikelihood, status: $0.status)
      }
    let status =
      own?.status
      ?? purchases.map { "\($0.model): \($0.status)" }.joined(separator: "; ")
    return ValueRun.Result(
      out: out, source: "ledger", customers: customers, timeUnit: model.timeUnit.rawValue,
      horizon: settings.length, monthlyDiscount: settings.monthlyDiscount,
      margin: settings.margin, model: model.candidate.rawValue,
      valueModel: model.amountCandidate.rawValue, parameters: parameters,
      standardErrors: errors, logLikelihood: own?.logLikelihood, status: status,
      spend: spend.map {
        ValueRun.Spend(
          logLikelihood: $0.status == "given" ? nil : $0.logLikelihood, status: $0.status,
          repeaters: $0.status == "given" ? nil : $0.customers, correlation: $0.correlation)
      },
      candidates: candidates,
      holdout: comparison.map {
        ValueRun.Holdout(
          days: $0.days, innerDays: $0.innerDays, customers: $0.customers,
          actualCount: $0.actualDays, actualValue: $0.actualAmount)
      },
      churn: comparison?.churn.map {
        ValueRun.Churn(
          source: model.churn != nil
            ? "logistic"
            : model.riskCalibration == nil ? "1 - p_alive" : "1 - p_alive, recalibrated",
          brier: $0.brier, brierBefore: $0.brierBefore, brierOfBaseRate: $0.brierOfBaseRate,
          baseRate: $0.baseRate, reliability: $0.reliability.map(ValueRun.Decile.init))
      },
      regression: regressions,
      totals: ValueRun.Totals(expectedTransactions: 0), warnings: model.warnings, threads: 0,
      seconds: [:], peakMemoryBytes: 0)
  }

  private var regressions: [ValueRun.Regression] {
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
