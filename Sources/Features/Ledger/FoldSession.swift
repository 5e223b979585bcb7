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
  /// Nil: as much as it takes.
  let memory: FoldMemory?
  /// Nil: ids are hashed.
  let dense: DenseIdentities?

  /// Rows younger than so many days are kept one by one. Where a state keeps purchases by day, all of
  /// them are until those are taken from them.
  var cellAges: Int {
    guard state != nil else { return 0 }
    return needs.purchases == nil ? needs.longestWindow : .max
  }
}

/// One fold on its way: its customers, and what it met so far.
final class FoldSession<Amount: LedgerAmount>: @unchecked Sendable {
  typealias Parse = @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Amount>

  let setup: FoldSetup
  let workers: Workers
  /// Replaced between rounds, when some leave memory.
  var partitions: [PartitionTable<Amount>]
  var purchases: [PurchaseTable<Amount>]?
  /// Instead of them where a first state is made.
  var histories: [PurchaseHistory<Amount>]?
  /// No row is older.
  var oldestAge: Int32 = -1
  /// Where there is a limit to memory.
  let spill: FoldSpill<Amount>?
  /// Bytes of customers after the round before.
  var heldBytes = 0
  let channels: ChannelCodes
  let currencies: CurrencyCheck
  private let pool: RowBlockPool<Amount>
  let duplicates: DuplicateFilter?
  var counts = LedgerCounts()
  /// 64-day words of active days that the rows met so far need.
  var words = 0
  /// The same for days of purchases.
  var purchaseWords = 0
  var dayFiles: [LedgerStateIndex.DayFile] = []
  /// The state that is gone on from; its groups take the place of partitions.
  let merged: MappedState?
  /// Rows that wait to be merged into it.
  var waiting: [WaitingRows<Amount>] = []
  var pendingFile: PendingFile?

  /// Pieces decoded in one round: enough that a partition meets some of its customers more than once
  /// while it is in a core's cache, few enough that two rounds of rows stay small: 8 are no faster and
  /// hold 120 MB more.
  private var piecesPerRound: Int { max(4, workers.threads) }
  /// Under a limit a round's rows stay below a share of it. A piece of unknown size is a block of
  /// text, of which about so much is kept until its rows are folded.
  private static var textPieceBytes: Int { 8 << 20 }
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
    let layout = StateLayout(ends: setup.needs.boundaries, channels: 0, words: 0)
    // Sorting takes 24 bytes a customer beside its table; tables grow by doubling.
    let perCustomer = setup.needs.bytesPerCustomer(hasText: setup.hasText, setup.purchases)
    spill = try setup.memory.map { memory in
      let free = memory.bytes - 2 * memory.roundBytes
      return try FoldSpill(
        memory, tableBytes: free / 10 * 9 / (perCustomer + 24) * perCustomer,
        partitions: 1 << setup.partitionBits, layout: layout, hasText: setup.hasText,
        windows: setup.purchases)
    }
    let isSparse = spill.map { setup.expectedCustomers * perCustomer > $0.tableBytes } ?? false
    let expected = setup.expectedCustomers >> setup.partitionBits
    partitions = (0..<(merged == nil ? 1 << setup.partitionBits : 0)).map { _ in
      PartitionTable(
        layout: layout, hasText: setup.hasText,
        cellAges: setup.cellAges,
        capacity: expected, isSparse: isSparse, dense: setup.dense,
        keepsRowStates: setup.purchases != nil && setup.state == nil)
    }
    if setup.state != nil, merged == nil, let kind = setup.needs.purchases {
      histories = partitions.map { _ in PurchaseHistory(kind, asOf: setup.asOf) }
    }
    purchases =
      setup.state != nil
      ? nil
      : setup.purchases.map { windows in
        (0..<1 << setup.partitionBits).map { _ in
          PurchaseTable(windows, capacity: setup.dense?.slots ?? expected, isSparse: isSparse)
        }
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
      ranges: merged?.ranges, dense: setup.dense)
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
      let (tables, bought, kept) = (partitions, purchases, histories)
      try workers.forEach(
        current.count + 1 + tables.count, scratch: { (DecodingScratch(), RowPacker<Amount>()) }
      ) { [self] memory, task in
        let (scratch, packer) = memory
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
          if let spill, spill.outside[partition] != nil {
            try spill.pass(previous, partition, packer)
            return
          }
          let known = tables[partition].cells.count
          for (number, block) in previous.enumerated() {
            if number + 1 < previous.count { previous[number + 1].prefetch(partition) }
            Self.fold(
              block, partition, into: tables[partition], bought?[partition],
              channels: width, words: wordCounts)
          }
          kept?[partition].take(
            from: tables[partition], first: known, longestWindow: setup.needs.longestWindow)
        }
      }
      if merged == nil {
        for block in previous { pool.give(block) }
      } else {
        waiting += previous.compactMap(\.waiting)
      }
      try keepToMemory()
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
    oldestAge = max(oldestAge, block.oldest)
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
    purchases?.fold(rows, of: table.rowStates.base, count: table.count, words: words.purchases)
  }

  private func cut(_ source: any Source, _ positions: LedgerColumnPositions) throws -> [Piece] {
    var pieces: [Piece] = []
    let rowBytes = MemoryLayout<LedgerRow<Amount>>.stride + (setup.hasText ? 64 : 0)
    var room = setup.memory?.roundBytes ?? .max
    var limit = piecesPerRound
    while pieces.count < limit, room > 0, let piece = try source.next(columns: positions.asked) {
      // A block of text holds a few ten thousand rows.
      if piece.rows == nil { limit = 4 * piecesPerRound }
      pieces.append(piece)
      room -= piece.rows.map { $0 * rowBytes } ?? Self.textPieceBytes
    }
    return pieces
  }

  /// Writes the state, then computes the features.
  func finish() throws -> FoldedLedger {
    pool.removeAll()
    FileMemory.release()
    if let merged, let state = setup.state { return try merge(merged, state) }
    if let spill { return try finish(spill) }
    return try finishInMemory()
  }

  func finishInMemory() throws -> FoldedLedger {
    // One layout for all: tables that missed the last rounds are brought up to it.
    let width = partitions.reduce(0) { max($0, $1.layout.channels) }
    let words = partitions.reduce(0) { max($0, $1.layout.words) }
    try workers.forEach(partitions.count) { [self] in
      partitions[$0].widen(channels: width, words: words)
      partitions[$0].finish()
    }
    let kept = try writeState()
    var harvest = harvest
    harvest.purchases = try setup.purchases.flatMap { windows in
      try purchases.map {
        try PurchaseHarvest(
          $0, windows, customers: partitions.reduce(0) { $0 + $1.count }, scale: setup.scale,
          amountColumn: setup.format.amount)
      }
    }
    var folded = try harvest.harvest(counts: counts)
    folded.state = kept?.index
    if let kept { folded.purchases = kept.purchases }
    return folded
  }
}
