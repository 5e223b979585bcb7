import CustomerValue

/// Every setting there is: where it is written, what it means, what it is when nobody says.
///
/// One table serves the file, the environment, `config show` and the refusal of unknown keys.
package struct ConfigurationKey: Sendable {
  package enum Kind: Sendable, Equatable {
    case text, integer, number, flag, list, table
    /// One of these words.
    case choice([String])

    var words: [String] {
      if case .choice(let words) = self { return words }
      return []
    }
  }

  /// "section.key".
  package let path: String
  package let kind: Kind
  package let fallback: ConfigurationValue?
  package let help: String

  /// `TRANCHE_SECTION_KEY`.
  package var environmentName: String {
    "TRANCHE_" + path.uppercased().replacing(".", with: "_")
  }

  init(_ path: String, _ kind: Kind, _ fallback: ConfigurationValue?, _ help: String) {
    self.path = path
    self.kind = kind
    self.fallback = fallback
    self.help = help
  }

  package static let all: [ConfigurationKey] = run + read + adbc + ledger + customers + model + page

  private static let run: [ConfigurationKey] = [
    ConfigurationKey("run.threads", .integer, nil, "number of threads, all cores when absent"),
    ConfigurationKey("run.seed", .integer, .integer(0), "same data and seed, same bytes"),
    ConfigurationKey(
      "run.memory", .text, nil,
      "what rescore, features, fit and assign may hold in memory, such as 4GiB"),
  ]

  private static let read: [ConfigurationKey] = [
    ConfigurationKey(
      "read.delimiter", .text, nil,
      "between fields of text files: one character, \"tab\" or \"whitespace\"; found when absent"),
    ConfigurationKey("read.header", .flag, nil, "the first line names the columns"),
    ConfigurationKey("read.columns", .list, nil, "names for files without a header"),
    ConfigurationKey("read.skip_lines", .integer, .integer(0), "lines before the header"),
    ConfigurationKey("read.comment", .text, nil, "lines that start with this are skipped"),
    ConfigurationKey("read.encoding", .text, nil, "of text files; UTF-8 when absent"),
    ConfigurationKey("read.null_values", .list, nil, "texts that mean missing"),
  ]

  private static let adbc: [ConfigurationKey] = [
    ConfigurationKey(
      "adbc.drivers", .text, nil, "folder of the ADBC driver libraries that open databases")
  ]

  private static let ledger: [ConfigurationKey] = [
    ConfigurationKey("ledger.customer_id", .text, .text("customer_id"), "column of the customer"),
    ConfigurationKey("ledger.date", .text, .text("date"), "column of the day"),
    ConfigurationKey("ledger.amount", .text, .text("amount"), "column of the money"),
    ConfigurationKey(
      "ledger.channel", .text, .text("channel"), "column of the channel, if there is one"),
    ConfigurationKey(
      "ledger.currency", .text, .text("currency"), "column of the currency, if there is one"),
    ConfigurationKey("ledger.type", .text, .text("type"), "column of the transaction type"),
    ConfigurationKey("ledger.transaction_id", .text, nil, "column that names one transaction"),
    ConfigurationKey(
      "ledger.date_format", .text, nil,
      "such as yyyy-mm-dd, yyyymmdd, dd.mm.yyyy, epoch-s, epoch-ms; ISO 8601 when absent"),
    ConfigurationKey(
      "ledger.decimal_mark", .choice([".", ","]), nil,
      "of text amounts; needed where 1.234 is ambiguous"),
    ConfigurationKey(
      "ledger.amount_scale", .integer, nil,
      "decimals of text amounts (default 4), or of whole-number minor units (default 0)"),
    ConfigurationKey(
      "ledger.negative", .choice(["refund", "debit"]), .text("refund"), "what a negative amount is"),
    ConfigurationKey(
      "ledger.refunds", .choice(["net", "drop", "error"]), .text("net"), "what becomes of refunds"),
    ConfigurationKey(
      "ledger.duplicates", .choice(["keep", "drop", "error"]), .text("keep"),
      "what becomes of repeated transactions"),
    ConfigurationKey("ledger.exclude_types", .list, nil, "values of `type` that are left out"),
    ConfigurationKey("ledger.rates", .table, nil, "factor to one currency, by currency code"),
  ]

  private static let customers: [ConfigurationKey] = [
    ConfigurationKey(
      "customers.customer_id", .text, .text("customer_id"), "column of the customer in --customers"),
    ConfigurationKey(
      "customers.age", .text, .text("age"), "column of the age in years, if there is one"),
    ConfigurationKey(
      "customers.duplicates", .choice(["error", "first", "last"]), .text("error"),
      "which row counts when a customer has several"),
  ]

  private static let model: [ConfigurationKey] = [
    ConfigurationKey(
      "clustering.features", .list,
      .list(["recency_days", "frequency", "average_amount", "monetary"]),
      "features that make the segments"),
    ConfigurationKey("clustering.clusters", .text, .text("auto"), "number of segments, or auto"),
    ConfigurationKey(
      "clustering.scale", .choice(["standard", "robust", "log-standard", "none"]),
      .text("log-standard"), "how features are brought to one scale"),
    ConfigurationKey(
      "clustering.missing", .text, .text("median"), "median, reject, or a number"),
    ConfigurationKey(
      "clustering.max_missing", .number, .number(0.5),
      "share of missing values above which a feature is refused"),
    ConfigurationKey(
      "clustering.winsorize", .number, .number(0.001), "share of values moved in at each end"),
    ConfigurationKey("clustering.components", .integer, nil, "principal components kept"),
    ConfigurationKey(
      "clustering.algorithm", .choice(["auto", "lloyd", "bounded", "mini-batch"]), .text("auto"),
      "how K-Means iterates"),
    ConfigurationKey("clustering.init", .text, .text("k-means++"), "starting centroids"),
    ConfigurationKey("clustering.n_init", .integer, .integer(1), "starts, the best is kept"),
    ConfigurationKey("clustering.max_iterations", .integer, .integer(300), "at most so many"),
    ConfigurationKey("clustering.tolerance", .number, .number(1e-4), "of the mean variance"),
    ConfigurationKey("value.margin", .number, .number(1), "profit share of an amount"),
    ConfigurationKey("value.acquisition_cost", .number, .number(0), "per customer"),
    ConfigurationKey(
      "value.income", .list, nil, "columns of --customers whose sum less value.cost is clv_balance"),
    ConfigurationKey("value.cost", .list, nil, "columns of --customers that cost money"),
    ConfigurationKey("value.margins", .table, nil, "margin of clv_simple by group of value.by"),
    ConfigurationKey(
      "value.acquisition_costs", .table, nil, "acquisition cost of clv_simple by group of value.by"),
    ConfigurationKey(
      "value.model", .choice(["auto"] + ValueSettings.models), .text("auto"),
      "what forecasts purchases; auto: the best in a holdout"),
    ConfigurationKey(
      "value.by", .text, nil,
      "groups with models of their own: a column of --customers or the ledger, segment, cohort:month"
    ),
    ConfigurationKey("value.horizon", .number, nil, "days (or weeks) ahead, a year when absent"),
    ConfigurationKey(
      "value.holdout", .integer, nil, "days held out to choose by, 90 or less when absent"),
    ConfigurationKey(
      "value.monthly_discount", .number, .number(0.01), "of clv, 0.01 is 12.7 % a year"),
    ConfigurationKey(
      "value.purchases", .choice(["positive", "all"]), nil,
      "rows that are purchases: amounts of 0 or more, or all where negative amounts are debits"),
    ConfigurationKey(
      "value.control_share", .number, .number(0),
      "share of every segment left without offers, to measure uplift by"),
    ConfigurationKey(
      "tiers.by", .choice(["clv", "clv_simple"]), .text("clv"), "value that tiers are cut by"),
    ConfigurationKey("tiers.high", .number, .number(0.2), "share of customers in the high tier"),
    ConfigurationKey("tiers.mid", .number, .number(0.3), "share of customers in the mid tier"),
    ConfigurationKey("offers.default", .text, nil, "offer of segments without one of their own"),
    ConfigurationKey("offers.segments", .table, nil, "offer by segment id or name"),
    ConfigurationKey(
      "matching.minimum_jaccard", .number, .number(0.3), "overlap that keeps a segment's id"),
  ]

  private static let page: [ConfigurationKey] = [
    ConfigurationKey(
      "report.ids", .choice(["raw", "pseudonym", "none"]), .text("raw"),
      "customer ids in the report"),
    ConfigurationKey("report.id_key_file", .text, nil, "key file of the pseudonyms"),
    ConfigurationKey(
      "report.age", .choice(["exact", "band", "none"]), .text("exact"), "ages in the report"),
    ConfigurationKey("report.points", .integer, .integer(50_000), "customers drawn as points"),
    ConfigurationKey(
      "report.language", .choice(["en", "tr", "ru", "zh"]), .text("en"), "of names and the report"),
  ]
}

package enum ConfigurationValue: Sendable, Equatable, CustomStringConvertible {
  case text(String)
  case integer(Int)
  case number(Double)
  case flag(Bool)
  case list([String])
  case table([String: String])

  package var description: String {
    switch self {
    case .text(let text): "\"\(text)\""
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .flag(let flag): "\(flag)"
    case .list(let items): "[" + items.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
    case .table(let entries):
      "{ "
        + entries.sorted { $0.key < $1.key }.map { "\"\($0)\" = \"\($1)\"" }
        .joined(separator: ", ") + " }"
    }
  }
}
