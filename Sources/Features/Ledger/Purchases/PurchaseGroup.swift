import Columnar

/// Purchases by day of some customers, where they lie: in a state's file or in a ``PurchaseGroup``.
struct PurchaseRows: @unchecked Sendable {
  let count: Int
  fileprivate let firstDays: NarrowColumn
  fileprivate let lastDays: NarrowColumn
  fileprivate let bytes: UnsafePointer<UInt8>
  fileprivate let offsets: UnsafePointer<Int32>
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

/// Purchases by day of some customers, in order, on their way into a state's files. Its memory is
/// reused.
final class PurchaseGroup: @unchecked Sendable {
  private(set) var count = 0
  private var firstDays = GrowingBlock<Int32>()
  private var lastDays = GrowingBlock<Int32>()
  private var bytes = GrowingBlock<UInt8>()
  private var offsets = GrowingBlock<Int32>()
  /// A day's sum left Int64.
  private(set) var overflowed = false
  /// Of the first purchases of all, nil without any.
  private(set) var firstDay: Int32?
  /// Of the customers' first and last days, 0 for those without purchases.
  private(set) var ranges = ValueRanges(count: 2)

  var listBytes: Int { bytes.count }

  var rows: PurchaseRows {
    PurchaseRows(
      count: count, firstDays: .integers(firstDays.base, width: 4),
      lastDays: .integers(lastDays.base, width: 4), lists: bytes.base, offsets: offsets.base)
  }

  init() { removeAll() }

  func removeAll() {
    count = 0
    firstDays.removeAll()
    lastDays.removeAll()
    bytes.removeAll()
    offsets.removeAll()
    offsets.append(0)
    overflowed = false
    firstDay = nil
    ranges = ValueRanges(count: 2)
  }

  // MARK: - Taking customers up

  /// Appends a customer as it is elsewhere.
  @inline(__always)
  func append(_ source: PurchaseRows, _ row: Int) {
    let list = source.list(row)
    bytes.append(few: list, readable: source.isReadable(beyond: row))
    close(source.firstDay(row), source.lastDay(row), isEmpty: list.isEmpty)
  }

  /// Ends a customer whose list was appended.
  @inline(__always)
  private func close(_ first: Int32, _ last: Int32, isEmpty: Bool) {
    let (first, last) = isEmpty ? (0, 0) : (first, last)
    firstDays.append(first)
    lastDays.append(last)
    precondition(bytes.count <= Int(Int32.max), "a group's purchases are fewer than 2 GB")
    offsets.append(Int32(truncatingIfNeeded: bytes.count))
    ranges.add(Int64(first), to: 0)
    ranges.add(Int64(last), to: 1)
    if !isEmpty { firstDay = firstDay.map { min($0, first) } ?? first }
    count += 1
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
    removeAll()
    let days = scratch.sort(cells, count: count, ranks: ranks, asOf: asOf)
    if scratch.overflowed { overflowed = true }
    let known = source?.count ?? 0
    var old = 0
    for row in 0..<count {
      let isKnown = old < known && Int(ranks[old]) == row
      defer { if isKnown { old += 1 } }
      let new = days(row)
      guard isKnown, let source, !source.list(old).isEmpty else {
        write(new)
        continue
      }
      if new.isEmpty {
        append(source, old)
        continue
      }
      var last = source.lastDay(old)
      guard new[0].day > last else {
        write(join(source, old, new, scratch))
        continue
      }
      // The usual month: all its days are younger than what is known.
      bytes.append(few: source.list(old), readable: source.isReadable(beyond: old))
      for day in new {
        PurchaseList.append(gap: Int(day.day - last), amount: day.amount, to: &bytes)
        last = day.day
      }
      close(source.firstDay(old), last, isEmpty: false)
    }
    bytes.reserve(bytes.count + 8)
  }

  /// Appends a customer with these days, ascending, each once.
  private func write(_ days: UnsafeBufferPointer<PurchaseDay>) {
    guard let first = days.first, let last = days.last else {
      close(0, 0, isEmpty: true)
      return
    }
    var before = first.day
    for day in days {
      PurchaseList.append(gap: Int(day.day - before), amount: day.amount, to: &bytes)
      before = day.day
    }
    close(first.day, last.day, isEmpty: false)
  }

  /// All days of a customer, with late ones among those that are known.
  private func join(
    _ source: PurchaseRows, _ row: Int, _ new: UnsafeBufferPointer<PurchaseDay>,
    _ scratch: PurchaseScratch
  ) -> UnsafeBufferPointer<PurchaseDay> {
    scratch.list.removeAll()
    scratch.list.append(few: source.list(row), readable: source.isReadable(beyond: row))
    let length = scratch.list.count
    scratch.list.reserve(length + 8)
    scratch.joined.removeAll()
    var next = 0
    PurchaseList.forEach(
      UnsafeBufferPointer(start: scratch.list.base, count: length), first: Int(source.firstDay(row))
    ) { day, amount in
      let day = Int32(truncatingIfNeeded: day)
      while next < new.count, new[next].day < day {
        scratch.joined.append(new[next])
        next += 1
      }
      var known = PurchaseDay(day: day, amount: amount)
      if next < new.count, new[next].day == day {
        if known.amount.addReportingOverflow(new[next].amount) { overflowed = true }
        next += 1
      }
      scratch.joined.append(known)
    }
    while next < new.count {
      scratch.joined.append(new[next])
      next += 1
    }
    return UnsafeBufferPointer(start: scratch.joined.base, count: scratch.joined.count)
  }

  /// Takes up customers one by one with ``append(_:_:)``.
  func replace(_ body: (PurchaseGroup) -> Void) {
    removeAll()
    body(self)
    bytes.reserve(bytes.count + 8)
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
    let sizes = widths.map { ($0 * count + 63) / 64 * 64 }
    narrow.resize(to: max(64, sizes[0] + sizes[1]))
    let (first, last) = (narrow.base, narrow.base + sizes[0])
    let (firstDays, lastDays) = (firstDays.base, lastDays.base)
    NarrowColumn.write(count, width: widths[0], to: first) { Int64(firstDays[$0]) }
    NarrowColumn.write(count, width: widths[1], to: last) { Int64(lastDays[$0]) }
    rebased = []
    return rows.map { rows in
      let base = offsets.base[rows.lowerBound]
      let own = Buffer<Int32>(count: rows.count + 1) { target in
        for row in 0...rows.count { target[row] = offsets.base[rows.lowerBound + row] - base }
      }
      rebased.append(own)
      return NarrowBatch(
        rows: rows.count,
        columns: [
          .integers(first + rows.lowerBound * widths[0], width: widths[0]),
          .integers(last + rows.lowerBound * widths[1], width: widths[1]),
          .bytes(bytes.base + Int(base), offsets: own.base),
        ])
    }
  }
}

/// What a thread needs while it brings purchases together.
final class PurchaseScratch {
  private var starts = GrowingBlock<Int32>()
  private var days = GrowingBlock<PurchaseDay>()
  fileprivate var list = GrowingBlock<UInt8>()
  fileprivate var joined = GrowingBlock<PurchaseDay>()
  /// A day's sum left Int64.
  fileprivate(set) var overflowed = false

  /// Brings cells into order of their rows and days, a day of a row once; returns the days of a row.
  fileprivate func sort<Amount>(
    _ cells: UnsafeBufferPointer<DayCell<Amount>>, count: Int, ranks: UnsafePointer<UInt32>,
    asOf: Int32
  ) -> (Int) -> UnsafeBufferPointer<PurchaseDay> {
    overflowed = false
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
    return { row in
      UnsafeBufferPointer(start: days + Int(starts[row]), count: Int(ends[row] - starts[row]))
    }
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
