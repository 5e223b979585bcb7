import CustomerValue

extension ValueRun {
  /// The models of groups.
  public struct Groups: Encodable, Sendable {
    /// As `--by` said.
    public var by: String
    /// Groups whose own model forecasts something.
    public var fitted: Int
    /// Those whose forecasts are all the base's.
    public var fallenBack: Int
    /// Customers of this run without a group, or of one that was not there in the fit.
    public var customersWithoutGroup: Int
    /// Groups of this run that were not there in the fit: the base's model is used.
    public var unseen: [String]
    public var groups: [Group]
  }

  public struct Group: Encodable, Sendable {
    public var name: String
    /// With a purchase, in the fit.
    public var customers: Int
    /// As column `value_fit`: whose model forecasts.
    public var fit: String
    /// Why it is the base's.
    public var reason: String?
    /// Nil where the base's forecasts everything.
    public var own: FitResult?
    /// Nil where the group is too small to have some.
    public var candidates: [Candidate]?
    public var holdout: Holdout?

    private enum CodingKeys: CodingKey { case name, customers, fit, reason, candidates, holdout }

    /// The fit's entries stand beside the group's.
    public func encode(to encoder: any Encoder) throws {
      try own?.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(customers, forKey: .customers)
      try container.encode(fit, forKey: .fit)
      try container.encodeIfPresent(reason, forKey: .reason)
      try container.encodeIfPresent(candidates, forKey: .candidates)
      try container.encodeIfPresent(holdout, forKey: .holdout)
    }
  }
}

extension ValueRun.Groups {
  init(_ models: ValueGroups, _ labels: CustomerGroups) {
    let known = Set(models.groups.map(\.name))
    let isKnown = labels.names.map(known.contains)
    self.init(
      by: models.by, models.groups.map(ValueRun.Group.init),
      customersWithoutGroup: labels.codes.values.count { $0 < 0 || !isKnown[Int($0)] },
      unseen: labels.names.filter { !known.contains($0) })
  }

  init(_ models: SummaryGroups) {
    self.init(
      by: models.labels.by, models.groups.map(ValueRun.Group.init),
      customersWithoutGroup: models.labels.codes.values.count { $0 < 0 }, unseen: [])
  }

  private init(
    by: String, _ groups: [ValueRun.Group], customersWithoutGroup: Int, unseen: [String]
  ) {
    self.by = by
    self.groups = groups
    fallenBack = groups.count { $0.own == nil }
    fitted = groups.count - fallenBack
    self.customersWithoutGroup = customersWithoutGroup
    self.unseen = unseen
  }

  /// One sentence for groups that are too small for a model of their own.
  var warnings: [String] {
    let fallen = groups.filter { $0.own == nil && $0.candidates == nil }.map { group in
      group.reason.map { "\(group.name) (\($0))" } ?? group.name
    }
    var warnings: [String] = []
    if !fallen.isEmpty { warnings.append("the base's model is used for \(Self.list(fallen))") }
    if !unseen.isEmpty {
      warnings.append(
        "the model has never seen \(Self.list(unseen)) (\(by)): the base's model is used")
    }
    return warnings
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).joined(separator: ", ")
    return names.count > 5 ? "\(shown) and \(names.count - 5) more" : shown
  }
}

extension ValueRun.Group {
  fileprivate init(_ group: ValueGroups.Group) {
    let table = group.comparison
    self.init(
      name: group.name, customers: group.customers, fit: group.fit.name, reason: group.fallback,
      own: group.model.map(ValueRun.FitResult.init),
      candidates: table.map(ValueRun.Candidate.all), holdout: table.map(ValueRun.Holdout.init))
    if own == nil, table != nil {
      reason = "the base's model has the smaller errors in the holdout"
    }
    candidates = own?.candidates ?? candidates
  }

  fileprivate init(_ group: SummaryGroups.Group) {
    let fit: ValueGroups.Forecaster = group.fit == nil ? .base : .group
    let own = group.fit.map(ValueRun.FitResult.init)
    self.init(
      name: group.name, customers: group.customers, fit: fit.name, reason: group.fallback, own: own,
      candidates: own?.candidates)
  }
}
