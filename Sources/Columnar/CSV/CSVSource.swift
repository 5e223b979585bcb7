import Glibc

/// Text files of one shape, block by block. All columns are text; ``Source/next(columns:)`` reads and
/// finds a safe place to cut, the pieces cut rows and fields.
package final class CSVSource: Source {
  package let files: [String]
  package let schema: Schema
  package var rowCount: Int64? { nil }
  /// A guess for plain text: 32 bytes a row.
  package var likelyRows: Int64 {
    files.reduce(0) { sum, file in
      var status = stat()
      return stat(file, &status) == 0 ? sum + Int64(status.st_size) / 32 : sum
    }
  }

  private let options: CSVOptions
  private let markers: MissingMarkers
  private var file = 0
  private var current: OpenText?

  /// - Parameter paths: Files in reading order, one or more; "-" is standard input. Each file's own
  ///   header says where its columns are.
  /// - Throws: ``InputError`` for a file that is not there, has no row at all, or whose header has an
  ///   empty or repeated name.
  package init(_ paths: [String], options: CSVOptions = CSVOptions()) throws {
    precondition(!paths.isEmpty && options.blockBytes >= 1 && options.maximumFieldBytes >= 1)
    files = paths
    self.options = options
    markers = MissingMarkers(options.missing)
    let first = try OpenText(path: paths[0], options: options)
    schema = Schema(fields: first.columnNames.map { Field(name: $0, type: .string) })
    current = first
  }

  package func next(columns: [Int]) throws -> Piece? {
    while file < files.count {
      let open = try current ?? OpenText(path: files[file], options: options)
      current = open
      if let block = try open.nextBlock() {
        return piece(of: block, in: open, columns: try places(columns, in: open))
      }
      current = nil
      file += 1
    }
    return nil
  }

  /// Where the asked columns are in this file.
  private func places(_ columns: [Int], in open: OpenText) throws -> [Int] {
    try columns.map { column in
      let name = schema.fields[column].name
      guard let place = open.columnNames.firstIndex(of: name) else {
        throw InputError(
          .badData, "the column is missing, but \(files[0]) has it", file: open.path,
          column: name, hint: "read only files of one shape together")
      }
      return place
    }
  }

  /// For each column of the file its place among the asked ones, or -1; asked twice, parsed once.
  private static func slots(_ columns: [Int], of count: Int) -> [Int] {
    var slots = Array(repeating: -1, count: count)
    var asked = 0
    for column in columns where slots[column] < 0 {
      slots[column] = asked
      asked += 1
    }
    return slots
  }

  private func piece(of block: OpenText.Block, in open: OpenText, columns: [Int]) -> Piece {
    let slots = Self.slots(columns, of: open.columnNames.count)
    let parser = BlockParser(
      dialect: open.dialect, columnCount: open.columnNames.count, slots: slots,
      asked: slots.count { $0 >= 0 }, block: block.text, lineCount: block.lineCount,
      firstLine: block.firstLine, columnNames: open.columnNames)
    let selected = Schema(
      fields: columns.map { Field(name: open.columnNames[$0], type: .string) })
    let (markers, policy, path) = (markers, options.rowErrors, open.path)
    return Piece {
      try block.checkText(file: path)
      let parsed = parser.parse()
      if policy == .fail, let bad = parsed.rejected.first {
        throw InputError(
          .badData, bad.reason, file: path, line: bad.line, column: parsed.rejectedColumns[0],
          hint: "correct the row, or let rows of a wrong shape be set aside")
      }
      let bytes = Buffer<UInt8>(
        base: UnsafePointer(block.text.bytes), count: block.text.count, owner: block.text)
      let decoded = parsed.spans.map { spans in
        Column(
          .strings(Strings(layout: .spans(spans), bytes: bytes)),
          validity: markers.validity(of: spans, in: bytes.base))
      }
      return RecordBatch(
        schema: selected, columns: columns.map { decoded[slots[$0]] }, rows: parsed.lines.count,
        origin: RecordBatch.Origin(
          file: path, firstRow: block.firstLine - 1, lines: parsed.lines),
        rejected: parsed.rejected)
    }
  }
}
