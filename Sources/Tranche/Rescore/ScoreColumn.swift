import CustomerValue
import Features

/// The columns of `scores.parquet` that are not features, in the order they are written.
enum ScoreColumn: String, CaseIterable, Sendable {
  case customerID = "customer_id"
  /// Row of the model's centroids.
  case segment
  case segmentID = "segment_id"
  case segmentName = "segment_name"
  /// Euclidean distance to the own centroid, in scaled units.
  case distance
  /// Distance to the second-nearest centroid less the distance to the nearest.
  case margin
  case recencyScore = "r_score"
  case frequencyScore = "f_score"
  case monetaryScore = "m_score"
  case rfmSegment = "rfm_segment"
  /// P(the customer still buys): of the purchase model, or of the purchase models' mean where
  /// another forecast was chosen.
  case probabilityAlive = "p_alive"
  /// Purchase days to the horizon.
  case expectedTransactions = "expected_transactions"
  /// Amount to the horizon × margin.
  case expectedValue = "expected_value"
  /// The same, discounted.
  case clv
  case simpleValue = "clv_simple"
  /// Lifetime income less lifetime cost, of the columns that value.income and value.cost name.
  case balance = "clv_balance"
  case tier
  case churnRisk = "churn_risk"
  /// The three features that moved the risk most; + raises it.
  case churnReasons = "churn_reasons"
  /// What `value.by` says of the customer.
  case valueGroup = "value_group"
  /// Whose model forecast: the group's or the base's.
  case valueFit = "value_fit"
  /// Whether the customer is left alone to measure an offer's uplift by.
  case control
  case offer
  case previousSegmentID = "previous_segment_id"
  /// Why the segment id is another one than last time: behaviour, model, or new.
  case moveReason = "move_reason"

  /// Stand before the features; the others behind.
  var leads: Bool {
    switch self {
    case .customerID, .segment, .segmentID, .segmentName, .distance, .margin: true
    default: false
    }
  }

  /// What must be folded for it.
  var features: [LedgerFeature] {
    switch self {
    case .recencyScore, .frequencyScore, .monetaryScore, .rfmSegment:
      [.recencyDays, .frequency, .monetary]
    case .simpleValue, .tier: [.frequency, .averageAmount]
    default: []
    }
  }

  /// Says something of the future, so it needs a value model.
  var isForecast: Bool {
    switch self {
    case .probabilityAlive, .expectedTransactions, .expectedValue, .clv, .churnRisk, .churnReasons,
      .valueGroup, .valueFit:
      true
    default: false
    }
  }

  var isRFM: Bool {
    switch self {
    case .recencyScore, .frequencyScore, .monetaryScore, .rfmSegment: true
    default: false
    }
  }
}

/// What a run writes, and so what it must fold.
struct RescorePlan: Sendable {
  /// Columns by name, in the order of the file.
  var columns: [String]
  var scores: Set<ScoreColumn>
  var selection: FeatureSelection
  var isAll: Bool
  /// Whether tiers are cut by the modelled value.
  var tiersByForecast: Bool

  var needsForecast: Bool {
    scores.contains(where: \.isForecast) || (tiersByForecast && scores.contains(.tier))
  }

  /// Whether the simple formula's parameters are those of groups.
  func needsGroups(_ configuration: Configuration) -> Bool {
    (scores.contains(.simpleValue) || scores.contains(.tier))
      && SimpleParameters.areByGroup(configuration)
  }

  /// - Parameters:
  ///   - asked: Nil for all columns.
  ///   - clustering: Features that the segments are made of.
  ///   - hasPrevious: Columns about the run before exist only then.
  ///   - hasControl: Whether a share of the customers is left alone.
  ///   - hasGroups: Whether value is fitted for groups apart.
  ///   - hasBalance: Whether columns of income and cost are named, and there are some.
  ///   - tiersByForecast: Whether tiers are cut by the modelled value.
  init(
    asked: [String]?, clustering: [String], hasPrevious: Bool, hasOffers: Bool,
    hasControl: Bool = false, hasGroups: Bool = false, hasBalance: Bool = false,
    tiersByForecast: Bool = false
  ) throws {
    self.tiersByForecast = tiersByForecast
    let absent = ScoreColumn.allCases.filter {
      switch $0 {
      case .previousSegmentID, .moveReason: !hasPrevious
      case .offer: !hasOffers
      case .control: !hasControl
      case .balance: !hasBalance
      case .valueGroup, .valueFit: !hasGroups
      default: false
      }
    }
    if let asked {
      columns = []
      scores = [.customerID]
      var features: [String] = []
      for name in [ScoreColumn.customerID.rawValue] + asked where !columns.contains(name) {
        columns.append(name)
        if let column = ScoreColumn(rawValue: name) {
          guard !absent.contains(column) else {
            throw RunFailure(
              .usage, "--columns: \(name) does not exist in this run",
              hint: Self.hint(column))
          }
          scores.insert(column)
        } else {
          features.append(name)
        }
      }
      let own = FeatureSelection.parse(features)
      if let name = own.unknown.first {
        let known = ScoreColumn.allCases.map(\.rawValue) + LedgerFeature.allCases.map(\.rawValue)
        throw RunFailure(
          .usage, "--columns: there is no column \"\(name)\"",
          hint: NearestName.of(name, among: known).map { "did you mean \($0)?" }
            ?? "see the scores' columns in README")
      }
      selection = own.selection
      isAll = false
    } else {
      scores = Set(ScoreColumn.allCases).subtracting(absent)
      columns = []
      selection = .all
      isAll = true
    }
    let parsed = FeatureSelection.parse(clustering)
    if let name = parsed.unknown.first { throw UnknownFeature.failure(name, flag: "--features") }
    var needed =
      parsed.selection.features + scores.flatMap(\.features).sorted { $0.rawValue < $1.rawValue }
    // Shares of money and the first ids of segments.
    needed.append(.monetary)
    for feature in needed where !selection.features.contains(feature) {
      selection.features.append(feature)
    }
    if let channels = parsed.selection.channels {
      if let own = selection.channels {
        // All channels already, or those of both.
        if !own.isEmpty { selection.channels = own + channels.filter { !own.contains($0) } }
      } else {
        selection.channels = channels
      }
    }
  }

  /// How a column that this run does not have comes to be.
  private static func hint(_ column: ScoreColumn) -> String {
    switch column {
    case .offer: "give offers under [offers] in the configuration"
    case .control: "set value.control_share in the configuration"
    case .valueGroup, .valueFit: "set value.by in the configuration"
    case .balance: "set value.income and value.cost in the configuration, and add --customers"
    default: "add --previous"
    }
  }

  /// The order of the file when all columns are written.
  func order(features: [String]) -> [String] {
    guard isAll else { return columns }
    let ordered = ScoreColumn.allCases.filter(scores.contains)
    return ordered.filter(\.leads).map(\.rawValue) + features
      + ordered.filter { !$0.leads }.map(\.rawValue)
  }
}
