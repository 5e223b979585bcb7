import Columnar

/// A column of few distinct texts as codes: each text is looked at once a batch, not once a row.
struct CodedTexts {
  /// One code a row; rows with a missing value hold anything.
  let codes: Buffer<Int32>
  /// The texts, by code.
  let entries: Strings

  /// Nil for a column of numbers.
  init?(_ column: Column) {
    switch column.values {
    case .dictionary(let codes, let entries):
      (self.codes, self.entries) = (codes, entries)
    case .strings(let texts):
      var known = KnownTexts()
      codes = Buffer(count: column.count) { target in
        texts.forEach { row, text in
          target[row] = column.isMissing(row) ? 0 : known.code(of: text)
        }
      }
      entries = Strings(known.texts)
    default: return nil
    }
  }

  private struct KnownTexts {
    private(set) var texts: [String] = []
    /// By bytes: Swift's texts are equal when they look the same, ours when they are the same.
    private var codes: [[UInt8]: Int32] = [:]
    /// The text met last for each of 64 hashes; its bytes lie in the column.
    private var recent = [(text: UnsafeBufferPointer<UInt8>, code: Int32)](
      repeating: (UnsafeBufferPointer(start: nil, count: 0), -1), count: 64)

    mutating func code(of bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
      let slot = Int(truncatingIfNeeded: IdentityHash.hash(bytes) & 63)
      if recent[slot].code >= 0, bytes.isEqual(to: recent[slot].text) { return recent[slot].code }
      let text = String(decoding: bytes, as: UTF8.self)
      let code = codes[Array(text.utf8)] ?? Int32(texts.count)
      if Int(code) == texts.count {
        codes[Array(text.utf8)] = code
        texts.append(text)
      }
      recent[slot] = (bytes, code)
      return code
    }
  }
}

extension Column {
  /// The bytes of a text column's row.
  func text(_ row: Int) -> UnsafeBufferPointer<UInt8> {
    switch values {
    case .strings(let texts): texts[row]
    case .dictionary(let codes, let texts): texts[Int(codes.base[row])]
    default: preconditionFailure("only text columns hold texts")
    }
  }
}

extension UnsafeBufferPointer<UInt8> {
  @inline(__always)
  func isEqual(to other: UnsafeBufferPointer<UInt8>) -> Bool {
    guard count == other.count else { return false }
    guard let a = UnsafeRawPointer(baseAddress), let b = UnsafeRawPointer(other.baseAddress) else {
      return count == 0
    }
    return IdentityBytes.areEqual(a, b, count)
  }
}

enum IdentityBytes {
  /// Up to eight bytes as one number, first byte lowest.
  @inline(__always)
  static func word(_ start: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    let raw = UnsafeRawPointer(start)
    if count == 8 { return UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self)) }
    if count >= 4 {
      let low = UInt64(UInt32(littleEndian: raw.loadUnaligned(as: UInt32.self)))
      let high = UInt64(
        UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)))
      // Where the two overlap they agree.
      return low | high << UInt64(8 * (count - 4))
    }
    var word: UInt64 = 0
    for offset in 0..<count { word |= UInt64(start[offset]) << UInt64(8 * offset) }
    return word
  }

  /// Whether `count` bytes are the same, eight at a time.
  @inline(__always)
  static func areEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
    var offset = 0
    while offset + 8 <= count {
      guard
        a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
          == b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      else { return false }
      offset += 8
    }
    while offset < count {
      guard
        a.load(fromByteOffset: offset, as: UInt8.self)
          == b.load(fromByteOffset: offset, as: UInt8.self)
      else { return false }
      offset += 1
    }
    return true
  }
}
