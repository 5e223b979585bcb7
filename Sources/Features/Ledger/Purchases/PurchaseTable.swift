import CKernels
import Columnar
import Sharding

/// The purchases of one partition's customers: a record for each customer of its ``PartitionTable``,
/// under the same number. Used by one thread at a time.
final class PurchaseTable<Amount: LedgerAmount>: @unchecked Sendable {
  private(set) var layout: PurchaseLayout
  private(set) var count = 0
  private(set) var records: UnsafeMutableRawPointer
  private(set) var overflowed = false
  /// Of each age: a look-up instead of a search for every row.
  private let windowOfAge: UnsafeMutablePointer<UInt8>
  private let isPositiveOnly: Bool
  private var capacity: Int
  private let isSparse: Bool

  /// - Parameter capacity: Customers to make room for; pages that no customer comes to cost nothing.
  init(_ windows: PurchaseWindows, capacity: Int = 0, isSparse: Bool = false) {
    self.isSparse = isSparse
    self.capacity = max(128, capacity)
    layout = PurchaseLayout(windows: windows.edges.count, words: 0)
    let windowOfAge = windows.windowOfAge
    self.windowOfAge = .allocate(capacity: windowOfAge.count)
    self.windowOfAge.initialize(from: windowOfAge, count: windowOfAge.count)
    isPositiveOnly = windows.kind == .positive
    records = LargeMemory.allocate(bytes: self.capacity * layout.stride, isSparse: isSparse)
  }

  deinit {
    records.deallocate()
    windowOfAge.deallocate()
  }

  /// About what the customers take in memory.
  var bytes: Int {
    LargeMemory.resident(
      count * layout.stride, of: capacity * layout.stride, isSparse: isSparse)
  }

  /// Makes room for `count` customers, who have no purchases yet where they are new.
  ///
  /// - Parameter words: Of the day bits; as many as there are where it is less.
  func extend(to count: Int, words: Int) {
    if count > capacity || words > layout.words {
      grow(to: count > capacity ? max(2 * capacity, count) : capacity, words: words)
    }
    guard count > self.count else { return }
    let stride = layout.stride
    (records + self.count * stride).initializeMemory(
      as: UInt8.self, repeating: 0, count: (count - self.count) * stride)
    for customer in self.count..<count {
      records.storeBytes(of: -1, toByteOffset: customer * stride, as: Int32.self)
    }
    self.count = count
  }

  /// - Parameters:
  ///   - customers: Of each row, whose it is: what the partition's table found.
  ///   - count: Of that table's customers by now.
  ///   - words: Of the day bits: no row is older than 64 days times this.
  func fold(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, of customers: UnsafePointer<UInt32>, count: Int,
    words: Int
  ) {
    extend(to: count, words: words)
    let (records, stride, wordsOffset) = (records, layout.stride, layout.wordsOffset)
    let distance = 16
    for position in 0..<rows.count {
      if position + distance < rows.count {
        let record = records + Int(customers[position + distance]) * stride
        tranche_prefetch(record)
        tranche_prefetch(record + 64)
        tranche_prefetch(record + (stride - 8))
      }
      let row = rows[position]
      if isPositiveOnly && row.amount.isNegative { continue }
      update(records + Int(customers[position]) * stride, row, wordsOffset)
    }
  }

  @inline(__always)
  private func update(
    _ record: UnsafeMutableRawPointer, _ row: LedgerRow<Amount>, _ wordsOffset: Int
  ) {
    let age = min(row.age, PurchaseWindows.oldestAge)
    let amount = row.amount.size
    let oldest = record.assumingMemoryBound(to: Int32.self)
    let first = (record + PurchaseLayout.firstOffset).assumingMemoryBound(to: Amount.self)
    if age > oldest.pointee {
      oldest.pointee = age
      first.pointee = amount
    } else if age == oldest.pointee {
      if first.pointee.addReportingOverflow(amount) { overflowed = true }
    }
    let window = Int(windowOfAge[Int(age)])
    let amounts = (record + PurchaseLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
    if amounts[window].addReportingOverflow(amount) { overflowed = true }
    let words = (record + wordsOffset).assumingMemoryBound(to: UInt64.self)
    words[Int(age) >> 6] |= 1 << UInt64(age & 63)
  }

  private func grow(to larger: Int, words: Int) {
    var wider = layout
    wider.words = max(layout.words, words)
    let grown = LargeMemory.allocate(bytes: larger * wider.stride, isSparse: isSparse)
    for customer in 0..<count {
      let target = grown + customer * wider.stride
      target.copyMemory(from: records + customer * layout.stride, byteCount: layout.stride)
      (target + layout.stride).initializeMemory(
        as: UInt8.self, repeating: 0, count: wider.stride - layout.stride)
    }
    records.deallocate()
    records = grown
    capacity = larger
    layout = wider
  }

  /// Gives the customers' memory back, where no more is asked of them.
  func removeCustomers() {
    records.deallocate()
    (count, capacity) = (0, 1)
    records = LargeMemory.allocate(bytes: layout.stride)
  }
}
