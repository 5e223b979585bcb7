import Glibc

/// A text file being cut: its dialect and header are known, blocks of whole rows come off the front.
final class OpenText {
  /// Whole rows, still unparsed.
  struct Block: Sendable {
    let text: TextBlock
    let lineCount: LineCount
    /// 1-based.
    let firstLine: Int64
    /// Bytes of the (decompressed, UTF-8) file before the block.
    let offset: Int64

    /// - Throws: ``InputError`` for bytes that are not UTF-8, or NUL.
    func checkText(file: String, encoding: String?) throws {
      guard let problem = TextCheck.problem(text.bytes, count: text.count) else { return }
      let place: Int
      let message: String
      let hint: String
      switch problem {
      case .nul(let at):
        (place, message) = (at, "a NUL byte stands at byte \(offset + Int64(at))")
        hint = "the file may be UTF-16 or damaged; declare its encoding"
      case .notUTF8(let at):
        (place, message) = (at, "the text is not UTF-8 at byte \(offset + Int64(at))")
        hint = "declare the file's encoding, such as windows-1254 or ISO-8859-1"
      }
      let before = LineCount(text.bytes, count: place, quote: nil)
      throw InputError(
        .badData, message, file: file, line: firstLine + Int64(before.lines), hint: hint)
    }
  }

  let path: String
  let dialect: CSVDialect
  let columnNames: [String]
  let hasHeader: Bool
  var encoding: String? { reader.encoding }
  var hadMark: Bool { reader.hadMark }

  private let reader: TextReader
  private let options: CSVOptions
  /// Bytes read but not yet handed out.
  private var pending: TextBlock
  private var atEnd = false
  private var line: Int64 = 1
  private var offset: Int64 = 0
  /// A row may not be longer: without a limit one lost line end would swallow the memory.
  private var longestRow: Int {
    min(1 << 30, options.blockBytes + options.maximumFieldBytes * max(columnNames.count, 1))
  }

  init(path: String, options: CSVOptions) throws {
    self.path = path
    self.options = options
    reader = try TextReader(path: path, options: options)
    // The sample that the dialect is sniffed from.
    pending = TextBlock(capacity: max(options.blockBytes, CSVSniffer.sampleBytes))
    try Self.fill(
      pending, from: reader, &atEnd, upTo: max(options.blockBytes, CSVSniffer.sampleBytes))
    guard pending.count > 0 else {
      throw InputError(.badData, "the file is empty", file: path)
    }
    let sample = Block(
      text: pending, lineCount: LineCount(pending.bytes, count: 0, quote: nil), firstLine: 1,
      offset: 0)
    // A sequence cut off at the sample's end is not judged here.
    if TextCheck.problem(pending.bytes, count: min(pending.count, 4096)).map(Self.isNUL) ?? false {
      try sample.checkText(file: path, encoding: reader.encoding)
    }
    let shape = try CSVSniffer(pending, isWhole: atEnd, options: options, file: path).shape()
    dialect = shape.dialect
    columnNames = shape.columnNames
    hasHeader = shape.hasHeader
    drop(shape.dataStart, lines: shape.dataLine - 1)
  }

  private static func isNUL(_ problem: TextCheck.Problem) -> Bool {
    if case .nul = problem { return true }
    return false
  }

  /// The next whole rows, nil at the end.
  func nextBlock() throws -> Block? {
    var wanted = options.blockBytes
    while true {
      if pending.count < wanted && !atEnd {
        if pending.capacity < wanted { pending = copy(of: pending, from: 0, capacity: wanted) }
        try Self.fill(pending, from: reader, &atEnd, upTo: wanted)
      }
      guard pending.count > 0 else { return nil }
      // What was read ahead for the sample comes off in blocks of the asked size too.
      let looked = min(pending.count, wanted)
      let isEnd = atEnd && looked == pending.count
      let boundary = RowBoundary(
        dialect: dialect, bytes: pending.bytes, count: looked, isEnd: isEnd
      ).last()
      if boundary > 0 { return take(boundary) }
      guard looked < longestRow else {
        throw InputError(
          .badData, "a row is longer than \(longestRow) bytes", file: path, line: line,
          hint: "look for a missing line end or a quote that is never closed")
      }
      wanted = min(2 * max(wanted, 64), longestRow)
    }
  }

  /// Hands out the first `boundary` bytes; the rest moves to a new block.
  private func take(_ boundary: Int) -> Block {
    let text = pending
    pending = copy(
      of: text, from: boundary, capacity: max(options.blockBytes, text.count - boundary))
    text.count = boundary
    let lineCount = LineCount(text.bytes, count: boundary, quote: dialect.quote)
    let block = Block(text: text, lineCount: lineCount, firstLine: line, offset: offset)
    line += Int64(lineCount.lines)
    offset += Int64(boundary)
    return block
  }

  private func drop(_ bytes: Int, lines: Int64) {
    pending = copy(
      of: pending, from: bytes, capacity: max(options.blockBytes, pending.count - bytes))
    line += lines
    offset += Int64(bytes)
  }

  private func copy(of block: TextBlock, from start: Int, capacity: Int) -> TextBlock {
    let target = TextBlock(capacity: capacity)
    target.count = block.count - start
    memcpy(target.bytes, block.bytes + start, target.count)
    return target
  }

  private static func fill(
    _ block: TextBlock, from reader: TextReader, _ atEnd: inout Bool, upTo wanted: Int
  ) throws {
    while block.count < wanted && !atEnd {
      let room = UnsafeMutableRawBufferPointer(
        start: block.bytes + block.count, count: block.capacity - block.count)
      let got = try reader.read(into: room)
      block.count += got
      atEnd = reader.isAtEnd
      if got == 0 { break }
    }
    // Control-Z ended text files under CP/M and DOS.
    if atEnd, block.count > 0, block.bytes[block.count - 1] == 0x1A { block.count -= 1 }
  }
}
