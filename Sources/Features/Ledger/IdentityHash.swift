enum IdentityHash {
  /// Mixes an integer id (MurmurHash3's finaliser): top bits choose the partition, low bits the slot.
  @inline(__always)
  static func hash(_ key: UInt64) -> UInt64 {
    var z = key
    z = (z ^ (z >> 33)) &* 0xff51_afd7_ed55_8ccd
    z = (z ^ (z >> 33)) &* 0xc4ce_b9fe_1a85_ec53
    return z ^ (z >> 33)
  }

  /// Hashes a text id, eight bytes at a time.
  @inline(__always)
  static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    guard let base = bytes.baseAddress else { return hash(0) }
    var z: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count)
    var offset = 0
    let raw = UnsafeRawPointer(base)
    while offset + 8 <= bytes.count {
      z = hash(z ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    // The rest, read as one number, first byte highest.
    let rest = bytes.count - offset
    var tail: UInt64 = 0
    if rest >= 4 {
      let high = UInt64(
        UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      let low = UInt64(
        UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)))
      // Where the two overlap they agree.
      tail = high << UInt64(8 * (rest - 4)) | low
    } else {
      while offset < bytes.count {
        tail = tail << 8 | UInt64(bytes[offset])
        offset += 1
      }
    }
    return hash(z ^ tail)
  }
}
