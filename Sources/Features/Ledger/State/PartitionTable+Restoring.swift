import CKernels

/// Going on from a state, and into the next one.
extension PartitionTable {
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
    let first: UInt64
    let span: UInt64
    /// By distance: the state plus one, 0 for ids that are not there.
    let places: UnsafeMutablePointer<UInt32>

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
  func fold(_ rows: UnsafeBufferPointer<LedgerRow<Amount>>, _ directory: Directory) {
    var memory = Memory(self)
    var nextCell = roomForCells(of: rows.count)
    defer { cells.extend(to: nextCell) }
    let distance = 12
    for position in 0..<rows.count {
      if position + distance < rows.count {
        let next = directory.state(of: rows[position + distance].key)
        memory.prefetch(next)
      }
      let row = rows[position]
      var state = directory.state(of: row.key)
      if state < 0 {
        state = stateOfNewcomer(row.key)
        memory = Memory(self)
      }
      update(state, with: row, memory, &nextCell)
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
    let sums = (record + layout.amountsOffset).assumingMemoryBound(to: Amount.self)
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
