import CKernels

/// Rows into states.
extension PartitionTable {
  /// Folds rows of integer ids.
  func fold(_ rows: UnsafeBufferPointer<LedgerRow<Amount>>, channels: Int, words: Int) {
    widen(channels: channels, words: words)
    if let dense { return fold(rows, dense) }
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
  /// and the waits overlap. What was found then is kept until the row's turn. The rows too are asked
  /// for: another thread may have written them, and a partition's runs are short.
  @inline(__always)
  private func fold(
    _ rows: UnsafeBufferPointer<LedgerRow<Amount>>, hash: (UInt64) -> UInt64,
    isSame: (Memory, _ state: Int, _ position: Int) -> Bool,
    inserted: (_ state: Int, _ position: Int) -> Void
  ) {
    let (rowDistance, slotDistance, stateDistance) = (96, 32, 16)
    let ring = 32
    guard let firstRow = rows.baseAddress else { return }
    let found = roomForRowStates(rows.count)
    var nextCell = roomForCells(of: rows.count)
    defer { cells.extend(to: nextCell) }
    withUnsafeTemporaryAllocation(of: (hash: UInt64, state: Int).self, capacity: ring) { ahead in
      let ahead = ahead.baseAddress!
      var memory = Memory(self)
      for turn in -slotDistance..<rows.count {
        // The row whose turn it is leaves the place of the one that is hashed now.
        let current = turn >= 0 ? ahead[turn & (ring - 1)] : (hash: 0, state: -1)
        tranche_prefetch(firstRow + (turn + rowDistance))
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
            memory.prefetch(state)
            if let texts = memory.texts { tranche_prefetch(texts + state) }
          }
        }
        guard turn >= 0 else { continue }
        var state = current.state
        if state < 0 || !isSame(memory, state, turn) {
          let (known, slot) = memory.find(current.hash) { isSame(memory, $0, turn) }
          state = known
          if known < 0 {
            state = insert(key: rows[turn].key, hash: current.hash, slot: slot)
            inserted(state, turn)
            memory = Memory(self)
          }
        }
        found?[turn] = UInt32(truncatingIfNeeded: state)
        update(state, with: rows[turn], memory, &nextCell)
      }
    }
  }

  /// The same waits overlapped; a row's state is known when its lines are asked for.
  private func fold(_ rows: UnsafeBufferPointer<LedgerRow<Amount>>, _ dense: DenseIdentities) {
    let (rowDistance, slotDistance, stateDistance) = (96, 32, 16)
    guard let firstRow = rows.baseAddress else { return }
    let first = UInt64(bitPattern: dense.first)
    precondition(cellAges == 0, "dense ids are folded without a state")
    let found = roomForRowStates(rows.count)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: stateDistance) { ahead in
      let ahead = ahead.baseAddress!
      // There is room for every id: nothing moves.
      let memory = Memory(self)
      for turn in -slotDistance..<rows.count {
        let current = turn >= 0 ? ahead[turn & (stateDistance - 1)] : 0
        tranche_prefetch(firstRow + (turn + rowDistance))
        if turn + slotDistance < rows.count {
          let distance = rows[turn + slotDistance].key &- first
          tranche_prefetch(memory.slots + Int(truncatingIfNeeded: distance) & memory.slotMask)
        }
        let named = turn + stateDistance
        if named >= 0, named < rows.count {
          let slot = Int(truncatingIfNeeded: rows[named].key &- first) & memory.slotMask
          var state = Int(memory.slots[slot]) - 1
          if state < 0 {
            state = append(key: rows[named].key)
            memory.slots[slot] = UInt32(state + 1)
          }
          ahead[named & (stateDistance - 1)] = state
          memory.prefetch(state)
        }
        guard turn >= 0 else { continue }
        found?[turn] = UInt32(truncatingIfNeeded: current)
        update(memory.state(current), with: rows[turn], memory)
      }
    }
  }

  /// Where the cells of so many rows go: written there one by one, then counted at once.
  func roomForCells(of rows: Int) -> UnsafeMutablePointer<DayCell<Amount>> {
    if cellAges > 0 { cells.reserve(cells.count + rows) }
    return cells.base + cells.count
  }

  @inline(__always)
  func update(
    _ index: Int, with row: LedgerRow<Amount>, _ memory: Memory,
    _ nextCell: inout UnsafeMutablePointer<DayCell<Amount>>
  ) {
    update(memory.state(index), with: row, memory)
    if Int(row.age) < memory.cellAges {
      nextCell.initialize(
        to: DayCell(state: UInt32(truncatingIfNeeded: index), age: row.age, amount: row.amount))
      nextCell += 1
    }
  }

  @inline(__always)
  func update(
    _ state: UnsafeMutableRawPointer, with row: LedgerRow<Amount>, _ memory: Memory
  ) {
    let ages = (state + 8).assumingMemoryBound(to: Int32.self)
    if row.age < ages[0] { ages[0] = row.age }
    if row.age > ages[1] { ages[1] = row.age }
    (state + 16).assumingMemoryBound(to: UInt32.self).pointee += UInt32(row.isRefund)

    let age = Int(row.age)
    let bucket =
      (age >= memory.firstEnd ? 1 : 0) + (age >= memory.secondEnd ? 1 : 0)
      + (age >= memory.thirdEnd ? 1 : 0) + (age >= memory.fourthEnd ? 1 : 0)
    (state + StateLayout.countsOffset).assumingMemoryBound(to: UInt32.self)[bucket] += 1
    let amounts = (state + memory.amountsOffset).assumingMemoryBound(to: Amount.self)
    if amounts[bucket].addReportingOverflow(row.amount) { overflowed = true }

    if memory.channels > 0 {
      let counts = (state + memory.channelsOffset).assumingMemoryBound(to: UInt32.self)
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
}
