import Glibc

/// Finds where rows end without parsing them.
///
/// A quote opens a quoted field only as a field's first byte; in there line ends do not count until
/// the closing quote. A field that is not closed before the file ends, or is longer than allowed, is
/// broken: its quote counts as plain text, so its row ends with its line. ``BlockParser`` decides by
/// the same rules, so cutting never changes what the rows are.
struct RowBoundary {
  let dialect: CSVDialect
  let bytes: UnsafePointer<UInt8>
  let count: Int
  /// Whether the file ends behind the bytes.
  let isEnd: Bool

  /// The number of bytes that whole rows take, the first of which begins at 0; 0 if none is whole.
  func last() -> Int {
    if isEnd { return count }
    // The wanted line end is nearly always near the end; if not, all are looked at.
    return last(recordingFrom: max(0, count - (1 << 16))) ?? last(recordingFrom: 0) ?? 0
  }

  private func last(recordingFrom threshold: Int) -> Int? {
    guard let quote = dialect.quote else { return lineEnd(in: 0..<count) }
    var found: Int?
    var segment = 0
    var position = 0
    while let mark = find(quote, from: position) {
      if let next = endOfComment(holding: mark, since: segment) {
        position = next
        continue
      }
      guard isFieldStart(mark) else {
        position = mark + 1
        continue
      }
      let close = closingQuote(of: mark, quote)
      switch close {
      case .at(let place) where place - mark - 1 <= dialect.maximumFieldBytes:
        if mark >= threshold { found = lineEnd(in: segment..<mark) ?? found }
        segment = place + 1
        position = segment
      case .unknown where count - mark <= dialect.maximumFieldBytes + 2:
        // The field may yet be closed by bytes that are still to be read.
        return lineEnd(in: segment..<mark) ?? found
      default:
        position = mark + 1
      }
    }
    return lineEnd(in: segment..<count) ?? found
  }

  private enum Close {
    case at(Int)
    case unknown
  }

  private func closingQuote(of mark: Int, _ quote: UInt8) -> Close {
    var position = mark + 1
    while let place = find(quote, from: position) {
      // Whether the last byte is half of a doubled quote is not known yet.
      if place + 1 == count { return .unknown }
      if bytes[place + 1] != quote { return .at(place) }
      position = place + 2
    }
    return .unknown
  }

  private func isFieldStart(_ place: Int) -> Bool {
    guard place > 0 else { return true }
    let before = bytes[place - 1]
    return before == lineFeed || before == carriageReturn || dialect.isDelimiter(before)
  }

  /// Where the line after the comment goes on that holds `place`; nil when it is no comment.
  private func endOfComment(holding place: Int, since segment: Int) -> Int? {
    guard let comment = dialect.comment else { return nil }
    var start = place
    while start > segment, !isLineEnd(bytes[start - 1]) { start -= 1 }
    // A line that began before a quoted field is a row.
    guard start > segment || segment == 0, bytes[start] == comment else { return nil }
    var end = place
    while end < count, !isLineEnd(bytes[end]) { end += 1 }
    return end
  }

  private func isLineEnd(_ byte: UInt8) -> Bool { byte == lineFeed || byte == carriageReturn }

  private func find(_ byte: UInt8, from position: Int) -> Int? {
    guard position < count, let hit = memchr(bytes + position, Int32(byte), count - position)
    else { return nil }
    return UnsafeRawPointer(hit) - UnsafeRawPointer(bytes)
  }

  /// The byte after the last line end in `range`. A carriage return as the very last byte may be
  /// half of a pair and does not count.
  private func lineEnd(in range: Range<Int>) -> Int? {
    var place = range.upperBound
    while place > range.lowerBound {
      let byte = bytes[place - 1]
      if byte == lineFeed || (byte == carriageReturn && place < count && bytes[place] != lineFeed) {
        return place
      }
      place -= 1
    }
    return nil
  }
}

/// Line ends in a block, so that the next block knows its first line.
struct LineCount: Sendable {
  /// Lines that end in the block: LF, CR LF or CR alone.
  var lines = 0
  /// Whether a carriage return stands without a line feed, so that it ends lines itself.
  var hasLoneReturn = false
  var hasQuote = false

  init(_ bytes: UnsafePointer<UInt8>, count: Int, quote: UInt8?) {
    lines = Self.count(lineFeed, in: bytes, count: count)
    var position = 0
    while position < count,
      let hit = memchr(bytes + position, Int32(carriageReturn), count - position)
    {
      position = UnsafeRawPointer(hit) - UnsafeRawPointer(bytes) + 1
      if position == count || bytes[position] != lineFeed {
        lines += 1
        hasLoneReturn = true
      }
    }
    if let quote, count > 0 { hasQuote = memchr(bytes, Int32(quote), count) != nil }
  }

  /// How often `byte` occurs. Eight counters of one byte each, emptied before they overflow; the
  /// compiler makes vectors of it.
  private static func count(_ byte: UInt8, in bytes: UnsafePointer<UInt8>, count: Int) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
    let pattern = UInt64(byte) &* ones
    let words = count / 8
    var total = 0
    var word = 0
    while word < words {
      var counters: UInt64 = 0
      let end = min(word + 255, words)
      while word < end {
        let difference =
          UnsafeRawPointer(bytes + 8 * word).loadUnaligned(as: UInt64.self) ^ pattern
        let match = ~(((difference & low) &+ low) | difference | low)
        counters &+= match >> 7
        word += 1
      }
      // Sums of neighbours fit 16 bits, then one multiplication adds the four.
      let even = counters & 0x00ff_00ff_00ff_00ff
      let odd = (counters >> 8) & 0x00ff_00ff_00ff_00ff
      total += Int(((even &+ odd) &* 0x0001_0001_0001_0001) >> 48)
    }
    for place in 8 * words..<count where bytes[place] == byte { total += 1 }
    return total
  }
}
