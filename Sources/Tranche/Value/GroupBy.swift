import Columnar
import CustomerValue
import Features
import Foundation
import Sharding

/// What `value.by` names.
enum GroupBy: Sendable, Equatable {
  case cohort(CustomerGroups.CohortPeriod)
  /// The segments of the same run.
  case segment
  /// A column that is constant per customer.
  case column(String)

  private static let cohortPrefix = "cohort:"

  var name: String {
    switch self {
    case .cohort(let period): Self.cohortPrefix + period.rawValue
    case .segment: "segment"
    case .column(let name): name
    }
  }

  /// - Parameter hasSegments: Whether the run makes segments: else "segment" is a column.
  init?(_ configuration: Configuration, hasSegments: Bool) throws {
    guard let text = configuration.text("value.by") else { return nil }
    guard !text.isEmpty else {
      throw configuration.refuse(
        "value.by", "is empty", hint: "name a column, or cohort:month, cohort:quarter, cohort:year")
    }
    try self.init(text, configuration, hasSegments: hasSegments)
  }

  init(_ text: String, _ configuration: Configuration, hasSegments: Bool) throws {
    if text.hasPrefix(Self.cohortPrefix) {
      let word = String(text.dropFirst(Self.cohortPrefix.count))
      guard let period = CustomerGroups.CohortPeriod(rawValue: word) else {
        throw configuration.refuse(
          "value.by", "is \"\(text)\", which is no period",
          hint: "use cohort:month, cohort:quarter or cohort:year")
      }
      self = .cohort(period)
    } else {
      self = hasSegments && text == "segment" ? .segment : .column(text)
    }
  }
}

/// The groups of a base's customers.
struct GroupLabels {
  let by: GroupBy
  /// Attributes by customer; the first place where a column is looked for.
  let customers: [String]
  let ledger: [String]
  let configuration: Configuration
  let workers: Workers

  /// Before the fold: whether the column is there.
  func check() throws {
    if case .column(let name) = by { _ = try source(of: name) }
  }

  /// - Parameter segments: Label and id of each segment, where the run makes some.
  func read(
    _ ids: Column, _ purchases: CustomerPurchases, asOf: Int,
    segments: (labels: Buffer<Int32>, names: [String])? = nil
  ) throws -> CustomerGroups {
    switch by {
    case .cohort(let period):
      return CustomerGroups.cohorts(purchases, by: period, asOf: asOf)
    case .segment:
      guard let segments else { preconditionFailure("a run that makes segments") }
      return CustomerGroups(by: by.name, names: segments.names, codes: segments.labels)
    case .column(let name):
      let (source, id) = try source(of: name)
      let reading = GroupColumn(name: name, by: by.name, workers: workers)
      return try reading.read(source, id: id, for: ids)
    }
  }

  private func source(of name: String) throws -> (source: any Source, id: String) {
    var options = try configuration.readOptions()
    options.dictionaryColumns = [name]
    options.csv.rowErrors = .collect
    var looked: [String] = []
    let places = [
      (customers, configuration.text("customers.customer_id") ?? "customer_id"),
      (ledger, try configuration.ledgerFormat().customerID),
    ]
    for (inputs, id) in places where !inputs.isEmpty {
      guard inputs != ["-"] else {
        throw configuration.refuse(
          "value.by", "needs a column of the ledger, and standard input is read only once",
          hint: "write the ledger to a file, or add --customers with that column")
      }
      let source = try Sources.open(inputs, options: options)
      if source.schema.index(of: name) != nil {
        guard source.schema.index(of: id) != nil else {
          throw RunFailure(
            .badData, "there is no column \"\(id)\" of customers beside \"\(name)\"",
            hint: "name it as customers.customer_id in the configuration", file: source.files.first)
        }
        return (source, id)
      }
      looked += source.schema.fields.map(\.name)
    }
    throw configuration.refuse(
      "value.by",
      "is \"\(name)\", which is no column of " + (customers.isEmpty ? "the ledger" : "the inputs"),
      hint: NearestName.of(name, among: looked).map { "did you mean \($0)?" }
        ?? (customers.isEmpty
          ? "add --customers with that column, or use cohort:month"
          : "columns are \(Set(looked).sorted().joined(separator: ", "))"))
  }
}

extension CustomerGroups {
  /// `value_group`, and in `value_fit` whose model forecast: the group's or the base's.
  ///
  /// - Parameter fits: Raw values of ``ValueGroups/Forecaster``; nil: the base's for all.
  func columns(fits: Buffer<Int32>?) -> [OutputColumn] {
    [
      .category("value_group", codes, names.isEmpty ? [""] : names),
      .category(
        "value_fit",
        fits
          ?? Buffer(count: codes.count) {
            $0.initialize(repeating: ValueGroups.Forecaster.base.rawValue)
          }, ValueGroups.Forecaster.allCases.map(\.name)),
    ]
  }
}
