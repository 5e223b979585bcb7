import Glibc

/// The texts that mean "no value", ready to be compared with many fields.
struct MissingMarkers: Sendable {
  private let markers: [[UInt8]]
  private let longest: Int
  private let acceptsEmpty: Bool
  /// Which first bytes a marker may have; spaces are always looked at.
  private let first: [Bool]

  init(_ texts: [String]) {
    let markers = texts.map { Array($0.utf8) }
    self.markers = markers.filter { !$0.isEmpty }
    acceptsEmpty = markers.contains { $0.isEmpty }
    longest = markers.map(\.count).max() ?? 0
    var first = Array(repeating: false, count: 256)
    for marker in self.markers { first[Int(marker[0])] = true }
    first[Int(UInt8(ascii: " "))] = true
    self.first = first
  }

  /// The validity of fields that lie in `bytes`; nil when none is missing.
  func validity(
    of spans: Buffer<Strings.ByteSpan>, in bytes: UnsafePointer<UInt8>
  ) -> Validity? {
    var bits: UnsafeMutablePointer<UInt8>?
    let size = (spans.count + 7) / 8
    first.withUnsafeBufferPointer { first in
      withExtendedLifetime(spans) {
        for row in 0..<spans.count {
          let span = spans.base[row]
          let length = Int(span.length)
          let start = bytes + Int(span.start)
          let isSuspect = length == 0 ? acceptsEmpty : first[Int(start[0])]
          guard isSuspect, length == 0 || isMissing(start, length) else { continue }
          let target: UnsafeMutablePointer<UInt8>
          if let bits {
            target = bits
          } else {
            target = .allocate(capacity: size)
            target.initialize(repeating: 0xFF, count: size)
            bits = target
          }
          target[row >> 3] &= ~(1 << UInt8(row & 7))
        }
      }
    }
    guard let bits else { return nil }
    defer { bits.deallocate() }
    return Validity(
      bytes: Buffer(UnsafeBufferPointer(start: bits, count: size)), offset: 0, count: spans.count)
  }

  private func isMissing(_ start: UnsafePointer<UInt8>, _ length: Int) -> Bool {
    if start[0] == UInt8(ascii: " ") {
      // Anything but spaces is a value.
      for offset in 0..<length where start[offset] != UInt8(ascii: " ") {
        return markers.contains { $0.count == length && memcmp($0, start, length) == 0 }
      }
      return acceptsEmpty
    }
    guard length <= longest else { return false }
    return markers.contains { $0.count == length && memcmp($0, start, length) == 0 }
  }
}
