/// Some rows of a file, decoded.
package struct RecordBatch: Sendable {
  package let schema: Schema
  package let columns: [Column]
  package let rows: Int
  package let origin: Origin

  /// Where the rows came from, for messages and the quarantine.
  package struct Origin: Sendable {
    package let file: String
    /// Rows of the file before this batch (header lines not counted).
    package let firstRow: Int64
    /// For text files: the 1-based line each row starts on; nil for binary files.
    package let lines: Buffer<Int64>?

    package init(file: String, firstRow: Int64, lines: Buffer<Int64>? = nil) {
      self.file = file
      self.firstRow = firstRow
      self.lines = lines
    }

    /// What a person would look for: the line of a text file, else the 1-based row.
    package func place(of row: Int) -> Int64 { lines.map { $0[row] } ?? firstRow + Int64(row) + 1 }
  }

  package init(schema: Schema, columns: [Column], rows: Int, origin: Origin) {
    precondition(columns.count == schema.fields.count)
    precondition(columns.allSatisfy { $0.count == rows }, "columns of one batch have one length")
    self.schema = schema
    self.columns = columns
    self.rows = rows
    self.origin = origin
  }
}
