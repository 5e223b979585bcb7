import CKernels
import Columnar
import Sharding

/// The purchases of one hash partition's customers: an open-addressing table over dense states.
/// Used by one thread at a time.
final class PurchaseTable<Amount: LedgerAmount>: @unchecked Sendable {
  private(set) var layout: PurchaseLayout
  private(set) var count = 0
  private(set) var states: UnsafeMutableRawPointer
  private(set) var overflowed = false
  /// Of each age: a look-up instead of a search for every row.
  private let windowOfAge: UnsafeMutablePointer<UInt8>
  private let isPositiveOnly: Bool
  private var capacity: Int
  /// Index + 1 of a state, 0 = free; at most half full.
  private var slots: UnsafeMutablePointer<UInt32>
  private var slotMask = 511

  /// - Parameter capacity: Customers to make room for.
  init(_ windows: PurchaseWindows, capacity: Int = 0) {
    self.capacity = max(128, capacity)
    layout = PurchaseLayout(windows: windows.edges.count, words: 0)
    let windowOfAge = windows.windowOfAge
    self.windowOfAge = .allocate(capacity: windowOfAge.count)
    self.windowOfAge.initialize(from: windowOfAge, count: windowOfAge.count)
    isPositiveOnly = windows.kind == .positive
    states = LargeMemory.allocate(bytes: self.capacity * layout.stride)
    slots = .allocate(capacity: slotMask + 1)
    slots.initialize(repeating: 0, count: slotMask + 1)
  }

  deinit {
    states.deallocate()
    slots.deallocate()
    windowOfAge.deallocate()
  }

  /// About what the customers take in memory.
  var bytes: Int {
    let page = capacity * layout.stride >= 4 << 20 ? 2 << 20 : 4 << 10
    return (count * layout.stride + page - 1) / page * page + (slotMask + 1) * 4
  }

  /// Makes room in an empty table for `count` customers, whose states are written in place
  /// afterwards; then come ``rebuildSlots(isText:)``.
  func prepare(count: Int, words: Int) {
    precondition(self.count == 0, "customers are restored into an empty table")
    grow(to: max(capacity, count + count / 4), words: words)
    self.count = count
  }

  func rebuildSlots(isText: Bool) {
    while count * 2 > slotMask * 2 + 1 { slotMask = slotMask * 2 + 1 }
    growSlots(isText: isText)
  }

  /// - Parameters:
  ///   - ids: Beside `rows` for text ids.
  ///   - words: Of the day bits: no row is older than 64 days times this.
  func fold(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, ids: UnsafePointer<TextReference>?, words: Int
  ) {
    if words > layout.words { grow(to: capacity, words: words) }
    for position in 0..<rows.count {
      prefetch(rows, after: position, isText: ids != nil)
      let row = rows[position]
      if isPositiveOnly && row.amount.isNegative { continue }
      let hash = ids == nil ? IdentityHash.hash(row.key) : row.key
      let check = ids.map { PurchaseIdentity.check($0[position].bytes) } ?? 0
      // Found first: a new customer may move all states.
      let index = find(row.key, check: check, hash: hash)
      update(states + index * layout.stride, row)
    }
  }

  /// As in a `PartitionTable`: a row's slot is asked for early, then the state that lies there.
  @inline(__always)
  private func prefetch(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, after position: Int, isText: Bool
  ) {
    let (slotDistance, stateDistance) = (32, 16)
    if position + slotDistance < rows.count {
      tranche_prefetch(slots + slot(of: rows[position + slotDistance].key, isText))
    }
    if position + stateDistance < rows.count {
      let index = Int(slots[slot(of: rows[position + stateDistance].key, isText)]) - 1
      guard index >= 0 else { return }
      let state = states + index * layout.stride
      tranche_prefetch(state)
      tranche_prefetch(state + 64)
      tranche_prefetch(state + layout.wordsOffset)
    }
  }

  @inline(__always)
  private func slot(of key: UInt64, _ isText: Bool) -> Int {
    Int(truncatingIfNeeded: isText ? key : IdentityHash.hash(key)) & slotMask
  }

  /// The table's pointers, to look customers up after the last row without counting references.
  struct Lookup: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<UInt32>
    private let slotMask: Int
    private let states: UnsafeMutableRawPointer
    private let stride: Int

    fileprivate init(_ table: PurchaseTable) {
      (slots, slotMask) = (table.slots, table.slotMask)
      (states, stride) = (table.states, table.layout.stride)
    }

    @inline(__always)
    func prefetch(_ hash: UInt64) {
      tranche_prefetch(slots + Int(truncatingIfNeeded: hash) & slotMask)
    }

    /// A customer's state, or nil.
    @inline(__always)
    func state(of key: UInt64, check: UInt64, hash: UInt64) -> UnsafeMutableRawPointer? {
      var slot = Int(truncatingIfNeeded: hash) & slotMask
      while slots[slot] != 0 {
        let state = states + (Int(slots[slot]) - 1) * stride
        if state.load(as: UInt64.self) == key
          && state.load(fromByteOffset: 8, as: UInt64.self) == check
        {
          return state
        }
        slot = (slot + 1) & slotMask
      }
      return nil
    }
  }

  /// Valid until the next row.
  var lookup: Lookup { Lookup(self) }

  @inline(__always)
  private func isState(_ index: Int, _ key: UInt64, _ check: UInt64) -> Bool {
    let state = states + index * layout.stride
    return state.load(as: UInt64.self) == key
      && state.load(fromByteOffset: 8, as: UInt64.self) == check
  }

  @inline(__always)
  private func find(_ key: UInt64, check: UInt64, hash: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: hash) & slotMask
    while slots[slot] != 0 {
      let index = Int(slots[slot]) - 1
      if isState(index, key, check) { return index }
      slot = (slot + 1) & slotMask
    }
    if count == capacity { grow(to: 2 * capacity, words: layout.words) }
    let index = count
    count += 1
    let state = states + index * layout.stride
    state.initializeMemory(as: UInt8.self, repeating: 0, count: layout.stride)
    state.storeBytes(of: key, as: UInt64.self)
    state.storeBytes(of: check, toByteOffset: 8, as: UInt64.self)
    state.storeBytes(of: -1, toByteOffset: PurchaseLayout.oldestOffset, as: Int32.self)
    slots[slot] = UInt32(index + 1)
    if count * 2 > slotMask { growSlots(isText: check != 0) }
    return index
  }

  @inline(__always)
  private func update(_ state: UnsafeMutableRawPointer, _ row: LedgerRow<Amount>) {
    let age = min(row.age, PurchaseWindows.oldestAge)
    let amount = row.amount.size
    let oldest = (state + PurchaseLayout.oldestOffset).assumingMemoryBound(to: Int32.self)
    let first = (state + PurchaseLayout.firstOffset).assumingMemoryBound(to: Amount.self)
    if age > oldest.pointee {
      oldest.pointee = age
      first.pointee = amount
    } else if age == oldest.pointee {
      if first.pointee.addReportingOverflow(amount) { overflowed = true }
    }
    let window = Int(windowOfAge[Int(age)])
    let amounts = (state + PurchaseLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
    if amounts[window].addReportingOverflow(amount) { overflowed = true }
    let words = (state + layout.wordsOffset).assumingMemoryBound(to: UInt64.self)
    words[Int(age) >> 6] |= 1 << UInt64(age & 63)
  }

  private func growSlots(isText: Bool) {
    slots.deallocate()
    slotMask = slotMask * 2 + 1
    slots = .allocate(capacity: slotMask + 1)
    slots.initialize(repeating: 0, count: slotMask + 1)
    for index in 0..<count {
      let key = states.load(fromByteOffset: index * layout.stride, as: UInt64.self)
      var slot = Int(truncatingIfNeeded: isText ? key : IdentityHash.hash(key)) & slotMask
      while slots[slot] != 0 { slot = (slot + 1) & slotMask }
      slots[slot] = UInt32(index + 1)
    }
  }

  private func grow(to larger: Int, words: Int) {
    var wider = layout
    wider.words = words
    let grown = LargeMemory.allocate(bytes: larger * wider.stride)
    for index in 0..<count {
      let target = grown + index * wider.stride
      target.copyMemory(from: states + index * layout.stride, byteCount: layout.stride)
      (target + layout.stride).initializeMemory(
        as: UInt8.self, repeating: 0, count: wider.stride - layout.stride)
    }
    states.deallocate()
    states = grown
    capacity = larger
    layout = wider
  }

  /// Day bits as wide as those of the other partitions.
  func widen(words: Int) {
    if words > layout.words { grow(to: capacity, words: words) }
  }
}

enum PurchaseIdentity {
  /// A hash independent of `IdentityHash`'s, never 0.
  @inline(__always)
  static func check(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    guard let base = bytes.baseAddress else { return 1 }
    let raw = UnsafeRawPointer(base)
    var z: UInt64 = 0xd1b5_4a32_d192_ed03 &+ UInt64(bytes.count)
    var offset = 0
    while offset + 8 <= bytes.count {
      z =
        (z ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        &* 0x9fb2_1c65_1e98_df25
      z ^= z >> 29
      offset += 8
    }
    var tail: UInt64 = 1
    while offset < bytes.count {
      tail = tail << 8 | UInt64(bytes[offset])
      offset += 1
    }
    z = (z ^ tail) &* 0x9fb2_1c65_1e98_df25
    return (z ^ (z >> 32)) | 1
  }
}

extension TextReference {
  @inline(__always)
  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: length) }
}
