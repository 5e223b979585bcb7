import CKernels
import Columnar
import Sharding

/// The customers of one hash partition: an open-addressing table of indices into dense states.
///
/// Sized so that one partition's states stay in a core's cache while a round of rows is folded in.
/// Not safe for two threads at once; the fold gives each partition to one thread at a time.
final class PartitionTable<Amount: LedgerAmount>: @unchecked Sendable {
  private(set) var layout: StateLayout
  private(set) var count = 0
  private var capacity: Int
  private(set) var states: UnsafeMutableRawPointer
  /// Index + 1 of a state under eight bits of its hash, 0 = free; at most half full. The bits tell
  /// nearly all other customers apart without fetching their states.
  private var slots: UnsafeMutablePointer<UInt32>
  private var slotMask: Int
  /// Text ids, back to back; `texts[i]` is where the id of state i lies in it.
  private(set) var arena: UnsafeMutablePointer<UInt8>?
  private(set) var texts: UnsafeMutablePointer<TextSpan>?
  private(set) var arenaCount = 0
  private var arenaCapacity = 0
  /// (state, age) of active days older than the bit set reaches; duplicates allowed.
  private(set) var farDays: [(state: UInt32, age: Int32)] = []
  /// A customer's exact sum left Int64.
  private(set) var overflowed = false
  /// Rows younger than so many days are also kept one by one, for a state that goes on.
  let cellAges: Int
  private(set) var cells = GrowingBlock<DayCell<Amount>>()

  /// Where a text id lies in the arena.
  struct TextSpan: BitwiseCopyable {
    var start: Int
    var length: Int
  }

  /// Ages beyond this many bit-set words (11 years) go to `farDays`, so one ancient row does not
  /// widen the state of every customer.
  static var maximumWords: Int { 64 }

  static var tagMask: UInt32 { 0xff00_0000 }

  /// Bits of the hash that neither the partition nor the slot is chosen by.
  @inline(__always)
  static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 16) & tagMask }

  init(layout: StateLayout, hasText: Bool, cellAges: Int = 0, capacity: Int = 256) {
    self.layout = layout
    self.cellAges = cellAges
    self.capacity = max(256, capacity)
    states = LargeMemory.allocate(bytes: self.capacity * layout.stride)
    slotMask = 1023
    slots = .allocate(capacity: slotMask + 1)
    slots.initialize(repeating: 0, count: slotMask + 1)
    if hasText {
      texts = .allocate(capacity: self.capacity)
      arenaCapacity = 16 * self.capacity
      arena = .allocate(capacity: arenaCapacity)
    }
  }

  deinit {
    states.deallocate()
    slots.deallocate()
    texts?.deallocate()
    arena?.deallocate()
  }

  /// Folds rows of integer ids.
  func fold(_ rows: UnsafeBufferPointer<LedgerRow<Amount>>, channels: Int, words: Int) {
    widen(channels: channels, words: words)
    var position = 0
    while position < rows.count {
      // Until a new customer moves the table.
      let memory = Memory(self)
      while position < rows.count {
        let row = rows[position]
        prefetch(rows, after: position, memory) { IdentityHash.hash($0.key) }
        let hash = IdentityHash.hash(row.key)
        let (index, slot) = memory.find(hash) { state in
          memory.state(state).load(as: UInt64.self) == row.key
        }
        position += 1
        if index < 0 {
          let index = insert(key: row.key, hash: hash, slot: slot)
          update(index, with: row, Memory(self))
          break
        }
        update(index, with: row, memory)
      }
    }
  }

  /// Folds rows of text ids: `row.key` is the id's hash, equal hashes are compared byte by byte.
  func fold(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, ids: UnsafePointer<TextReference>,
    channels: Int, words: Int
  ) {
    widen(channels: channels, words: words)
    var position = 0
    while position < rows.count {
      let memory = Memory(self)
      while position < rows.count {
        let row = rows[position]
        let id = ids[position]
        prefetch(rows, after: position, memory) { $0.key }
        let (index, slot) = memory.find(row.key) { state in
          memory.state(state).load(as: UInt64.self) == row.key && memory.text(of: state, equals: id)
        }
        position += 1
        if index < 0 {
          let index = insert(key: row.key, hash: row.key, slot: slot)
          keep(UnsafeBufferPointer(start: id.start, count: id.length), of: index)
          update(index, with: row, Memory(self))
          break
        }
        update(index, with: row, memory)
      }
    }
  }

  @inline(__always)
  func key(of state: Int) -> UInt64 {
    states.load(fromByteOffset: state * layout.stride, as: UInt64.self)
  }

  /// The bytes of a state's text id.
  @inline(__always)
  func text(of state: Int) -> UnsafeBufferPointer<UInt8> {
    guard let texts, let arena else { return UnsafeBufferPointer(start: nil, count: 0) }
    let span = texts[state]
    return UnsafeBufferPointer(start: arena + span.start, count: span.length)
  }

  /// The table's pointers and sizes, held in registers while rows fold; stale after an insertion.
  private struct Memory {
    let slots: UnsafeMutablePointer<UInt32>
    let slotMask: Int
    let states: UnsafeMutableRawPointer
    let stride: Int
    let words: Int
    let wordsOffset: Int
    let hasChannels: Bool
    let cellAges: Int
    let texts: UnsafeMutablePointer<TextSpan>?
    let arena: UnsafeMutablePointer<UInt8>?

    init(_ table: PartitionTable) {
      (slots, slotMask, states) = (table.slots, table.slotMask, table.states)
      (stride, words) = (table.layout.stride, table.layout.words)
      (wordsOffset, hasChannels) = (table.layout.wordsOffset, table.layout.channels > 0)
      cellAges = table.cellAges
      (texts, arena) = (table.texts, table.arena)
    }

    @inline(__always)
    func state(_ index: Int) -> UnsafeMutableRawPointer { states + index * stride }

    /// The state whose slot bears the hash's tag and that `matches`, −1 for none; and the slot where
    /// the search ended.
    @inline(__always)
    func find(_ hash: UInt64, _ matches: (Int) -> Bool) -> (index: Int, slot: Int) {
      let tag = PartitionTable.tag(hash)
      var slot = Int(truncatingIfNeeded: hash) & slotMask
      while true {
        let entry = slots[slot]
        if entry == 0 { return (-1, slot) }
        if entry & PartitionTable.tagMask == tag {
          let index = Int(entry & ~PartitionTable.tagMask) - 1
          if matches(index) { return (index, slot) }
        }
        slot = (slot + 1) & slotMask
      }
    }

    @inline(__always)
    func text(of index: Int, equals id: TextReference) -> Bool {
      guard let texts, let arena else { return false }
      let span = texts[index]
      return span.length == id.length
        && IdentityBytes.areEqual(arena + span.start, id.start, id.length)
    }
  }

  /// A round brings a customer a row or two, so nearly every state comes from memory: its slot is
  /// asked for `slotDistance` rows ahead, its lines `stateDistance` rows ahead, and the waits overlap.
  @inline(__always)
  private func prefetch(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, after position: Int, _ memory: Memory,
    _ hash: (LedgerRow<Amount>) -> UInt64
  ) {
    let (slotDistance, stateDistance) = (32, 16)
    if position + slotDistance < rows.count {
      let slot = Int(truncatingIfNeeded: hash(rows[position + slotDistance])) & memory.slotMask
      tranche_prefetch(memory.slots + slot)
    }
    if position + stateDistance < rows.count {
      let (index, _) = memory.find(hash(rows[position + stateDistance])) { _ in true }
      if index >= 0 {
        let state = memory.state(index)
        tranche_prefetch(state)
        tranche_prefetch(state + 64)
      }
    }
  }

  @inline(__always)
  private func update(_ index: Int, with row: LedgerRow<Amount>, _ memory: Memory) {
    update(memory.state(index), with: row, memory)
    if Int(row.age) < memory.cellAges {
      cells.append(
        DayCell(state: UInt32(truncatingIfNeeded: index), age: row.age, amount: row.amount))
    }
  }

  @inline(__always)
  private func update(
    _ state: UnsafeMutableRawPointer, with row: LedgerRow<Amount>, _ memory: Memory
  ) {
    let ages = (state + 8).assumingMemoryBound(to: Int32.self)
    if row.age < ages[0] { ages[0] = row.age }
    if row.age > ages[1] { ages[1] = row.age }
    (state + 16).assumingMemoryBound(to: UInt32.self).pointee += UInt32(row.isRefund)

    let age = Int(row.age)
    // Branches that a year's ledger predicts well; a table lookup measured the same.
    let bucket = age < 90 ? (age < 30 ? 0 : 1) : age < 180 ? 2 : age < 365 ? 3 : 4
    (state + StateLayout.countsOffset).assumingMemoryBound(to: UInt32.self)[bucket] += 1
    let amounts = (state + StateLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
    if amounts[bucket].addReportingOverflow(row.amount) { overflowed = true }

    if memory.hasChannels {
      let counts = (state + StateLayout.channelsOffset).assumingMemoryBound(to: UInt32.self)
      counts[Int(row.channel)] += 1
    }
    if memory.words > 0 {
      if age >> 6 < memory.words {
        let words = (state + memory.wordsOffset).assumingMemoryBound(to: UInt64.self)
        words[age >> 6] |= 1 << UInt64(age & 63)
      } else {
        farDays.append((UInt32((state - states) / memory.stride), row.age))
      }
    }
  }

  private func insert(key: UInt64, hash: UInt64, slot: Int) -> Int {
    if count == capacity { growStates(to: capacity * 2, layout: layout) }
    let index = count
    count += 1
    let state = states + index * layout.stride
    state.initializeMemory(as: UInt8.self, repeating: 0, count: layout.stride)
    state.storeBytes(of: key, as: UInt64.self)
    state.storeBytes(of: Int32.max, toByteOffset: 8, as: Int32.self)
    state.storeBytes(of: -1, toByteOffset: 12, as: Int32.self)
    precondition(index < ~Self.tagMask - 1, "a partition holds sixteen million customers")
    slots[slot] = Self.tag(hash) | UInt32(index + 1)
    if count * 2 > slotMask { growSlots() }
    return index
  }

  /// Copies a text id into the arena; called right after its state was inserted.
  private func keep(_ id: UnsafeBufferPointer<UInt8>, of index: Int) {
    guard let known = arena, let texts else {
      preconditionFailure("a table of text ids was made for integers")
    }
    if arenaCount + id.count > arenaCapacity {
      arenaCapacity = max(2 * arenaCapacity, arenaCount + id.count)
      let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: arenaCapacity)
      grown.update(from: known, count: arenaCount)
      known.deallocate()
      arena = grown
    }
    if let arena, let start = id.baseAddress {
      (arena + arenaCount).update(from: start, count: id.count)
    }
    texts[index] = TextSpan(start: arenaCount, length: id.count)
    arenaCount += id.count
  }

  func removeCells() { cells.removeAll() }

  private func growSlots() {
    slotMask = slotMask * 2 + 1
    fillSlots()
  }

  private func fillSlots() {
    slots.deallocate()
    slots = .allocate(capacity: slotMask + 1)
    slots.initialize(repeating: 0, count: slotMask + 1)
    for state in 0..<count {
      let key = key(of: state)
      // Text ids' keys are hashes already.
      let hash = texts == nil ? IdentityHash.hash(key) : key
      var slot = Int(truncatingIfNeeded: hash) & slotMask
      while slots[slot] != 0 { slot = (slot + 1) & slotMask }
      slots[slot] = Self.tag(hash) | UInt32(state + 1)
    }
  }

  /// Makes room for channels and days that later batches brought.
  func widen(channels: Int, words: Int) {
    var wider = layout
    if layout.channels < channels { wider.channels = channels }
    if layout.words < words { wider.words = words }
    if wider != layout { growStates(to: capacity, layout: wider) }
  }

  private func growStates(to capacity: Int, layout wider: StateLayout) {
    let grown = LargeMemory.allocate(bytes: capacity * wider.stride)
    if wider == layout {
      grown.copyMemory(from: states, byteCount: count * layout.stride)
    } else {
      for state in 0..<count {
        let source = states + state * layout.stride
        let target = grown + state * wider.stride
        target.initializeMemory(as: UInt8.self, repeating: 0, count: wider.stride)
        target.copyMemory(from: source, byteCount: StateLayout.channelsOffset + layout.channels * 4)
        (target + wider.wordsOffset).copyMemory(
          from: source + layout.wordsOffset, byteCount: layout.words * 8)
      }
    }
    states.deallocate()
    states = grown
    if let known = texts, capacity > self.capacity {
      let spans = UnsafeMutablePointer<TextSpan>.allocate(capacity: capacity)
      spans.update(from: known, count: min(count, self.capacity))
      known.deallocate()
      texts = spans
    }
    self.capacity = capacity
    layout = wider
  }

  // MARK: - Going on from a state

  /// Makes room for `count` customers, whose records are written in place afterwards.
  func prepare(count: Int, layout: StateLayout) {
    precondition(self.count == 0, "a state is restored into an empty table")
    // A month brings a few new customers.
    growStates(to: max(capacity, count + count / 16), layout: layout)
    self.count = count
  }

  /// The id of a restored record; called for all of them in ascending order.
  func restoreText(_ id: UnsafeBufferPointer<UInt8>, state: Int) {
    keep(id, of: state)
    (states + state * layout.stride).storeBytes(of: IdentityHash.hash(id), as: UInt64.self)
  }

  func restoreFarDay(state: Int, age: Int32) { farDays.append((UInt32(state), age)) }

  /// Makes the restored records findable.
  func rebuildSlots() {
    while count * 2 > slotMask { slotMask = slotMask * 2 + 1 }
    fillSlots()
  }

  /// Largest age of any customer, −1 without customers.
  var oldest: Int32 {
    var oldest: Int32 = -1
    for state in 0..<count {
      oldest = max(
        oldest, (states + state * layout.stride).load(fromByteOffset: 12, as: Int32.self))
    }
    return oldest
  }

  /// Lets `days` pass: ages grow, active days move up in their words.
  func advance(days: Int32, words: Int) {
    widen(channels: layout.channels, words: words)
    guard days > 0 else { return }
    for entry in farDays.indices { farDays[entry].age += days }
    let (whole, part) = (Int(days) / 64, UInt64(days % 64))
    let limit = layout.words * 64
    for state in 0..<count {
      let record = states + state * layout.stride
      let ages = (record + 8).assumingMemoryBound(to: Int32.self)
      ages[0] += days
      ages[1] += days
      guard layout.words > 0 else { continue }
      let set = (record + layout.wordsOffset).assumingMemoryBound(to: UInt64.self)
      // Only in the widest layout may days fall out of the words.
      if Int(ages[1]) >= limit { moveFar(set, state: state, days: Int(days), limit: limit) }
      for word in (0..<layout.words).reversed() {
        let high = word >= whole ? set[word - whole] << part : 0
        let low = part > 0 && word > whole ? set[word - whole - 1] >> (64 - part) : 0
        set[word] = high | low
      }
    }
  }

  private func moveFar(
    _ set: UnsafeMutablePointer<UInt64>, state: Int, days: Int, limit: Int
  ) {
    for age in max(0, limit - days)..<limit where set[age >> 6] >> UInt64(age & 63) & 1 == 1 {
      farDays.append((UInt32(state), Int32(age + days)))
    }
  }

  /// Takes transactions out of one age bucket and into another.
  ///
  /// - Returns: False when a customer is not there.
  func move(
    _ owners: UnsafeBufferPointer<Int32>, amounts: UnsafePointer<Int64>, mask: UInt32, from: Int,
    to: Int
  ) -> Bool {
    let distance = 16
    for row in 0..<owners.count {
      if row + distance < owners.count {
        let ahead = UInt32(bitPattern: owners[row + distance]) & mask
        tranche_prefetch(states + Int(ahead) * layout.stride)
      }
      let state = Int(UInt32(bitPattern: owners[row]) & mask)
      guard state < count else { return false }
      let record = states + state * layout.stride
      let counts = (record + StateLayout.countsOffset).assumingMemoryBound(to: UInt32.self)
      guard counts[from] > 0 else { return false }
      counts[from] -= 1
      counts[to] += 1
      let sums = (record + StateLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
      let amount = Amount(minorUnits: amounts[row])
      if sums[to].addReportingOverflow(amount) { overflowed = true }
      if sums[from].subtractReportingOverflow(amount) { overflowed = true }
    }
    return true
  }

  /// Adds every bucket to the first one of its group.
  func closeBuckets(_ groups: [Int]) {
    for state in 0..<count {
      let record = states + state * layout.stride
      let counts = (record + StateLayout.countsOffset).assumingMemoryBound(to: UInt32.self)
      let sums = (record + StateLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
      for (bucket, head) in groups.enumerated() where bucket != head {
        counts[head] += counts[bucket]
        counts[bucket] = 0
        if sums[head].addReportingOverflow(sums[bucket]) { overflowed = true }
        sums[bucket] = .zero
      }
    }
  }

  /// Puts `farDays` in (state, age) order without duplicates; called once, after the last row.
  func finish() {
    guard !farDays.isEmpty else { return }
    farDays.sort { ($0.state, $0.age) < ($1.state, $1.age) }
    var kept = 1
    for position in 1..<farDays.count where farDays[position] != farDays[kept - 1] {
      farDays[kept] = farDays[position]
      kept += 1
    }
    farDays.removeLast(farDays.count - kept)
  }
}

enum IdentityHash {
  /// Mixes an integer id (MurmurHash3's finaliser): top bits choose the partition, low bits the slot.
  @inline(__always)
  static func hash(_ key: UInt64) -> UInt64 {
    var z = key
    z = (z ^ (z >> 33)) &* 0xff51_afd7_ed55_8ccd
    z = (z ^ (z >> 33)) &* 0xc4ce_b9fe_1a85_ec53
    return z ^ (z >> 33)
  }

  /// Hashes a text id, eight bytes at a time.
  @inline(__always)
  static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    guard let base = bytes.baseAddress else { return hash(0) }
    var z: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count)
    var offset = 0
    let raw = UnsafeRawPointer(base)
    while offset + 8 <= bytes.count {
      z = hash(z ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    var tail: UInt64 = 0
    while offset < bytes.count {
      tail = tail << 8 | UInt64(bytes[offset])
      offset += 1
    }
    return hash(z ^ tail)
  }
}
