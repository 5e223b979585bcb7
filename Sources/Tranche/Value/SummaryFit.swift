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
