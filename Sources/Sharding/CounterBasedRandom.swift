/// Random numbers keyed by (seed, purpose, index): any row's number can be had without the ones
/// before it, so that draws do not depend on who computes them.
///
/// Mixing is SplitMix64's finaliser applied to a Weyl sequence (Steele, Lea, Flood, OOPSLA 2014).
package struct CounterBasedRandom: Sendable {
  /// What a stream is for; two purposes never share numbers.
  package struct Purpose: Sendable {
    let salt: UInt64
    package init(_ name: StaticString) {
      // FNV-1a over the name: stable across builds, unlike `Hasher`.
      salt = name.withUTF8Buffer {
        $0.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
      }
    }
  }

  private let key: UInt64

  package init(seed: UInt64, purpose: Purpose) {
    key = Self.mix(seed &+ 0x9e37_79b9_7f4a_7c15) ^ Self.mix(purpose.salt)
  }

  /// The 64 random bits of `index`.
  @inline(__always)
  package func bits(at index: Int) -> UInt64 {
    Self.mix(key &+ UInt64(bitPattern: Int64(index)) &* 0x9e37_79b9_7f4a_7c15)
  }

  /// Uniform in [0, 1), 53 bits.
  @inline(__always)
  package func unit(at index: Int) -> Double { Double(bits(at: index) >> 11) * 0x1p-53 }

  @inline(__always)
  package static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// The same numbers as a sequence, for code that draws one after another.
package struct SequentialRandom: RandomNumberGenerator, Sendable {
  private let random: CounterBasedRandom
  private var index = 0

  package init(seed: UInt64, purpose: CounterBasedRandom.Purpose) {
    random = CounterBasedRandom(seed: seed, purpose: purpose)
  }

  package mutating func next() -> UInt64 {
    defer { index += 1 }
    return random.bits(at: index)
  }

  /// Uniform in [0, 1), 53 bits; one number drawn.
  package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
