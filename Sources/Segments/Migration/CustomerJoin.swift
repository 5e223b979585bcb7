import Columnar
import Sharding

/// Finds each customer of one table in another.
package enum CustomerJoin {
  /// For each row of `current`, the row of `previous` with the same id; −1 where there is none.
  ///
  /// Ids are numbers in both tables or text in both. Tables in the same order, the usual case from
  /// month to month, are compared row by row; sorted numbers are merged; anything else is partitioned
  /// by hash and looked up in tables that fit the cache.
  ///
  /// - Throws: ``MigrationError`` when kinds differ, an id is missing, or an id appears twice.
  /// - Complexity: O(rows). Scratch of the hash join: 16 bytes a row.
  package static func previousRows(
    of current: Column, in previous: Column, workers: Workers
  ) throws -> Buffer<Int32> {
    guard max(current.count, previous.count) < Int(Int32.max) else {
      throw MigrationError.tooManyCustomers
    }
    for (column, run) in [(current, "current"), (previous, "previous")] {
      if let validity = column.validity,
        let row = (0..<column.count).first(where: { !validity[$0] })
      {
        throw MigrationError.missingID(run: run, row: row + 1)
      }
    }
    let left = try Keys(current, run: "current")
    let right = try Keys(previous, run: "previous")
    switch (left, right) {
    case (.numbers(let left), .numbers(let right)):
      if try isAscending(left, workers), try isAscending(right, workers) {
        return try merge(left, right, workers)
      }
      return try hashJoin(left, right, workers)
    case (.texts(let left), .texts(let right)): return try hashJoin(left, right, workers)
    case (.numbers, .texts): throw MigrationError.mixedKinds(previous: "text", current: "numbers")
    case (.texts, .numbers): throw MigrationError.mixedKinds(previous: "numbers", current: "text")
    }
  }

  private enum Keys {
    case numbers(NumberKeys)
    case texts(TextKeys)

    init(_ column: Column, run: String) throws(MigrationError) {
      switch column.values {
      case .int64(let values): self = .numbers(NumberKeys(values: values))
      case .int32(let values):
        self = .numbers(NumberKeys(values: Buffer(values.values.map(Int64.init))))
        withExtendedLifetime(values) {}
      case .strings(let texts): self = .texts(TextKeys(texts: texts, codes: nil))
      case .dictionary(let codes, let texts): self = .texts(TextKeys(texts: texts, codes: codes))
      default: throw .notAnID(run: run)
      }
    }
  }

  // MARK: Sorted numbers

  /// Strictly, so that no id appears twice.
  private static func isAscending(_ keys: NumberKeys, _ workers: Workers) throws -> Bool {
    let shards = Shards(rows: max(keys.count - 1, 0), rowsPerShard: 1 << 17)
    return try workers.map(shards.count) { shard in
      let values = keys.values.values
      return shards[shard].allSatisfy { values[$0] < values[$0 + 1] }
    }.allSatisfy { $0 }
  }

  private static func merge(
    _ left: NumberKeys, _ right: NumberKeys, _ workers: Workers
  ) throws -> Buffer<Int32> {
    let shards = Shards(rows: left.count, rowsPerShard: 1 << 16)
    return try Buffer(count: left.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let (left, right) = (left.values.values, right.values.values)
        let rows = shards[shard]
        // The first row of `right` that is not below this shard's first id.
        var low = 0
        var high = right.count
        while low < high {
          let middle = (low + high) / 2
          if right[middle] < left[rows.lowerBound] { low = middle + 1 } else { high = middle }
        }
        for row in rows {
          while low < right.count && right[low] < left[row] { low += 1 }
          let isFound = low < right.count && right[low] == left[row]
          target.initializeElement(at: row, to: isFound ? Int32(low) : -1)
        }
      }
    }
  }

  // MARK: Hashes

  private static func hashJoin<Key: JoinKeys>(
    _ left: Key, _ right: Key, _ workers: Workers
  ) throws -> Buffer<Int32> {
    // About 16,384 ids a partition: their table of rows and hashes stays in a core's cache.
    var bits = 0
    while max(left.count, right.count) >> bits > 1 << 14 && bits < 14 { bits += 1 }
    let leftParts = try HashPartitions(left, bits: bits, workers)
    let rightParts = try HashPartitions(right, bits: bits, workers)
    return try Buffer(count: left.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(1 << bits, scratch: { [Int32]() }) { table, part in
        try probe(
          leftParts.entries(of: part), left, rightParts.entries(of: part), right, &table, target)
      }
    }
  }

  /// Open addressing over the rows of `right`, then each row of `left` looked up.
  private static func probe<Key: JoinKeys>(
    _ leftEntries: Buffer<HashedRow>, _ left: Key, _ rightEntries: Buffer<HashedRow>, _ right: Key,
    _ table: inout [Int32], _ target: UnsafeMutableBufferPointer<Int32>
  ) throws {
    defer { withExtendedLifetime((leftEntries, rightEntries)) {} }
    let (leftRows, rightRows) = (leftEntries.values, rightEntries.values)
    var capacity = 16
    while capacity < rightRows.count * 2 { capacity *= 2 }
    let mask = capacity - 1
    table.removeAll(keepingCapacity: true)
    table.append(contentsOf: repeatElement(-1, count: capacity))
    var isTaken = [Bool](repeating: false, count: rightRows.count)
    for index in rightRows.indices {
      let entry = rightRows[index]
      var slot = Int(truncatingIfNeeded: entry.hash) & mask
      while table[slot] >= 0 {
        let other = rightRows[Int(table[slot])]
        if other.hash == entry.hash && right.areEqual(Int(other.row), right, Int(entry.row)) {
          throw MigrationError.duplicateID(
            run: "previous", id: right.text(Int(entry.row)), row: Int(max(entry.row, other.row)) + 1
          )
        }
        slot = (slot + 1) & mask
      }
      table[slot] = Int32(index)
    }
    for entry in leftRows {
      var slot = Int(truncatingIfNeeded: entry.hash) & mask
      var found: Int32 = -1
      while table[slot] >= 0 {
        let index = Int(table[slot])
        let other = rightRows[index]
        if other.hash == entry.hash && left.areEqual(Int(entry.row), right, Int(other.row)) {
          if isTaken[index] {
            throw MigrationError.duplicateID(
              run: "current", id: left.text(Int(entry.row)), row: Int(entry.row) + 1)
          }
          isTaken[index] = true
          found = Int32(other.row)
          break
        }
        slot = (slot + 1) & mask
      }
      target.initializeElement(at: Int(entry.row), to: found)
    }
  }
}

/// Ids that can be hashed and compared in place.
private protocol JoinKeys: Sendable {
  var count: Int { get }
  func hash(_ row: Int) -> UInt64
  /// Of two rows with the same hash.
  func areEqual(_ row: Int, _ other: Self, _ otherRow: Int) -> Bool
  func text(_ row: Int) -> String
}

private struct NumberKeys: JoinKeys {
  let values: Buffer<Int64>
  var count: Int { values.count }

  @inline(__always)
  func hash(_ row: Int) -> UInt64 {
    CounterBasedRandom.mix(UInt64(bitPattern: values.base[row]) &+ 0x9e37_79b9_7f4a_7c15)
  }

  /// Only asked for equal hashes, and the hash is a bijection: its inverse gives the number back.
  @inline(__always)
  func areEqual(_ row: Int, _ other: NumberKeys, _ otherRow: Int) -> Bool { true }

  func text(_ row: Int) -> String { "\(values[row])" }
}

private struct TextKeys: JoinKeys {
  let texts: Strings
  /// Nil when row and text correspond.
  let codes: Buffer<Int32>?
  var count: Int { codes?.count ?? texts.count }

  private func bytes(_ row: Int) -> UnsafeBufferPointer<UInt8> {
    texts[codes.map { Int($0[row]) } ?? row]
  }

  /// FNV-1a over the bytes, mixed: stable across processes.
  func hash(_ row: Int) -> UInt64 {
    CounterBasedRandom.mix(
      bytes(row).reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
  }

  func areEqual(_ row: Int, _ other: TextKeys, _ otherRow: Int) -> Bool {
    bytes(row).elementsEqual(other.bytes(otherRow))
  }

  func text(_ row: Int) -> String { String(decoding: bytes(row), as: UTF8.self) }
}

private struct HashedRow: BitwiseCopyable {
  var hash: UInt64
  var row: UInt32
}

/// Rows by the leading bits of their hash, ascending inside each partition.
private struct HashPartitions: Sendable {
  private let entries: Buffer<HashedRow>
  private let starts: [Int]

  func entries(of part: Int) -> Buffer<HashedRow> { entries[starts[part]..<starts[part + 1]] }

  init(_ keys: some JoinKeys, bits: Int, _ workers: Workers) throws {
    let parts = 1 << bits
    let shards = Shards(rows: keys.count, rowsPerShard: max(1 << 16, (keys.count + 255) / 256))
    @Sendable func part(_ hash: UInt64) -> Int {
      bits == 0 ? 0 : Int(truncatingIfNeeded: hash >> UInt64(64 - bits))
    }
    let histograms = try workers.map(shards.count) { shard in
      var counts = [Int](repeating: 0, count: parts)
      for row in shards[shard] { counts[part(keys.hash(row))] += 1 }
      return counts
    }
    var starts: [Int] = []
    var places = histograms
    var total = 0
    for part in 0..<parts {
      starts.append(total)
      for shard in histograms.indices {
        places[shard][part] = total
        total += histograms[shard][part]
      }
    }
    self.starts = starts + [total]
    let firstPlaces = places
    entries = try Buffer(count: keys.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        var next = firstPlaces[shard]
        for row in shards[shard] {
          let hash = keys.hash(row)
          let place = part(hash)
          target.initializeElement(at: next[place], to: HashedRow(hash: hash, row: UInt32(row)))
          next[place] += 1
        }
      }
    }
  }
}
