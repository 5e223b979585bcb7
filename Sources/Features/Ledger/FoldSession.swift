import Columnar
import Sharding
import Synchronization

/// What a fold is to do.
struct FoldSetup: Sendable {
  let format: LedgerFormat
  let asOf: Int32
  let features: FeatureSelection
  let needs: FoldNeeds
  let hasText: Bool
  let scale: Int
  let partitionBits: Int
  /// Room for so many is there from the start: pages that no customer comes to cost nothing, and
  /// tables that are large enough are not copied while they grow.
  let expectedCustomers: Int
  let workers: Workers
  let state: LedgerStateExchange?
  /// Where there is a state.
  let settings: LedgerStateSettings?
  /// Purchases to remember beside.
  let purchases: PurchaseWindows?
}

/// One fold on its way: its customers, and what it met so far.
final class FoldSession<Amount: LedgerAmount>: @unchecked Sendable {
  typealias Parse = @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Amount>

  let setup: FoldSetup
  private let workers: Workers
  private let partitions: [PartitionTable<Amount>]
  private let purchases: [PurchaseTable<Amount>]?
  private let channels: ChannelCodes
  private let currencies: CurrencyCheck
  private let pool: RowBlockPool<Amount>
  private let duplicates: DuplicateFilter?
  private var counts = LedgerCounts()
  /// 64-day words of active days that the rows met so far need.
  private var words = 0
  /// The same for days of purchases.
  private var purchaseWords = 0
  private var dayFiles: [LedgerStateIndex.DayFile] = []
  /// The state that is gone on from; its groups take the place of partitions.
  private let merged: MappedState?
  /// Rows that wait to be merged into it.
  private var waiting: [WaitingRows<Amount>] = []
  private var pendingFile: PendingFile?

  /// Pieces decoded in one round: enough that a partition meets some of its customers more than once
  /// while it is in a core's cache (8 instead of 2 fold a tenth faster), few enough that two rounds of
  /// rows stay small (100 MB each).
  private var piecesPerRound: Int { max(8, workers.threads) }
  /// Rows decoded and grouped at once: with their columns and the grouped rows about 3 MB, most of it
  /// in a core's cache.
  private static var batchRows: Int { 65_536 }
  /// The same for rows that wait until all are decoded: large blocks have large pages, and a group's
  /// rows lie in few runs.
  private static var waitingRows: Int { 262_144 }
  /// Day cells of this many rows are written out: 256 MB.
  private static var mostCells: Int { 16_777_216 }

  init(_ setup: FoldSetup) throws {
    self.setup = setup
    workers = setup.workers
    let previous = setup.state?.previous
    channels = ChannelCodes(previous?.index.channels ?? [])
    currencies = CurrencyCheck(previous?.index.currency)
    let format = setup.format
    merged = try previous.map {
      try MappedState(
        folder: $0.folder, index: $0.index, asOf: setup.asOf, workers: setup.workers)
    }
    pool = RowBlockPool(
      rows: merged == nil ? Self.batchRows : Self.waitingRows, hasText: setup.hasText,
      hasOrigins: format.duplicates != .keep)
    duplicates = format.duplicates == .keep ? nil : DuplicateFilter()
    let cellAges = setup.state == nil ? 0 : setup.needs.longestWindow
    partitions = (0..<(merged == nil ? 1 << setup.partitionBits : 0)).map { _ in
      PartitionTable(
        layout: StateLayout(channels: 0, words: 0), hasText: setup.hasText, cellAges: cellAges,
        capacity: setup.expectedCustomers >> setup.partitionBits)
    }
    purchases = setup.purchases.map { windows in
      (0..<1 << setup.partitionBits).map { _ in PurchaseTable(windows) }
    }
    if let previous { counts = previous.index.counts }
  }

  /// Folds every row of `source`.
  ///
  /// - Parameter isPending: The rows are those that the state kept for later: they were counted when
  ///   they were read.
  func stream(
    _ source: any Source, _ format: LedgerFormat, _ positions: LedgerColumnPositions,
    parse: @escaping Parse, isPending: Bool, _ progress: (LedgerCounts) -> Void,
    _ quarantine: (QuarantinedRows) throws -> Void
  ) throws {
    let decoder = LedgerDecoder(
      format: format, positions: positions, schema: source.schema, asOf: setup.asOf,
      partitionBits: merged?.ranges.bits ?? setup.partitionBits, amountScale: setup.scale,
      parse: parse, channels: channels, currencies: currencies, keepsPending: setup.state != nil,
      ranges: merged?.ranges)
    if isPending { counts.quarantined[.futureDate, default: 0] -= Int(source.rowCount ?? 0) }
    var decoded: [RowBlock<Amount>] = []
    var pieces = try cut(source, positions)
    let batchRows = merged == nil ? Self.batchRows : Self.waitingRows
    while !pieces.isEmpty || !decoded.isEmpty {
      // One list of independent tasks: decode this round, fold the one before, cut the next.
      let (current, previous) = (pieces, decoded)
      let width = setup.needs.channels ? channels.names.count : 0
      let wordCounts = (all: words, purchases: purchaseWords)
      let slots = Mutex<[[RowBlock<Amount>]]>(Array(repeating: [], count: current.count))
      let upcoming = Mutex<[Piece]>([])
      nonisolated(unsafe) let reader = source
      try workers.forEach(
        current.count + 1 + partitions.count, scratch: { DecodingScratch() }
      ) { [self] scratch, task in
        if task < current.count {
          var blocks: [RowBlock<Amount>] = []
          try current[task].forEachBatch(rows: batchRows) { batch in
            let block = pool.take(rows: batch.rows)
            try decoder.decode(batch, into: block, scratch)
            blocks.append(
              merged == nil
                ? block
                : RowBlock(waitingRowsOf: block, hasText: setup.hasText, give: pool.give))
          }
          let decoded = blocks
          slots.withLock { $0[task] = decoded }
        } else if task == current.count {
          let next = current.isEmpty ? [] : try cut(reader, positions)
          upcoming.withLock { $0 = next }
        } else {
          let partition = task - current.count - 1
          for block in previous {
            Self.fold(
              block, partition, into: partitions[partition], purchases?[partition],
              channels: width, words: wordCounts)
          }
        }
      }
      if merged == nil {
        for block in previous { pool.give(block) }
      } else {
        waiting += previous.compactMap(\.waiting)
      }
      if partitions.reduce(0, { $0 + $1.cells.count }) >= Self.mostCells { try writeCells() }
      decoded = slots.withLock { $0.flatMap { $0 } }
      try duplicates?.mark(decoded, format, customerID: positions.customerID, workers: workers)
      pieces = upcoming.withLock { $0 }
      for block in decoded { try take(block, isPending: isPending, quarantine) }
      progress(counts)
    }
  }

  /// Counts a decoded block and passes on what does not fold.
  private func take(
    _ block: RowBlock<Amount>, isPending: Bool, _ quarantine: (QuarantinedRows) throws -> Void
  ) throws {
    var met = block.counts
    if isPending { (met.read, met.missing) = (0, [:]) }
    counts.add(met)
    if !block.quarantined.isEmpty { try quarantine(block.quarantined) }
    if let pending = block.pending { try keep(pending) }
    if setup.needs.activeDays {
      words = max(words, min(PartitionTable<Amount>.maximumWords, Int(block.oldest) / 64 + 1))
    }
    if purchases != nil {
      let oldest = min(block.oldest, PurchaseWindows.oldestAge)
      purchaseWords = max(purchaseWords, Int(oldest) / 64 + 1)
    }
  }

  private static func fold(
    _ block: RowBlock<Amount>, _ partition: Int, into table: PartitionTable<Amount>,
    _ purchases: PurchaseTable<Amount>?, channels: Int, words: (all: Int, purchases: Int)
  ) {
    let start = block.starts[partition]
    let count =
      block.hasCopies
      ? block.compact(partition: partition) : block.starts[partition + 1] - start
    guard count > 0 else { return }
    let rows = UnsafeBufferPointer(start: block.rows + start, count: count)
    if let ids = block.ids {
      table.fold(rows, ids: ids + start, channels: channels, words: words.all)
    } else {
      table.fold(rows, channels: channels, words: words.all)
    }
    purchases?.fold(rows, ids: block.ids.map { UnsafePointer($0 + start) }, words: words.purchases)
  }

  private func cut(_ source: any Source, _ positions: LedgerColumnPositions) throws -> [Piece] {
    var pieces: [Piece] = []
    while pieces.count < piecesPerRound, let piece = try source.next(columns: positions.asked) {
      pieces.append(piece)
    }
    return pieces
  }

  // MARK: - State

  /// The rows that the state kept because they were after its as-of.
  func openPending() throws -> (any Source)? {
    guard let previous = setup.state?.previous, previous.index.pendingRows > 0 else { return nil }
    let path = previous.folder + "/" + StateFiles.pending
    let source = try ParquetSource([path], dictionaryColumns: ["channel", "currency", "type"])
    guard source.rowCount == Int64(previous.index.pendingRows) else {
      throw InputError.damagedState(path)
    }
    return source
  }

  /// How pending rows are read: as the ledger was, under their own names.
  var pendingFormat: LedgerFormat {
    var format = setup.format
    let names = PendingFile.format
    (format.customerID, format.date, format.amount) = (names.customerID, names.date, names.amount)
    (format.channel, format.currency, format.type) = (names.channel, names.currency, names.type)
    (format.dateFormat, format.decimalFormat) = (.automatic, .automatic)
    return format
  }

  private func keep(_ pending: PendingRows) throws {
    guard let state = setup.state, let settings = setup.settings else { return }
    let file =
      try pendingFile
      ?? PendingFile(
        path: state.target + "/" + StateFiles.pending, hasText: setup.hasText,
        amountScale: settings.values["amounts"] == "none" ? nil : setup.scale, settings: settings)
    pendingFile = file
    try file.write(pending)
  }

  /// Codes of the channels by their names: codes themselves depend on who came first.
  private var channelOrder: [Int] {
    let names = channels.names
    return names.indices.sorted { names[$0].utf8.lexicographicallyPrecedes(names[$1].utf8) }
  }

  /// A number that no file of days bears yet.
  private var dayFileNumber: Int {
    let known = (setup.state?.previous?.index.dayFiles ?? []) + dayFiles
    var number = 0
    while known.contains(where: { $0.name.hasPrefix(StateFiles.daysPrefix(number)) }) {
      number += 1
    }
    return number
  }

  private var harvest: LedgerHarvest<Amount> {
    LedgerHarvest(
      partitions: partitions, channels: channels.names, scale: setup.scale,
      hasText: setup.hasText, features: setup.features, workers: workers,
      amountColumn: setup.format.amount)
  }

  private func builder(_ state: LedgerStateExchange) throws -> StateBuilder<Amount> {
    StateBuilder(
      setup: setup, folder: state.target, partitions: partitions,
      references: try harvest.sortedReferences(),
      channelCodes: setup.needs.channels ? channelOrder : [], workers: workers)
  }

  private func writeCells() throws {
    guard let state = setup.state else { return }
    dayFiles += try builder(state).writeDays(first: dayFileNumber)
  }

  /// Writes the state, then computes the features.
  func finish() throws -> FoldedLedger {
    if let merged, let state = setup.state { return try merge(merged, state) }
    // One layout for all: tables that missed the last rounds are brought up to it.
    let width = partitions.reduce(0) { max($0, $1.layout.channels) }
    let words = partitions.reduce(0) { max($0, $1.layout.words) }
    try workers.forEach(partitions.count) { [self] in
      partitions[$0].widen(channels: width, words: words)
      partitions[$0].finish()
    }
    let index = try writeState()
    var folded = try harvest.harvest(counts: counts)
    folded.state = index
    if let windows = setup.purchases, let purchases {
      folded.purchases = try CustomerPurchases(
        purchases, windows, of: folded.table.ids, partitionBits: setup.partitionBits,
        scale: setup.scale, amountColumn: setup.format.amount, workers: workers)
    }
    return folded
  }

  private func merge(
    _ merged: MappedState, _ state: LedgerStateExchange
  ) throws -> FoldedLedger {
    try pendingFile?.close()
    let result = try StateMerge(
      setup: setup, state: state, previous: merged, blocks: waiting, channels: channels.names,
      channelOrder: channelOrder, dayFileNumber: dayFileNumber, workers: workers
    ).run()
    waiting = []
    dayFiles = result.dayFiles
    var folded = FoldedLedger(table: result.table, counts: counts)
    folded.state = index(result.customerFiles)
    return folded
  }

  private func writeState() throws -> LedgerStateIndex? {
    guard let state = setup.state else { return nil }
    try pendingFile?.close()
    // Adds up the buckets that no boundary cuts, so that a state is the same however it came about.
    let groups = setup.needs.groups
    try workers.forEach(partitions.count) { [self] in partitions[$0].closeBuckets(groups) }
    let builder = try builder(state)
    dayFiles += try builder.writeDays(first: dayFileNumber)
    return index(try builder.writeCustomers())
  }

  private func index(_ customerFiles: [LedgerStateIndex.CustomerFile]) -> LedgerStateIndex? {
    guard let state = setup.state, let settings = setup.settings else { return nil }
    let kept = (state.previous?.index.dayFiles ?? []).filter {
      Int(setup.asOf - $0.lastDay) < setup.needs.longestWindow
    }
    return LedgerStateIndex(
      asOf: setup.asOf, settings: settings, amountScale: setup.scale,
      textIdentifiers: setup.hasText, channels: channelOrder.map { channels.names[$0] },
      currency: currencies.currency, customerFiles: customerFiles, dayFiles: kept + dayFiles,
      pendingRows: pendingFile?.rows ?? 0, counts: counts)
  }
}
