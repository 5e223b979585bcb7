import Columnar

/// What the fold remembers of one customer, in one run of bytes:
///
/// | offset | field | |
/// |---|---|---|
/// | 0 | key | id (integer ids) or its 64-bit hash (text ids) |
/// | 8 | youngest, oldest | Int32 ages in days before as-of |
/// | 16 | refunds | UInt32 |
/// | 20 | counts | 5 × UInt32, by age bucket |
/// | 40 | amounts | 5 × 8 bytes, by age bucket |
/// | 80 | channel counts | channels × UInt32, padded to 8 bytes |
/// | … | active days | words × UInt64, bit i = active i days before as-of |
///
/// Age buckets are disjoint (0–29, 30–89, 90–179, 180–364, 365 and older), so a row touches one of
/// them and every window is a sum of neighbours. Everything here can be merged with the state of
/// another part of the ledger: sums, counts, minima, maxima, bit sets.
struct StateLayout: Equatable {
  static let bucketCount = 5
  static let countsOffset = 20
  static let amountsOffset = 40
  static let channelsOffset = 80

  var channels: Int
  var words: Int

  var wordsOffset: Int { Self.channelsOffset + (channels * 4 + 7) / 8 * 8 }
  var stride: Int { wordsOffset + words * 8 }

  /// Bucket of an age below 365 days; older ages are in the last one.
  static let buckets: [UInt8] = (0..<365).map { age in
    switch age {
    case ..<30: 0
    case ..<90: 1
    case ..<180: 2
    default: 3
    }
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
}
