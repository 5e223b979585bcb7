import CKernels
import Columnar
import Sharding
import Synchronization

/// The rows of one batch, grouped by partition: what decoding hands to folding.
///
/// Blocks are reused through a `RowBlockPool`, so a long ledger allocates only what a few rounds need.
final class RowBlock<Amount: LedgerAmount>: @unchecked Sendable {
  /// Rows of partition p: `starts[p]..<starts[p + 1]`.
  private(set) var starts: [Int] = []
  private(set) var rows: UnsafeMutablePointer<LedgerRow<Amount>>
  /// Beside `rows` for text ids; the bytes belong to `batch`.
  private(set) var ids: UnsafeMutablePointer<TextReference>?
  /// When duplicates matter: fingerprints of the kept rows, in the batch's order.
  private(set) var origins: UnsafeMutablePointer<DuplicateKey>?
  var originCount = 0
  /// Whether some rows are copies, marked by an age below 0.
  var hasCopies = false
  private var capacity: Int
  /// Where `rows` lie while they are part of a larger piece of memory.
  private var slab: RowSlab?

  /// Kept while text ids or the origins of rows are needed.
  var batch: RecordBatch?
  var quarantined: QuarantinedRows
  /// Rows after as-of, where a state keeps them.
  var pending: PendingRows?
  var counts = LedgerCounts()
  /// An age that no folded row exceeds, -1 for no rows.
  var oldest: Int32 = -1
  /// The rows, where they went to wait and this block only tells of them.
  private(set) var waiting: WaitingRows<Amount>?

  /// Tells of a block whose rows wait elsewhere.
  ///
  /// - Parameter give: Takes the block back where its rows are not kept in it.
  convenience init(
    waitingRowsOf block: RowBlock, hasText: Bool, give: (RowBlock) -> Void
  ) {
    self.init(capacity: 1, hasText: false, hasOrigins: false)
    quarantined = block.quarantined
    block.quarantined = QuarantinedRows(hasText: hasText)
    (pending, counts, oldest) = (block.pending, block.counts, block.oldest)
    waiting = WaitingRows(block, give: give)
  }

  /// - Parameter place: Where the rows are to lie, from `start` on; nil for memory of their own.
  init(
    capacity: Int, hasText: Bool, hasOrigins: Bool,
    in place: (slab: RowSlab, start: UnsafeMutableRawPointer)? = nil
  ) {
    self.capacity = capacity
    slab = place?.slab
    quarantined = QuarantinedRows(hasText: hasText)
    rows =
      place.map { $0.start.bindMemory(to: LedgerRow<Amount>.self, capacity: capacity) }
      ?? LargeMemory.allocate(capacity)
    ids = hasText ? LargeMemory.allocate(capacity) : nil
    origins = hasOrigins ? LargeMemory.allocate(capacity) : nil
  }

  deinit { release() }

  private func release() {
    if slab == nil { rows.deallocate() }
    slab = nil
    ids?.deallocate()
    origins?.deallocate()
  }

  /// Empties the block and makes sure that `count` rows fit.
  func reset(count: Int) {
    if count > capacity {
      release()
      capacity = count
      rows = LargeMemory.allocate(count)
      if ids != nil { ids = LargeMemory.allocate(count) }
      if origins != nil { origins = LargeMemory.allocate(count) }
    }
    starts = []
    quarantined.removeAll()
    pending = nil
    counts = LedgerCounts()
    batch = nil
    originCount = 0
    hasCopies = false
    oldest = -1
  }

  /// Asks for the first lines of a partition's rows.
  func prefetch(_ partition: Int) {
    let start = UnsafeRawPointer(rows + starts[partition])
    for line in 0..<36 { tranche_prefetch(start + line * 64) }
  }

  /// Moves the rows of a partition that are no copies to the front; returns how many there are.
  func compact(partition: Int) -> Int {
    var kept = starts[partition]
    for position in starts[partition]..<starts[partition + 1] where rows[position].age >= 0 {
      rows[kept] = rows[position]
      if let ids { ids[kept] = ids[position] }
      kept += 1
    }
    return kept - starts[partition]
  }

  func setStarts(counts: [Int]) {
    starts = [0]
    starts.reserveCapacity(counts.count + 1)
    for count in counts { starts.append(starts.last! + count) }
  }
}

/// One entry a row of a batch, while a thread decodes it.
final class DecodingScratch {
  private(set) var verdicts: UnsafeMutablePointer<RowVerdict>
  private(set) var hashes: UnsafeMutablePointer<UInt64>
  /// Only written for 32-bit ids, which need widening.
  private(set) var keys: UnsafeMutablePointer<UInt64>
  private(set) var ages: UnsafeMutablePointer<Int32>
  private(set) var channels: UnsafeMutablePointer<UInt16>
  /// Where each kept row went in its block; only written where texts or fingerprints follow.
  private(set) var targets: UnsafeMutablePointer<Int32>
  private var capacity = 1

  init() {
    verdicts = LargeMemory.allocate(1)
    hashes = LargeMemory.allocate(1)
    keys = LargeMemory.allocate(1)
    ages = LargeMemory.allocate(1)
    channels = LargeMemory.allocate(1)
    targets = LargeMemory.allocate(1)
  }

  deinit { release() }

  private func release() {
    verdicts.deallocate()
    hashes.deallocate()
    keys.deallocate()
    ages.deallocate()
    channels.deallocate()
    targets.deallocate()
  }

  func reserve(_ count: Int) {
    guard count > capacity else { return }
    release()
    capacity = count
    verdicts = LargeMemory.allocate(count)
    hashes = LargeMemory.allocate(count)
    keys = LargeMemory.allocate(count)
    ages = LargeMemory.allocate(count)
    channels = LargeMemory.allocate(count)
    targets = LargeMemory.allocate(count)
  }
}

/// What becomes of a row.
enum RowVerdict: UInt8, CaseIterable {
  case keep
  case missingCustomerID, missingDate, unreadableDate, futureDate, ancientDate
  case missingAmount, unreadableAmount, notFiniteAmount
  case refund, excludedType

  static let count = allCases.count

  var quarantine: QuarantineReason? {
    switch self {
    case .keep, .refund, .excludedType: nil
    case .missingCustomerID: .missingCustomerID
    case .missingDate: .missingDate
    case .unreadableDate: .unreadableDate
    case .futureDate: .futureDate
    case .ancientDate: .ancientDate
    case .missingAmount: .missingAmount
    case .unreadableAmount: .unreadableAmount
    case .notFiniteAmount: .notFiniteAmount
    }
  }

  var exclusion: ExclusionReason? {
    switch self {
    case .refund: .refund
    case .excludedType: .type
    default: nil
    }
  }
}

/// What a row is known by when copies are looked for.
struct DuplicateKey: BitwiseCopyable {
  var fingerprint: UInt128
  /// Row of the batch.
  var row: Int32
  /// Its place in the block's `rows`.
  var target: Int32
}

/// Blocks waiting to be filled again.
final class RowBlockPool<Amount: LedgerAmount>: Sendable {
  private let free = Mutex<[RowBlock<Amount>]>([])
  private let hasText: Bool
  private let hasOrigins: Bool
  /// Rows of a usual block: a smaller one would have to be replaced when a larger batch comes.
  private let rows: Int

  init(rows: Int, hasText: Bool, hasOrigins: Bool) {
    self.rows = rows
    self.hasText = hasText
    self.hasOrigins = hasOrigins
  }

  func take(rows: Int) -> RowBlock<Amount> {
    let block = free.withLock { free in
      if free.isEmpty { free = makeBlocks() }
      return free.removeLast()
    }
    block.reset(count: rows)
    return block
  }

  /// Frees the blocks that wait.
  func removeAll() { free.withLock { $0.removeAll() } }

  func give(_ block: RowBlock<Amount>) {
    block.reset(count: 0)
    free.withLock { $0.append(block) }
  }

  /// Some blocks in one piece of memory: each alone is too small for huge pages.
  private func makeBlocks() -> [RowBlock<Amount>] {
    let blocksPerSlab = 8
    let bytes = rows * MemoryLayout<LedgerRow<Amount>>.stride
    let slab = RowSlab(bytes: blocksPerSlab * bytes)
    return (0..<blocksPerSlab).map { number in
      RowBlock(
        capacity: rows, hasText: hasText, hasOrigins: hasOrigins,
        in: (slab, slab.base + number * bytes))
    }
  }
}

/// Memory that the rows of several blocks share.
final class RowSlab: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  init(bytes: Int) { base = LargeMemory.allocate(bytes: bytes) }
  deinit { base.deallocate() }
}
