import CKernels
import Columnar
import Sharding

/// The customers of one partition: an open-addressing table of indices into dense states, or a slot
/// for each id where these lie close together.
///
/// Folding asks for states ahead, so that they need not fit into a core's cache. Not safe for two
/// threads at once; the fold gives each partition to one thread at a time.
final class PartitionTable<Amount: LedgerAmount>: @unchecked Sendable {
  var layout: StateLayout
  var count = 0
  var capacity: Int
  var states: UnsafeMutableRawPointer
  /// Index + 1 of a state under eight bits of its hash, 0 = free; at most half full. The bits tell
  /// nearly all other customers apart without fetching their states.
  ///
  /// Of dense ids no bits are needed, and the slot is the id's own.
  private(set) var slots: UnsafeMutablePointer<UInt32>
  var slotMask: Int
  private var slotCapacity = 1024
  /// Text ids of more than eight bytes, back to back; `texts[i]` is where the id of state i lies in
  /// it, or a shorter id itself.
  private(set) var arena: UnsafeMutablePointer<UInt8>?
  private(set) var texts: UnsafeMutablePointer<TextSpan>?
  var arenaCount = 0
  private var arenaCapacity = 0
  /// (state, age) of active days older than the bit set reaches; duplicates allowed.
  var farDays: [(state: UInt32, age: Int32)] = []
  /// Of restored records whose ids lie close together. Slots are made only when the first row of
  /// another customer comes.
  var directory: Directory?
  var places = GrowingBlock<UInt32>()
  var hasSlots = true
  /// A customer's exact sum left Int64.
  var overflowed = false
  /// Rows younger than so many days are also kept one by one, for a state that goes on.
  let cellAges: Int
  var cells = GrowingBlock<DayCell<Amount>>()
  /// Most of the room may stay empty, as customers leave memory.
  private let isSparse: Bool
  /// Where ids lie close together.
  let dense: DenseIdentities?
  /// Of the rows folded last, whose they were; kept for purchases, which are folded after them.
  private(set) var rowStates = GrowingBlock<UInt32>(capacity: 0)
  private let keepsRowStates: Bool

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

  init(
    layout: StateLayout, hasText: Bool, cellAges: Int = 0, capacity: Int = 256,
    isSparse: Bool = false, dense: DenseIdentities? = nil, keepsRowStates: Bool = false
  ) {
    self.layout = layout
    self.keepsRowStates = keepsRowStates
    self.cellAges = cellAges
    self.isSparse = isSparse
    self.dense = dense
    // Of dense ids there is room for all: pages that no customer comes to cost nothing.
    self.capacity = dense?.slots ?? max(256, capacity)
    states = LargeMemory.allocate(bytes: self.capacity * layout.stride, isSparse: isSparse)
    slotMask = (dense?.slots ?? 1024) - 1
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
    LargeMemory.resident(
      count * layout.stride, of: capacity * layout.stride, isSparse: isSparse)
      + (slotMask + 1) * 4 + farDays.count * 8
      + (texts == nil ? 0 : arenaCount + count * MemoryLayout<TextSpan>.stride)
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
  ///
  /// Whole words only: a Bool among them brings padding, which the loop copied byte by byte with every
  /// row, waiting for its own stores.
  struct Memory {
    let slots: UnsafeMutablePointer<UInt32>
    let slotMask: Int
    let states: UnsafeMutableRawPointer
    let stride: Int
    let words: Int
    let wordsOffset: Int
    let channels: Int
    let channelsOffset: Int
    let amountsOffset: Int
    let firstEnd: Int
    let secondEnd: Int
    let thirdEnd: Int
    let fourthEnd: Int
    let cellAges: Int
    let texts: UnsafeMutablePointer<TextSpan>?
    let arena: UnsafeMutablePointer<UInt8>?

    init(_ table: PartitionTable) {
      (slots, slotMask, states) = (table.slots, table.slotMask, table.states)
      (stride, words) = (table.layout.stride, table.layout.words)
      (wordsOffset, channels) = (table.layout.wordsOffset, table.layout.channels)
      (channelsOffset, amountsOffset) = (table.layout.channelsOffset, table.layout.amountsOffset)
      let ends = table.layout.ends
      (firstEnd, secondEnd, thirdEnd, fourthEnd) = (ends[0], ends[1], ends[2], ends[3])
      cellAges = table.cellAges
      (texts, arena) = (table.texts, table.arena)
    }

    @inline(__always)
    func state(_ index: Int) -> UnsafeMutableRawPointer { states + index * stride }

    /// Asks for a state's lines: up to three or four, of which a row needs the first and the last ones.
    @inline(__always)
    func prefetch(_ index: Int) {
      let state = state(index)
      tranche_prefetch(state)
      tranche_prefetch(state + 64)
      tranche_prefetch(state + (stride - 8))
    }

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

  func insert(key: UInt64, hash: UInt64, slot: Int) -> Int {
    let index = append(key: key)
    slots[slot] = Self.tag(hash) | UInt32(index + 1)
    if count * 2 > slotMask { growSlots() }
    return index
  }

  func append(key: UInt64) -> Int {
    if count == capacity { growStates(to: capacity * 2, layout: layout) }
    let index = count
    count += 1
    let state = states + index * layout.stride
    state.initializeMemory(as: UInt8.self, repeating: 0, count: layout.stride)
    state.storeBytes(of: key, as: UInt64.self)
    state.storeBytes(of: Int32.max, toByteOffset: 8, as: Int32.self)
    state.storeBytes(of: -1, toByteOffset: 12, as: Int32.self)
    precondition(index < ~Self.tagMask - 1, "a partition holds sixteen million customers")
    return index
  }

  /// Copies a text id into the arena; called right after its state was inserted.
  func keep(_ id: UnsafeBufferPointer<UInt8>, of index: Int) {
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

  /// Where the states of so many rows go, nil where nobody asks.
  func roomForRowStates(_ rows: Int) -> UnsafeMutablePointer<UInt32>? {
    guard keepsRowStates else { return nil }
    rowStates.resize(to: rows)
    return rowStates.base
  }

  /// Gives the customers' memory back, where no more is asked of them.
  func removeCustomers() {
    states.deallocate()
    slots.deallocate()
    (count, capacity, slotMask, slotCapacity) = (0, 1, 0, 1)
    states = LargeMemory.allocate(bytes: layout.stride)
    slots = .allocate(capacity: 1)
    slots.initialize(to: 0)
  }

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

  func fillSlots() {
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

  func growStates(to capacity: Int, layout wider: StateLayout) {
    let grown = LargeMemory.allocate(bytes: capacity * wider.stride, isSparse: isSparse)
    if wider == layout {
      grown.copyMemory(from: states, byteCount: count * layout.stride)
    } else {
      for state in 0..<count {
        let source = states + state * layout.stride
        let target = grown + state * wider.stride
        target.initializeMemory(as: UInt8.self, repeating: 0, count: wider.stride)
        target.copyMemory(from: source, byteCount: layout.channelsOffset + layout.channels * 4)
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
}
