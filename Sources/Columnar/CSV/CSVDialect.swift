/// How the rows of one text file are cut into fields; what all stages agree on.
struct CSVDialect: Sendable, Hashable {
  enum Delimiter: Sendable, Hashable {
    case byte(UInt8)
    case whitespace
  }

  var delimiter: Delimiter
  var quote: UInt8?
  var comment: UInt8?
  var maximumFieldBytes: Int

  @inline(__always)
  func isDelimiter(_ byte: UInt8) -> Bool {
    switch delimiter {
    case .byte(let delimiter): byte == delimiter
    case .whitespace: byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }
  }
}

let lineFeed = UInt8(ascii: "\n")
let carriageReturn = UInt8(ascii: "\r")

/// Bytes of a text file in memory of its own, with room behind them that reads as zero.
final class TextBlock: @unchecked Sendable {
  /// Bytes behind `capacity` that may be read, never written but by the parser's final line end.
  static let slack = 64

  let bytes: UnsafeMutablePointer<UInt8>
  let capacity: Int
  var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    bytes = .allocate(capacity: capacity + Self.slack)
  }

  deinit { bytes.deallocate() }

  /// The last byte's successor and on: zeros, which are neither delimiters nor line ends.
  func clearSlack() { (bytes + count).initialize(repeating: 0, count: Self.slack) }
}
