import Columnar

/// The columns of a ``CustomerPurchases`` while customers are written to them, on several threads, each
/// to rows of its own.
struct PurchasePlanes: @unchecked Sendable {
  typealias Plane<Value> = (buffer: Buffer<Value>, storage: UnsafeMutableBufferPointer<Value>)
  where Value: BitwiseCopyable & Sendable

  let windows: PurchaseWindows
  /// Of 64 days a customer.
  let words: Int
  /// Minor units in one of the ledger's unit.
  let perUnit: Double
  private let planes:
    (days: Plane<UInt64>, amounts: Plane<Double>, first: Plane<Double>, ages: Plane<Int32>)

  /// - Parameter capacity: Rows to make room for; those that nobody comes to cost nothing.
  init(_ windows: PurchaseWindows, words: Int, perUnit: Double, capacity: Int) {
    (self.windows, self.words, self.perUnit) = (windows, words, perUnit)
    planes = (
      Buffer.uninitialized(count: capacity * words),
      Buffer.uninitialized(count: capacity * windows.edges.count),
      Buffer.uninitialized(count: capacity), Buffer.uninitialized(count: capacity)
    )
  }

  /// Bits of a row's days.
  var days: UnsafeMutablePointer<UInt64> { planes.days.storage.baseAddress! }
  /// Minor units, a column a window.
  var amounts: UnsafeMutablePointer<Double> { planes.amounts.storage.baseAddress! }
  /// In the ledger's unit.
  var firstAmounts: UnsafeMutablePointer<Double> { planes.first.storage.baseAddress! }
  var firstAges: UnsafeMutablePointer<Int32> { planes.ages.storage.baseAddress! }

  /// The first `count` rows, all of them written.
  func purchases(count: Int, oldestAge: Int) -> CustomerPurchases {
    CustomerPurchases(
      windows: windows, words: words, oldestAge: oldestAge,
      days: planes.days.buffer[0..<count * words],
      amounts: planes.amounts.buffer[0..<count * windows.edges.count], perUnit: perUnit,
      firstAmounts: planes.first.buffer[0..<count], firstAges: planes.ages.buffer[0..<count])
  }
}
