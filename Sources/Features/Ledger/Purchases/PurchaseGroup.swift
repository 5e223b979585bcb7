import Columnar

/// Purchases by day of some customers, where they lie: in a state's file or in a ``PurchaseGroup``.
struct PurchaseRows: @unchecked Sendable {
  let count: Int
  private let firstDays: NarrowColumn
  private let lastDays: NarrowColumn
  private let bytes: UnsafePointer<UInt8>
  private let offsets: UnsafePointer<Int32>
  /// Lists that end before it may be read a few bytes beyond their ends.
  private let readable: Int

  /// - Parameters:
  ///   - lists: See ``PurchaseList``; empty for customers without purchases.
  ///   - firstDays: Of the lists, since 1970-01-01; anything for empty ones. So are `lastDays`.
  init(
    count: Int, firstDays: NarrowColumn, lastDays: NarrowColumn, lists: UnsafePointer<UInt8>,
    offsets: UnsafePointer<Int32>
  ) {
    self.count = count
    (self.firstDays, self.lastDays) = (firstDays, lastDays)
    (bytes, self.offsets) = (lists, offsets)
    readable = (count > 0 ? Int(offsets[count]) : 0) - 8
  }

  @inline(__always)
  func list(_ row: Int) -> UnsafeBufferPointer<UInt8> {
    let (start, end) = (Int(offsets[row]), Int(offsets[row + 1]))
    return UnsafeBufferPointer(start: bytes + start, count: end - start)
  }

  @inline(__always)
  func isReadable(beyond row: Int) -> Bool { Int(offsets[row + 1]) < readable }

  @inline(__always) func firstDay(_ row: Int) -> Int32 { Self.value(firstDays, row) }
  @inline(__always) func lastDay(_ row: Int) -> Int32 { Self.value(lastDays, row) }

  @inline(__always)
  private static func value(_ column: NarrowColumn, _ row: Int) -> Int32 {
    guard case .integers(let values, let width) = column else { return 0 }
    return Int32(truncatingIfNeeded: NarrowColumn.value(values, width: width, row))
  }
}

/// Lists of purchases by day, one customer after the other.
private struct PurchaseLists: ~Copyable {
  var count = 0
  var firstDays = GrowingBlock<Int32>()
  var lastDays = GrowingBlock<Int32>()
  var bytes = GrowingBlock<UInt8>()
  var offsets = GrowingBlock<Int32>()
  /// A day's sum left Int64.
  var overflowed = false

  mutating func removeAll() {
    count = 0
    firstDays.removeAll()
    lastDays.removeAll()
    bytes.removeAll()
    offsets.removeAll()
    offsets.append(0)
    overflowed = false
  }

  /// Appends a customer as it is elsewhere.
  @inline(__always)
  mutating func append(_ source: PurchaseRows, _ row: Int) {
    bytes.append(few: source.list(row), readable: source.isReadable(beyond: row))
    close(source.firstDay(row), source.lastDay(row))
  }

  /// Ends a customer whose list was appended; both days are 0 for an empty one.
  @inline(__always)
  mutating func close(_ first: Int32, _ last: Int32) {
    firstDays.append(first)
    lastDays.append(last)
    offsets.append(Int32(truncatingIfNeeded: bytes.count))
    count += 1
  }

  /// Appends a customer with these days, ascending, each once.
  mutating func append(_ days: UnsafeBufferPointer<PurchaseDay>) {
    guard let first = days.first, let last = days.last else {
      close(0, 0)
      return
    }
    var before = first.day
    for day in days {
      PurchaseList.append(gap: Int(day.day - before), amount: day.amount, to: &bytes)
      before = day.day
    }
    close(first.day, last.day)
  }

  /// Appends a known customer with days that all are younger.
  @inline(__always)
  mutating func append(
    _ source: PurchaseRows, _ row: Int, and days: UnsafeBufferPointer<PurchaseDay>
  ) {
    bytes.append(few: source.list(row), readable: source.isReadable(beyond: row))
    var last = source.lastDay(row)
    for day in days {
      PurchaseList.append(gap: Int(day.day - last), amount: day.amount, to: &bytes)
      last = day.day
    }
    close(source.firstDay(row), last)
  }
}

/// Purchases by day of some customers, in order, on their way into a state's files. Its memory is
/// reused.
final class PurchaseGroup: @unchecked Sendable {
  private var lists = PurchaseLists()
  /// A day's sum left Int64.
  var overflowed: Bool { lists.overflowed }
  /// Of the first purchases of all, nil without any.
  private(set) var firstDay: Int32?
  /// Of the customers' first and last days, 0 for those without purchases.
  private(set) var ranges = ValueRanges(count: 2)

  var count: Int { lists.count }
  var listBytes: Int { lists.bytes.count }

  var rows: PurchaseRows {
    PurchaseRows(
      count: lists.count, firstDays: .integers(lists.firstDays.base, width: 4),
      lastDays: .integers(lists.lastDays.base, width: 4), lists: lists.bytes.base,
      offsets: lists.offsets.base)
  }

  init() { removeAll() }

  func removeAll() {
    lists.removeAll()
    finish()
  }

  // MARK: - Taking customers up

  /// Takes up customers as they are elsewhere.
  ///
  /// - Parameter source: Of each, where it is.
  func replace(count: Int, _ source: (Int) -> (rows: PurchaseRows, row: Int)) {
    lists.removeAll()
    Self.append(count, source, to: &lists)
    finish()
  }

  private static func append(
    _ count: Int, _ source: (Int) -> (rows: PurchaseRows, row: Int),
    to lists: inout PurchaseLists
  ) {
    for place in 0..<count {
      let (rows, row) = source(place)
      lists.append(rows, row)
    }
  }

  /// Takes up customers with what is known of them, and what they bought since.
  ///
  /// - Parameters:
  ///   - source: Known customers by state: states from its count on are new.
  ///   - count: Of all customers.
  ///   - ranks: Row of each state; those of known ones ascend.
  ///   - cells: Purchases of any day, by state, in any order.
  func merge<Amount>(
    _ source: PurchaseRows?, count: Int, ranks: UnsafePointer<UInt32>,
    _ cells: UnsafeBufferPointer<DayCell<Amount>>, asOf: Int32, _ scratch: PurchaseScratch
  ) {
    let days = scratch.sort(cells, count: count, ranks: ranks, asOf: asOf)
    lists.removeAll()
    Self.merge(source, count: count, ranks: ranks, days, to: &lists, scratch)
    finish()
  }

  /// As one access to the lists, not one a customer.
  private static func merge(
    _ source: PurchaseRows?, count: Int, ranks: UnsafePointer<UInt32>, _ days: SortedPurchases,
    to lists: inout PurchaseLists, _ scratch: PurchaseScratch
  ) {
    if days.overflowed { lists.overflowed = true }
    let known = source?.count ?? 0
    var old = 0
    for row in 0..<count {
      let new = days[row]
      guard let source, old < known, Int(ranks[old]) == row else {
        lists.append(new)
        continue
      }
      if new.isEmpty {
        lists.append(source, old)
      } else if source.list(old).isEmpty {
        lists.append(new)
      } else if new[0].day > source.lastDay(old) {
        // The usual month: all its days are younger than what is known.
        lists.append(source, old, and: new)
      } else {
        let joined = scratch.join(source, old, new)
        if joined.overflowed { lists.overflowed = true }
        lists.append(joined.days)
      }
      old += 1
    }
  }

  private func finish() {
    precondition(lists.bytes.count <= Int(Int32.max), "a group's purchases are fewer than 2 GB")
    lists.bytes.reserve(lists.bytes.count + 8)
    let count = lists.count
    let (first, last, offsets) = (lists.firstDays.base, lists.lastDays.base, lists.offsets.base)
    var (low, high) = (SIMD2(Int32.max, Int32.max), SIMD2(Int32.min, Int32.min))
    var oldest = Int32.max
    for row in 0..<count {
      let days = SIMD2(first[row], last[row])
      low = pointwiseMin(low, days)
      high = pointwiseMax(high, days)
      if offsets[row + 1] > offsets[row] { oldest = min(oldest, first[row]) }
    }
    firstDay = oldest == .max ? nil : oldest
    ranges = ValueRanges(count: 2)
    guard count > 0 else { return }
    for column in 0..<2 {
      ranges.add(Int64(low[column]), to: column)
      ranges.add(Int64(high[column]), to: column)
    }
  }

  // MARK: - Columns

  private var narrow = GrowingBlock<UInt8>()
  private var rebased: [Buffer<Int32>] = []

  static let names = ["first_purchase", "last_purchase", "purchases"]

  static func fields(_ ranges: ValueRanges) -> [NarrowField] {
    zip(names, ranges.widths).map { NarrowField($0, .integer(width: $1)) } + [
      NarrowField(names[2], .binary)
    ]
  }

  /// The customers as columns as wide as `ranges` need, in batches of `rows`; valid until customers
  /// are taken up anew.
  func batches(_ rows: [Range<Int>], _ ranges: ValueRanges) -> [NarrowBatch] {
    let widths = ranges.widths
    let count = lists.count
    let sizes = widths.map { ($0 * count + 63) / 64 * 64 }
    narrow.resize(to: max(64, sizes[0] + sizes[1]))
    let (first, last) = (narrow.base, narrow.base + sizes[0])
    let (firstDays, lastDays) = (lists.firstDays.base, lists.lastDays.base)
    NarrowColumn.write(count, width: widths[0], to: first) { Int64(firstDays[$0]) }
    NarrowColumn.write(count, width: widths[1], to: last) { Int64(lastDays[$0]) }
    rebased = []
    let (bytes, offsets) = (lists.bytes.base, lists.offsets.base)
    return rows.map { rows in
      let base = offsets[rows.lowerBound]
      let own = Buffer<Int32>(count: rows.count + 1) { target in
        for row in 0...rows.count { target[row] = offsets[rows.lowerBound + row] - base }
      }
      rebased.append(own)
      return NarrowBatch(
        rows: rows.count,
        columns: [
          .integers(first + rows.lowerBound * widths[0], width: widths[0]),
          .integers(last + rows.lowerBound * widths[1], width: widths[1]),
          .bytes(bytes + Int(base), offsets: own.base),
        ])
    }
  }
}

/// Days of purchases by row, ascending, each once; valid until its scratch sorts others.
struct SortedPurchases {
  fileprivate let starts: UnsafePointer<Int32>
  fileprivate let ends: UnsafePointer<Int32>
  fileprivate let days: UnsafePointer<PurchaseDay>
  /// A day's sum left Int64.
  fileprivate let overflowed: Bool

  @inline(__always)
  fileprivate subscript(row: Int) -> UnsafeBufferPointer<PurchaseDay> {
    UnsafeBufferPointer(start: days + Int(starts[row]), count: Int(ends[row] - starts[row]))
  }
}

/// What a thread needs while it brings purchases together.
final class PurchaseScratch {
  private var starts = GrowingBlock<Int32>()
  private var days = GrowingBlock<PurchaseDay>()
  private var list = GrowingBlock<UInt8>()
  private var joined = GrowingBlock<PurchaseDay>()

  /// Brings cells into order of their rows and days.
  fileprivate func sort<Amount>(
    _ cells: UnsafeBufferPointer<DayCell<Amount>>, count: Int, ranks: UnsafePointer<UInt32>,
    asOf: Int32
  ) -> SortedPurchases {
    var overflowed = false
    starts.resize(to: 2 * count + 1)
    days.resize(to: cells.count)
    let (starts, days) = (starts.base, days.base)
    let ends = starts + count + 1
    for row in 0...count { starts[row] = 0 }
    for cell in cells { starts[Int(ranks[Int(cell.state)]) + 1] += 1 }
    for row in 0..<count {
      starts[row + 1] += starts[row]
      ends[row] = starts[row]
    }
    for cell in cells {
      let row = Int(ranks[Int(cell.state)])
      days[Int(ends[row])] = PurchaseDay(day: asOf - cell.age, amount: cell.amount.minorUnits)
      ends[row] += 1
    }
    for row in 0..<count where ends[row] - starts[row] > 1 {
      let run = UnsafeMutableBufferPointer(
        start: days + Int(starts[row]), count: Int(ends[row] - starts[row]))
      Self.sort(run)
      var kept = 0
      for place in 1..<run.count {
        if run[place].day == run[kept].day {
          if run[kept].amount.addReportingOverflow(run[place].amount) { overflowed = true }
        } else {
          kept += 1
          run[kept] = run[place]
        }
      }
      ends[row] = starts[row] + Int32(kept + 1)
    }
    return SortedPurchases(starts: starts, ends: ends, days: days, overflowed: overflowed)
  }

  /// All days of a customer, with late ones among those that are known; valid until the next call.
  fileprivate func join(
    _ source: PurchaseRows, _ row: Int, _ new: UnsafeBufferPointer<PurchaseDay>
  ) -> (days: UnsafeBufferPointer<PurchaseDay>, overflowed: Bool) {
    // Copied, so that reading a few bytes beyond its end stays inside.
    list.removeAll()
    list.append(few: source.list(row), readable: source.isReadable(beyond: row))
    let length = list.count
    list.reserve(length + 8)
    joined.removeAll()
    var next = 0
    var overflowed = false
    PurchaseList.forEach(
      UnsafeBufferPointer(start: list.base, count: length), first: Int(source.firstDay(row))
    ) { day, amount in
      let day = Int32(truncatingIfNeeded: day)
      while next < new.count, new[next].day < day {
        joined.append(new[next])
        next += 1
      }
      var known = PurchaseDay(day: day, amount: amount)
      if next < new.count, new[next].day == day {
        if known.amount.addReportingOverflow(new[next].amount) { overflowed = true }
        next += 1
      }
      joined.append(known)
    }
    while next < new.count {
      joined.append(new[next])
      next += 1
    }
    return (UnsafeBufferPointer(start: joined.base, count: joined.count), overflowed)
  }

  /// By day: a month brings a customer a few rows, nearly in order.
  private static func sort(_ run: UnsafeMutableBufferPointer<PurchaseDay>) {
    guard run.count <= 32 else {
      var run = run
      run.sort { $0.day < $1.day }
      return
    }
    for place in 1..<run.count {
      let moved = run[place]
      var hole = place
      while hole > 0, run[hole - 1].day > moved.day {
        run[hole] = run[hole - 1]
        hole -= 1
      }
      run[hole] = moved
    }
  }
}

extension PurchaseWindows.Kind {
  /// Moves the purchases among `cells`, at their sizes, to the end of `target`.
  func take<Amount: LedgerAmount>(
    _ cells: UnsafeBufferPointer<DayCell<Amount>>, to target: inout GrowingBlock<DayCell<Amount>>
  ) {
    for cell in cells where self == .all || !cell.amount.isNegative {
      target.append(DayCell(state: cell.state, age: cell.age, amount: cell.amount.size))
    }
  }
}
