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
  /// In the ledger's unit, a row a customer and a column a window.
  package let amounts: Buffer<Double>
  /// Amount of the day of the first purchase.
  package let firstAmounts: Buffer<Double>
  /// Age of the first purchase, −1 for customers without any.
  package let firstAges: Buffer<Int32>

  package var customers: Int { firstAges.count }

  init(
    windows: PurchaseWindows, words: Int, oldestAge: Int, days: Buffer<UInt64>,
    amounts: Buffer<Double>, firstAmounts: Buffer<Double>, firstAges: Buffer<Int32>
  ) {
    precondition(days.count == firstAges.count * words)
    precondition(amounts.count == firstAges.count * windows.edges.count)
    self.windows = windows
    self.words = words
    self.oldestAge = oldestAge
    self.days = days
    self.amounts = amounts
    self.firstAmounts = firstAmounts
    self.firstAges = firstAges
  }

  /// Looks every id up in the partitions' tables, so the rows are those of `ids`.
  init<Amount: LedgerAmount>(
    _ tables: [PurchaseTable<Amount>], _ windows: PurchaseWindows, of ids: Column,
    partitionBits: Int, dense: DenseIdentities? = nil, scale: Int, amountColumn: String,
    workers: Workers
  ) throws {
    guard !tables.contains(where: \.overflowed) else {
      throw InputError.exactRange(amountColumn)
    }
    let words = max(1, tables.reduce(0) { max($0, $1.layout.words) })
    try workers.forEach(tables.count) { tables[$0].widen(words: words) }
    let count = ids.count
    let width = windows.edges.count
    let (days, dayRows) = Buffer<UInt64>.uninitialized(count: count * words)
    let (amounts, amountRows) = Buffer<Double>.uninitialized(count: count * width)
    let (firstAmounts, firstRows) = Buffer<Double>.uninitialized(count: count)
    let (firstAges, ageRows) = Buffer<Int32>.uninitialized(count: count)
    nonisolated(unsafe) let target = (
      days: dayRows.baseAddress!, amounts: amountRows.baseAddress!,
      first: firstRows.baseAddress!, ages: ageRows.baseAddress!
    )
    let shift = UInt64(64 - partitionBits)
    let shards = Shards(rows: count, rowsPerShard: 1 << 14)
    let lookups = tables.map(\.lookup)
    let wordsOffset = tables[0].layout.wordsOffset
    defer { withExtendedLifetime(tables) {} }
    let oldest = try workers.map(shards.count) { shard -> Int in
      var oldest = -1
      let distance = 16
      for row in shards[shard] {
        if case .int64(let numbers) = ids.values, row + distance < count {
          let ahead = IdentityHash.hash(UInt64(bitPattern: numbers.base[row + distance]))
          let key = UInt64(bitPattern: numbers.base[row + distance])
          lookups[dense?.partition(key) ?? Int(ahead >> shift)].prefetch(ahead)
        }
        let identity = Self.identity(ids, row)
        guard
          let state = lookups[dense?.partition(identity.key) ?? Int(identity.hash >> shift)]
            .state(of: identity.key, check: identity.check, hash: identity.hash)
        else {
          for word in 0..<words { target.days[row * words + word] = 0 }
          for window in 0..<width { target.amounts[row * width + window] = 0 }
          target.first[row] = 0
          target.ages[row] = -1
          continue
        }
        let bits = (state + wordsOffset).assumingMemoryBound(to: UInt64.self)
        for word in 0..<words { target.days[row * words + word] = bits[word] }
        let sums = (state + PurchaseLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
        for window in 0..<width {
          target.amounts[row * width + window] = sums[window].value(scale: scale)
        }
        target.first[row] =
          state.load(fromByteOffset: PurchaseLayout.firstOffset, as: Amount.self)
          .value(scale: scale)
        let age = state.load(fromByteOffset: PurchaseLayout.oldestOffset, as: Int32.self)
        target.ages[row] = age
        oldest = max(oldest, Int(age))
      }
      return oldest
    }
    self.windows = windows
    self.words = words
    oldestAge = oldest.max() ?? -1
    self.days = days
    self.amounts = amounts
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

  private static func identity(
    _ ids: Column, _ row: Int
  ) -> (key: UInt64, check: UInt64, hash: UInt64) {
    switch ids.values {
    case .int64(let numbers):
      let key = UInt64(bitPattern: numbers.base[row])
      return (key, 0, IdentityHash.hash(key))
    case .strings(let texts):
      let text = texts[row]
      let hash = IdentityHash.hash(text)
      return (hash, PurchaseIdentity.check(text), hash)
    default: preconditionFailure("a harvest gives integers or texts")
    }
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

  /// Sum of the amounts at ages `from..<to`, both edges of windows; `to` nil means all older.
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
    return sum
  }

  package func isEdge(_ age: Int) -> Bool { windows.edges.contains(Int32(age)) }
}
