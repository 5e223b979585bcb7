import Columnar

/// The purchases by day of one hash partition's customers, while a whole ledger is folded into a
/// first state. Rows wait and are brought into the lists many at once, so that a list is copied few
/// times. Used by one thread at a time.
final class PurchaseHistory<Amount: LedgerAmount>: @unchecked Sendable {
  private let kind: PurchaseWindows.Kind
  private let asOf: Int32
  private var waiting = GrowingBlock<DayCell<Amount>>()
  /// By state of the partition.
  private(set) var group = PurchaseGroup()
  private var spare = PurchaseGroup()
  private var ranks = GrowingBlock<UInt32>()
  private(set) var overflowed = false
  /// Rows that wait take a megabyte, or as much as the lists.
  private static var leastBytes: Int { 1 << 20 }

  init(_ kind: PurchaseWindows.Kind, asOf: Int32) {
    (self.kind, self.asOf) = (kind, asOf)
  }

  /// Takes the purchases among a table's last cells, and removes those of them that leave no window.
  ///
  /// - Parameters:
  ///   - first: Of the cells that are new.
  ///   - longestWindow: Age from which a cell need not be kept.
  func take(from table: PartitionTable<Amount>, first: Int, longestWindow: Int) {
    let cells = table.cells.count - first
    kind.take(UnsafeBufferPointer(start: table.cells.base + first, count: cells), to: &waiting)
    table.removeCells(from: first, olderThan: longestWindow)
    if waiting.count * MemoryLayout<DayCell<Amount>>.stride >= max(Self.leastBytes, group.listBytes)
    {
      bringIn(table, PurchaseScratch())
    }
  }

  /// Brings waiting rows into the lists; every customer of the table has one then.
  func bringIn(_ table: PartitionTable<Amount>, _ scratch: PurchaseScratch) {
    let count = table.count
    ranks.resize(to: count)
    for state in 0..<count { ranks.base[state] = UInt32(truncatingIfNeeded: state) }
    let cells = UnsafeBufferPointer(start: waiting.base, count: waiting.count)
    spare.merge(group.rows, count: count, ranks: ranks.base, cells, asOf: asOf, scratch)
    if spare.overflowed { overflowed = true }
    swap(&group, &spare)
    spare.removeAll()
    waiting.removeAll()
  }

  /// Frees what only rows need.
  func finish(_ table: PartitionTable<Amount>) {
    bringIn(table, PurchaseScratch())
    waiting = GrowingBlock()
    spare = PurchaseGroup()
    ranks = GrowingBlock()
  }
}
