import Columnar

/// What the fold remembers of one customer, in one run of bytes:
///
/// | offset | field | |
/// |---|---|---|
/// | 0 | key | id (integer ids) or its 64-bit hash (text ids) |
/// | 8 | youngest, oldest | Int32 ages in days before as-of |
/// | 16 | refunds | UInt32 |
/// | 20 | counts | buckets × UInt32, padded to 8 bytes |
/// | … | amounts | buckets × 8 bytes |
/// | … | channel counts | channels × UInt32, padded to 8 bytes |
/// | … | active days | words × UInt64, bit i = active i days before as-of |
///
/// Age buckets are disjoint (at most 0–29, 30–89, 90–179, 180–364, 365 and older; only those that
/// some window tells apart), so a row touches one of them and every window is a sum of neighbours.
/// Everything here can be merged with the state of another part of the ledger: sums, counts, minima,
/// maxima, bit sets.
struct StateLayout: Equatable {
  static let countsOffset = 20

  /// The first age past each bucket but the last, ascending, then ages that none reaches.
  let ends: SIMD4<Int>
  let buckets: Int
  var channels: Int
  var words: Int

  /// - Parameter ends: Ascending, four at most.
  init(ends: [Int], channels: Int, words: Int) {
    var padded = SIMD4<Int>(repeating: .max)
    for (bucket, end) in ends.enumerated() { padded[bucket] = end }
    (self.ends, buckets) = (padded, ends.count + 1)
    (self.channels, self.words) = (channels, words)
  }

  var amountsOffset: Int { (Self.countsOffset + buckets * 4 + 7) / 8 * 8 }
  var channelsOffset: Int { amountsOffset + buckets * 8 }
  var wordsOffset: Int { channelsOffset + (channels * 4 + 7) / 8 * 8 }
  var stride: Int { wordsOffset + words * 8 }

  /// How many buckets, youngest first, hold the ages below `end`.
  func buckets(below end: Int) -> Int {
    guard let bucket = ends.indices.first(where: { ends[$0] == end }) else {
      preconditionFailure("no bucket ends at an age that a feature asks for")
    }
    return bucket + 1
  }
}

/// One transaction on its way from its batch to its customer.
struct LedgerRow<Amount: LedgerAmount>: BitwiseCopyable {
  var key: UInt64
  var amount: Amount
  /// Days before as-of, 0 or more.
  var age: Int32
  var channel: UInt16
  var isRefund: UInt16
}

/// Where a text id lies; the batch is kept alive beside it.
struct TextReference: BitwiseCopyable {
  var start: UnsafePointer<UInt8>
  var length: Int

  @inline(__always)
  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: length) }
}
