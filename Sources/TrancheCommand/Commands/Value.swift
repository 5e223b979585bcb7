import ArgumentParser
import Foundation
import Tranche

struct Value: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forecast what each customer will buy and be worth.",
    discussion: """
      Examples:
        tranche value --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 --out value.parquet
        tranche value --ledger sales.csv --config shop.toml --as-of 2025-12-31 --out value.csv \\
          --model bg-nbd --time-unit weeks --horizon 52
        tranche value --summary customers.csv --time-unit weeks --horizon 39 --out value.csv
        tranche value --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 --out value.parquet \\
          --uplift 2025-11
        tranche value --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 --out value.parquet \\
          --memory 2GiB
        tranche value --summary customers.csv --parameters fitted.json --out value.csv --json

      From a ledger the model is chosen by holdout: buy-till-you-die models, regressions and simple \
      rules are fitted on what was known some days before --as-of and judged on what came after; \
      the best is fitted to everything. With --by the same is done in every group, too, with the \
      base's model as one more candidate; groups of fewer than 200 customers use the base's model, \
      and the result says so. A summary has a row a customer: customer_id, x (repeat transactions), \
      t_x (last − first), T (end of observation − first) and perhaps m (mean spend of the repeats); \
      t_x and T in --time-unit. --parameters takes models as --json prints them:
        {"bg-nbd": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}, "time_unit": "weeks"}
      """)

  @Option(parsing: .upToNextOption, help: "Transactions: files, globs or folders.")
  var ledger: [String] = []

  @Option(parsing: .upToNextOption, help: "Ready summaries with customer_id, x, t_x, T, perhaps m.")
  var summary: [String] = []

  @Option(help: "Last day that counts of a ledger, such as 2025-12-31.")
  var asOf: String?

  @OptionGroup var output: TableOutput

  @Option(
    help: ArgumentHelp(
      "auto (default), \(Configuration.valueModels.joined(separator: ", ")).", valueName: "name"))
  var model: String?

  @Option(help: ArgumentHelp("Time ahead, in --time-unit (default: a year).", valueName: "time"))
  var horizon: Double?

  @Option(help: ArgumentHelp("Days of a ledger held out to choose by.", valueName: "days"))
  var holdout: Int?

  @Option(help: "Of t_x, T, parameters and horizon: days (default) or weeks.")
  var timeUnit: String?

  @Option(
    help: ArgumentHelp(
      """
      Models for each group apart: a column that is constant per customer, or cohort:month, \
      cohort:quarter, cohort:year of the first purchase.
      """, valueName: "column"))
  var by: String?

  @Option(
    parsing: .upToNextOption, help: "Attributes by customer, where --by names one of their columns."
  )
  var customers: [String] = []

  @Option(help: "JSON file of parameters to score by, instead of fitting.")
  var parameters: String?

  @Option(help: "File for the ledger rows that cannot be used.")
  var quarantine: String?

  @Option(
    help: ArgumentHelp(
      "Folder of an earlier rescore run: what its customers did since, against its control group.",
      valueName: "folder"))
  var uplift: String?

  @Option(help: MemoryOption.help)
  var memory: String?

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard ledger.isEmpty != summary.isEmpty else {
      throw ValidationError("Give either --ledger or --summary.")
    }
    guard uplift == nil || !ledger.isEmpty else {
      throw ValidationError("--uplift needs --ledger.")
    }
    guard customers.isEmpty || (by != nil && !ledger.isEmpty) else {
      throw ValidationError("--customers belongs to --by and --ledger.")
    }
    guard memory == nil || !ledger.isEmpty else {
      throw ValidationError("--memory belongs to --ledger: a summary has one row a customer.")
    }
    guard ledger.isEmpty == (asOf == nil) else {
      throw ValidationError(
        ledger.isEmpty ? "--as-of belongs to --ledger." : "--ledger needs --as-of.")
    }
  }

  func run() throws {
    try Execution.run(common) { context in
      var run = ValueRun(
        asOf.map { .ledger(ledger, asOf: $0) } ?? .summary(summary), out: output.file)
      run.timeUnit = timeUnit
      run.parameters = parameters
      run.compares = holdout != nil
      run.quarantine = quarantine
      run.uplift = uplift
      run.customers = customers
      run.force = output.force
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      MemoryOption.apply(memory, to: &configuration)
      try configuration.setValue(model: model, horizon: horizon, holdout: holdout, by: by)
      return try run.run(configuration, context)
    } summary: {
      Self.lines($0)
    }
  }

  private static func lines(_ result: ValueRun.Result) -> [String] {
    let names =
      result.model == result.valueModel
      ? result.model : "\(result.model) (value: \(result.valueModel))"
    var lines = ["\(result.customers) customers by \(names), \(result.status)"]
    if let rows = result.rows { lines.append(rows.sentence) }
    let chosen = result.candidates.first(where: \.chosen)
    if let holdout = result.holdout, let counts = chosen?.counts,
      let values = result.candidates.first(where: \.chosenForValue)?.values
    {
      lines.append(
        "chosen among \(result.candidates.count) on a holdout of \(holdout.days) days: "
          + String(
            format: "mean absolute error %.3f purchase days and %.2f of value", counts.mae,
            values.mae))
    }
    var total = String(
      format: "%.0f transactions expected in %g %@", result.totals.expectedTransactions,
      result.horizon, result.timeUnit)
    if let value = result.totals.expectedValue, let clv = result.totals.clv {
      total += String(format: ", worth %.0f, %.0f discounted", value, clv)
    }
    lines.append(total)
    if let groups = result.groups {
      lines.append(
        "\(groups.fitted) of \(groups.groups.count) groups by \(groups.by) have a model of their own"
      )
    }
    if let all = result.uplift?.segments.last, let since = result.uplift?.since {
      lines.append(
        String(format: "uplift since \(since): %.2f a customer", all.value.uplift)
          + (all.value.low.flatMap { low in
            all.value.high.map { String(format: ", 95 %% between %.2f and %.2f", low, $0) }
          } ?? "") + " (\(all.treated) treated, \(all.control) in the control group)")
    }
    lines += result.warnings.prefix(4).map { "warning: \($0)" }
    lines.append(String(format: "%.2f s, values in ", result.seconds["total"] ?? 0) + result.out)
    return lines
  }
}
