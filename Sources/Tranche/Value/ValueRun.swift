import Columnar
import CustomerValue
import Features
import Foundation
import Sharding

/// `value`: what each customer is expected to buy and to be worth, from a ledger or a ready summary.
public struct ValueRun: Sendable {
  public enum Input: Sendable {
    /// `customer_id x t_x T`, perhaps `m`.
    case summary([String])
    case ledger([String], asOf: String)
  }

  public var input: Input
  public var out: String
  /// days or weeks; nil: as the parameters say, else days.
  public var timeUnit: String?
  /// Parameters to score by instead of fitting.
  public var parameters: String?
  /// Whether the candidates are compared although a model is named.
  public var compares = false
  public var quarantine: String?
  /// Attributes by customer, where `value.by` names one of their columns.
  public var customers: [String] = []
  /// Folder of an earlier run whose control group is compared with the rest.
  public var uplift: String?
  public var force = false

  public init(_ input: Input, out: String) {
    self.input = input
    self.out = out
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    let workers = try configuration.workers(context)
    let given = try parameters.map(ValueParameters.read)
    let settings = try ValueSettings(
      configuration, unit: try unit(given), hasLedger: isLedger)
    let by = try GroupBy(configuration, hasSegments: false)
    if by != nil, let parameters {
      throw RunFailure(
        .usage, "--parameters holds one model for everybody, so there is nothing to fit --by",
        hint: "leave one of them out", file: parameters)
    }
    let file = try StagedFile(table: out, force: force)
    let quarantineFile = try quarantine.map { try StagedFile(table: $0, force: force) }
    switch input {
    case .summary(let inputs):
      return try summary(inputs, file, settings, given, by, configuration, context, workers)
    case .ledger(let inputs, let asOf):
      return try ledger(
        inputs, asOf, file, quarantineFile, settings, given,
        by.map {
          GroupLabels(
            by: $0, customers: customers, ledger: inputs, configuration: configuration,
            workers: workers)
        }, configuration, context, workers)
    }
  }

  private var isLedger: Bool {
    if case .ledger = input { return true }
    return false
  }

  private func unit(_ given: ValueParameters?) throws -> PurchaseTimeUnit {
    if let timeUnit {
      guard let unit = PurchaseTimeUnit(rawValue: timeUnit) else {
        throw RunFailure(
          .usage, "--time-unit \(timeUnit) is unknown", hint: "use days or weeks")
      }
      if let own = given?.timeUnit, own != timeUnit {
        throw RunFailure(
          .usage, "--time-unit \(timeUnit) contradicts the \(own) of the parameters",
          hint: "leave --time-unit out, or convert the parameters", file: parameters)
      }
      return unit
    }
    return given?.timeUnit.flatMap(PurchaseTimeUnit.init) ?? .days
  }

  // MARK: - A ready summary

  private func summary(
    _ inputs: [String], _ file: StagedFile, _ settings: ValueSettings, _ given: ValueParameters?,
    _ by: GroupBy?, _ configuration: Configuration, _ context: RunContext, _ workers: Workers
  ) throws -> Result {
    var watch = Stopwatch()
    if let candidate = settings.candidate, candidate.purchaseModels.count != 1 {
      throw RunFailure(
        .usage, "--model \(candidate.rawValue) needs a ledger's time split",
        hint: "use auto, bg-nbd, mbg-nbd or pareto-nbd with --summary")
    }
    guard settings.holdoutDays == nil || !compares else {
      throw RunFailure(
        .usage, "--holdout needs a ledger: a summary has no dates", hint: "leave --holdout out")
    }
    let reading = SummaryReading(
      inputs: inputs, unit: settings.unit, configuration: configuration, workers: workers)
    let (ids, summary) = try watch.measure("read") { try reading.read(context) }
    let groups = try watch.measure("groups") {
      try by.map { try reading.groups($0, rows: ids.count) }
    }
    return try score(ids, summary, groups, file, settings, given, context, workers, watch: &watch)
  }

  /// Fits (or takes) one purchase model, and one of each group, scores and writes.
  private func score(
    _ ids: Column, _ summary: PurchaseSummary, _ groups: CustomerGroups?, _ file: StagedFile,
    _ settings: ValueSettings, _ given: ValueParameters?, _ context: RunContext,
    _ workers: Workers, watch: inout Stopwatch
  ) throws -> Result {
    context.progress(RunProgress("fit"))
    let base = try SummaryModel(
      summary, settings, given, parameters ?? "", workers, watch: &watch)
    let models = try watch.measure("fit groups") {
      try groups.map { try SummaryGroups(summary, $0, settings, workers) }
    }
    let scores = try watch.measure("score") {
      let all = try base.score(summary, settings.horizon(), workers)
      return try models?.scores(over: all, settings.horizon(), workers) ?? all
    }
    var columns = [
      OutputColumn.identifier("customer_id", ids, isRequired: ids.validity == nil),
      .number("p_alive", scores.probabilityAlive),
      .number("expected_transactions", scores.expectedTransactions),
    ]
    if let value = scores.expectedValue, let clv = scores.clv {
      columns += [.number("expected_value", value), .number("clv", clv)]
    }
    if let models { columns += models.labels.columns(fits: models.fits) }
    try watch.measure("write") {
      try ScoreTable.write(columns, rows: ids.count, to: file.staging, workers: workers) {
        context.progress(RunProgress("write", done: $0, total: ids.count))
      }
      try file.commit()
    }
    let totals = Totals(
      expectedTransactions: try ColumnTotal.sum(scores.expectedTransactions, workers),
      expectedValue: try scores.expectedValue.map { try ColumnTotal.sum($0, workers) },
      clv: try scores.clv.map { try ColumnTotal.sum($0, workers) })
    let told = models.map(Groups.init)
    var result = Result(
      FitResult(base.fit), out: out, source: "summary", customers: ids.count, settings: settings,
      totals: totals, warnings: base.fit.warnings + (told?.warnings ?? []),
      threads: workers.threads, seconds: watch.seconds)
    result.groups = told
    return result
  }

  // MARK: - A ledger

  private func fold(
    _ inputs: [String], _ asOf: String, _ windows: PurchaseWindows, _ quarantine: StagedFile?,
    _ memory: LedgerMemory?, _ configuration: Configuration, _ context: RunContext,
    _ workers: Workers
  ) throws -> FoldedLedger {
    let reading = LedgerReading(
      inputs: inputs, asOf: try AsOf.days(asOf),
      selection: FeatureSelection(features: [.recencyDays], channels: nil),
      configuration: configuration, workers: workers, quarantinePath: quarantine?.staging,
      purchases: windows, memory: memory)
    return try reading.fold(try reading.open(), context)
  }

  /// What customers cost after the fold: what a rescoring keeps for its forecasts, and more for groups.
  private func memoryNeeds(_ hasGroups: Bool) -> LedgerMemory.Needs {
    var needs = LedgerMemory.Needs(ledgerColumns: 3, outputColumns: 8)
    needs.laterBytes = 640 + (hasGroups ? 240 : 0)
    // Groups are fitted beside each other, each with a copy of its customers' purchases.
    needs.residentBytes = 48 + (hasGroups ? 400 : 0) + (uplift == nil ? 0 : 48)
    needs.hasForecast = true
    return needs
  }

  private func ledger(
    _ inputs: [String], _ asOf: String, _ file: StagedFile, _ quarantine: StagedFile?,
    _ settings: ValueSettings, _ given: ValueParameters?, _ labels: GroupLabels?,
    _ configuration: Configuration, _ context: RunContext, _ workers: Workers
  ) throws -> Result {
    var watch = Stopwatch()
    try labels?.check()
    let earlier = try uplift.map { try UpliftReading($0, asOf: asOf) }
    let windows = ValueModel.windows(
      settings.purchases, holdoutDays: settings.holdoutDays, also: earlier.map { [$0.days] } ?? [])
    let memory = try configuration.ledgerMemory(
      out: out, hasState: false, threads: workers.threads, memoryNeeds(labels != nil))
    let folded = try watch.measure("fold") {
      try fold(inputs, asOf, windows, quarantine, memory, configuration, context, workers)
    }
    // From here on everything that grows with the customers lies where their columns do.
    return try SpillSpace.run(in: folded.space) {
      try forecast(
        folded, asOf, file, quarantine, settings, given, labels, earlier, context,
        workers, &watch)
    }
  }

  /// Fits, scores and writes what was folded.
  private func forecast(
    _ folded: FoldedLedger, _ asOf: String, _ file: StagedFile, _ quarantine: StagedFile?,
    _ settings: ValueSettings, _ given: ValueParameters?, _ labels: GroupLabels?,
    _ earlier: UpliftReading?, _ context: RunContext, _ workers: Workers, _ watch: inout Stopwatch
  ) throws -> Result {
    guard let purchases = folded.purchases else {
      throw RunFailure(.bug, "the fold kept no purchases")
    }
    let day = Int(try AsOf.days(asOf))
    let groups = try watch.measure("groups") {
      try labels?.read(folded.table.ids, purchases, asOf: day)
    }
    context.progress(RunProgress("fit"))
    let base = try watch.measure("cells") {
      try PurchaseBase(purchases, unit: settings.unit, workers: workers)
    }
    let fit = try watch.measure("fit") {
      try given.map { try settings.model($0, parameters ?? "", purchases, workers: workers) }
        ?? settings.fit(
          purchases, base, asOf: day, compares: compares, workers: workers)
    }
    let models = try watch.measure("fit groups") {
      try groups.map {
        try settings.fit(
          $0, of: purchases, base: fit, asOf: day, compares: compares, workers: workers)
      }
    }
    let forecast = try watch.measure("score") {
      try fit.model.score(
        purchases, base, models, groups, asOf: day, horizon: settings.horizon(), reasons: true,
        workers: workers)
    }
    let readout = try watch.measure("uplift") {
      try earlier?.readout(purchases, of: folded.table.ids, workers: workers)
    }
    let count = folded.table.rows
    try watch.measure("write") {
      let columns = Self.columns(forecast, folded.table.ids, groups)
      try ScoreTable.write(columns, rows: count, to: file.staging, workers: workers) {
        context.progress(RunProgress("write", done: $0, total: count))
      }
      try quarantine?.commit()
      try file.commit()
    }
    let told = models.flatMap { models in groups.map { Groups(models, $0) } }
    let totals = Totals(
      expectedTransactions: try ColumnTotal.sum(forecast.expectedTransactions, workers),
      expectedValue: try ColumnTotal.sum(forecast.expectedValue, workers),
      clv: try ColumnTotal.sum(forecast.clv, workers))
    var result = Result(
      FitResult(fit.model), out: out, source: "ledger", customers: count, settings: settings,
      totals: totals, warnings: fit.model.warnings + (told?.warnings ?? []),
      threads: workers.threads, seconds: watch.seconds)
    result.asOf = asOf
    result.rows = RowCounts(folded.counts)
    result.uplift = readout
    result.groups = told
    result.spilledBytes = folded.spilledBytes
    return result
  }

  private static func columns(
    _ forecast: ValueForecast, _ ids: Column, _ groups: CustomerGroups?
  ) -> [OutputColumn] {
    [
      .identifier("customer_id", ids), .number("p_alive", forecast.probabilityAlive),
      .number("expected_transactions", forecast.expectedTransactions),
      .number("expected_value", forecast.expectedValue), .number("clv", forecast.clv),
      .number("churn_risk", forecast.churnRisk),
      .category("churn_reasons", forecast.reasons ?? Buffer<Int32>([]), forecast.reasonNames),
    ] + (groups?.columns(fits: forecast.groupFits) ?? [])
  }
}

/// Sums of columns, shard by shard.
enum ColumnTotal {
  /// NaN counts as nothing.
  static func sum(_ column: Buffer<Double>, _ workers: Workers) throws -> Double {
    let shards = Shards(rows: column.count, rowsPerShard: 1 << 16)
    return try workers.map(shards.count) { shard in
      shards[shard].reduce(0.0) { $0 + (column.base[$1].isNaN ? 0 : column.base[$1]) }
    }.reduce(0, +)
  }
}
