import Columnar

/// One row per customer, one column per feature.
package struct FeatureTable: Sendable {
  /// Ascending, unique: integers numerically, texts by their bytes.
  package let ids: Column
  package let names: [String]
  /// In the order of `names`, each with one value a customer; NaN = missing.
  package let columns: [Buffer<Double>]
  /// Where the rows stand in their files; nil for tables that were computed.
  package let places: RowPlaces?

  package init(
    ids: Column, names: [String], columns: [Buffer<Double>], places: RowPlaces? = nil
  ) {
    precondition(names.count == columns.count && columns.allSatisfy { $0.count == ids.count })
    self.ids = ids
    self.names = names
    self.columns = columns
    self.places = places
  }

  package var rows: Int { ids.count }

  package func column(_ name: String) -> Buffer<Double>? {
    let index = names.firstIndex(of: name) ?? names.firstIndex(of: FeatureName.canonical(name))
    return index.map { columns[$0] }
  }
}

/// Where each row of a table that was read stands, for messages.
package struct RowPlaces: Sendable {
  private let batches: [(firstRow: Int, origin: RecordBatch.Origin)]

  /// - Parameter batches: In row order, with the table's row that each begins with.
  init(_ batches: [(firstRow: Int, origin: RecordBatch.Origin)]) { self.batches = batches }

  /// The file, and the line of a text file or the 1-based row of a binary one.
  package func place(of row: Int) -> (file: String, line: Int64)? {
    guard let batch = batches.last(where: { $0.firstRow <= row }) else { return nil }
    return (batch.origin.file, batch.origin.place(of: row - batch.firstRow))
  }
}

package enum FeatureName {
  /// Names of the field for the same things.
  package static let aliases = [
    "TransactionFrequency": "frequency", "AverageTransactionAmount": "average_amount",
  ]

  package static func canonical(_ name: String) -> String { aliases[name] ?? name }
}
