import Columnar

/// Some customers in ascending order of their ids, on their way into a state's files: their records
/// and active days, and which of their transactions leave a window yet. Its memory is reused.
final class StateGroup<Amount: LedgerAmount>: @unchecked Sendable {
  /// Customers of a group, about: their records stay in a core's second cache of 2 MB.
  static var customers: Int { 8_192 }

  /// What is known of the customers, by row.
  struct Content: ~Copyable {
    fileprivate(set) var count = 0
    fileprivate(set) var records = GrowingBlock<UnsafeMutableRawPointer>()
    fileprivate var textOffsets = GrowingBlock<Int32>()
    fileprivate var textBytes = GrowingBlock<UInt8>()
    fileprivate var dayOffsets = GrowingBlock<Int32>()
    /// Lists of active days, back to back.
    var days = GrowingBlock<UInt8>()

    fileprivate mutating func removeAll() {
      count = 0
      records.removeAll()
      textOffsets.removeAll()
      textBytes.removeAll()
      dayOffsets.removeAll()
      days.removeAll()
      textOffsets.append(0)
      dayOffsets.append(0)
    }

    /// Appends a customer, whose days were appended before.
    @inline(__always)
    mutating func append(_ record: UnsafeMutableRawPointer, text: UnsafeBufferPointer<UInt8>?) {
      records.append(record)
      if let text {
        textBytes.append(contentsOf: text)
        textOffsets.append(Int32(truncatingIfNeeded: textBytes.count))
      }
      dayOffsets.append(Int32(truncatingIfNeeded: days.count))
      count += 1
    }
  }

  let columns: StateColumns
  /// Whether amounts of single transactions are kept.
  let keepsAmounts: Bool
  private let asOf: Int32
  private var content = Content()
  var count: Int { content.count }
  var records: UnsafeMutablePointer<UnsafeMutableRawPointer> { content.records.base }
  /// Transactions in order of their customers' rows.
  private var cells = GrowingBlock<DayCell<Amount>>()
  private var starts = GrowingBlock<Int32>()
  private(set) var ranges: ValueRanges
  private(set) var cellRanges = ValueRanges(count: 3)
  private var encoded = GrowingBlock<UInt8>()
  private var encodedCells = GrowingBlock<UInt8>()
  private var rebased: [Buffer<Int32>] = []

  init(_ columns: StateColumns, keepsAmounts: Bool, asOf: Int32) {
    self.columns = columns
    self.keepsAmounts = keepsAmounts
    self.asOf = asOf
    ranges = ValueRanges(count: columns.integerNames.count)
  }

  // MARK: - Taking customers up

  /// Takes up other customers in place of those it has.
  func replace(_ body: (inout Content) -> Void) {
    content.removeAll()
    cells.removeAll()
    ranges = ValueRanges(count: columns.integerNames.count)
    cellRanges = ValueRanges(count: 3)
    body(&content)
  }

  /// The list of a customer's active days.
  @inline(__always)
  func days(_ row: Int) -> UnsafeBufferPointer<UInt8> {
    let offsets = content.dayOffsets.base + row
    let (start, end) = (Int(offsets[0]), Int(offsets[1]))
    return UnsafeBufferPointer(start: content.days.base + start, count: end - start)
  }

  func text(_ row: Int) -> UnsafeBufferPointer<UInt8> {
    let offsets = content.textOffsets.base + row
    let (start, end) = (Int(offsets[0]), Int(offsets[1]))
    return UnsafeBufferPointer(start: content.textBytes.base + start, count: end - start)
  }

  /// Takes transactions of its customers, brought into order of their rows; within a row they keep
  /// theirs.
  ///
  /// - Parameter row: Of a cell.
  func take(_ given: UnsafeBufferPointer<DayCell<Amount>>, row: (DayCell<Amount>) -> Int) {
    starts.resize(to: count + 1)
    let starts = starts.base
    let (asOf, keepsAmounts, count) = (asOf, keepsAmounts, count)
    for row in 0...count { starts[row] = 0 }
    for cell in given { starts[row(cell) + 1] += 1 }
    for row in 0..<count { starts[row + 1] += starts[row] }
    cells.resize(to: given.count)
    let target = cells.base
    var (firstDay, lastDay) = (Int64.max, Int64.min)
    var (low, high) = (Int64.max, Int64.min)
    for cell in given {
      let row = row(cell)
      let place = Int(starts[row])
      starts[row] += 1
      target[place] = DayCell(
        state: UInt32(truncatingIfNeeded: row), age: cell.age, amount: cell.amount)
      let day = Int64(asOf) - Int64(cell.age)
      (firstDay, lastDay) = (min(firstDay, day), max(lastDay, day))
      if keepsAmounts {
        (low, high) = (min(low, cell.amount.minorUnits), max(high, cell.amount.minorUnits))
      }
    }
    guard given.count > 0 else { return }
    cellRanges.low = [.max, firstDay, low]
    cellRanges.high = [.min, lastDay, high]
    if !columns.hasText, count > 0 {
      cellRanges.add(key(0), to: 0)
      cellRanges.add(key(count - 1), to: 0)
    }
  }

  @inline(__always)
  private func key(_ row: Int) -> Int64 { records[row].load(as: Int64.self) }

  /// Looks at every value, so that the columns can be as narrow as they may be.
  func measure() {
    guard count > 0 else { return }
    let records = records
    var column = 0
    func look(_ value: (UnsafeMutableRawPointer) -> Int64) {
      var (low, high) = (Int64.max, Int64.min)
      for row in 0..<count {
        let value = value(records[row])
        (low, high) = (min(low, value), max(high, value))
      }
      ranges.low[column] = low
      ranges.high[column] = high
      column += 1
    }
    if !columns.hasText {
      ranges.add(key(0), to: 0)
      ranges.add(key(count - 1), to: 0)
      column = 1
    }
    let asOf = Int64(asOf)
    for offset in [8, 12] {
      look { asOf - Int64($0.load(fromByteOffset: offset, as: Int32.self)) }
    }
    for number in columns.numbers {
      if number.isLong {
        look { $0.load(fromByteOffset: number.offset, as: Int64.self) }
      } else {
        look { Int64($0.load(fromByteOffset: number.offset, as: UInt32.self)) }
      }
    }
  }

  // MARK: - Columns

  /// The columns, once they are made; valid until customers are taken up anew.
  private(set) var customers: [NarrowBatch] = []
  private(set) var days: NarrowBatch?

  func encodeCustomers(_ widths: [Int]) { customers = customerBatches(widths) }
  func encodeDays(_ widths: [Int]) { days = cellBatch(widths) }

  /// The batches of about a group each that so many customers lie in.
  static func batchRows(_ count: Int) -> [Range<Int>] {
    let pieces = max(1, (count + customers / 2) / customers)
    return (0..<pieces).map { count * $0 / pieces..<count * ($0 + 1) / pieces }
  }

  /// The customers as batches of about a group each, in columns of the given widths.
  private func customerBatches(_ widths: [Int]) -> [NarrowBatch] {
    let total = widths.reduce(0) { $0 + ($1 * count + 63) / 64 * 64 }
    encoded.resize(to: total)
    let records = records
    var starts: [UnsafeMutablePointer<UInt8>] = []
    var next = encoded.base
    func write(_ value: (UnsafeMutableRawPointer) -> Int64) {
      let width = widths[starts.count]
      NarrowColumn.write(count, width: width, to: next) { value(records[$0]) }
      starts.append(next)
      next += (width * count + 63) / 64 * 64
    }
    let asOf = Int64(asOf)
    if !columns.hasText { write { $0.load(as: Int64.self) } }
    for offset in [8, 12] {
      write { asOf - Int64($0.load(fromByteOffset: offset, as: Int32.self)) }
    }
    for number in columns.numbers {
      if number.isLong {
        write { $0.load(fromByteOffset: number.offset, as: Int64.self) }
      } else {
        write { Int64($0.load(fromByteOffset: number.offset, as: UInt32.self)) }
      }
    }
    rebased = []
    return Self.batchRows(count).map { rows in
      var batch = NarrowBatch(rows: rows.count, columns: [])
      if columns.hasText {
        batch.columns.append(bytes(content.textBytes.base, content.textOffsets.base, rows))
      }
      for (start, width) in zip(starts, widths) {
        batch.columns.append(.integers(start + rows.lowerBound * width, width: width))
      }
      if columns.hasDays {
        batch.columns.append(bytes(content.days.base, content.dayOffsets.base, rows))
      }
      return batch
    }
  }

  /// Rows of a column of bytes, with offsets that begin at 0.
  private func bytes(
    _ bytes: UnsafeMutablePointer<UInt8>, _ offsets: UnsafeMutablePointer<Int32>,
    _ rows: Range<Int>
  ) -> NarrowColumn {
    guard rows.lowerBound > 0 else { return .bytes(bytes, offsets: offsets) }
    let first = offsets[rows.lowerBound]
    let own = Buffer<Int32>(count: rows.count + 1) { target in
      for row in 0...rows.count { target[row] = offsets[rows.lowerBound + row] - first }
    }
    rebased.append(own)
    return .bytes(bytes + Int(first), offsets: own.base)
  }

  func cellFields(_ widths: [Int]) -> [NarrowField] {
    var fields = [NarrowField("customer_id", columns.hasText ? .text : .integer(width: widths[0]))]
    fields.append(NarrowField("day", .integer(width: widths[1])))
    if keepsAmounts { fields.append(NarrowField("amount", .integer(width: widths[2]))) }
    return fields
  }

  /// The transactions as one batch; nil without any.
  private func cellBatch(_ widths: [Int]) -> NarrowBatch? {
    let count = cells.count
    guard count > 0 else { return nil }
    let cells = cells.base
    let sizes = widths.map { ($0 * count + 63) / 64 * 64 }
    encodedCells.resize(to: sizes.reduce(0, +))
    var next = encodedCells.base
    var batch = NarrowBatch(rows: count, columns: [])
    func write(_ column: Int, _ value: (Int) -> Int64) {
      NarrowColumn.write(count, width: widths[column], to: next, value)
      batch.columns.append(.integers(next, width: widths[column]))
      next += sizes[column]
    }
    if columns.hasText {
      let offsets = Buffer<Int32>(count: count + 1) { target in
        target[0] = 0
        for cell in 0..<count {
          target[cell + 1] = target[cell] + Int32(text(Int(cells[cell].state)).count)
        }
      }
      let bytes = Buffer<UInt8>(count: Int(offsets[count])) { target in
        for cell in 0..<count {
          _ = UnsafeMutableBufferPointer(
            rebasing: target[Int(offsets[cell])..<Int(offsets[cell + 1])]
          ).initialize(from: text(Int(cells[cell].state)))
        }
      }
      texts = (bytes, offsets)
      batch.columns.append(.bytes(bytes.base, offsets: offsets.base))
    } else {
      let records = records
      write(0) { records[Int(cells[$0].state)].load(as: Int64.self) }
    }
    let asOf = Int64(asOf)
    write(1) { asOf - Int64(cells[$0].age) }
    if keepsAmounts { write(2) { cells[$0].amount.minorUnits } }
    return batch
  }

  /// Ids of the transactions, while they are written.
  private var texts: (bytes: Buffer<UInt8>, offsets: Buffer<Int32>)?
}

/// The columns of some groups, in two files: their customers, and their transactions that leave a
/// window yet. As wide as the widest of the groups needs.
struct StateSheet<Amount: LedgerAmount> {
  /// Groups of a file: a file is what one thread writes at a time.
  static var groupCount: Int { 32 }

  private let groups: [StateGroup<Amount>]
  private let ranges: ValueRanges
  private let cellRanges: ValueRanges

  /// - Parameter groups: One or more, measured.
  init(_ groups: [StateGroup<Amount>]) {
    self.groups = groups
    var (ranges, cellRanges) = (groups[0].ranges, groups[0].cellRanges)
    for group in groups.dropFirst() {
      ranges.add(group.ranges)
      cellRanges.add(group.cellRanges)
    }
    (self.ranges, self.cellRanges) = (ranges, cellRanges)
  }

  /// Makes the columns of one of the groups.
  func encodeCustomers(_ group: StateGroup<Amount>) { group.encodeCustomers(ranges.widths) }
  func encodeDays(_ group: StateGroup<Amount>) { group.encodeDays(cellRanges.widths) }

  /// Writes the groups' customers, encoded before.
  func writeCustomers(
    to folder: String, number: Int
  ) throws -> LedgerStateIndex.CustomerFile {
    let name = StateFiles.customers(number)
    let batches = groups.flatMap(\.customers)
    try MappedTable.write(
      batches, fields: groups[0].columns.fields(ranges), to: folder + "/" + name)
    return LedgerStateIndex.CustomerFile(name: name, batches: batches.map(Self.described))
  }

  /// Writes the groups' transactions, encoded before; nil when there are none.
  func writeDays(
    to folder: String, first: Int, number: Int
  ) throws -> LedgerStateIndex.DayFile? {
    let batches = groups.compactMap(\.days)
    guard !batches.isEmpty else { return nil }
    let name = StateFiles.days(first, number)
    try MappedTable.write(
      batches, fields: groups[0].cellFields(cellRanges.widths), to: folder + "/" + name)
    return LedgerStateIndex.DayFile(
      name: name, firstDay: Int32(cellRanges.low[1]), lastDay: Int32(cellRanges.high[1]),
      batches: batches.map(Self.described))
  }

  private static func described(_ batch: NarrowBatch) -> LedgerStateIndex.Batch {
    LedgerStateIndex.Batch(rows: batch.rows, checksum: batch.checksum)
  }
}
