/// Some rows of a file, decoded.
package struct RecordBatch: Sendable {
  package let schema: Schema
  package let columns: [Column]
  package let rows: Int
  package let origin: Origin
  /// Rows of a text file that could not be cut into columns and are not among `columns`, in file
  /// order; empty unless the reader was told to collect them.
  package let rejected: [RejectedRow]

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

  package init(
    schema: Schema, columns: [Column], rows: Int, origin: Origin, rejected: [RejectedRow] = []
  ) {
    precondition(columns.count == schema.fields.count)
    precondition(columns.allSatisfy { $0.count == rows }, "columns of one batch have one length")
    self.schema = schema
    self.columns = columns
    self.rows = rows
    self.origin = origin
    self.rejected = rejected
  }
}

/// A row of a text file that has the wrong shape.
package struct RejectedRow: Sendable, Hashable {
  /// 1-based line the row starts on.
  package let line: Int64
  /// What is wrong, a clause without a full stop.
  package let reason: String
  /// The row as it stands in the file, shortened to a few hundred bytes.
  package let text: String

  package init(line: Int64, reason: String, text: String) {
    self.line = line
    self.reason = reason
    self.text = text
  }
}
