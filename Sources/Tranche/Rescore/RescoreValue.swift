import Columnar
import CustomerValue
import Features
import Sharding

/// How a run forecasts value: by the frozen model's, else by one it fits.
struct RescoreValue {
  let settings: ValueSettings
  let frozen: ValueModel?
  let frozenGroups: ValueGroups?
  /// Nil without groups.
  let labels: GroupLabels?
  /// What the fold must remember of purchases.
  let windows: PurchaseWindows

  init(
    _ configuration: Configuration, _ model: ModelFile?, _ run: RescoreRun, workers: Workers
  ) throws {
    settings = try ValueSettings(configuration)
    _ = try SimpleParameters(configuration)
    frozen = run.refit ? nil : model?.scoring?.value
    frozenGroups = run.refit ? nil : model?.scoring?.valueGroups
    windows =
      frozen?.windows(settings.purchases)
      ?? ValueModel.windows(settings.purchases, holdoutDays: settings.holdoutDays)
    labels = try Self.groups(configuration, model, refit: run.refit).map {
      GroupLabels(
        by: $0, customers: run.customers, ledger: run.ledger, configuration: configuration,
        workers: workers)
    }
    try labels?.check()
  }

  /// What the groups of a run are told apart by: as configured, and for a frozen model as it was in
  /// its fit.
  static func groups(
    _ configuration: Configuration, _ model: ModelFile?, refit: Bool
  ) throws -> GroupBy? {
    let asked = try GroupBy(configuration, hasSegments: true)
    guard !refit, let scoring = model?.scoring, scoring.value != nil else { return asked }
    guard let known = scoring.valueGroups?.by else {
      if let asked {
        throw configuration.refuse(
          "value.by", "is \"\(asked.name)\", but the model was fitted without groups",
          hint: "leave it out, or add --refit")
      }
      return nil
    }
    if let asked, asked.name != known {
      throw configuration.refuse(
        "value.by", "is \"\(asked.name)\", but the model's groups are by \"\(known)\"",
        hint: "leave it out, or add --refit")
    }
    return try asked ?? GroupBy(known, configuration, hasSegments: true)
  }
}

extension Scoring {
  /// A ledger without a single purchase has no forecast; a warning says so.
  func addForecast(
    _ base: inout ScoredBase, _ value: RescoreValue, _ purchases: CustomerPurchases
  ) throws {
    context.progress(RunProgress("value"))
    let known = try PurchaseBase(
      purchases, unit: value.frozen?.timeUnit ?? value.settings.unit, workers: workers)
    let fit: BaseFit
    do {
      fit =
        try value.frozen.map { BaseFit($0) }
        ?? value.settings.fit(
          purchases, known, asOf: Int(asOf), compares: value.settings.candidate == nil,
          workers: workers)
    } catch let failure as RunFailure where failure.code == .badData {
      base.warnings.append("value is not forecast: \(failure.message)")
      return
    }
    if value.frozen == nil { base.warnings += fit.model.warnings }
    let groups = try value.labels?.read(
      table.ids, purchases, asOf: Int(asOf), segments: (base.labels, segmentNames(base)))
    let models =
      try value.frozen == nil
      ? groups.map {
        try value.settings.fit(
          $0, of: purchases, base: fit, asOf: Int(asOf),
          compares: value.settings.candidate == nil, workers: workers)
      } : value.frozenGroups
    base.forecast = try fit.model.score(
      purchases, known, models, groups, asOf: Int(asOf), horizon: value.settings.horizon(),
      reasons: plan.scores.contains(.churnReasons), workers: workers)
    base.groups = groups
    scoring(&base) {
      $0.value = fit.model
      $0.valueGroups = models
    }
  }

  /// Ids of the model's segments; labels while a new model has none.
  private func segmentNames(_ base: ScoredBase) -> [String] {
    frozen != nil && !refit
      ? base.model.segments.map(\.id) : base.model.centroids.indices.map { String($0) }
  }

  /// Groups of a new model's segments take the ids that those have got by now.
  func nameGroups(_ base: inout ScoredBase, by ids: [String]) {
    guard base.groups?.by == GroupBy.segment.name else { return }
    base.groups = base.groups.map {
      CustomerGroups(by: $0.by, names: ids, codes: $0.codes)
    }
    scoring(&base) { scoring in
      scoring.valueGroups?.rename { Int($0).map { ids[$0] } ?? $0 }
    }
  }

  /// A customer's number depends on the seed and the id alone: the same customers month after month.
  func addControl(_ base: inout ScoredBase) throws {
    let share = try ControlGroup.share(configuration)
    base.control = try ControlGroup.choose(
      table.ids, share: share, seed: try configuration.seed(), workers: workers)
  }
}
