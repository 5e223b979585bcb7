import Columnar
import Features
import Segments
import Sharding

/// What `--customers` knows of the scored customers.
struct CustomerFile {
  /// Years, row by row of the scored base; NaN where unknown.
  let ages: Buffer<Double>?
  let read: Int
  /// Customers of the file that have no transaction and so no score.
  let withoutTransactions: Int
  /// Ages below 0 or above 120: shown as unknown.
  let implausibleAges: Int

  static func read(
    _ inputs: [String], for ids: Column, _ configuration: Configuration, workers: Workers
  ) throws -> CustomerFile {
    let source = try Sources.open(inputs, options: try configuration.readOptions())
    let idName = configuration.text("customers.customer_id") ?? "customer_id"
    let ageName = configuration.text("customers.age").flatMap {
      source.schema.index(of: $0) == nil ? nil : $0
    }
    let table = try FeatureTable.read(
      source, id: idName, names: ageName.map { [$0] } ?? [],
      format: try configuration.decimalFormat(), workers: workers)
    let rows: Buffer<Int32>
    do {
      rows = try CustomerJoin.previousRows(of: ids, in: table.ids, workers: workers)
    } catch let error as MigrationError {
      throw RunFailure(
        .badData, "\(error)", hint: "the ids must be those of the ledger, each once",
        file: inputs.first, column: idName)
    }
    var matched = 0
    var implausible = 0
    let known = table.columns.first
    let ages = Buffer<Double>(count: rows.count) { target in
      for row in 0..<rows.count {
        let place = Int(rows[row])
        target[row] = .nan
        if place >= 0 {
          matched += 1
          if let age = known?[place], !age.isNaN {
            if age >= 0, age <= 120 { target[row] = age } else { implausible += 1 }
          }
        }
      }
    }
    return CustomerFile(
      ages: known == nil ? nil : ages, read: table.rows,
      withoutTransactions: table.rows - matched, implausibleAges: implausible)
  }
}
