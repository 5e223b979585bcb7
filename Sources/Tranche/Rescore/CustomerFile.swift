import Columnar
import Features
import Segments
import Sharding

/// What `--customers` knows of the scored customers.
struct CustomerFile {
  /// Years, row by row of the scored base; NaN where unknown.
  let ages: Buffer<Double>?
  /// Rows of the file.
  let read: Int
  /// Rows beyond a customer's first, left out as `customers.duplicates` says.
  let duplicates: Int
  /// Customers of the file that have no transaction and so no score.
  let withoutTransactions: Int
  /// Ages below 0 or above 120: shown as unknown.
  let implausibleAges: Int
  /// Lifetime income − cost, row by row of the scored base; nil where it is not asked for.
  let balance: Column?
  /// What was read, where that is no file.
  let record: InputRecord?

  static func read(
    _ inputs: [String], for ids: Column, _ configuration: Configuration, workers: Workers
  ) throws -> CustomerFile {
    let source = try Sources.open(inputs, options: try configuration.readOptions())
    let idName = configuration.text("customers.customer_id") ?? "customer_id"
    guard source.schema.index(of: idName) != nil else {
      throw RunFailure(
        .badData,
        "there is no column \"\(idName)\" among "
          + source.schema.fields.map(\.name).joined(separator: ", "),
        hint: "name the column of the customer as customers.customer_id in the configuration",
        file: source.files.first)
    }
    let ageName = configuration.text("customers.age").flatMap {
      source.schema.index(of: $0) == nil ? nil : $0
    }
    let table = try FeatureTable.read(
      source, id: idName, names: ageName.map { [$0] } ?? [],
      format: try configuration.decimalFormat(), workers: workers)
    var known = CustomerIDs(table, idName)
    try known.match(kindOf: ids)
    let rows: Buffer<Int32>
    do {
      rows = try CustomerJoin.previousRows(of: ids, in: known.ids, workers: workers)
    } catch MigrationError.duplicateID {
      // Rare, so only now looked at one by one.
      try known.resolve(configuration.text("customers.duplicates") ?? "error")
      rows = try CustomerJoin.previousRows(of: ids, in: known.ids, workers: workers)
    }
    let balance = try SimpleBalance(configuration, workers: workers).map { balance in
      try balance.read(
        Sources.open(inputs, options: try configuration.readOptions()),
        rows: rows.values.map { $0 < 0 ? -1 : known.row(Int($0)) })
    }
    var matched = 0
    var implausible = 0
    let values = table.columns.first
    let ages = Buffer<Double>(count: rows.count) { target in
      for row in 0..<rows.count {
        target[row] = .nan
        guard rows[row] >= 0 else { continue }
        matched += 1
        if let age = values?[known.row(Int(rows[row]))], !age.isNaN {
          if age >= 0, age <= 120 { target[row] = age } else { implausible += 1 }
        }
      }
    }
    return CustomerFile(
      ages: values == nil ? nil : ages, read: table.rows,
      duplicates: table.rows - known.ids.count, withoutTransactions: known.ids.count - matched,
      implausibleAges: implausible, balance: balance, record: InputRecord(source))
  }
}

/// The ids of a customer file on their way to one row a customer.
private struct CustomerIDs {
  private let table: FeatureTable
  private let column: String
  private(set) var ids: Column
  /// Row of the table for each id; nil while that is the same row.
  private var kept: [Int]?

  init(_ table: FeatureTable, _ column: String) {
    self.table = table
    self.column = column
    ids = table.ids
  }

  func row(_ position: Int) -> Int { kept?[position] ?? position }

  /// Text files hold texts only: where the ledger's ids are whole numbers, texts that are written as
  /// one become it.
  mutating func match(kindOf ledger: Column) throws {
    if let validity = ids.validity, let row = (0..<ids.count).first(where: { !validity[$0] }) {
      throw failure("a customer id is missing", row, hint: "give every row an id")
    }
    let ledgerIsText = Self.isText(ledger)
    guard Self.isText(ids) != ledgerIsText else { return }
    guard !ledgerIsText else {
      throw RunFailure(
        .badData, "the ids are numbers, but texts in the ledger",
        hint: "write them as texts, as the ledger has them", file: table.places?.place(of: 0)?.file,
        column: column)
    }
    let numbers = try (0..<ids.count).map { row -> Int64 in
      let text = self.text(row)
      guard let number = Int64(text), String(number) == text else {
        throw failure(
          "“\(text)” is not one of the ledger's ids, which are whole numbers", row,
          hint: "write the ids as the ledger has them")
      }
      return number
    }
    ids = Column(.int64(Buffer(numbers)))
  }

  /// One row a customer, by the policy; each customer's first place decides the order.
  ///
  /// - Parameter policy: error, first or last.
  mutating func resolve(_ policy: String) throws {
    var positions: [String: Int] = [:]
    var kept: [Int] = []
    for row in 0..<ids.count {
      let id = text(row)
      guard let position = positions[id] else {
        positions[id] = kept.count
        kept.append(row)
        continue
      }
      if policy == "error" {
        let earlier = table.places?.place(of: kept[position])
        throw failure(
          "customer \"\(id)\" has a second row"
            + (earlier.map { ", the first is at \($0.file):\($0.line)" } ?? ""),
          row, hint: "remove one, or set customers.duplicates to \"first\" or \"last\"")
      }
      if policy == "last" { kept[position] = row }
    }
    switch ids.values {
    case .int64(let numbers): ids = Column(.int64(Buffer(kept.map { numbers[$0] })))
    case .int32(let numbers): ids = Column(.int32(Buffer(kept.map { numbers[$0] })))
    default: ids = Column(.strings(Strings(kept.map(text))))
    }
    self.kept = kept
  }

  private static func isText(_ column: Column) -> Bool { column.type == .string }

  private func text(_ row: Int) -> String {
    switch ids.values {
    case .int64(let numbers): String(numbers[row])
    case .int32(let numbers): String(numbers[row])
    case .strings(let texts): texts.text(row)
    case .dictionary(let codes, let texts): texts.text(Int(codes[row]))
    default: ""
    }
  }

  private func failure(_ message: String, _ row: Int, hint: String) -> RunFailure {
    let place = table.places?.place(of: row)
    return RunFailure(
      .badData, message, hint: hint, file: place?.file, line: place?.line, column: column)
  }
}
