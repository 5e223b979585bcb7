import Columnar
import Sharding

/// The purchases of a base's customers: days and amounts, to be looked at from any day before as-of.
package struct CustomerPurchases: Sendable {
  package let windows: PurchaseWindows
  /// Words of 64 days a customer.
  package let words: Int
  /// Age of the oldest purchase of all, −1 without any.
  package let oldestAge: Int
  /// Bits of the days a customer bought on: bit i of word w is age 64 w + i.
  package let days: Buffer<UInt64>
  /// In minor units, a row a customer and a column a window: sums of them are exact up to 2^53, so
  /// that they are the same however windows are cut. Amounts in floating point are as they are.
  package let amounts: Buffer<Double>
  /// Minor units in one of the ledger's unit.
  package let perUnit: Double
  /// Amount of the day of the first purchase, in the ledger's unit.
  package let firstAmounts: Buffer<Double>
  /// Age of the first purchase, −1 for customers without any.
  package let firstAges: Buffer<Int32>

  package var customers: Int { firstAges.count }

  init(
    windows: PurchaseWindows, words: Int, oldestAge: Int, days: Buffer<UInt64>,
    amounts: Buffer<Double>, perUnit: Double = 1, firstAmounts: Buffer<Double>,
    firstAges: Buffer<Int32>
  ) {
    precondition(days.count == firstAges.count * words)
    precondition(amounts.count == firstAges.count * windows.edges.count)
    self.windows = windows
    self.words = words
    self.oldestAge = oldestAge
    self.days = days
    self.amounts = amounts
    self.perUnit = perUnit
    self.firstAmounts = firstAmounts
    self.firstAges = firstAges
  }

  /// The memory of `days`, `amounts`, `firstAmounts` and `firstAges`, valid while this value is.
  var planes: [UnsafeRawBufferPointer] {
    [
      UnsafeRawBufferPointer(days.values), UnsafeRawBufferPointer(amounts.values),
      UnsafeRawBufferPointer(firstAmounts.values), UnsafeRawBufferPointer(firstAges.values),
    ]
  }

  // MARK: - One customer

  /// Distinct days with a purchase at ages `from..<to`.
  @inline(__always)
  package func dayCount(_ row: Int, from: Int, to: Int) -> Int {
    let bits = days.base + row * words
    let end = min(to, words * 64)
    guard from < end else { return 0 }
    let (first, last) = (from >> 6, (end - 1) >> 6)
    var count = 0
    for word in first...last {
      var value = bits[word]
      if word == first { value &= ~0 << UInt64(from & 63) }
      if word == last { value &= ~0 >> UInt64(63 - (end - 1) & 63) }
      count += value.nonzeroBitCount
    }
    return count
  }

  /// Age of the youngest purchase day at `from` or older, nil without one.
  @inline(__always)
  package func youngest(_ row: Int, from: Int) -> Int? {
    let bits = days.base + row * words
    var word = from >> 6
    guard word < words else { return nil }
    var value = bits[word] & (~0 << UInt64(from & 63))
    while value == 0 {
      word += 1
      if word == words { return nil }
      value = bits[word]
    }
    return word * 64 + value.trailingZeroBitCount
  }

  /// Calls `body` with the ages of purchase days from `from` on, youngest first.
  @inline(__always)
  package func forEachDay(_ row: Int, from: Int, _ body: (Int) -> Void) {
    let bits = days.base + row * words
    let first = from >> 6
    guard first < words else { return }
    for word in first..<words {
      var value = bits[word]
      if word == first { value &= ~0 << UInt64(from & 63) }
      while value != 0 {
        body(word * 64 + value.trailingZeroBitCount)
        value &= value - 1
      }
    }
  }

  /// Sum of the amounts at ages `from..<to`, both edges of windows, in the ledger's unit; `to` nil
  /// means all older.
  @inline(__always)
  package func amount(_ row: Int, from: Int, to: Int? = nil) -> Double {
    let edges = windows.edges
    assert(
      isEdge(from) && (to.map { isEdge($0) || $0 > Int(edges.last ?? 0) } ?? true),
      "windows begin at \(edges)")
    var sum = 0.0
    for window in edges.indices where Int(edges[window]) >= from {
      if let to, Int(edges[window]) >= to { break }
      sum += amounts.base[row * edges.count + window]
    }
    return sum / perUnit
  }

  package func isEdge(_ age: Int) -> Bool { windows.edges.contains(Int32(age)) }
}
