import Columnar
import Sharding

/// A fold that goes on from a state, and what it leaves for the next one.
extension FoldSession {
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

  func keep(_ pending: PendingRows) throws {
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

  var harvest: LedgerHarvest<Amount> {
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

  func writeCells() throws {
    guard let state = setup.state else { return }
    dayFiles += try builder(state).writeDays(first: dayFileNumber)
  }

  func merge(
    _ merged: MappedState, _ state: LedgerStateExchange
  ) throws -> FoldedLedger {
    try pendingFile?.close()
    let result = try StateMerge(
      setup: setup, state: state, previous: merged, blocks: waiting, channels: channels.names,
      channelOrder: channelOrder, dayFileNumber: dayFileNumber,
      purchases: try setup.needs.purchases.map {
        try PurchaseMerge(
          setup, kind: $0, previous: merged, oldestAge: oldestAge,
          capacity: StateMerge<Amount>.capacity(merged, waiting))
      }, workers: workers
    ).run()
    waiting = []
    dayFiles = result.dayFiles
    var folded = FoldedLedger(table: result.table, counts: counts)
    folded.state = index(result.customerFiles, result.purchases?.index)
    folded.purchases = result.purchases?.purchases
    return folded
  }

  func writeState() throws -> (index: LedgerStateIndex?, purchases: CustomerPurchases?)? {
    guard let state = setup.state else { return nil }
    try pendingFile?.close()
    let builder = try builder(state)
    dayFiles += try builder.writeDays(first: dayFileNumber)
    let customerFiles = try builder.writeCustomers()
    guard let histories else { return (index(customerFiles, nil), nil) }
    try workers.forEach(histories.count) { [self] in histories[$0].finish(partitions[$0]) }
    let kept = try builder.writePurchases(histories, setup.purchases)
    self.histories = nil
    return (index(customerFiles, kept.index), kept.purchases)
  }

  func index(
    _ customerFiles: [LedgerStateIndex.CustomerFile], _ purchases: LedgerStateIndex.Purchases?
  ) -> LedgerStateIndex? {
    guard let state = setup.state, let settings = setup.settings else { return nil }
    let kept = (state.previous?.index.dayFiles ?? []).filter {
      Int(setup.asOf - $0.lastDay) < setup.needs.longestWindow
    }
    return LedgerStateIndex(
      asOf: setup.asOf, settings: settings, amountScale: setup.scale,
      textIdentifiers: setup.hasText, channels: channelOrder.map { channels.names[$0] },
      currency: currencies.currency, customerFiles: customerFiles, dayFiles: kept + dayFiles,
      purchases: purchases, pendingRows: pendingFile?.rows ?? 0, counts: counts)
  }
}
