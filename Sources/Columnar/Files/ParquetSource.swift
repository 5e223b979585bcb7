/// Parquet files, row group by row group.
///
/// A piece is a run of adjacent row groups of up to `Limits.mergedRows` rows, decoded on the thread
/// that asks for it. Row groups past `Limits.wholeGroupRows` are decoded in `next`, batch after
/// batch, so that no row group is ever held whole.
package final class ParquetSource: Source {
  package struct Limits: Sendable {
    /// Small row groups are read together up to about as many rows.
    package var mergedRows = 262_144
    /// Larger row groups are streamed.
    package var wholeGroupRows = 4_194_304
    /// Rows of one piece of a streamed row group.
    package var streamedRows = 1_048_576
    /// Whether batches of a piece are fetched bit by bit, not a row group's columns at once: slower,
    /// for a memory budget.
    package var buffersBatches = false
    package init() {}
  }

  package let files: [String]
  package var schema: Schema { fileSet.schema }
  package var rowCount: Int64? { fileSet.rowCount }
  package var rowGroupCount: Int { fileSet.files.reduce(0) { $0 + $1.groupRows.count } }

  private let fileSet: FileSet
  private let limits: Limits
  private var file = 0
  private var group = 0
  private var row: Int64 = 0
  private var cursor: ArrowFile.Cursor?

  /// - Parameters:
  ///   - paths: Files in reading order, one or more; all must have the columns that are asked for.
  ///   - dictionaryColumns: Names of text columns to read as codes and a dictionary.
  /// - Throws: ``InputError`` for a file that is not there or not Parquet.
  package convenience init(
    _ paths: [String], dictionaryColumns: [String] = [], limits: Limits = Limits()
  ) throws {
    try self.init(
      paths.map { try ArrowFile(path: $0, format: .parquet) },
      dictionaryColumns: dictionaryColumns, limits: limits)
  }

  init(_ opened: [ArrowFile], dictionaryColumns: [String], limits: Limits) throws {
    precondition(!opened.isEmpty)
    files = opened.map(\.path)
    fileSet = FileSet(opened, dictionaryColumns: dictionaryColumns)
    self.limits = limits
  }

  package func integerRange(of column: Int) -> ClosedRange<Int64>? {
    fileSet.integerRange(of: column)
  }

  package func next(columns: [Int]) throws -> Piece? {
    while file < fileSet.files.count {
      let current = fileSet.files[file]
      let wanted = try fileSet.columns(columns, in: file)
      if let piece = try streamed(columns) { return piece }
      guard group < current.groupRows.count else {
        (file, group, row) = (file + 1, 0, 0)
        continue
      }
      let rows = current.groupRows[group]
      if rows > limits.wholeGroupRows {
        cursor = try current.cursor(
          groups: [group], columns: wanted, batchRows: limits.streamedRows, buffered: true)
        continue
      }
      return whole(current, columns: wanted, schema: selected(columns))
    }
    return nil
  }

  /// The next run of row groups that are read whole.
  private func whole(_ current: ArrowFile, columns: [FileColumn], schema: Schema) -> Piece {
    let firstGroup = group
    let firstRow = row
    var rows = 0
    repeat {
      rows += current.groupRows[group]
      group += 1
    } while group < current.groupRows.count
      && rows + current.groupRows[group] <= limits.mergedRows
    row += Int64(rows)
    let groups = firstGroup..<group
    let total = rows
    let buffered = limits.buffersBatches
    return Piece(rows: total) {
      RecordBatch(
        schema: schema,
        columns: try current.read(groups: groups, columns: columns, firstRow: firstRow),
        rows: total, origin: RecordBatch.Origin(file: current.path, firstRow: firstRow))
    } batches: { batchRows, body in
      let cursor = try current.cursor(
        groups: Array(groups), columns: columns, batchRows: batchRows, buffered: buffered)
      var row = firstRow
      while let batch = try cursor.next(firstRow: row) {
        let origin = RecordBatch.Origin(file: current.path, firstRow: row)
        try body(
          RecordBatch(
            schema: schema, columns: try batch.decode(), rows: batch.rows, origin: origin))
        row += Int64(batch.rows)
      }
      guard row == firstRow + Int64(total) else {
        throw InputError(
          .badData, "holds \(row - firstRow) rows where it declares \(total)", file: current.path,
          hint: "the file is damaged, take a fresh copy")
      }
    }
  }

  /// The next batch of the row group that is being streamed, nil when there is none.
  private func streamed(_ columns: [Int]) throws -> Piece? {
    guard let open = cursor else { return nil }
    guard let batch = try open.next(firstRow: row) else {
      cursor = nil
      group += 1
      return nil
    }
    let origin = RecordBatch.Origin(file: files[file], firstRow: row)
    let schema = selected(columns)
    row += Int64(batch.rows)
    return Piece(rows: batch.rows) {
      RecordBatch(
        schema: schema, columns: try batch.decode(), rows: batch.rows, origin: origin)
    }
  }

  private func selected(_ columns: [Int]) -> Schema {
    Schema(fields: columns.map { schema.fields[$0] })
  }
}
