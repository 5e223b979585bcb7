import Columnar
import Synchronization

/// The purchases' part of bringing a state on: beside a group's customers, in the same three steps.
struct PurchaseMerge: @unchecked Sendable {
  let kind: PurchaseWindows.Kind
  let asOf: Int32
  /// Age from which a transaction leaves no window any more.
  let longestWindow: Int
  let previous: MappedPurchases
  /// Where purchases are asked for.
  let columns: PurchaseColumns?

  private let found = Found()

  private final class Found: Sendable {
    struct State {
      var oldest = -1
      var overflowed = false
      var firstDay: Int32?
      var files: [Int: LedgerStateIndex.CustomerFile] = [:]
    }
    let state = Mutex(State())
  }

  /// - Parameter capacity: Customers to make room for.
  init(
    _ setup: FoldSetup, kind: PurchaseWindows.Kind, previous: MappedState, oldestAge: Int32,
    capacity: Int
  ) throws {
    self.kind = kind
    asOf = setup.asOf
    longestWindow = setup.needs.longestWindow
    guard let index = previous.index.purchases else {
      throw InputError.damagedState(previous.folder)
    }
    let mapped = try MappedPurchases(
      folder: previous.folder, index, rows: previous.groups.map(\.batch.rows),
      workers: setup.workers)
    self.previous = mapped
    columns = setup.purchases.map { windows in
      PurchaseColumns(
        windows, capacity: capacity,
        firstDay: PurchaseSheet.firstDay([
          mapped.firstDay, oldestAge < 0 ? nil : setup.asOf - oldestAge,
        ]), asOf: setup.asOf, scale: setup.scale)
    }
  }

  /// Takes a group's purchases up with those among a table's cells, and leaves the table the cells
  /// that leave a window yet.
  ///
  /// - Parameter ranks: Row of each of the table's states.
  func load<Amount>(
    _ number: Int, _ table: PartitionTable<Amount>, ranks: UnsafePointer<UInt32>,
    into group: PurchaseGroup, _ scratch: MergeScratch<Amount>
  ) throws {
    scratch.bought.removeAll()
    kind.take(
      UnsafeBufferPointer(start: table.cells.base, count: table.cells.count), to: &scratch.bought)
    group.merge(
      try previous.rows(number), count: table.count, ranks: ranks,
      UnsafeBufferPointer(start: scratch.bought.base, count: scratch.bought.count), asOf: asOf,
      scratch.purchases)
    table.removeCells(from: 0, olderThan: longestWindow)
  }

  /// Gives a group's purchases to the rows from `first` on.
  func give(_ group: PurchaseGroup, to first: Int) {
    let met = columns?.write(group.rows, to: first) ?? (oldest: -1, overflowed: false)
    found.state.withLock {
      $0.oldest = max($0.oldest, met.oldest)
      if met.overflowed || group.overflowed { $0.overflowed = true }
      $0.firstDay = PurchaseSheet.firstDay([$0.firstDay, group.firstDay])
    }
  }

  /// - Parameter batches: Rows of the batches that the groups' customers lie in.
  func write(
    _ groups: [PurchaseGroup], batches: [[Range<Int>]], to folder: String, number: Int
  ) throws {
    let file = try PurchaseSheet.write(groups, batches: batches, to: folder, number: number)
    found.state.withLock { $0.files[number] = file }
  }

  /// - Throws: `InputError` when a sum left Int64.
  func finish(customers: Int, amountColumn: String) throws -> KeptPurchases {
    let state = found.state.withLock { $0 }
    if state.overflowed { throw InputError.exactRange(amountColumn) }
    return KeptPurchases(
      index: LedgerStateIndex.Purchases(
        files: state.files.sorted { $0.key < $1.key }.map(\.value), firstDay: state.firstDay),
      purchases: columns?.purchases(count: customers, oldestAge: state.oldest))
  }
}
