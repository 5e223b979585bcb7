import Columnar
import Sharding

/// Finds rows that were seen before, in file order, whoever their customer is.
final class DuplicateFilter: @unchecked Sendable {
  /// Fixed, so that no result depends on the number of threads.
  private static let shardBits: UInt128 = 4
  private static let shardCount = 1 << Int(shardBits)
  /// Each is used by one thread at a time.
  private let seen = (0..<shardCount).map { _ in FingerprintSet() }

  /// What the fingerprints take in memory.
  var bytes: Int { seen.reduce(0) { $0 + $1.bytes } }

  /// Marks the copies in the next blocks of the ledger: their age becomes −1, and they go to the
  /// blocks' quarantine.
  ///
  /// - Throws: `InputError` for the first copy, where the format refuses them.
  func mark<Amount: LedgerAmount>(
    _ blocks: [RowBlock<Amount>], _ format: LedgerFormat, customerID: Int, workers: Workers
  ) throws {
    let found = try workers.map(Self.shardCount) { shard -> [(block: Int, key: Int)] in
      let known = seen[shard]
      var copies: [(block: Int, key: Int)] = []
      for (index, block) in blocks.enumerated() {
        guard let origins = block.origins else { continue }
        for key in 0..<block.originCount {
          let fingerprint = origins[key].fingerprint
          guard Int(fingerprint >> (128 - Self.shardBits)) == shard else { continue }
          if !known.insert(fingerprint) { copies.append((index, key)) }
        }
      }
      return copies
    }
    var copies = [[Int]](repeating: [], count: blocks.count)
    for (block, key) in found.joined() { copies[block].append(key) }
    for (block, keys) in zip(blocks, copies) where !keys.isEmpty {
      guard let batch = block.batch, let origins = block.origins else { continue }
      let keys = keys.sorted()
      let rows = keys.map { Int(origins[$0].row) }
      if format.duplicates == .error {
        throw InputError(
          .badData, "the transaction appears twice", file: batch.origin.file,
          line: batch.origin.place(of: rows[0]), column: format.transactionID,
          hint: "use duplicates = \"drop\" or \"keep\"")
      }
      block.hasCopies = true
      for key in keys { block.rows[Int(origins[key].target)].age = -1 }
      block.counts.folded -= rows.count
      block.counts.quarantined[.duplicate, default: 0] += rows.count
      block.quarantined.start(file: batch.origin.file)
      for row in rows {
        block.quarantined.append(
          place: batch.origin.place(of: row), reason: .duplicate, text: nil)
      }
      block.quarantined.appendIDs(of: batch.columns[customerID], rows: rows)
      block.quarantined.sortByPlace()
    }
  }
}

/// Fingerprints of 128 bits: among 10^9 rows, two different ones collide with odds of 10^-21.
/// Open addressing, at most half full; 0 marks a free slot and stands for 1.
private final class FingerprintSet: @unchecked Sendable {
  private var slots = [UInt128](repeating: 0, count: 1024)
  private var count = 0

  var bytes: Int { slots.count * MemoryLayout<UInt128>.stride }

  /// False when it is known already.
  func insert(_ fingerprint: UInt128) -> Bool {
    if count * 2 >= slots.count {
      let known = slots
      slots = [UInt128](repeating: 0, count: known.count * 2)
      for value in known where value != 0 { slots[slot(of: value)] = value }
    }
    let value = fingerprint == 0 ? 1 : fingerprint
    let slot = slot(of: value)
    if slots[slot] == value { return false }
    slots[slot] = value
    count += 1
    return true
  }

  /// The slot that holds `value`, or the free one it belongs into.
  private func slot(of value: UInt128) -> Int {
    let mask = slots.count - 1
    return slots.withUnsafeBufferPointer { slots in
      var slot = Int(truncatingIfNeeded: value) & mask
      while slots[slot] != 0 && slots[slot] != value { slot = (slot + 1) & mask }
      return slot
    }
  }
}

extension LedgerDecoder {
  /// Fingerprints of the kept rows, in the batch's order: of the transaction id where there is one
  /// (rows that miss theirs are no copies of each other), else of every column as the file has it.
  ///
  /// - Returns: How many were written.
  func fingerprints(
    _ batch: RecordBatch, _ scratch: DecodingScratch,
    into target: UnsafeMutablePointer<DuplicateKey>
  ) -> Int {
    let columns = positions.transactionID.map { [batch.columns[$0]] } ?? batch.columns
    var prints = [Fingerprint](repeating: Fingerprint(), count: batch.rows)
    for column in columns { Fingerprint.mix(column, into: &prints) }
    let isNamed = positions.transactionID != nil
    var count = 0
    for row in 0..<batch.rows where scratch.verdicts[row] == .keep {
      if isNamed && columns[0].isMissing(row) { continue }
      target[count] = DuplicateKey(
        fingerprint: prints[row].value, row: Int32(row), target: scratch.targets[row])
      count += 1
    }
    return count
  }
}

private struct Fingerprint {
  private var high: UInt64 = 0x9e37_79b9_7f4a_7c15
  private var low: UInt64 = 0xcbf2_9ce4_8422_2325

  var value: UInt128 { UInt128(high) << 64 | UInt128(low) }

  private mutating func mix(_ a: UInt64, _ b: UInt64) {
    high = IdentityHash.hash(high ^ a)
    low = IdentityHash.hash(low &+ b &* 0x9e37_79b9_7f4a_7c15 &+ 1)
  }

  private mutating func mix(_ text: UnsafeBufferPointer<UInt8>) {
    mix(IdentityHash.hash(text), text.reduce(low) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
  }

  /// Mixes a column into every row's fingerprint.
  static func mix(_ column: Column, into prints: inout [Fingerprint]) {
    func mixBits(_ bits: (Int) -> UInt64) {
      for row in prints.indices {
        if column.isMissing(row) {
          prints[row].mix(0x5bd1_e995, 1)
        } else {
          let bits = bits(row)
          prints[row].mix(bits, bits)
        }
      }
    }
    switch column.values {
    case .int32(let buffer), .date(let buffer): mixBits { UInt64(bitPattern: Int64(buffer[$0])) }
    case .int64(let buffer), .decimal(let buffer, _, _), .timestamp(let buffer, _, _):
      mixBits { UInt64(bitPattern: buffer[$0]) }
    case .float(let buffer): mixBits { UInt64(buffer[$0].bitPattern) }
    case .double(let buffer): mixBits { buffer[$0].bitPattern }
    case .strings, .dictionary:
      for row in prints.indices {
        if column.isMissing(row) {
          prints[row].mix(0x5bd1_e995, 1)
        } else {
          prints[row].mix(column.text(row))
        }
      }
    }
  }
}
