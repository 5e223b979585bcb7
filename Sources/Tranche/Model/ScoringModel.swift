import CustomerValue

/// What rescoring freezes beside the segments, so that next month is measured by the same rules.
package struct ScoringModel: Sendable, Codable, Equatable {
  /// Every segment id ever used: none is used twice.
  package var segmentHistory: [String] = []
  package var rfm: RFM?
  package var tiers: Tiers?
  /// What the tiers are cut by: clv, or clv_simple where absent.
  package var tiersBy: String?
  package var value: ValueModel?
  /// Models of groups beside it.
  package var valueGroups: ValueGroups?

  package init() {}
}
