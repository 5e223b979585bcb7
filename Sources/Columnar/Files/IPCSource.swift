/// Arrow IPC files and streams (.arrow, .feather, .ipc, .arrows).
///
/// Their buffers are read (and decompressed) in `next`, in file order; only odd types are left to
/// the piece. Large batches are cut, without copying, to `batchRows`.
package final class IPCSource: Source {
  package let files: [String]
  package var schema: Schema { fileSet.schema }
  package var rowCount: Int64? { fileSet.rowCount }

  private let fileSet: FileSet
  private let batchRows: Int
  private var file = 0
  private var row: Int64 = 0
  private var cursor: ArrowFile.Cursor?

  /// - Throws: ``InputError`` for a file that is not there or not Arrow IPC.
  package init(_ paths: [String], batchRows: Int = 1_048_576) throws {
    precondition(!paths.isEmpty)
    files = paths
    fileSet = FileSet(
      try paths.map { try ArrowFile(path: $0, format: .ipc) }, dictionaryColumns: [])
    self.batchRows = batchRows
  }

  package func next(columns: [Int]) throws -> Piece? {
    while file < fileSet.files.count {
      let open =
        try cursor
        ?? fileSet.files[file].cursor(
          groups: [], columns: fileSet.columns(columns, in: file), batchRows: batchRows,
          buffered: true)
      cursor = open
      guard let batch = try open.next(firstRow: row) else {
        (cursor, file, row) = (nil, file + 1, 0)
        continue
      }
      let origin = RecordBatch.Origin(file: files[file], firstRow: row)
      let selected = Schema(fields: columns.map { schema.fields[$0] })
      row += Int64(batch.rows)
      return Piece(rows: batch.rows) {
        RecordBatch(
          schema: selected, columns: try batch.decode(), rows: batch.rows, origin: origin)
      }
    }
    return nil
  }
}
