import Columnar
import Sharding

/// Brings lists of days into the rows of a ``CustomerPurchases``, on several threads, each to rows of
/// its own.
final class PurchaseColumns: Sendable {
  private let planes: PurchasePlanes
  private let asOf: Int
  private let windowOfAge: [UInt8]

  /// - Parameters:
  ///   - capacity: Rows to make room for.
  ///   - firstDay: No purchase is older; nil where there are none.
  init(
    _ windows: PurchaseWindows, capacity: Int, firstDay: Int32?, asOf: Int32, scale: Int
  ) {
    self.asOf = Int(asOf)
    let oldest = firstDay.map { min(Int(asOf) - Int($0), PurchaseWindows.greatestAge) } ?? 0
    planes = PurchasePlanes(
      windows, words: oldest / 64 + 1, perUnit: Int64.perUnit(scale: scale), capacity: capacity)
    windowOfAge = windows.windowOfAge
  }

  /// Writes customers to rows from `first` on.
  ///
  /// - Returns: The age of their oldest purchase, −1 without any, and whether a sum left Int64.
  func write(_ rows: PurchaseRows, to first: Int) -> (oldest: Int, overflowed: Bool) {
    let (width, words) = (planes.windows.edges.count, planes.words)
    let (days, amountRows) = (planes.days, planes.amounts)
    var (oldest, overflowed) = (-1, false)
    windowOfAge.withUnsafeBufferPointer { windowOfAge in
      withUnsafeTemporaryAllocation(of: Int64.self, capacity: width) { sums in
        let sums = sums.baseAddress!
        for row in 0..<rows.count {
          let target = first + row
          let bits = days + target * words
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
          let amounts = amountRows + target * width
          for window in 0..<width { amounts[window] = Double(sums[window]) }
          planes.firstAmounts[target] = Double(firstAmount) / planes.perUnit
          planes.firstAges[target] = Int32(truncatingIfNeeded: firstAge)
          oldest = max(oldest, firstAge)
        }
      }
    }
    return (oldest, overflowed)
  }

  /// The first `count` rows, all of them written.
  func purchases(count: Int, oldestAge: Int) -> CustomerPurchases {
    planes.purchases(count: count, oldestAge: oldestAge)
  }
}
