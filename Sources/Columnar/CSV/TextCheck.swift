import Glibc

/// Whether bytes are UTF-8 without NUL.
enum TextCheck {
  enum Problem: Equatable {
    case nul(Int)
    case notUTF8(Int)
  }

  /// The first offence; nil when there is none. ASCII passes at memory speed.
  static func problem(_ bytes: UnsafePointer<UInt8>, count: Int) -> Problem? {
    var nul: Int?
    if count > 0, let hit = memchr(bytes, 0, count) {
      nul = UnsafeRawPointer(hit) - UnsafeRawPointer(bytes)
    }
    if let bad = notUTF8(bytes, count: nul ?? count) { return .notUTF8(bad) }
    return nul.map(Problem.nul)
  }

  /// The offset of the first byte that does not continue a valid UTF-8 sequence (Unicode 16, table
  /// 3-7): no overlong forms, no surrogates, nothing past U+10FFFF.
  private static func notUTF8(_ bytes: UnsafePointer<UInt8>, count: Int) -> Int? {
    var place = 0
    while place < count {
      // Half a cache line at a time: a test for every word is what takes the time.
      while place + 32 <= count {
        let words = UnsafeRawPointer(bytes + place)
        let all =
          words.loadUnaligned(as: UInt64.self)
          | words.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
          | words.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
          | words.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
        if all & 0x8080_8080_8080_8080 != 0 { break }
        place += 32
      }
      while place + 8 <= count,
        UnsafeRawPointer(bytes + place).loadUnaligned(as: UInt64.self) & 0x8080_8080_8080_8080 == 0
      {
        place += 8
      }
      guard place < count else { return nil }
      let lead = bytes[place]
      if lead < 0x80 {
        place += 1
        continue
      }
      let length: Int
      let second: ClosedRange<UInt8>
      switch lead {
      case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
      case 0xE0: (length, second) = (3, 0xA0...0xBF)
      case 0xED: (length, second) = (3, 0x80...0x9F)
      case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
      case 0xF0: (length, second) = (4, 0x90...0xBF)
      case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
      case 0xF4: (length, second) = (4, 0x80...0x8F)
      default: return place
      }
      guard place + length <= count, second.contains(bytes[place + 1]) else { return place }
      for offset in 2..<max(length, 2) where bytes[place + offset] & 0xC0 != 0x80 { return place }
      place += length
    }
    return nil
  }
}
