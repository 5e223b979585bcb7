import Glibc

/// The rows of one block: spans of the asked fields, and the rows that are out of shape.
///
/// A kernel finds delimiters, line ends and quotes, 64 bytes at a time; only those are looked at one
/// by one. Nothing is copied: doubled quotes are undone in place, once their row is known to be good.
struct BlockParser {
  let dialect: CSVDialect
  /// Columns of the file; rows with another number of fields are rejected.
  let columnCount: Int
  /// For each column of the file the place among the asked ones, or -1.
  let slots: [Int]
  let asked: Int
  let block: TextBlock
  let lineCount: LineCount
  let firstLine: Int64
  let columnNames: [String]

  struct Result {
    var spans: [Buffer<Strings.ByteSpan>]
    var lines: Buffer<Int64>
    var rejected: [RejectedRow]
    /// The column at fault in each rejected row.
    var rejectedColumns: [String?]
  }

  /// - Precondition: The block begins with a row and ends with one, or at the end of the file.
  func parse() -> Result {
    // A last row without a line end gets one, in the room behind the bytes.
    var bytes = block.count
    var lines = lineCount.lines
    block.clearSlack()
    if bytes > 0, block.bytes[bytes - 1] != lineFeed, block.bytes[bytes - 1] != carriageReturn {
      block.bytes[bytes] = lineFeed
      bytes += 1
      lines += 1
    }
    var rows = Rows(capacity: lines, asked: asked)
    switch dialect.delimiter {
    case .whitespace: parseWhitespace(bytes, into: &rows)
    case .byte(let delimiter):
      switch (lineCount.hasQuote, lineCount.hasLoneReturn) {
      case (false, false):
        parse(bytes, delimiter, quotes: false, loneReturns: false, into: &rows)
      case (true, false):
        parse(bytes, delimiter, quotes: true, loneReturns: false, into: &rows)
      default:
        parse(bytes, delimiter, quotes: true, loneReturns: true, into: &rows)
      }
    }
    return rows.result()
  }

  /// Where accepted rows go. Memory is taken once: a block has at most as many rows as lines.
  private struct Rows {
    let memory: [SpanColumn]
    let slots: UnsafeMutablePointer<UnsafeMutablePointer<Strings.ByteSpan>>
    let lines: LineColumn
    var count = 0
    var rejected: [RejectedRow] = []
    var rejectedColumns: [String?] = []

    init(capacity: Int, asked: Int) {
      memory = (0..<asked).map { _ in SpanColumn(capacity: capacity) }
      slots = .allocate(capacity: max(asked, 1))
      for (index, column) in memory.enumerated() {
        (slots + index).initialize(to: column.start)
      }
      lines = LineColumn(capacity: capacity)
    }

    func result() -> Result {
      slots.deallocate()
      return Result(
        spans: memory.map { Buffer(base: $0.start, count: count, owner: $0) },
        lines: Buffer(base: lines.start, count: count, owner: lines), rejected: rejected,
        rejectedColumns: rejectedColumns)
    }
  }

  private typealias SpanColumn = RawColumn<Strings.ByteSpan>
  private typealias LineColumn = RawColumn<Int64>

  private final class RawColumn<Element: BitwiseCopyable> {
    let start: UnsafeMutablePointer<Element>
    init(capacity: Int) { start = .allocate(capacity: max(capacity, 1)) }
    deinit { start.deallocate() }
  }

  /// What is known of the row being read.
  private struct RowState {
    var start = 0
    var line: Int64 = 0
    var field = 0
    var problem: (kind: Problem, field: Int)?
    /// Fields with doubled quotes, to be undone if the row is accepted.
    var doubled: [(slot: Int, start: Int, end: Int)] = []
  }

  private enum Problem {
    case quoteInside, textAfterQuote, unclosedQuote, tooLong
  }

  // MARK: - One-byte delimiters

  @inline(__always)
  private func parse(
    _ end: Int, _ delimiter: UInt8, quotes: Bool, loneReturns: Bool, into rows: inout Rows
  ) {
    let bytes = block.bytes
    let quote = dialect.quote ?? lineFeed
    let structure = StructureScanner(
      delimiter, lineFeed, quotes ? quote : lineFeed, loneReturns ? carriageReturn : lineFeed)
    let places = UnsafeMutablePointer<UInt32>.allocate(capacity: StructureScanner.mostPlaces)
    defer { places.deallocate() }
    let longest = dialect.maximumFieldBytes
    var row = RowState(line: firstLine)
    var line = firstLine
    var fieldStart = 0
    // The contents of a quoted field, and where it was closed.
    var quoted: Range<Int>?
    var closed = 0
    var position = skipComments(from: 0, end, &line)
    (row.start, fieldStart, row.line) = (position, position, line)

    slots.withUnsafeBufferPointer { slots in
      var part = 0
      while part < end {
        let found = structure.scan(
          bytes + part, count: min(StructureScanner.partBytes, end - part), into: places)
        for place in 0..<found {
          let at = part + Int(places[place])
          // Inside what was passed over.
          if at < position { continue }
          let byte = bytes[at]

          if quotes && byte == quote {
            if at != fieldStart {
              // A second quote right after a closing one was taken with it, so this one is loose.
              if quoted == nil { flag(.quoteInside, &row) }
              continue
            }
            guard let close = closingQuote(of: at, end, quote) else {
              flag(.unclosedQuote, &row)
              continue
            }
            quoted = at + 1..<close.place
            closed = close.place + 1
            if close.isDoubled, row.field < columnCount, slots[row.field] >= 0 {
              row.doubled.append((slots[row.field], at + 1, close.place))
            }
            line += lineEnds(in: at + 1..<close.place)
            position = closed
            continue
          }

          // The field ends here.
          var text = fieldStart..<at
          if quotes, let inside = quoted {
            let rest = at - closed
            let isReturn = rest == 1 && byte == lineFeed && bytes[closed] == carriageReturn
            if rest > 0 && !isReturn { flag(.textAfterQuote, &row) }
            text = inside
            quoted = nil
          } else if byte == lineFeed, at > fieldStart, bytes[at - 1] == carriageReturn {
            text = fieldStart..<at - 1
          }
          if text.count > longest { flag(.tooLong, &row) }
          if row.field < columnCount {
            let slot = slots[row.field]
            if slot >= 0 {
              rows.slots[slot][rows.count] = Strings.ByteSpan(
                start: Int32(truncatingIfNeeded: text.lowerBound),
                length: Int32(truncatingIfNeeded: text.count))
            }
          }
          fieldStart = at + 1
          if byte == delimiter {
            row.field += 1
            continue
          }

          // The row ends here.
          var next = at + 1
          if loneReturns, byte == carriageReturn, bytes[next] == lineFeed { next += 1 }
          line += 1
          let isBlank = row.field == 0 && text.isEmpty && row.start == text.lowerBound
          if row.field + 1 == columnCount && row.problem == nil && !isBlank {
            rows.lines.start[rows.count] = row.line
            if quotes { undouble(&row, &rows) }
            rows.count += 1
          } else if !isBlank {
            reject(row, until: at, into: &rows)
          }
          let start = skipComments(from: next, end, &line)
          row.start = start
          row.line = line
          row.field = 0
          row.problem = nil
          if quotes { row.doubled.removeAll(keepingCapacity: true) }
          fieldStart = start
          position = start
        }
        part += StructureScanner.partBytes
      }
    }
  }

  // MARK: - Runs of spaces and tabs

  private func parseWhitespace(_ end: Int, into rows: inout Rows) {
    let bytes = block.bytes
    var line = firstLine
    var position = skipComments(from: 0, end, &line)
    var row = RowState()
    while position < end {
      row.start = position
      row.line = line
      row.field = 0
      row.problem = nil
      row.doubled.removeAll(keepingCapacity: true)
      while true {
        while dialect.isDelimiter(bytes[position]) { position += 1 }
        if isLineEnd(bytes[position]) { break }
        let start = position
        var text: Range<Int>
        if let quote = dialect.quote, bytes[start] == quote,
          let close = closingQuote(of: start, end, quote)
        {
          text = start + 1..<close.place
          position = close.place + 1
          line += lineEnds(in: text)
          if close.isDoubled, row.field < columnCount, slots[row.field] >= 0 {
            row.doubled.append((slots[row.field], text.lowerBound, text.upperBound))
          }
          if !dialect.isDelimiter(bytes[position]), !isLineEnd(bytes[position]) {
            flag(.textAfterQuote, &row)
          }
        } else {
          if let quote = dialect.quote, bytes[start] == quote { flag(.unclosedQuote, &row) }
          text = start..<start
        }
        while !dialect.isDelimiter(bytes[position]), !isLineEnd(bytes[position]) { position += 1 }
        if text.lowerBound == start { text = start..<position }
        if text.count > dialect.maximumFieldBytes { flag(.tooLong, &row) }
        if row.field < columnCount, slots[row.field] >= 0 {
          rows.slots[slots[row.field]][rows.count] = Strings.ByteSpan(
            start: Int32(truncatingIfNeeded: text.lowerBound),
            length: Int32(truncatingIfNeeded: text.count))
        }
        row.field += 1
      }
      if row.field == columnCount && row.problem == nil {
        rows.lines.start[rows.count] = row.line
        undouble(&row, &rows)
        rows.count += 1
      } else if row.field > 0 {
        row.field -= 1
        reject(row, until: position, into: &rows)
      }
      line += 1
      if bytes[position] == carriageReturn, bytes[position + 1] == lineFeed { position += 1 }
      position = skipComments(from: position + 1, end, &line)
    }
  }

  // MARK: - Shared pieces

  @inline(__always)
  private func flag(_ problem: Problem, _ row: inout RowState) {
    // The first problem names the column; later ones only follow from it.
    if row.problem == nil { row.problem = (problem, row.field) }
  }

  @inline(__always)
  private func isLineEnd(_ byte: UInt8) -> Bool { byte == lineFeed || byte == carriageReturn }

  /// The closing quote of the field opened at `mark`; nil when it is broken.
  private func closingQuote(
    of mark: Int, _ end: Int, _ quote: UInt8
  ) -> (place: Int, isDoubled: Bool)? {
    let bytes = block.bytes
    var position = mark + 1
    var isDoubled = false
    while position < end, let hit = memchr(bytes + position, Int32(quote), end - position) {
      let place = UnsafeRawPointer(hit) - UnsafeRawPointer(bytes)
      if place - mark - 1 > dialect.maximumFieldBytes { return nil }
      if bytes[place + 1] != quote { return (place, isDoubled) }
      isDoubled = true
      position = place + 2
    }
    return nil
  }

  /// Lines that end in `range`, which lies between quotes.
  private func lineEnds(in range: Range<Int>) -> Int64 {
    Int64(LineCount(block.bytes + range.lowerBound, count: range.count, quote: nil).lines)
  }

  /// The first byte at or after `start` that is not in a comment line.
  @inline(__always)
  private func skipComments(from start: Int, _ end: Int, _ line: inout Int64) -> Int {
    guard let comment = dialect.comment else { return start }
    var position = start
    while position < end, block.bytes[position] == comment {
      while !isLineEnd(block.bytes[position]) { position += 1 }
      if block.bytes[position] == carriageReturn, block.bytes[position + 1] == lineFeed {
        position += 1
      }
      position += 1
      line += 1
    }
    return position
  }

  /// Undoes doubled quotes of an accepted row in place.
  private func undouble(_ row: inout RowState, _ rows: inout Rows) {
    guard !row.doubled.isEmpty, let quote = dialect.quote else { return }
    let bytes = block.bytes
    for field in row.doubled {
      var target = field.start
      var source = field.start
      while source < field.end {
        bytes[target] = bytes[source]
        source += bytes[source] == quote ? 2 : 1
        target += 1
      }
      rows.slots[field.slot][rows.count].length = Int32(target - field.start)
    }
    row.doubled.removeAll(keepingCapacity: true)
  }

  private func reject(_ row: RowState, until end: Int, into rows: inout Rows) {
    let shown = UnsafeBufferPointer(
      start: block.bytes + row.start, count: min(end - row.start, 300))
    var text = String(decoding: shown, as: UTF8.self)
    if text.hasSuffix("\r") { text.removeLast() }
    let fields = row.field + 1
    let reason: String
    var column: String?
    if let (problem, field) = row.problem {
      column = field < columnNames.count ? columnNames[field] : nil
      reason =
        switch problem {
        case .quoteInside: "a quote stands inside a field that does not begin with one"
        case .textAfterQuote: "text follows the closing quote of a field"
        case .unclosedQuote: "the quote that opens a field is never closed"
        case .tooLong: "a field is longer than \(dialect.maximumFieldBytes) bytes"
        }
    } else {
      reason = "the row has \(fields) \(fields == 1 ? "field" : "fields") instead of \(columnCount)"
    }
    rows.rejected.append(RejectedRow(line: row.line, reason: reason, text: text))
    rows.rejectedColumns.append(column)
  }
}
