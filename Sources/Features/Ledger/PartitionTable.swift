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
  private var slotCapacity = 1024
  /// Text ids of more than eight bytes, back to back; `texts[i]` is where the id of state i lies in
  /// it, or a shorter id itself.
  private(set) var arena: UnsafeMutablePointer<UInt8>?
  private(set) var texts: UnsafeMutablePointer<TextSpan>?
  private(set) var arenaCount = 0
  private var arenaCapacity = 0
  /// (state, age) of active days older than the bit set reaches; duplicates allowed.
  private(set) var farDays: [(state: UInt32, age: Int32)] = []
  /// Of restored records whose ids lie close together. Slots are made only when the first row of
  /// another customer comes.
  private(set) var directory: Directory?
  private var places = GrowingBlock<UInt32>()
  private var hasSlots = true
  /// A customer's exact sum left Int64.
  private(set) var overflowed = false
  /// Rows younger than so many days are also kept one by one, for a state that goes on.
  let cellAges: Int
  private(set) var cells = GrowingBlock<DayCell<Amount>>()

  /// Where a text id lies in the arena; up to eight bytes it is `start` itself, as memory has it,
  /// which saves a fetch a row.
  struct TextSpan: BitwiseCopyable {
    var start: Int
    var length: Int

    static var inlineBytes: Int { 8 }
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

  /// About what the customers take in memory; room that nothing was written to takes none.
  var bytes: Int {
    // Large blocks are filled in huge pages.
    let page = capacity * layout.stride >= 4 << 20 ? 2 << 20 : 4 << 10
    let states = (count * layout.stride + page - 1) / page * page
    return states + (slotMask + 1) * 4 + farDays.count * 8
      + (texts == nil ? 0 : arenaCount + count * MemoryLayout<TextSpan>.stride)
  }

  /// Folds rows of integer ids.
  func fold(_ rows: UnsafeBufferPointer<LedgerRow<Amount>>, channels: Int, words: Int) {
    widen(channels: channels, words: words)
    if let directory { return fold(rows, directory) }
    fold(rows) {
      IdentityHash.hash($0)
    } isSame: { memory, state, position in
      memory.state(state).load(as: UInt64.self) == rows[position].key
    } inserted: { _, _ in
    }
  }

  /// Folds rows of text ids: `row.key` is the id's hash, equal hashes are compared byte by byte.
  func fold(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, ids: UnsafePointer<TextReference>,
    channels: Int, words: Int
  ) {
    widen(channels: channels, words: words)
    fold(rows) {
      $0
    } isSame: { memory, state, position in
      memory.state(state).load(as: UInt64.self) == rows[position].key
        && memory.text(of: state, equals: ids[position])
    } inserted: { state, position in
      keep(UnsafeBufferPointer(start: ids[position].start, count: ids[position].length), of: state)
    }
  }

  /// A round brings a customer a few rows, so nearly every state comes from memory: a row's slot is
  /// asked for `slotDistance` rows ahead, the lines of the state it names `stateDistance` rows ahead,
  /// and the waits overlap. What was found then is kept until the row's turn.
  @inline(__always)
  private func fold(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, hash: (UInt64) -> UInt64,
    isSame: (Memory, _ state: Int, _ position: Int) -> Bool,
    inserted: (_ state: Int, _ position: Int) -> Void
  ) {
    let (slotDistance, stateDistance) = (32, 16)
    let ring = 32
    withUnsafeTemporaryAllocation(of: (hash: UInt64, state: Int).self, capacity: ring) { ahead in
      let ahead = ahead.baseAddress!
      var memory = Memory(self)
      for turn in -slotDistance..<rows.count {
        // The row whose turn it is leaves the place of the one that is hashed now.
        let current = turn >= 0 ? ahead[turn & (ring - 1)] : (hash: 0, state: -1)
        if turn + slotDistance < rows.count {
          let next = hash(rows[turn + slotDistance].key)
          ahead[turn & (ring - 1)].hash = next
          tranche_prefetch(memory.slots + Int(truncatingIfNeeded: next) & memory.slotMask)
        }
        let named = turn + stateDistance
        if named >= 0, named < rows.count {
          let place = named & (ring - 1)
          let (state, _) = memory.find(ahead[place].hash) { _ in true }
          ahead[place].state = state
          if state >= 0 {
            tranche_prefetch(memory.state(state))
            tranche_prefetch(memory.state(state) + 64)
            if let texts = memory.texts { tranche_prefetch(texts + state) }
          }
        }
        guard turn >= 0 else { continue }
        var state = current.state
        if state < 0 || !isSame(memory, state, turn) {
          let (found, slot) = memory.find(current.hash) { isSame(memory, $0, turn) }
          state = found
          if found < 0 {
            state = insert(key: rows[turn].key, hash: current.hash, slot: slot)
            inserted(state, turn)
            memory = Memory(self)
          }
        }
        update(state, with: rows[turn], memory)
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
    if span.length <= TextSpan.inlineBytes {
      let inside = UnsafeRawPointer(texts + state).assumingMemoryBound(to: UInt8.self)
      return UnsafeBufferPointer(start: inside, count: span.length)
    }
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
      guard span.length == id.length else { return false }
      if id.length <= TextSpan.inlineBytes {
        return UInt64(bitPattern: Int64(span.start)) == IdentityBytes.word(id.start, id.length)
      }
      return IdentityBytes.areEqual(arena + span.start, id.start, id.length)
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
    if id.count <= TextSpan.inlineBytes {
      let word = id.baseAddress.map { IdentityBytes.word($0, id.count) } ?? 0
      texts[index] = TextSpan(start: Int(Int64(bitPattern: word)), length: id.count)
      return
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

  /// Removes those of the cells from `first` on that are `age` days old or older.
  func removeCells(from first: Int, olderThan age: Int) {
    let all = cells.base
    var kept = first
    for place in first..<cells.count where Int(all[place].age) < age {
      all[kept] = all[place]
      kept += 1
    }
    cells.resize(to: kept)
  }

  private func growSlots() {
    slotMask = slotMask * 2 + 1
    fillSlots()
  }

  private func fillSlots() {
    if slotMask >= slotCapacity {
      slots.deallocate()
      slotCapacity = slotMask + 1
      slots = .allocate(capacity: slotCapacity)
    }
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

  /// Empties the table and makes room for `count` customers, whose records are zero and are written
  /// in place afterwards. Its memory is reused.
  func restart(count: Int, layout: StateLayout) {
    cells.removeAll()
    farDays.removeAll(keepingCapacity: true)
    (self.count, arenaCount) = (0, 0)
    (directory, hasSlots) = (nil, false)
    if count > capacity || layout != self.layout {
      // A month brings a few new customers.
      growStates(to: max(capacity, count + count / 16), layout: layout)
    }
    self.count = count
    states.initializeMemory(as: UInt8.self, repeating: 0, count: count * layout.stride)
  }

  /// The id of a restored record; called for all of them in ascending order.
  func restoreText(_ id: UnsafeBufferPointer<UInt8>, state: Int) {
    keep(id, of: state)
    (states + state * layout.stride).storeBytes(of: IdentityHash.hash(id), as: UInt64.self)
  }

  func restoreFarDay(state: Int, age: Int32) { farDays.append((UInt32(state), age)) }

  /// Finds records by the distance of their ids from the first one's.
  struct Directory {
    fileprivate let first: UInt64
    fileprivate let span: UInt64
    /// By distance: the state plus one, 0 for ids that are not there.
    fileprivate let places: UnsafeMutablePointer<UInt32>

    /// −1 for an id that is not there.
    @inline(__always)
    func state(of key: UInt64) -> Int {
      let distance = key &- first
      return distance < span ? Int(places[Int(truncatingIfNeeded: distance)]) - 1 : -1
    }
  }

  /// Makes the restored records, which are in order of their ids, findable.
  func index() {
    guard texts == nil, count > 0 else { return rebuildSlots() }
    let first = key(of: 0)
    // Of signed numbers the distance is right without a sign.
    let span = key(of: count - 1) &- first
    guard span < UInt64(4 * count) else { return rebuildSlots() }
    places.resize(to: Int(span) + 1)
    let places = places.base
    places.update(repeating: 0, count: Int(span) + 1)
    for state in 0..<count {
      let distance = key(of: state) &- first
      guard distance <= span else { return rebuildSlots() }
      places[Int(truncatingIfNeeded: distance)] = UInt32(truncatingIfNeeded: state + 1)
    }
    directory = Directory(first: first, span: span + 1, places: places)
  }

  func rebuildSlots() {
    while count * 2 > slotMask { slotMask = slotMask * 2 + 1 }
    fillSlots()
    hasSlots = true
  }

  /// Folds rows into restored records where a look at one number finds each.
  private func fold(_ rows: UnsafeBufferPointer<LedgerRow<Amount>>, _ directory: Directory) {
    var memory = Memory(self)
    let distance = 12
    for position in 0..<rows.count {
      if position + distance < rows.count {
        let next = directory.state(of: rows[position + distance].key)
        tranche_prefetch(memory.state(next))
        tranche_prefetch(memory.state(next) + 64)
      }
      let row = rows[position]
      var state = directory.state(of: row.key)
      if state < 0 {
        state = stateOfNewcomer(row.key)
        memory = Memory(self)
      }
      update(state, with: row, memory)
    }
  }

  private func stateOfNewcomer(_ key: UInt64) -> Int {
    if !hasSlots { rebuildSlots() }
    let hash = IdentityHash.hash(key)
    let (found, slot) = Memory(self).find(hash) { self.key(of: $0) == key }
    return found >= 0 ? found : insert(key: key, hash: hash, slot: slot)
  }

  /// Takes a transaction out of one age bucket and into another; false when it cannot be there.
  @inline(__always)
  func move(_ state: Int, _ minorUnits: Int64, from: Int, to: Int) -> Bool {
    let record = states + state * layout.stride
    let counts = (record + StateLayout.countsOffset).assumingMemoryBound(to: UInt32.self)
    guard counts[from] > 0 else { return false }
    counts[from] -= 1
    counts[to] += 1
    let sums = (record + StateLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
    let amount = Amount(minorUnits: minorUnits)
    if sums[to].addReportingOverflow(amount) { overflowed = true }
    if sums[from].subtractReportingOverflow(amount) { overflowed = true }
    return true
  }

  /// The ages a customer was active at, oldest first, each once; `farDays` are in order.
  @inline(__always)
  func activeDays(of state: Int, into ages: inout [Int]) {
    ages.removeAll(keepingCapacity: true)
    if !farDays.isEmpty { addFarDays(of: state, to: &ages) }
    let words = (states + state * layout.stride + layout.wordsOffset)
      .assumingMemoryBound(to: UInt64.self)
    var word = layout.words
    while word > 0 {
      word -= 1
      var bits = words[word]
      while bits != 0 {
        let bit = 63 - bits.leadingZeroBitCount
        ages.append(word * 64 + bit)
        bits ^= 1 << UInt64(bit)
      }
    }
  }

  private func addFarDays(of state: Int, to ages: inout [Int]) {
    var (low, high) = (0, farDays.count)
    while low < high {
      let middle = (low + high) / 2
      if farDays[middle].state < UInt32(state) { low = middle + 1 } else { high = middle }
    }
    let first = low
    while low < farDays.count, farDays[low].state == UInt32(state) { low += 1 }
    for far in farDays[first..<low].reversed() { ages.append(Int(far.age)) }
  }

  /// Adds every bucket to the first one of its group.
  func closeBuckets(_ groups: [Int]) {
    guard groups != Array(groups.indices) else { return }
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
    // The rest, read as one number, first byte highest.
    let rest = bytes.count - offset
    var tail: UInt64 = 0
    if rest >= 4 {
      let high = UInt64(
        UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      let low = UInt64(
        UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)))
      // Where the two overlap they agree.
      tail = high << UInt64(8 * (rest - 4)) | low
    } else {
      while offset < bytes.count {
        tail = tail << 8 | UInt64(bytes[offset])
        offset += 1
      }
    }
    return hash(z ^ tail)
  }
}
