import Columnar

/// One row per customer, one column per feature.
package struct FeatureTable: Sendable {
  /// Ascending, unique: integers numerically, texts by their bytes.
  package let ids: Column
  package let names: [String]
  /// In the order of `names`, each with one value a customer; NaN = missing.
  package let columns: [Buffer<Double>]

  package init(ids: Column, names: [String], columns: [Buffer<Double>]) {
    precondition(names.count == columns.count && columns.allSatisfy { $0.count == ids.count })
    self.ids = ids
    self.names = names
    self.columns = columns
  }

  package var rows: Int { ids.count }

  package func column(_ name: String) -> Buffer<Double>? {
    names.firstIndex(of: FeatureName.canonical(name)).map { columns[$0] }
  }
}

package enum FeatureName {
  /// Names of the field for the same things.
  package static let aliases = [
    "TransactionFrequency": "frequency", "AverageTransactionAmount": "average_amount",
  ]

  package static func canonical(_ name: String) -> String { aliases[name] ?? name }
}
