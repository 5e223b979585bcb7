import Columnar
import Features
import Sharding

/// A base's customers in groups that value is fitted for apart: segments, products, cohorts.
package struct CustomerGroups: Sendable {
  /// What the groups are told apart by, such as "segment" or "cohort:month".
  package let by: String
  package let names: [String]
  /// Index into `names` of each row, −1 where a customer has none.
  package let codes: Buffer<Int32>

  package init(by: String, names: [String], codes: Buffer<Int32>) {
    (self.by, self.names, self.codes) = (by, names, codes)
  }

  /// Rows of each group, ascending.
  ///
  /// - Parameter group: Of a code; nil leaves the row out.
  func rows(_ count: Int, _ group: (Int32) -> Int?) -> [Buffer<Int32>] {
    var rows = [[Int32]](repeating: [], count: count)
    for (row, code) in codes.values.enumerated() {
      if let group = group(code) { rows[group].append(Int32(row)) }
    }
    return rows.map { Buffer($0) }
  }

  package var rows: [Buffer<Int32>] { rows(names.count) { $0 < 0 ? nil : Int($0) } }
}

extension CustomerGroups {
  /// Calendar periods that a customer's first purchase may fall into.
  package enum CohortPeriod: String, Sendable, CaseIterable {
    case month, quarter, year

    func name(_ date: CivilDate) -> String {
      let year = String(date.year)
      switch self {
      case .year: return year
      case .quarter: return "\(year)-Q\((date.month + 2) / 3)"
      case .month: return "\(year)-\(date.month < 10 ? "0" : "")\(date.month)"
      }
    }
  }

  /// Customers by the period of their first purchase, oldest first; those without one have none.
  ///
  /// - Parameter asOf: Days since 1970-01-01.
  package static func cohorts(
    _ purchases: CustomerPurchases, by period: CohortPeriod, asOf: Int
  ) -> CustomerGroups {
    let ages = purchases.firstAges
    let greatest = Int(ages.values.max() ?? -1)
    var occurs = [Bool](repeating: false, count: greatest + 1)
    for age in ages.values where age >= 0 { occurs[Int(age)] = true }
    // A table of ages is cheaper than a date a customer; days of a period stand side by side.
    var names: [String] = []
    var codeOfAge = [Int32](repeating: -1, count: greatest + 1)
    for age in codeOfAge.indices.reversed() where occurs[age] {
      // The fold does not look further back: one period of all that is older.
      let name =
        age == PurchaseWindows.greatestAge
        ? "earlier" : period.name(CivilDate(daysSinceEpoch: asOf - age))
      if names.last != name { names.append(name) }
      codeOfAge[age] = Int32(names.count - 1)
    }
    return CustomerGroups(
      by: "cohort:\(period.rawValue)", names: names,
      codes: Buffer(ages.values.map { $0 < 0 ? -1 : codeOfAge[Int($0)] }))
  }
}
