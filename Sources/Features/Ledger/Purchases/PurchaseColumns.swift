import Columnar
import Sharding

/// The columns of a ``CustomerPurchases`` while customers are written to them from lists of days, on
/// several threads, each to rows of its own.
final class PurchaseColumns: @unchecked Sendable {
  private let windows: PurchaseWindows
  private let words: Int
  private let perUnit: Double
  private let asOf: Int
  private let days: (buffer: Buffer<UInt64>, base: UnsafeMutablePointer<UInt64>)
  private let amounts: (buffer: Buffer<Double>, base: UnsafeMutablePointer<Double>)
  private let firstAmounts: (buffer: Buffer<Double>, base: UnsafeMutablePointer<Double>)
  private let firstAges: (buffer: Buffer<Int32>, base: UnsafeMutablePointer<Int32>)
  private let windowOfAge: [UInt8]

  /// - Parameters:
  ///   - capacity: Rows to make room for.
  ///   - firstDay: No purchase is older; nil where there are none.
  init(
    _ windows: PurchaseWindows, capacity: Int, firstDay: Int32?, asOf: Int32, scale: Int
  ) {
    self.windows = windows
    self.asOf = Int(asOf)
    perUnit = Int64.perUnit(scale: scale)
    let oldest = firstDay.map { min(Int(asOf) - Int($0), PurchaseWindows.greatestAge) } ?? 0
    words = oldest / 64 + 1
    func column<Value: BitwiseCopyable & Sendable>(
      _ count: Int, _: Value.Type
    ) -> (buffer: Buffer<Value>, base: UnsafeMutablePointer<Value>) {
      let (buffer, storage) = Buffer<Value>.uninitialized(count: count)
      return (buffer, storage.baseAddress!)
    }
    days = column(capacity * words, UInt64.self)
    amounts = column(capacity * windows.edges.count, Double.self)
    firstAmounts = column(capacity, Double.self)
    firstAges = column(capacity, Int32.self)
    windowOfAge = windows.windowOfAge
  }

  /// Writes customers to rows from `first` on.
  ///
  /// - Returns: The age of their oldest purchase, −1 without any, and whether a sum left Int64.
  func write(_ rows: PurchaseRows, to first: Int) -> (oldest: Int, overflowed: Bool) {
    let width = windows.edges.count
    var (oldest, overflowed) = (-1, false)
    windowOfAge.withUnsafeBufferPointer { windowOfAge in
      withUnsafeTemporaryAllocation(of: Int64.self, capacity: width) { sums in
        let sums = sums.baseAddress!
        for row in 0..<rows.count {
          let target = first + row
          let bits = days.base + target * words
          for word in 0..<words { bits[word] = 0 }
          for window in 0..<width { sums[window] = 0 }
          let list = rows.list(row)
          let firstDay = Int(rows.firstDay(row))
          // Days further back are one.
          let firstAge = list.isEmpty ? -1 : min(asOf - firstDay, PurchaseWindows.greatestAge)
          var firstAmount: Int64 = 0
          PurchaseList.forEach(list, first: firstDay) { day, amount in
            let age = min(asOf - day, PurchaseWindows.greatestAge)
            bits[age >> 6] |= 1 &<< UInt64(age & 63)
            let window = Int(windowOfAge[age])
            if sums[window].addReportingOverflow(amount) { overflowed = true }
            if age == firstAge, firstAmount.addReportingOverflow(amount) { overflowed = true }
          }
          let amounts = amounts.base + target * width
          for window in 0..<width { amounts[window] = Double(sums[window]) }
          firstAmounts.base[target] = Double(firstAmount) / perUnit
          firstAges.base[target] = Int32(truncatingIfNeeded: firstAge)
          oldest = max(oldest, firstAge)
        }
      }
    }
    return (oldest, overflowed)
  }

  /// The first `count` rows, all of them written.
  func purchases(count: Int, oldestAge: Int) -> CustomerPurchases {
    CustomerPurchases(
      windows: windows, words: words, oldestAge: oldestAge,
      days: days.buffer[0..<count * words],
      amounts: amounts.buffer[0..<count * windows.edges.count], perUnit: perUnit,
      firstAmounts: firstAmounts.buffer[0..<count], firstAges: firstAges.buffer[0..<count])
  }
}
