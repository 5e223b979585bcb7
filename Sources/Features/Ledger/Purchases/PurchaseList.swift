/// The purchases of one customer by day, oldest first, in as few bytes as they need: a byte, then the
/// amount of the day.
///
/// Bits 2 to 7 of the byte are the days since the purchase before (0 for the first, whose day is kept
/// beside), bits 0 and 1 say whether the amount takes 2, 3, 4 or 8 bytes, least significant first.
/// 63 in the upper bits stands for 63 days more without a purchase; nothing follows then.
///
/// Amounts are sums of minor units, 0 or more. Later days are appended without reading the others.
enum PurchaseList {
  private static let skip = 63
  /// Of a day with its amount.
  static let mostBytes = 9

  @inline(__always)
  private static func length(_ code: Int) -> Int { 0x8432 >> (4 * code) & 15 }

  /// Appends what brings a list `gap` days on.
  @inline(__always)
  static func append(gap: Int, amount: Int64, to bytes: inout GrowingBlock<UInt8>) {
    var gap = gap
    while gap >= skip {
      bytes.append(UInt8(truncatingIfNeeded: skip << 2))
      gap -= skip
    }
    let code = amount < 1 << 16 ? 0 : amount < 1 << 24 ? 1 : amount < 1 << 32 ? 2 : 3
    bytes.append(UInt8(truncatingIfNeeded: gap << 2 | code))
    bytes.append(word: UInt64(bitPattern: amount), bytes: length(code))
  }

  /// Calls `body` with every day and its amount, oldest first.
  ///
  /// - Parameter bytes: Eight bytes behind it may be read too.
  @inline(__always)
  static func forEach(
    _ bytes: UnsafeBufferPointer<UInt8>, first: Int, _ body: (_ day: Int, _ amount: Int64) -> Void
  ) {
    guard let start = UnsafeRawPointer(bytes.baseAddress) else { return }
    var day = first
    var offset = 0
    while offset < bytes.count {
      let head = Int(start.load(fromByteOffset: offset, as: UInt8.self))
      offset += 1
      day += head >> 2
      if head >> 2 == skip { continue }
      let length = length(head & 3)
      let word = start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let unused = UInt64(64 - 8 * length)
      body(day, Int64(bitPattern: (word &<< unused) &>> unused))
      offset += length
    }
  }
}

/// A day's purchases, while they are brought together.
struct PurchaseDay: BitwiseCopyable {
  var day: Int32
  var amount: Int64
}
