import Columnar
import Sharding
import Synchronization

/// What a fold with a state leaves of purchases.
struct KeptPurchases {
  var index: LedgerStateIndex.Purchases
  /// Where they were asked for.
  var purchases: CustomerPurchases?
}

extension StateBuilder {
  /// Writes the purchases of the customers, in their order.
  ///
  /// - Parameters:
  ///   - histories: Of the partitions, every row brought in.
  ///   - windows: Of the purchases asked for.
  func writePurchases(
    _ histories: [PurchaseHistory<Amount>], _ windows: PurchaseWindows?
  ) throws -> KeptPurchases {
    let overflow = InputError.exactRange(setup.format.amount)
    if histories.contains(where: \.overflowed) { throw overflow }
    let firstDay = PurchaseSheet.firstDay(histories.map(\.group.firstDay))
    let columns = windows.map {
      PurchaseColumns(
        $0, capacity: references.count, firstDay: firstDay, asOf: setup.asOf, scale: setup.scale)
    }
    let size = StateGroup<Amount>.customers
    let perFile = StateSheet<Amount>.groupCount
    let groups = (0..<perFile).map { _ in PurchaseGroup() }
    let sources = histories.map(\.group.rows)
    let found = Mutex((oldest: -1, overflowed: false))
    var files: [LedgerStateIndex.CustomerFile] = []
    for first in stride(from: 0, to: references.count, by: size * perFile) {
      let used = (min(size * perFile, references.count - first) + size - 1) / size
      try workers.forEach(used) { slot in
        let start = first + slot * size
        groups[slot].replace { group in
          for row in start..<min(start + size, references.count) {
            let reference = references.base[row]
            group.append(sources[Int(reference.partition)], Int(reference.state))
          }
        }
        guard let columns else { return }
        let met = columns.write(groups[slot].rows, to: start)
        found.withLock {
          $0 = (max($0.oldest, met.oldest), $0.overflowed || met.overflowed)
        }
      }
      let filled = groups[..<used]
      files.append(
        try PurchaseSheet.write(
          Array(filled), batches: filled.map { StateGroup<Amount>.batchRows($0.count) },
          to: folder, number: files.count))
    }
    withExtendedLifetime(histories) {}
    let (oldest, overflowed) = found.withLock { $0 }
    if overflowed { throw overflow }
    return KeptPurchases(
      index: LedgerStateIndex.Purchases(files: files, firstDay: firstDay),
      purchases: columns?.purchases(count: references.count, oldestAge: oldest))
  }
}
