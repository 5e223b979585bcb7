/// Texts of 8 to 16 bytes that were read as days before, each in the one place it can be in.
struct KnownDays {
  /// All of a text in three words: its first eight bytes, its last eight, and its length.
  struct Key: Equatable, BitwiseCopyable {
    var first: UInt64 = 0
    var last: UInt64 = 0
    /// 0 in an entry that holds nothing.
    var length: Int32 = 0

    init() {}

    @inline(__always)
    init?(_ text: UnsafeBufferPointer<UInt8>) {
      guard text.count >= 8, text.count <= 16, let base = UnsafeRawPointer(text.baseAddress) else {
        return nil
      }
      first = base.loadUnaligned(as: UInt64.self)
      last = base.loadUnaligned(fromByteOffset: text.count - 8, as: UInt64.self)
      length = Int32(truncatingIfNeeded: text.count)
    }
  }

  struct Entry: BitwiseCopyable {
    var key = Key()
    var days: Int32 = 0
  }

  /// Two years of days hardly ever meet in one place; 24 KB stay in a core's first cache.
  static let count = 1_024

  let entries: UnsafeMutablePointer<Entry>

  @inline(__always)
  func entry(of key: Key) -> UnsafeMutablePointer<Entry> {
    let mixed = (key.first ^ (key.last &* 0x9e37_79b9_7f4a_7c15)) &* 0xff51_afd7_ed55_8ccd
    return entries + Int(truncatingIfNeeded: mixed >> 54)
  }
}

/// Decimals as most files have them, `-?[0-9]+(mark[0-9]+)?`, straight to minor units.
struct PlainDecimals {
  private let mark: UInt8
  private let otherMark: UInt8
  private let isDeclared: Bool
  private let scale: Int

  init(_ format: DecimalFormat, scale: Int) {
    let (point, comma) = (UInt8(ascii: "."), UInt8(ascii: ","))
    mark = format.mark == .comma ? comma : point
    otherMark = format.mark == .undeclared ? comma : mark
    isDeclared = format.mark != .undeclared
    self.scale = scale
  }

  /// Nil for anything out of the ordinary, which ``DecimalFormat/minorUnits(_:scale:)`` decides.
  @inline(__always)
  func minorUnits(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    // So few digits that no step leaves 64 bits.
    guard let bytes = text.baseAddress, text.count > 0, text.count <= 14, scale <= 4 else {
      return nil
    }
    let count = text.count
    var place = bytes[0] == UInt8(ascii: "-") ? 1 : 0
    let first = place
    var number: Int64 = 0
    while place < count {
      let digit = bytes[place] &- UInt8(ascii: "0")
      if digit > 9 { break }
      number = number &* 10 &+ Int64(digit)
      place += 1
    }
    guard place > first else { return nil }
    var decimals = 0
    if place < count {
      guard bytes[place] == mark || bytes[place] == otherMark else { return nil }
      place += 1
      decimals = count - place
      // `1.234` may be a thousand to some.
      guard decimals > 0, decimals <= scale, isDeclared || decimals != 3 else { return nil }
      while place < count {
        let digit = bytes[place] &- UInt8(ascii: "0")
        if digit > 9 { return nil }
        number = number &* 10 &+ Int64(digit)
        place += 1
      }
    }
    for _ in decimals..<scale { number = number &* 10 }
    return first == 1 ? -number : number
  }
}
