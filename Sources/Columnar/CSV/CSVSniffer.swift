/// Looks at the first rows of a text file: which delimiter, is there a header, where do rows begin.
struct CSVSniffer {
  static let sampleBytes = 1 << 20
  private static let sampleRows = 200
  /// In the order in which ties are decided.
  static let candidates = Array(",;\t|".utf8)

  struct Shape {
    let dialect: CSVDialect
    let columnNames: [String]
    let hasHeader: Bool
    /// Offset and 1-based line of the first row after the header.
    let dataStart: Int
    let dataLine: Int64
  }

  private let bytes: UnsafeBufferPointer<UInt8>
  private let owner: TextBlock
  private let isWhole: Bool
  private let options: CSVOptions
  private let file: String

  init(_ block: TextBlock, isWhole: Bool, options: CSVOptions, file: String) {
    owner = block
    bytes = UnsafeBufferPointer(start: block.bytes, count: min(block.count, Self.sampleBytes))
    self.isWhole = isWhole && block.count <= Self.sampleBytes
    self.options = options
    self.file = file
  }

  /// - Throws: ``InputError`` for options that contradict each other or the file, for a header with
  ///   an empty or repeated name, and for a file without any row.
  func shape() throws -> Shape {
    let (start, line) = try preamble()
    let dialect = try dialect(from: start, line)
    let rows = PlainRows(bytes: bytes, dialect: dialect, start: start, line: line)
    guard let first = rows.first(where: { _ in true }) else {
      throw InputError(.badData, "the file has neither a header nor a row", file: file)
    }
    let hasHeader =
      switch options.header {
      case .present: true
      case .absent: false
      case .automatic: !first.fields.contains(where: Self.looksLikeValue)
      }
    let names = try names(first, hasHeader: hasHeader)
    return Shape(
      dialect: dialect, columnNames: names, hasHeader: hasHeader,
      dataStart: hasHeader ? first.end : first.start,
      dataLine: hasHeader ? first.endLine : first.line)
  }

  /// The first rows under a dialect, for the sniffing of column types.
  func rows(_ shape: Shape) -> [[String]] {
    let rows = PlainRows(
      bytes: bytes, dialect: shape.dialect, start: shape.dataStart, line: shape.dataLine)
    return complete(Array(rows.prefix(Self.sampleRows))).map(\.fields)
  }

  private func preamble() throws -> (start: Int, line: Int64) {
    var place = 0
    for skipped in 0..<options.skippedLines {
      while place < bytes.count, bytes[place] != lineFeed, bytes[place] != carriageReturn {
        place += 1
      }
      guard place < bytes.count else {
        throw InputError(
          .badData,
          "the file has only \(skipped + 1) lines in front, \(options.skippedLines) are "
            + "to be skipped", file: file)
      }
      if bytes[place] == carriageReturn, place + 1 < bytes.count, bytes[place + 1] == lineFeed {
        place += 1
      }
      place += 1
    }
    return (place, Int64(options.skippedLines) + 1)
  }

  private func dialect(from start: Int, _ line: Int64) throws -> CSVDialect {
    var dialect = CSVDialect(
      delimiter: .whitespace, quote: options.quote, comment: options.comment,
      maximumFieldBytes: options.maximumFieldBytes)
    switch options.delimiter {
    case .whitespace: return dialect
    case .byte(let byte):
      guard byte != 0, byte < 0x80, byte != lineFeed, byte != carriageReturn, byte != options.quote
      else {
        throw InputError(
          .usage, "the delimiter must be an ASCII character, not a line end and not the quote",
          file: file)
      }
      dialect.delimiter = .byte(byte)
      return dialect
    case .automatic:
      var best: (delimiter: UInt8, consistency: Double, fields: Int)?
      for candidate in Self.candidates where candidate != options.quote {
        dialect.delimiter = .byte(candidate)
        let rows = PlainRows(bytes: bytes, dialect: dialect, start: start, line: line)
        let counts = complete(Array(rows.prefix(Self.sampleRows))).map(\.fields.count)
        guard let (fields, share) = Self.mode(counts), fields > 1 else { continue }
        if let known = best, (known.consistency, known.fields) >= (share, fields) { continue }
        best = (candidate, share, fields)
      }
      dialect.delimiter = .byte(best?.delimiter ?? Self.candidates[0])
      return dialect
    }
  }

  /// Without the last row when the sample may have cut it off.
  private func complete(_ rows: [PlainRows.Row]) -> [PlainRows.Row] {
    guard !isWhole, rows.count > 1, let last = rows.last, last.end >= bytes.count else {
      return rows
    }
    return Array(rows.dropLast())
  }

  /// The most frequent count (the highest of equals) and its share.
  private static func mode(_ counts: [Int]) -> (Int, Double)? {
    var best: (value: Int, times: Int)?
    var index = 0
    let sorted = counts.sorted()
    while index < sorted.count {
      let times = sorted[index...].prefix { $0 == sorted[index] }.count
      if times >= best?.times ?? 0 { best = (sorted[index], times) }
      index += times
    }
    return best.map { ($0.value, Double($0.times) / Double(counts.count)) }
  }

  /// Numbers, dates, amounts: a digit, and no letter but an exponent's or an ISO date's.
  static func looksLikeValue(_ text: String) -> Bool {
    text.unicodeScalars.contains { $0.properties.numericType != nil }
      && !text.unicodeScalars.contains {
        $0.properties.isAlphabetic && !["e", "E", "T", "Z"].contains($0) || $0 == "_"
      }
  }

  private func names(_ first: PlainRows.Row, hasHeader: Bool) throws -> [String] {
    if let declared = options.columnNames {
      guard declared.count == first.fields.count else {
        throw InputError(
          .badData,
          "the first row has \(first.fields.count) fields, but \(declared.count) columns "
            + "are declared", file: file, line: first.line,
          hint: "declare one name per column, or the right delimiter")
      }
      return declared
    }
    guard hasHeader else { return first.fields.indices.map { "column_\($0 + 1)" } }
    for (index, name) in first.fields.enumerated() {
      if name.allSatisfy(\.isWhitespace) {
        throw InputError(
          .badData, "the header has no name for column \(index + 1)", file: file,
          line: first.line, column: "\(index + 1)", hint: "name it, or declare the column names")
      }
      if first.fields[..<index].contains(name) {
        throw InputError(
          .badData, "the header names two columns “\(name)”", file: file, line: first.line,
          column: name, hint: "rename one, or declare the column names")
      }
    }
    return first.fields
  }
}

/// The rows of a sample as strings, read character by character; for headers and sniffing.
struct PlainRows: Sequence, IteratorProtocol {
  struct Row {
    var fields: [String] = []
    /// Byte range and 1-based lines; `endLine` is the line after it.
    var start: Int
    var end = 0
    var line: Int64
    var endLine: Int64 = 0
  }

  private let bytes: UnsafeBufferPointer<UInt8>
  private let dialect: CSVDialect
  private var place: Int
  private var line: Int64

  init(bytes: UnsafeBufferPointer<UInt8>, dialect: CSVDialect, start: Int, line: Int64) {
    self.bytes = bytes
    self.dialect = dialect
    place = start
    self.line = line
  }

  /// The next row that is neither blank nor a comment.
  mutating func next() -> Row? {
    while place < bytes.count {
      if bytes[place] == dialect.comment {
        while place < bytes.count, !isLineEnd { place += 1 }
        endLine()
        continue
      }
      var row = Row(start: place, line: line)
      readFields(&row)
      endLine()
      (row.end, row.endLine) = (place, line)
      let isBlank = row.fields.isEmpty || row.fields == [""] && !startsWithQuote(row)
      if !isBlank { return row }
    }
    return nil
  }

  private func startsWithQuote(_ row: Row) -> Bool {
    dialect.quote != nil && bytes[row.start] == dialect.quote
  }

  private var isLineEnd: Bool { bytes[place] == lineFeed || bytes[place] == carriageReturn }

  private mutating func endLine() {
    guard place < bytes.count else { return }
    if bytes[place] == carriageReturn, place + 1 < bytes.count, bytes[place + 1] == lineFeed {
      place += 1
    }
    place += 1
    line += 1
  }

  private mutating func readFields(_ row: inout Row) {
    let skipsRuns = dialect.delimiter == .whitespace
    while true {
      if skipsRuns {
        while place < bytes.count, dialect.isDelimiter(bytes[place]) { place += 1 }
        if place == bytes.count || isLineEnd { return }
      }
      var text = quotedField() ?? []
      while place < bytes.count, !dialect.isDelimiter(bytes[place]), !isLineEnd {
        text.append(bytes[place])
        place += 1
      }
      row.fields.append(String(decoding: text, as: UTF8.self))
      guard place < bytes.count, dialect.isDelimiter(bytes[place]) else { return }
      place += 1
    }
  }

  /// The field that a quote opens here, nil when none does or it is never closed.
  private mutating func quotedField() -> [UInt8]? {
    guard let quote = dialect.quote, place < bytes.count, bytes[place] == quote else { return nil }
    var text: [UInt8] = []
    var index = place + 1
    while index < bytes.count {
      if bytes[index] != quote {
        text.append(bytes[index])
        index += 1
      } else if index + 1 < bytes.count, bytes[index + 1] == quote {
        text.append(quote)
        index += 2
      } else {
        for offset in place..<index {
          let isPair =
            bytes[offset] == carriageReturn && offset + 1 < index && bytes[offset + 1] == lineFeed
          if bytes[offset] == lineFeed || (bytes[offset] == carriageReturn && !isPair) { line += 1 }
        }
        place = index + 1
        return text
      }
    }
    return nil
  }
}
