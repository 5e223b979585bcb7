import Columnar
import CustomerValue
import Features
import Sharding

/// How a run forecasts value: by the frozen model's, else by one it fits.
struct RescoreValue {
  let settings: ValueSettings
  let frozen: ValueModel?
  /// What the fold must remember of purchases.
  let windows: PurchaseWindows

  init(_ configuration: Configuration, _ model: ModelFile?, refit: Bool) throws {
    settings = try ValueSettings(configuration)
    frozen = refit ? nil : model?.scoring?.value
    windows =
      frozen?.windows(settings.purchases)
      ?? ValueModel.windows(settings.purchases, holdoutDays: settings.holdoutDays)
  }
}

extension Scoring {
  /// A ledger without a single purchase has no forecast; a warning says so.
  func addForecast(
    _ base: inout ScoredBase, _ value: RescoreValue, _ purchases: CustomerPurchases
  ) throws {
    context.progress(RunProgress("value"))
    let model: ValueModel
    do {
      model =
        try value.frozen
        ?? value.settings.fit(
          purchases, compares: value.settings.candidate == nil, workers: workers)
    } catch let failure as RunFailure where failure.code == .badData {
      base.warnings.append("value is not forecast: \(failure.message)")
      return
    }
    if value.frozen == nil { base.warnings += model.warnings }
    base.forecast = try model.score(
      purchases, horizon: value.settings.horizon(),
      reasons: plan.scores.contains(.churnReasons), workers: workers)
    scoring(&base) { $0.value = model }
  }

  /// A customer's number depends on the seed and the id alone: the same customers month after month.
  func addControl(_ base: inout ScoredBase) throws {
    let share = try ControlGroup.share(configuration)
    base.control = try ControlGroup.choose(
      table.ids, share: share, seed: try configuration.seed(), workers: workers)
  }
}
