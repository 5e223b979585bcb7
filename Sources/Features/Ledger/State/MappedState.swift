import Columnar
import Sharding

/// A state's files where they lie in the page cache.
struct MappedState: @unchecked Sendable {
  /// Customers that lie together, and what a merge brings on at once.
  struct Group {
    /// Without rows, of no file: of a state without customers.
    var file: Int?
    var number: Int
    var batch: NarrowBatch
    var checksum: UInt64
    fileprivate var lastDays: NarrowColumn
    fileprivate var firstDays: NarrowColumn

    func lastDay(_ row: Int) -> Int { Int(MappedState.value(lastDays, row)) }
    func firstDay(_ row: Int) -> Int { Int(MappedState.value(firstDays, row)) }

    /// Gaps of a customer's active days.
    func days(_ row: Int) -> UnsafeBufferPointer<UInt8>? {
      guard case .bytes(let bytes, let offsets)? = batch.columns.last else { return nil }
      return UnsafeBufferPointer(
        start: bytes + Int(offsets[row]), count: Int(offsets[row + 1] - offsets[row]))
    }
  }

  let folder: String
  let index: LedgerStateIndex
  let groups: [Group]
  let ranges: IdentityRanges
  private let columns: StateColumns
  private let files: [MappedTable]
  /// Those with days that move as time goes on to as-of.
  private let dayFiles: [DayFile]

  private struct DayFile {
    let table: MappedTable
    let batches: [LedgerStateIndex.Batch]
    let firstDay: Int32
    /// By day from the first on, the age bucket before and now.
    let moves: [(from: UInt8, to: UInt8)]
  }

  init(folder: String, index: LedgerStateIndex, asOf: Int32, workers: Workers) throws {
    self.folder = folder
    self.index = index
    let needs = index.settings.keeps
    columns = StateColumns(
      needs, channelCodes: Array(index.channels.indices), hasText: index.textIdentifiers)
    files = try workers.map(index.customerFiles.count) {
      try MappedTable(path: folder + "/" + index.customerFiles[$0].name)
    }
    let moving = index.dayFiles.filter { file in
      needs.boundaries.contains { boundary in
        // Younger than the boundary before, not any more now.
        Int(file.lastDay) > Int(index.asOf) - boundary && Int(file.firstDay) <= Int(asOf) - boundary
      }
    }
    let tables = try workers.map(moving.count) {
      try MappedTable(path: folder + "/" + moving[$0].name)
    }
    dayFiles = try zip(tables, moving).map { table, file in
      let days = Int(file.lastDay) - Int(file.firstDay) + 1
      guard days > 0, days <= 36_526 else { throw InputError.damagedState(table.path) }
      func bucket(_ age: Int) -> UInt8 { UInt8(needs.boundaries.count { age >= $0 }) }
      return DayFile(
        table: table, batches: file.batches, firstDay: file.firstDay,
        moves: (0..<days).map { offset in
          let day = Int(file.firstDay) + offset
          return (bucket(Int(index.asOf) - day), bucket(Int(asOf) - day))
        })
    }
    var groups: [Group] = []
    for (number, file) in files.enumerated() {
      let known = index.customerFiles[number].batches
      let isText = file.fields.map { !Self.isNumber($0) }
      guard file.fields.map(\.name) == columns.names, file.batches.map(\.rows) == known.map(\.rows),
        isText
          == columns.names.map({
            $0 == "active_days" || $0 == "customer_id" && index.textIdentifiers
          })
      else { throw InputError.damagedState(file.path) }
      for (batch, described) in zip(file.batches, known) where batch.rows > 0 {
        groups.append(
          Group(
            file: number, number: groups.count, batch: batch, checksum: described.checksum,
            lastDays: batch.columns[1], firstDays: batch.columns[2]))
      }
    }
    for (table, file) in zip(tables, moving) {
      let names = ["customer_id", "day"] + (needs.amounts ? ["amount"] : [])
      guard table.fields.map(\.name) == names,
        table.batches.map(\.rows) == file.batches.map(\.rows),
        Self.isNumber(table.fields[0]) != index.textIdentifiers,
        table.fields.dropFirst().allSatisfy(Self.isNumber)
      else { throw InputError.damagedState(table.path) }
    }
    if groups.isEmpty {
      let nothing = NarrowBatch(rows: 0, columns: [])
      let column = NarrowColumn.integers(UnsafeRawPointer(bitPattern: 64)!, width: 1)
      groups = [
        Group(
          file: nil, number: 0, batch: nothing, checksum: nothing.checksum, lastDays: column,
          firstDays: column)
      ]
    }
    let firsts = groups.dropFirst().map(\.batch)
    if index.textIdentifiers {
      ranges = IdentityRanges(texts: firsts.map { Array(Self.text($0.columns[0], 0)) })
    } else {
      ranges = IdentityRanges(integers: firsts.map { Self.value($0.columns[0], 0) })
    }
    self.groups = groups
  }

  private static func isNumber(_ field: NarrowField) -> Bool {
    if case .integer = field.kind { return true }
    return false
  }

  @inline(__always)
  fileprivate static func value(_ column: NarrowColumn, _ row: Int) -> Int64 {
    guard case .integers(let values, let width) = column else { return 0 }
    return NarrowColumn.value(values, width: width, row)
  }

  @inline(__always)
  private static func text(_ column: NarrowColumn, _ row: Int) -> UnsafeBufferPointer<UInt8> {
    guard case .bytes(let bytes, let offsets) = column else {
      return UnsafeBufferPointer(start: nil, count: 0)
    }
    return UnsafeBufferPointer(
      start: bytes + Int(offsets[row]), count: Int(offsets[row + 1] - offsets[row]))
  }

  private func damaged(_ file: DayFile) -> InputError { .damagedState(file.table.path) }

  private func damaged(_ group: Group) -> InputError {
    .damagedState(group.file.map { files[$0].path } ?? folder)
  }

  // MARK: - Customers

  /// - Throws: `InputError` when a byte of the group is not what was written.
  func check(_ group: Group) throws {
    guard group.batch.checksum == group.checksum else { throw damaged(group) }
  }

  /// Writes a group's records, as of a later day, to a table that has room for them.
  func restore<Amount>(
    _ group: Group, into table: PartitionTable<Amount>, asOf: Int32
  ) throws {
    guard group.file != nil else { return }
    let rows = 0..<group.batch.rows
    let records = table.states
    let stride = table.layout.stride
    var position = 0
    if index.textIdentifiers {
      for row in rows { table.restoreText(Self.text(group.batch.columns[0], row), state: row) }
      position = 1
    }
    func next(_ body: (Int, Int64) -> Void) {
      if case .integers(let values, let width) = group.batch.columns[position] {
        NarrowColumn.forEach(values, width: width, rows, body)
      }
      position += 1
    }
    if !index.textIdentifiers {
      next { (records + $0 * stride).storeBytes(of: $1, as: Int64.self) }
    }
    var oldest: Int64 = -1
    var youngest: Int64 = .max
    for offset in [8, 12] {
      next { row, day in
        let age = Int64(asOf) - day
        (records + row * stride + offset).storeBytes(
          of: Int32(truncatingIfNeeded: age), as: Int32.self)
        (youngest, oldest) = (min(youngest, age), max(oldest, age))
      }
    }
    guard youngest >= 0 else { throw damaged(group) }
    guard oldest <= 36_525 else {
      throw InputError(
        .badData, "a customer of the state would be older than a century", file: folder,
        hint: "make the state anew with --refold")
    }
    for number in columns.numbers {
      if number.isLong {
        next { (records + $0 * stride + number.offset).storeBytes(of: $1, as: Int64.self) }
      } else {
        next {
          (records + $0 * stride + number.offset).storeBytes(
            of: UInt32(truncatingIfNeeded: $1), as: UInt32.self)
        }
      }
    }
  }

  // MARK: - Windows

  /// Takes the transactions that left a window since the state's as-of from their age bucket to the
  /// next one. Both sides are in order of the ids, so one walk finds each transaction's customer.
  func move<Amount>(
    _ group: Group, in table: PartitionTable<Amount>, _ scratch: inout WidenedColumns
  ) throws {
    guard group.file != nil else { return }
    let last = group.batch.rows - 1
    for file in dayFiles {
      for (batch, known) in zip(file.table.batches, file.batches) where batch.rows > 0 {
        let ids = batch.columns[0]
        guard compare(ids, 0, group.batch.columns[0], last) <= 0,
          compare(ids, batch.rows - 1, group.batch.columns[0], 0) >= 0
        else { continue }
        // A batch of the days is about as long as a group, and met by one or two of them.
        guard batch.checksum == known.checksum else { throw damaged(file) }
        let first = lowerBound(batch, group, row: 0, after: false)
        let end = lowerBound(batch, group, row: last, after: true)
        let isWhole =
          index.textIdentifiers
          ? walkTexts(batch, first..<end, group, table, file)
          : walkIntegers(batch, first..<end, table, group.batch.rows, file, &scratch)
        guard isWhole else { throw damaged(file) }
      }
    }
  }

  private func compare(
    _ a: NarrowColumn, _ row: Int, _ b: NarrowColumn, _ other: Int
  ) -> Int {
    if index.textIdentifiers {
      return IdentityOrder.compare(Self.text(a, row), Self.text(b, other))
    }
    let (x, y) = (Self.value(a, row), Self.value(b, other))
    return x < y ? -1 : x == y ? 0 : 1
  }

  /// First row of `batch` whose id is not before (or is after) that of the group's row.
  private func lowerBound(_ batch: NarrowBatch, _ group: Group, row: Int, after: Bool) -> Int {
    var (low, high) = (0, batch.rows)
    while low < high {
      let middle = (low + high) / 2
      let order = compare(batch.columns[0], middle, group.batch.columns[0], row)
      if order < 0 || (after && order == 0) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func walkIntegers<Amount>(
    _ batch: NarrowBatch, _ rows: Range<Int>, _ table: PartitionTable<Amount>, _ customers: Int,
    _ file: DayFile, _ scratch: inout WidenedColumns
  ) -> Bool {
    scratch.widen(batch.columns, rows)
    let (ids, days, amounts) = (scratch.ids.base, scratch.days.base, scratch.amounts.base)
    let hasAmounts = batch.columns.count > 2
    let directory = table.directory
    var next = 0
    let firstDay = file.firstDay
    return file.moves.withUnsafeBufferPointer { moves in
      for row in 0..<rows.count {
        let day = Int(days[row]) - Int(firstDay)
        guard moves.indices.contains(day) else { return false }
        let move = moves[day]
        if move.from == move.to { continue }
        let id = UInt64(bitPattern: ids[row])
        let state: Int
        if let directory {
          // One row's search waits for no other's.
          state = directory.state(of: id)
        } else {
          while next < customers, Int64(bitPattern: table.key(of: next)) < ids[row] { next += 1 }
          state = next < customers && table.key(of: next) == id ? next : -1
        }
        guard state >= 0,
          table.move(state, hasAmounts ? amounts[row] : 0, from: Int(move.from), to: Int(move.to))
        else { return false }
      }
      return true
    }
  }

  private func walkTexts<Amount>(
    _ batch: NarrowBatch, _ rows: Range<Int>, _ group: Group, _ table: PartitionTable<Amount>,
    _ file: DayFile
  ) -> Bool {
    let (moves, firstDay) = (file.moves, file.firstDay)
    var state = 0
    for row in rows {
      let day = Int(Self.value(batch.columns[1], row)) - Int(firstDay)
      guard moves.indices.contains(day) else { return false }
      let move = moves[day]
      if move.from == move.to { continue }
      var order = -1
      while state < group.batch.rows {
        order = compare(group.batch.columns[0], state, batch.columns[0], row)
        if order >= 0 { break }
        state += 1
      }
      guard order == 0 else { return false }
      let amount = batch.columns.count > 2 ? Self.value(batch.columns[2], row) : 0
      guard table.move(state, amount, from: Int(move.from), to: Int(move.to)) else { return false }
    }
    return true
  }
}

/// Columns of transactions as whole words: walking them asks no width at every row.
struct WidenedColumns: ~Copyable {
  fileprivate private(set) var ids = GrowingBlock<Int64>()
  fileprivate private(set) var days = GrowingBlock<Int64>()
  fileprivate private(set) var amounts = GrowingBlock<Int64>()

  fileprivate mutating func widen(_ columns: [NarrowColumn], _ rows: Range<Int>) {
    Self.widen(columns[0], rows, to: &ids)
    Self.widen(columns[1], rows, to: &days)
    if columns.count > 2 { Self.widen(columns[2], rows, to: &amounts) }
  }

  private static func widen(
    _ column: NarrowColumn, _ rows: Range<Int>, to block: inout GrowingBlock<Int64>
  ) {
    block.resize(to: rows.count)
    guard case .integers(let values, let width) = column else { return }
    let target = block.base
    NarrowColumn.forEach(values, width: width, rows) { target[$0 - rows.lowerBound] = $1 }
  }
}
