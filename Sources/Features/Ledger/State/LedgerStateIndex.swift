import Columnar

/// What the folds of a ledger must have in common to be continued, word by word as it is written
/// down: equal texts, equal meaning.
package struct LedgerStateSettings: Codable, Sendable, Equatable {
  /// By name, such as `refunds`.
  package var values: [String: String]
  package var keeps: FoldNeeds

  /// Whether the ledger has a channel column and its shares are kept.
  var hasChannels: Bool { values["channels"] == "yes" }

  /// - Throws: `InputError` for a fold whose state could not go on to the last bit.
  init(
    _ format: LedgerFormat, _ keeps: FoldNeeds, _ amounts: AmountForm, hasText: Bool,
    hasChannels: Bool
  ) throws {
    if amounts.kind == .floating {
      throw InputError(
        .usage, "a state needs exact amounts, these are floating point", column: format.amount,
        hint: "store them as decimals or as whole minor units, or leave --state out")
    }
    if format.duplicates != .keep {
      throw InputError(
        .usage, "a state keeps no copy of every row, so duplicates cannot be found in it",
        hint: "use duplicates = \"keep\", or leave --state out")
    }
    self.keeps = keeps
    values = [
      "amounts": amounts.name, "amount_scale": "\(amounts.scale)",
      "channels": hasChannels ? "yes" : "no", "customer_id": hasText ? "text" : "integer",
      "exclude_types": format.excludedTypes.sorted().joined(separator: ","),
      "negative": format.negative.rawValue, "refunds": format.refunds.rawValue,
      "columns": [format.amount, format.channel, format.currency, format.type]
        .joined(separator: ","),
      "rates": (format.rates ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        .joined(separator: ","),
    ]
  }

  /// Whether these are the settings of the state that the fold goes on from, and it can give what is
  /// asked.
  func check(_ asked: FoldNeeds, _ state: LedgerStateExchange, asOf: Int32) throws {
    guard let (folder, index) = state.previous else { return }
    let hint = "make the state anew from all of the ledger with --refold"
    if asOf < index.asOf {
      throw InputError(
        .usage,
        "the state is as of \(CivilDate(daysSinceEpoch: Int(index.asOf))), it cannot go back to \(CivilDate(daysSinceEpoch: Int(asOf)))",
        file: folder, hint: "give a later --as-of, or " + hint)
    }
    if let name = Set(values.keys).union(index.settings.values.keys).sorted().first(where: {
      values[$0] != index.settings.values[$0]
    }) {
      throw InputError(
        .usage,
        "the state was made with \(name) “\(index.settings.values[name] ?? "")”, this run has “\(values[name] ?? "")”",
        file: folder, hint: hint)
    }
    try checkPurchases(index.settings.keeps.purchases, asked.purchases, folder)
    guard index.settings.keeps.covers(asked) else {
      throw InputError(
        .usage, "the state was made for other features and does not keep what these need",
        file: folder, hint: hint)
    }
  }
}

extension LedgerStateSettings {
  /// - Parameters:
  ///   - kept: Which purchases the state keeps.
  ///   - asked: Which ones the run needs.
  private func checkPurchases(
    _ kept: PurchaseWindows.Kind?, _ asked: PurchaseWindows.Kind?, _ folder: String
  ) throws {
    guard let asked, kept != asked else { return }
    guard let kept else {
      throw InputError(
        .usage,
        "the state was made without the purchases that forecasts of value are made of",
        file: folder,
        hint:
          "make it anew from all of the ledger with --refold, or ask for --columns without them and set tiers.by = \"clv_simple\""
      )
    }
    throw InputError(
      .usage,
      "the state keeps \(kept == .all ? "all amounts" : "positive amounts") as purchases, value.purchases is now \"\(asked.rawValue)\"",
      file: folder, hint: "make the state anew from all of the ledger with --refold")
  }
}

/// What a fold has to keep of each customer for the features it will be asked for.
package struct FoldNeeds: Codable, Sendable, Equatable {
  package var amounts: Bool
  package var activeDays: Bool
  package var channels: Bool
  /// Ages in days, among 30, 90, 180 and 365, at which a transaction leaves a window; ascending.
  package var boundaries: [Int]
  /// Which rows are kept as purchases by day; nil for none.
  package var purchases: PurchaseWindows.Kind?

  package init(_ selection: FeatureSelection, purchases: PurchaseWindows.Kind? = nil) {
    self.purchases = purchases
    amounts = selection.needsAmounts || purchases != nil
    activeDays = selection.needsActiveDays
    channels = selection.needsChannels
    boundaries = Set(selection.features.flatMap(\.windowEnds)).sorted()
  }

  /// Whether a fold that keeps this can give what `other` needs.
  package func covers(_ other: FoldNeeds) -> Bool {
    (purchases == other.purchases || other.purchases == nil)
      && (amounts || !other.amounts) && (activeDays || !other.activeDays)
      && (channels || !other.channels) && Set(boundaries).isSuperset(of: other.boundaries)
  }

  /// Age in days from which nothing moves any more.
  var longestWindow: Int { boundaries.last ?? 0 }
}

extension LedgerFeature {
  /// Ages at which a transaction changes its part in the feature.
  var windowEnds: [Int] {
    switch self {
    case .amount30, .count30: [30]
    case .amount90, .count90: [90]
    case .amount365, .count365: [365]
    case .trend: [90, 180]
    default: []
    }
  }
}

/// What is in the files of a ledger's state, beside them.
package struct LedgerStateIndex: Codable, Sendable {
  /// Rows that lie together in a file.
  package struct Batch: Codable, Sendable {
    package var rows: Int
    package var checksum: UInt64
  }

  /// Some customers, in ascending order of their ids; so are the files.
  package struct CustomerFile: Codable, Sendable {
    package var name: String
    package var batches: [Batch]
  }

  /// Transactions that leave a window yet, in order of their customers' ids.
  package struct DayFile: Codable, Sendable {
    package var name: String
    /// Since 1970-01-01.
    package var firstDay: Int32
    package var lastDay: Int32
    package var batches: [Batch]
  }

  /// Day the aggregates are of, since 1970-01-01.
  package var asOf: Int32
  package var settings: LedgerStateSettings
  package var amountScale: Int
  package var textIdentifiers: Bool
  /// By number of their column.
  package var channels: [String]
  /// The one currency met, where there are no rates.
  package var currency: String?
  package var customerFiles: [CustomerFile]
  package var dayFiles: [DayFile]
  /// Nil where no purchases are kept.
  package var purchases: Purchases?
  /// Rows after as-of, kept for later.
  package var pendingRows: Int
  /// Of everything that was read so far.
  package var counts: LedgerCounts

  package var customers: Int {
    customerFiles.reduce(0) { $0 + $1.batches.reduce(0) { $0 + $1.rows } }
  }
}

/// Where a fold's state is read from and written to.
package struct LedgerStateExchange: Sendable {
  /// The state to go on from, nil to begin one.
  package var previous: (folder: String, index: LedgerStateIndex)?
  /// An empty folder for the new state.
  package var target: String

  package init(previous: (folder: String, index: LedgerStateIndex)?, target: String) {
    self.previous = previous
    self.target = target
  }
}

/// Names of a state's files.
enum StateFiles {
  static let pending = "pending.parquet"
  static func customers(_ number: Int) -> String { "customers-\(number).arrow" }
  static func purchases(_ number: Int) -> String { "purchases-\(number).arrow" }
  /// - Parameter first: A number that no other run's files bear.
  static func days(_ first: Int, _ number: Int) -> String {
    daysPrefix(first) + "\(number).arrow"
  }
  static func daysPrefix(_ first: Int) -> String { "days-\(first)-" }
}

extension LedgerCounts: Codable {
  private enum Key: String, CodingKey { case read, folded, quarantined, excluded, missing }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    self.init()
    read = try values.decode(Int.self, forKey: .read)
    folded = try values.decode(Int.self, forKey: .folded)
    for (name, count) in try values.decode([String: Int].self, forKey: .quarantined) {
      if let reason = QuarantineReason(rawValue: name) { quarantined[reason] = count }
    }
    for (name, count) in try values.decode([String: Int].self, forKey: .excluded) {
      if let reason = ExclusionReason(rawValue: name) { excluded[reason] = count }
    }
    missing = try values.decode([String: Int].self, forKey: .missing)
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(read, forKey: .read)
    try values.encode(folded, forKey: .folded)
    try values.encode(
      Dictionary(uniqueKeysWithValues: quarantined.map { ($0.key.rawValue, $0.value) }),
      forKey: .quarantined)
    try values.encode(
      Dictionary(uniqueKeysWithValues: excluded.map { ($0.key.rawValue, $0.value) }),
      forKey: .excluded)
    try values.encode(missing, forKey: .missing)
  }
}
