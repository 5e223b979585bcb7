import CustomerValue

extension ValueRun {
  /// The models of groups.
  public struct Groups: Encodable, Sendable {
    /// As `--by` said.
    public var by: String
    /// Groups with a model of their own.
    public var fitted: Int
    /// Those that use the base's.
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
    /// "group" or "base".
    public var fit: String
    /// Why the base's model is used.
    public var reason: String?
    public var model: String?
    public var valueModel: String?
    public var parameters: ValueParameters?
    public var standardErrors: [String: [String: Double?]]?
    public var logLikelihood: Double?
    public var status: String?
    public var spend: Spend?
    public var candidates: [Candidate]?
    public var holdout: Holdout?
    public var churn: Churn?
    public var regression: [Regression]?
  }
}

extension ValueRun.Groups {
  init(_ models: ValueGroups, _ labels: CustomerGroups, settings: ValueSettings) {
    let known = Set(models.groups.map(\.name))
    let isKnown = labels.names.map(known.contains)
    self.init(
      by: models.by, fitted: models.groups.count { $0.model != nil },
      fallenBack: models.groups.count { $0.model == nil },
      customersWithoutGroup: labels.codes.values.count { $0 < 0 || !isKnown[Int($0)] },
      unseen: labels.names.filter { !known.contains($0) },
      groups: models.groups.map { group in
        var own = ValueRun.Group(
          name: group.name, customers: group.customers, fit: group.model == nil ? "base" : "group",
          reason: group.fallback)
        guard let model = group.model else { return own }
        let report = ValueReport(model).result(
          out: "", settings: settings, customers: group.customers)
        own.model = report.model
        own.valueModel = report.valueModel
        own.parameters = report.parameters
        own.standardErrors = report.standardErrors
        own.logLikelihood = report.logLikelihood
        own.status = report.status
        own.spend = report.spend
        own.candidates = report.candidates
        own.holdout = report.holdout
        own.churn = report.churn
        own.regression = report.regression
        return own
      })
  }

  /// One sentence for groups that have no model of their own.
  var warnings: [String] {
    let fallen = groups.filter { $0.fit == "base" }.map { group in
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
