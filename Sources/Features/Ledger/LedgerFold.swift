import Columnar
import Sharding
import Synchronization

/// Folds a ledger into one state per customer, in one pass.
///
/// Rows stream through three overlapping steps: the source cuts pieces, threads decode them and
/// group their rows by the hash of the customer id, and threads fold each group into its partition.
/// A partition takes its groups in file order, so every customer's rows arrive in file order on any
/// number of threads; exact amounts do not even depend on that.
///
/// Memory: the states, plus two rounds of decoded pieces.
package struct LedgerFold: Sendable {
  package let format: LedgerFormat
  /// Last day of the window, days since 1970-01-01.
  package let asOf: Int32
  package let features: FeatureSelection
  package let workers: Workers
  /// Also remember purchases, for models of customer value.
  package var purchases: PurchaseWindows?

  /// Pieces decoded in one round: enough for every thread, few enough
  /// that two rounds of rows stay small.
  private var piecesPerRound: Int { max(2, workers.threads) }
  /// Rows decoded and grouped at once, in a core's cache.
  private static let batchRows = 131_072

  package init(format: LedgerFormat, asOf: Int32, features: FeatureSelection, workers: Workers) {
    self.format = format
    self.asOf = asOf
    self.features = features
    self.workers = workers
  }

  /// Reads `source` to its end.
  ///
  /// - Parameter quarantine: Called with the rows set aside, in file order, as they are met.
  /// - Returns: One row per customer, in ascending order of the id.
  /// - Throws: `InputError` for a ledger that cannot be used; `Cancelled`.
  package func features(
    of source: any Source, progress: (LedgerCounts) -> Void = { _ in },
    quarantine: (QuarantinedRows) throws -> Void
  ) throws -> FoldedLedger {
    let positions = try locate(in: source)
    let amountType = positions.amount.map { source.schema.fields[positions.asked[$0]].type }
    switch amountType {
    case .float?, .double?:
      return try fold(source, positions, scale: 0, parse: Self.parseDouble, progress, quarantine)
    case .decimal(_, let scale)?:
      let scale = max(scale, format.amountScale ?? 0)
      return try fold(source, positions, scale: scale, parse: Self.parseMinor, progress, quarantine)
    case .string?:
      let scale = format.amountScale ?? 4
      return try fold(source, positions, scale: scale, parse: Self.parseMinor, progress, quarantine)
    default:
      let scale = format.amountScale ?? 0
      return try fold(source, positions, scale: scale, parse: Self.parseMinor, progress, quarantine)
    }
  }

  /// Names of the columns that a fold of `source` would read.
  package func columnsRead(of source: any Source) throws -> [String] {
    try locate(in: source).asked.map { source.schema.fields[$0].name }
  }

  private static let parseDouble: @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Double> = {
    column, format, _ in column.finiteDoubles(format.decimalFormat)
  }
  private static let parseMinor: @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Int64> = {
    column, format, scale in
    // Integers are minor units already, whatever the scale says about their meaning.
    let isWhole = column.type == .int32 || column.type == .int64
    return column.minorUnits(format.decimalFormat, scale: isWhole ? 0 : scale)
  }

  /// Finds the columns that the format names and the features need.
  private func locate(in source: any Source) throws -> LedgerColumnPositions {
    var positions = LedgerColumnPositions()
    func ask(_ name: String, required: Bool) throws -> Int? {
      if name.isEmpty { return nil }
      guard let index = source.schema.index(of: name) else {
        guard required else { return nil }
        let names = source.schema.fields.map(\.name)
        throw InputError(
          .badData, "there is no column \"\(name)\" among \(names.joined(separator: ", "))",
          file: source.files.first, column: name,
          hint: "name the ledger's columns in the [ledger] section of the configuration")
      }
      // One column may have two roles; it is read once.
      if let known = positions.asked.firstIndex(of: index) { return known }
      positions.asked.append(index)
      return positions.asked.count - 1
    }
    positions.customerID = try ask(format.customerID, required: true)!
    positions.date = try ask(format.date, required: true)!
    if features.needsAmounts || purchases != nil || format.duplicates != .keep
      || format.refunds != .net
    {
      positions.amount = try ask(format.amount, required: true)
      positions.currency = try ask(format.currency, required: format.rates != nil)
    }
    if features.needsChannels {
      positions.channel = try ask(format.channel, required: false)
    }
    if !format.excludedTypes.isEmpty { positions.type = try ask(format.type, required: true) }
    if format.duplicates != .keep {
      if let name = format.transactionID {
        positions.transactionID = try ask(name, required: true)
      } else {
        for field in source.schema.fields where field.unreadable == nil {
          _ = try ask(field.name, required: false)
        }
      }
    }
    switch source.schema.fields[positions.asked[positions.customerID]].type {
    case .int32, .int64, .string: break
    case let type:
      throw InputError(
        .badData, "a customer id cannot be \(type.name)", file: source.files.first,
        column: format.customerID, hint: "store ids as integers or texts, so that none is rounded")
    }
    return positions
  }

  private func fold<Amount: LedgerAmount>(
    _ source: any Source, _ positions: LedgerColumnPositions, scale: Int,
    parse: @escaping @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Amount>,
    _ progress: (LedgerCounts) -> Void, _ quarantine: (QuarantinedRows) throws -> Void
  ) throws -> FoldedLedger {
    let hasText = source.schema.fields[positions.asked[positions.customerID]].type == .string
    let partitionBits = Self.partitionBits(rows: source.rowCount)
    let channels = ChannelCodes()
    let decoder = LedgerDecoder(
      format: format, positions: positions, schema: source.schema, asOf: asOf,
      partitionBits: partitionBits, amountScale: scale, parse: parse, channels: channels,
      currencies: CurrencyCheck())
    let pool = RowBlockPool<Amount>(
      rows: Self.batchRows, hasText: hasText, hasOrigins: format.duplicates != .keep)
    let partitions = (0..<1 << partitionBits).map { _ in
      PartitionTable<Amount>(layout: StateLayout(channels: 0, words: 0), hasText: hasText)
    }
    let duplicates = format.duplicates == .keep ? nil : DuplicateFilter()
    let purchaseTables = purchases.map { windows in
      partitions.map { _ in PurchaseTable<Amount>(windows) }
    }
    var purchaseWords = 0

    var counts = LedgerCounts()
    var decoded: [RowBlock<Amount>] = []
    var pieces = try cut(source, positions)
    var words = 0
    while !pieces.isEmpty || !decoded.isEmpty {
      // One list of independent tasks: decode this round, fold the one before, cut the next.
      let (current, previous) = (pieces, decoded)
      let width = features.needsChannels ? channels.names.count : 0
      let (wordCount, purchaseWordCount) = (words, purchaseWords)
      let slots = Mutex<[[RowBlock<Amount>]]>(Array(repeating: [], count: current.count))
      let upcoming = Mutex<[Piece]>([])
      nonisolated(unsafe) let reader = source
      try workers.forEach(
        current.count + 1 + partitions.count, scratch: { DecodingScratch() }
      ) { scratch, task in
        if task < current.count {
          var blocks: [RowBlock<Amount>] = []
          try current[task].forEachBatch(rows: Self.batchRows) { batch in
            let block = pool.take(rows: batch.rows)
            try decoder.decode(batch, into: block, scratch)
            blocks.append(block)
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
              block, partition, into: partitions[partition], purchaseTables?[partition],
              channels: width, words: (all: wordCount, purchases: purchaseWordCount))
          }
        }
      }
      for block in previous { pool.give(block) }
      decoded = slots.withLock { $0.flatMap { $0 } }
      try duplicates?.mark(decoded, format, customerID: positions.customerID, workers: workers)
      pieces = upcoming.withLock { $0 }
      for block in decoded {
        counts.add(block.counts)
        if !block.quarantined.isEmpty { try quarantine(block.quarantined) }
        if features.needsActiveDays {
          words = max(words, min(PartitionTable<Amount>.maximumWords, Int(block.oldest) / 64 + 1))
        }
        if purchases != nil {
          let oldest = min(block.oldest, PurchaseWindows.oldestAge)
          purchaseWords = max(purchaseWords, Int(oldest) / 64 + 1)
        }
      }
      progress(counts)
    }
    FileMemory.release()
    var ledger = try LedgerHarvest(
      partitions: partitions, channels: channels.names, scale: scale, hasText: hasText,
      features: features, workers: workers, amountColumn: format.amount
    ).harvest(counts: counts)
    if let purchases, let purchaseTables {
      ledger.purchases = try CustomerPurchases(
        purchaseTables, purchases, of: ledger.table.ids, partitionBits: partitionBits,
        scale: scale, amountColumn: format.amount, workers: workers)
    }
    return ledger
  }

  private static func fold<Amount: LedgerAmount>(
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

  /// So many partitions that one's states fit in a core's cache: about 16 rows a customer and
  /// 128 bytes a state put 64 Ki rows at half a megabyte.
  private static func partitionBits(rows: Int64?) -> Int {
    let wanted = max(1, (rows ?? 16_777_216) / 65_536)
    return min(10, max(6, 63 - (wanted - 1).leadingZeroBitCount + 1))
  }
}

/// What a ledger holds, folded.
package struct FoldedLedger: Sendable {
  package let table: FeatureTable
  package let counts: LedgerCounts
  /// Of the table's customers, when they were asked for.
  package var purchases: CustomerPurchases?
}
