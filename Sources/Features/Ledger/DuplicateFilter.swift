import Columnar
import Synchronization

/// Finds rows that were seen before, partition by partition, in file order.
final class DuplicateFilter: @unchecked Sendable {
  /// Fingerprints of 128 bits: among 10^9 rows, two different ones collide with odds of 10^-21.
  private var seen: [Set<UInt128>]
  /// Copies found in the current round, by partition: each is written by one thread only.
  private var found: [[(block: ObjectIdentifier, row: Int32)]]
  private let lock = Mutex(())

  init(count: Int) {
    seen = Array(repeating: [], count: count)
    found = Array(repeating: [], count: count)
  }

  /// Moves first occurrences to the front of the partition's run; returns how many there are.
  func compact<Amount: LedgerAmount>(
    _ block: RowBlock<Amount>, partition: Int, start: Int, count: Int
  ) -> Int {
    guard let origins = block.origins else { return count }
    // Taken out while this thread works on them: the arrays around them are shared.
    var known = lock.withLock { _ in
      let taken = seen[partition]
      seen[partition] = []
      return taken
    }
    var copies: [(ObjectIdentifier, Int32)] = []
    var kept = start
    for position in start..<start + count {
      guard known.insert(origins[position].fingerprint).inserted else {
        copies.append((ObjectIdentifier(block), origins[position].row))
        continue
      }
      block.rows[kept] = block.rows[position]
      if let ids = block.ids { ids[kept] = ids[position] }
      kept += 1
    }
    lock.withLock { _ in
      seen[partition] = known
      found[partition].append(contentsOf: copies.map { (block: $0.0, row: $0.1) })
    }
    return kept - start
  }

  /// Reports the copies of a folded round in file order.
  func settle<Amount: LedgerAmount>(
    _ blocks: [RowBlock<Amount>], counts: inout LedgerCounts, format: LedgerFormat,
    quarantine: ([QuarantinedRow]) throws -> Void
  ) throws {
    let copies = found.joined()
    defer { for partition in found.indices { found[partition] = [] } }
    for block in blocks {
      guard let batch = block.batch else { continue }
      let rows = copies.filter { $0.block == ObjectIdentifier(block) }.map { Int($0.row) }.sorted()
      guard let first = rows.first else { continue }
      if format.duplicates == .error {
        throw InputError(
          .badData, "the transaction appears twice", file: batch.origin.file,
          line: batch.origin.place(of: first), column: format.transactionID,
          hint: "use duplicates = \"drop\" or \"keep\"")
      }
      counts.folded -= rows.count
      counts.quarantined[.duplicate, default: 0] += rows.count
      try quarantine(
        rows.map { row in
          QuarantinedRow(
            file: batch.origin.file, place: batch.origin.place(of: row), reason: .duplicate,
            column: format.transactionID, value: nil, customerID: nil)
        })
    }
  }
}
