/// The features of a ledger. Ages count days back from as-of: as-of itself is 0, and "the last N
/// days" are ages 0 to N − 1. Amounts are in the ledger's unit, refunds negative.
package enum LedgerFeature: String, CaseIterable, Sendable {
  /// Days from the last transaction to as-of.
  case recencyDays = "recency_days"
  /// Number of transactions, refunds included.
  case frequency
  /// Sum of all amounts, refunds subtracted; exact to the minor unit for decimal input.
  case monetary
  /// `monetary / frequency`.
  case averageAmount = "average_amount"
  /// Days from the first transaction to as-of.
  case tenureDays = "tenure_days"
  /// Distinct days with a transaction.
  case activeDays = "active_days"
  /// Number of refunds: negative amounts, where the ledger is configured so.
  case refundCount = "refund_count"
  /// Sum of the amounts of the last 30 days.
  case amount30 = "amount_30d"
  /// Number of transactions in the last 30 days.
  case count30 = "count_30d"
  /// Sum of the amounts of the last 90 days.
  case amount90 = "amount_90d"
  /// Number of transactions in the last 90 days.
  case count90 = "count_90d"
  /// Sum of the amounts of the last 365 days.
  case amount365 = "amount_365d"
  /// Number of transactions in the last 365 days.
  case count365 = "count_365d"
  /// The last 90 days against the 90 before: (a − b) / (|a| + |b|) of the two amounts, from −1
  /// (all of it earlier) to 1 (all of it now); 0 when both are 0.
  case trend
  /// Mean distance of neighbouring active days, in days:
  /// (last − first) / (active days − 1); missing with a single active day.
  case meanGapDays = "mean_gap_days"
  /// Coefficient of variation of those gaps (population standard deviation / mean): 0 is clockwork,
  /// about 1 is chance (a Poisson process); missing with fewer than three active days.
  case gapRegularity = "gap_regularity"

  /// `share_<channel>`: the channel's share of the customer's transactions. One column a channel, in
  /// order of the channel's name.
  package static let channelPrefix = "share_"

  var needsAmounts: Bool {
    switch self {
    case .monetary, .averageAmount, .refundCount, .amount30, .amount90, .amount365, .trend: true
    default: false
    }
  }

  var needsActiveDays: Bool {
    switch self {
    case .activeDays, .meanGapDays, .gapRegularity: true
    default: false
    }
  }

  /// Some customers have none: those with too few active days.
  package var mayBeMissing: Bool { self == .meanGapDays || self == .gapRegularity }

  /// Values are whole numbers, and none is missing.
  package var isCount: Bool {
    switch self {
    case .recencyDays, .frequency, .tenureDays, .activeDays, .refundCount, .count30, .count90,
      .count365:
      true
    default: false
    }
  }
}

/// Which features are wanted; what none of them needs is neither read nor folded.
package struct FeatureSelection: Sendable, Equatable {
  package var features: [LedgerFeature]
  /// Nil: no channel shares; empty: all channels; else these.
  package var channels: [String]?

  package static let all = FeatureSelection(features: LedgerFeature.allCases, channels: [])

  package init(features: [LedgerFeature], channels: [String]?) {
    self.features = features
    self.channels = channels
  }

  /// From column names as users write them; the names that are no ledger features come back.
  package static func parse(_ names: [String]) -> (selection: FeatureSelection, unknown: [String]) {
    var selection = FeatureSelection(features: [], channels: nil)
    var unknown: [String] = []
    for name in names {
      let canonical = FeatureName.canonical(name)
      if let feature = LedgerFeature(rawValue: canonical) {
        if !selection.features.contains(feature) { selection.features.append(feature) }
      } else if canonical.hasPrefix(LedgerFeature.channelPrefix) {
        let channel = String(canonical.dropFirst(LedgerFeature.channelPrefix.count))
        if selection.channels?.contains(channel) != true {
          selection.channels = (selection.channels ?? []) + [channel]
        }
      } else {
        unknown.append(name)
      }
    }
    return (selection, unknown)
  }

  package var needsAmounts: Bool { features.contains(where: \.needsAmounts) }
  package var needsActiveDays: Bool { features.contains(where: \.needsActiveDays) }
  package var needsChannels: Bool { channels != nil }
}
