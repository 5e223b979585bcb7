/// The rows of a table or a query, batch after batch as the driver hands them over: memory is
/// bounded by the batches that are on their way.
///
/// A table of PostgreSQL is asked for the wanted columns only; a query is run as it stands. Rows are
/// fetched (and hashed, in their order) in `next`; pieces only cut them.
package final class DatabaseSource: Source {
  package let files: [String]
  package let schema: Schema
  package var rowCount: Int64? { nil }
  /// What was read, once all of it was.
  package private(set) var contents: DatabaseContents?

  private let address: DatabaseAddress
  private let connection: DatabaseConnection
  private let batchRows: Int
  /// The result that told the schema, where that is the one to read.
  private var opened: ArrowFile?
  private var cursor: ArrowFile.Cursor?
  private var asked: [Int] = []
  private var digest: ContentDigest
  private var row: Int64 = 0

  /// Connects and asks for the schema.
  ///
  /// - Throws: ``InputError``, see ``DatabaseConnection``; `.noInput` for a table that is not there,
  ///   `.usage` for a query the database refuses.
  package init(
    _ address: DatabaseAddress, settings: DatabaseSettings = DatabaseSettings(),
    batchRows: Int = 262_144
  ) throws {
    self.address = address
    self.batchRows = batchRows
    files = [address.name]
    connection = try DatabaseConnection(address, settings: settings, isReading: true)
    if address.dialect == .postgreSQL {
      // Relatives of PostgreSQL that do not know these settings can do without.
      for setting in [
        // Reading changes nothing, whatever the query says.
        "default_transaction_read_only TO on",
        // Scans of large tables otherwise start where another scan is.
        "synchronize_seqscans TO off",
      ] { try? connection.execute("SET \(setting)") }
    }
    let result: ArrowFile
    if case (.postgreSQL, .table) = (address.dialect, address.selection) {
      result = try connection.query(address.sql() + " LIMIT 0")
    } else {
      result = try connection.query(address.sql(), options: Self.options(address))
      opened = result
    }
    schema = Schema(fields: result.fields.map(\.field))
    digest = ContentDigest([])
  }

  package func next(columns: [Int]) throws -> Piece? {
    if contents != nil { return nil }
    let open = try cursor ?? start(columns)
    cursor = open
    precondition(columns == asked, "a query is read once, so with one choice of columns")
    let selected = Schema(fields: columns.map { schema.fields[$0] })
    guard let batch = try open.next(firstRow: row) else {
      contents = DatabaseContents(
        name: address.name, statement: address.statement,
        columns: selected.fields.map(\.name), rows: row, sha256: digest.finalize())
      cursor = nil
      return nil
    }
    let values = try batch.decode()
    let count = batch.rows
    digest.add(values, rows: count)
    let (file, firstRow) = (address.name, row)
    row += Int64(count)
    return Piece {
      RecordBatch(
        schema: selected, columns: values, rows: count,
        origin: RecordBatch.Origin(file: file, firstRow: firstRow))
    } batches: { batchRows, body in
      for start in stride(from: 0, to: count, by: batchRows) {
        let range = start..<min(start + batchRows, count)
        try body(
          RecordBatch(
            schema: selected, columns: values.map { $0.slice(range) }, rows: range.count,
            origin: RecordBatch.Origin(file: file, firstRow: firstRow + Int64(start))))
      }
    }
  }

  private func start(_ columns: [Int]) throws -> ArrowFile.Cursor {
    asked = columns
    let fields = columns.map { schema.fields[$0] }
    if let field = fields.first(where: { $0.unreadable != nil }), let reason = field.unreadable {
      throw InputError(
        .badData, "\(reason) are not supported", file: address.name, column: field.name,
        hint: "convert it in the query, with CAST")
    }
    digest = ContentDigest(fields)
    let result: ArrowFile
    let places: [Int]
    if let opened {
      (result, places) = (opened, columns)
      self.opened = nil
    } else {
      result = try connection.query(address.sql(columns: fields))
      places = Array(columns.indices)
    }
    let chosen = zip(places, fields).map { place, field in
      FileColumn(
        index: place, stored: result.fields[place].field.type,
        isNull: result.fields[place].isNull, type: field.type, asDictionary: false)
    }
    return try result.cursor(groups: [], columns: chosen, batchRows: batchRows, buffered: true)
  }

  /// SQLite's columns have no types: its driver takes those of the first rows, so of many of them.
  private static func options(_ address: DatabaseAddress) -> [DatabaseAddress.Option] {
    address.dialect == .sqlite
      ? [DatabaseAddress.Option("adbc.sqlite.query.batch_rows", "65536")] : []
  }
}

/// What was read from a database: what a manifest has in place of a file's hash.
package struct DatabaseContents: Sendable {
  package let name: String
  /// The SQL that was run (of a table: with all its columns).
  package let statement: String
  /// The columns that were asked for.
  package let columns: [String]
  package let rows: Int64
  /// Of these columns, row by row in the order in which they came.
  package let sha256: String
}
