import CKernels

/// Finds the bytes that give a text its structure: delimiters, line ends, quotes.
struct StructureScanner {
  private let wanted: (UInt8, UInt8, UInt8, UInt8)
  /// 1: any CPU, 2: AVX2, 3: AVX-512.
  private let level: Int32

  /// The best that this CPU runs.
  static let bestLevel: Int32 =
    tranche_supports_avx512() != 0 ? 3 : tranche_supports_avx2() != 0 ? 2 : 1

  /// Text scanned at once: its places stay in a core's cache.
  static let partBytes = 16_384
  /// Room for the places of a part.
  static let mostPlaces = partBytes + 64

  /// - Parameters: Up to four bytes; fewer by repetition.
  init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, level: Int32 = bestLevel) {
    wanted = (a, b, c, d)
    self.level = level
  }

  /// Writes the places found in `count` bytes, ascending; the text must be readable for 63 bytes
  /// more.
  ///
  /// - Returns: How many there are.
  @inline(__always)
  func scan(
    _ bytes: UnsafePointer<UInt8>, count: Int, into places: UnsafeMutablePointer<UInt32>
  ) -> Int {
    Int(
      tranche_structure(
        level, bytes, Int64(count), wanted.0, wanted.1, wanted.2, wanted.3, places))
  }
}
