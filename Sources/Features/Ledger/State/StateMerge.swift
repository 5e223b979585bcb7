import Columnar
import Sharding
import Synchronization

/// Brings a state on by the rows of some files, in one pass over both in order of the customers' ids:
/// a group of customers is read where it lies in the page cache, takes its rows, gives its features
/// and goes into the new state while it is in a core's cache. No table of all customers' records is
/// ever built.
struct StateMerge<Amount: LedgerAmount>: @unchecked Sendable {
  let setup: FoldSetup
  let state: LedgerStateExchange
  let previous: MappedState
  /// Decoded rows, grouped by the previous state's groups, in file order.
  let blocks: [WaitingRows<Amount>]
  let channels: [String]
  /// Codes of the channels in the order of the new state's columns.
  let channelOrder: [Int]
  /// A number that no earlier run's files of days bear.
  let dayFileNumber: Int
  /// Where the state keeps purchases.
  let purchases: PurchaseMerge?
  let workers: Workers

  struct Result {
    var table: FeatureTable
    var customerFiles: [LedgerStateIndex.CustomerFile]
    var dayFiles: [LedgerStateIndex.DayFile]
    var purchases: KeptPurchases?
  }

  /// Groups that go through the three steps together.
  private final class Round: @unchecked Sendable {
    var tables: [PartitionTable<Amount>]
    var groups: [StateGroup<Amount>]
    let purchases: [PurchaseGroup]
    var used = 0
    var firstRow: [Int] = []
    var sheet: StateSheet<Amount>?

    init(_ setup: FoldSetup, _ columns: StateColumns) {
      let count = StateSheet<Amount>.groupCount
      let layout = StateLayout(ends: setup.needs.boundaries, channels: 0, words: 0)
      tables = (0..<count).map { _ in
        PartitionTable(
          layout: layout, hasText: setup.hasText, cellAges: setup.cellAges)
      }
      purchases = (0..<(setup.needs.purchases == nil ? 0 : count)).map { _ in PurchaseGroup() }
      groups = (0..<count).map { _ in
        StateGroup(columns, keepsAmounts: setup.needs.amounts, asOf: setup.asOf)
      }
    }
  }

  private final class Output: @unchecked Sendable {
    let columns: [UnsafeMutablePointer<Double>]
    let ids: UnsafeMutablePointer<Int64>
    let texts: Mutex<[Int: Column]> = Mutex([:])
    init(_ columns: [UnsafeMutablePointer<Double>], _ ids: UnsafeMutablePointer<Int64>) {
      self.columns = columns
      self.ids = ids
    }
  }

  private var layout: StateLayout {
    let words = (Int(setup.asOf) - Int(previous.index.asOf)) / 64 + 1
    return StateLayout(
      ends: setup.needs.boundaries, channels: setup.needs.channels ? channels.count : 0,
      words: setup.needs.activeDays ? min(PartitionTable<Amount>.maximumWords, words) : 0)
  }

  func run() throws -> Result {
    let columns = StateColumns(
      setup.needs, channelCodes: setup.needs.channels ? channelOrder : [], hasText: setup.hasText)
    let harvest = LedgerHarvest<Amount>(
      partitions: [], channels: channels, scale: setup.scale, hasText: setup.hasText,
      features: setup.features, workers: workers, amountColumn: setup.format.amount)
    let chosen = try harvest.chosenColumns()
    let (names, codes) = (chosen.names, chosen.channelCodes)
    // Pages that no customer comes to are never touched.
    let capacity = Self.capacity(previous, blocks)
    let buffers = names.map { _ in Buffer<Double>.uninitialized(count: capacity) }
    let ids = Buffer<Int64>.uninitialized(count: setup.hasText ? 0 : capacity)
    let output = Output(buffers.map { $0.storage.baseAddress! }, ids.storage.baseAddress!)
    let perRound = StateSheet<Amount>.groupCount
    let roundCount = (previous.groups.count + perRound - 1) / perRound
    let rounds = (0..<min(3, roundCount)).map { _ in Round(setup, columns) }
    let layout = layout
    var total = 0
    let customerFiles = Mutex<[Int: LedgerStateIndex.CustomerFile]>([:])
    let dayFiles = Mutex<[Int: LedgerStateIndex.DayFile]>([:])
    let overflowed = Mutex(false)
    // Threads keep their memory from step to step.
    nonisolated(unsafe) let scratches = (0..<workers.threads).map { _ in MergeScratch<Amount>() }
    // One list of independent tasks: write a round's files, bring the next one on, and give the
    // features of the one between.
    for step in 0..<roundCount + 2 {
      let loading = step < roundCount ? rounds[step % 3] : nil
      let giving = step >= 1 && step - 1 < roundCount ? rounds[(step - 1) % 3] : nil
      let writing = step >= 2 ? rounds[(step - 2) % 3] : nil
      if let loading {
        loading.used = min(perRound, previous.groups.count - step * perRound)
      }
      let written = step - 2
      let given = step - 1
      let thread = Atomic<Int>(0)
      try workers.forEach(
        3 + (loading?.used ?? 0) + (giving?.used ?? 0),
        scratch: { scratches[thread.wrappingAdd(1, ordering: .relaxed).oldValue] }
      ) { scratch, task in
        if task < 3 {
          guard let writing else { return }
          if task == 2 {
            try purchases?.write(
              Array(writing.purchases[..<writing.used]),
              batches: writing.groups[..<writing.used].map {
                StateGroup<Amount>.batchRows($0.count)
              }, to: state.target, number: written)
          } else if task == 0 {
            let file = try writing.sheet?.writeCustomers(to: state.target, number: written)
            customerFiles.withLock { $0[written] = file }
          } else {
            let file = try writing.sheet?.writeDays(
              to: state.target, first: dayFileNumber, number: written)
            dayFiles.withLock { $0[written] = file }
          }
        } else if let loading, task - 3 < loading.used {
          try load(step * perRound + task - 3, loading, slot: task - 3, layout, scratch)
        } else if let giving {
          let slot = task - 3 - (loading?.used ?? 0)
          let group = giving.groups[slot]
          purchases?.give(giving.purchases[slot], to: giving.firstRow[slot])
          if try give(giving, slot, output, codes: codes, number: given * perRound + slot) {
            overflowed.withLock { $0 = true }
          }
          giving.sheet?.encodeCustomers(group)
          giving.sheet?.encodeDays(group)
        }
      }
      if let loading {
        let groups = Array(loading.groups[..<loading.used])
        loading.firstRow = []
        for group in groups {
          loading.firstRow.append(total)
          total += group.count
        }
        loading.sheet = StateSheet(groups)
      }
    }
    let hasOverflow = rounds.contains { $0.tables.contains(where: \.overflowed) }
    if hasOverflow || overflowed.withLock({ $0 }) { throw harvest.overflow }
    let idColumn: Column
    if setup.hasText {
      let pieces = output.texts.withLock { $0 }.sorted { $0.key < $1.key }.map(\.value)
      idColumn = .concatenating(pieces)
    } else {
      idColumn = Column(.int64(ids.buffer[0..<total]))
    }
    return Result(
      table: FeatureTable(
        ids: idColumn, names: names, columns: buffers.map { $0.buffer[0..<total] }),
      customerFiles: customerFiles.withLock { $0 }.sorted { $0.key < $1.key }.map(\.value),
      dayFiles: dayFiles.withLock { $0 }.sorted { $0.key < $1.key }.map(\.value),
      purchases: try purchases?.finish(customers: total, amountColumn: setup.format.amount))
  }

  /// Customers that there may be in the end.
  static func capacity(_ previous: MappedState, _ blocks: [WaitingRows<Amount>]) -> Int {
    previous.index.customers + blocks.reduce(0) { $0 + $1.count }
  }

  // MARK: - One group

  /// Reads a group, lets the days since its state pass, and folds its rows in.
  private func load(
    _ number: Int, _ round: Round, slot: Int, _ layout: StateLayout,
    _ scratch: MergeScratch<Amount>
  ) throws {
    let source = previous.groups[number]
    let (table, group) = (round.tables[slot], round.groups[slot])
    try previous.check(source)
    table.restart(count: source.batch.rows, layout: layout)
    try previous.restore(source, into: table, asOf: setup.asOf)
    table.index()
    if previous.index.asOf < setup.asOf {
      try previous.move(source, in: table, &scratch.columns)
    }
    for block in blocks {
      block.withRows(of: number, &scratch.rows) { rows, ids in
        if let ids {
          table.fold(rows, ids: ids, channels: layout.channels, words: layout.words)
        } else {
          table.fold(rows, channels: layout.channels, words: layout.words)
        }
      }
    }
    table.finish()
    arrange(source, table, group, scratch)
    try purchases?.load(
      number, table, ranks: scratch.ranks.base, into: round.purchases[slot], scratch)
    group.take(
      UnsafeBufferPointer(start: table.cells.base, count: table.cells.count)
    ) { Int(scratch.ranks.base[Int($0.state)]) }
    group.measure()
  }

  /// Brings new customers in between the others, and new days into the lists.
  private func arrange(
    _ source: MappedState.Group, _ table: PartitionTable<Amount>, _ group: StateGroup<Amount>,
    _ scratch: MergeScratch<Amount>
  ) {
    let known = source.batch.rows
    let hasText = setup.hasText
    func precedes(_ a: Int, _ b: Int) -> Bool {
      hasText
        ? IdentityOrder.compare(table.text(of: a), table.text(of: b)) < 0
        : Int64(bitPattern: table.key(of: a)) < Int64(bitPattern: table.key(of: b))
    }
    let added = (known..<table.count).sorted(by: precedes)
    scratch.ranks.resize(to: table.count)
    let ranks = scratch.ranks.base
    let (states, stride) = (table.states, table.layout.stride)
    var merging = DayMerging(source, table, asOf: Int(setup.asOf), known: known)
    group.replace { content in
      var next = 0
      var old = 0
      while old < known || next < added.count {
        let isNew = old == known || (next < added.count && precedes(added[next], old))
        let state = isNew ? added[next] : old
        if isNew { next += 1 } else { old += 1 }
        ranks[state] = UInt32(truncatingIfNeeded: content.count)
        if setup.needs.activeDays { merging.append(state, isNew: isNew, to: &content.days) }
        content.append(states + state * stride, text: hasText ? table.text(of: state) : nil)
      }
    }
  }

  /// Writes a group's ids and features to their rows; returns whether a sum left Int64.
  private func give(
    _ round: Round, _ slot: Int, _ output: Output, codes: [Int], number: Int
  ) throws -> Bool {
    let group = round.groups[slot]
    let firstRow = round.firstRow[slot]
    if setup.hasText {
      let texts = (0..<group.count).map { group.text($0) }
      var bytes: [UInt8] = []
      var offsets: [Int64] = [0]
      for text in texts {
        bytes.append(contentsOf: text)
        offsets.append(Int64(bytes.count))
      }
      let column = Column(
        .strings(Strings(layout: .offsets64(Buffer(offsets)), bytes: Buffer(bytes))))
      output.texts.withLock { $0[number] = column }
    } else {
      for row in 0..<group.count {
        output.ids[firstRow + row] = group.records[row].load(as: Int64.self)
      }
    }
    var run = CustomerRun(round.tables, setup.features, scale: setup.scale)
    var start = 0
    while start < group.count {
      let end = min(start + run.capacity, group.count)
      run.read(start..<end, of: group)
      for (column, feature) in setup.features.features.enumerated() {
        run.write(feature, to: output.columns[column] + firstRow + start)
      }
      for (offset, code) in codes.enumerated() {
        run.writeShare(
          ofChannel: code,
          to: output.columns[setup.features.features.count + offset] + firstRow + start)
      }
      start = end
    }
    return run.overflowed
  }
}

/// Lists of active days of a group: those of its state and those of its new rows.
private struct DayMerging<Amount: LedgerAmount> {
  private let table: PartitionTable<Amount>
  private let asOf: Int
  private let words: Int
  private let records: UnsafeMutableRawPointer
  private let stride: Int
  private let hasFar: Bool
  private let source: MappedState.Group
  private let bytes: UnsafePointer<UInt8>?
  private let offsets: UnsafePointer<Int32>?
  /// Lists that begin before it may be read a few bytes beyond their ends.
  private let readable: Int
  private var ages: [Int] = []

  init(_ source: MappedState.Group, _ table: PartitionTable<Amount>, asOf: Int, known: Int) {
    self.table = table
    self.asOf = asOf
    self.source = source
    (words, stride) = (table.layout.words, table.layout.stride)
    records = table.states + table.layout.wordsOffset
    hasFar = !table.farDays.isEmpty
    if case .bytes(let bytes, let offsets)? = source.batch.columns.last, known > 0 {
      (self.bytes, self.offsets) = (bytes, offsets)
      readable = Int(offsets[known]) - 8
    } else {
      (bytes, offsets, readable) = (nil, nil, 0)
    }
  }

  @inline(__always)
  mutating func append(_ state: Int, isNew: Bool, to list: inout GrowingBlock<UInt8>) {
    let set = (records + state * stride).assumingMemoryBound(to: UInt64.self)
    var any: UInt64 = 0
    for word in 0..<words { any |= set[word] }
    guard let bytes, let offsets, !isNew, !hasFar else {
      merge(state, isNew: isNew, to: &list)
      return
    }
    let (start, end) = (Int(offsets[state]), Int(offsets[state + 1]))
    let old = UnsafeBufferPointer(start: bytes + start, count: end - start)
    if any == 0 {
      list.append(few: old, readable: end < readable)
      return
    }
    var youngest = asOf - source.lastDay(state)
    guard words == 1, 63 - any.leadingZeroBitCount < youngest else {
      merge(state, isNew: false, to: &list)
      return
    }
    // The usual month: all its days are younger than what is known.
    list.append(few: old, readable: end < readable)
    while any != 0 {
      let age = 63 - any.leadingZeroBitCount
      DayList.append(youngest - age, to: &list)
      youngest = age
      any ^= 1 << UInt64(age)
    }
  }

  private mutating func merge(_ state: Int, isNew: Bool, to list: inout GrowingBlock<UInt8>) {
    table.activeDays(of: state, into: &ages)
    let old = isNew ? nil : source.days(state)
    guard !ages.isEmpty else {
      if let old { list.append(contentsOf: old) }
      return
    }
    DayList.merge(
      old, oldest: isNew ? -1 : asOf - source.firstDay(state),
      youngest: isNew ? -1 : asOf - source.lastDay(state), ages, to: &list)
  }
}

/// What a thread needs while it brings groups on.
final class MergeScratch<Amount: LedgerAmount> {
  var ranks = GrowingBlock<UInt32>()
  var rows = GrowingBlock<LedgerRow<Amount>>()
  var ages: [Int] = []
  var columns = WidenedColumns()
  var bought = GrowingBlock<DayCell<Amount>>()
  let purchases = PurchaseScratch()
}
