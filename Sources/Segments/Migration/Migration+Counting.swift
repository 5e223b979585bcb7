import Clustering
import Columnar
import Foundation
import Sharding

/// One run's customers with their segments.
package struct SegmentedBase: Sendable {
  /// Int32, Int64 or text; unique.
  package let customerIDs: Column
  /// Index into `sides`; negative for a customer without a segment, who counts as absent.
  package let segments: Buffer<Int32>
  package let sides: [Migration.Side]

  package init(customerIDs: Column, segments: Buffer<Int32>, sides: [Migration.Side]) {
    precondition(customerIDs.count == segments.count)
    self.customerIDs = customerIDs
    self.segments = segments
    self.sides = sides
  }

  /// From a column of segment ids, as a scores file has it.
  ///
  /// - Parameters:
  ///   - segmentIDs: Text; a missing one is a customer without a segment.
  ///   - sides: The known segments, in the order they shall have; ids found beside them are added
  ///     behind, ordered by id and named after it.
  /// - Throws: ``MigrationError/notSegmentIDs``.
  package init(
    customerIDs: Column, segmentIDs: Column, sides known: [Migration.Side], workers: Workers
  ) throws {
    try self.init(
      customerIDs: customerIDs, segmentIDs: [segmentIDs], sides: known, workers: workers)
  }

  /// The same of a column that comes in chunks.
  package init(
    customerIDs: Column, segmentIDs: [Column], sides known: [Migration.Side], workers: Workers
  ) throws {
    guard let coded = try Column.coding(segmentIDs, workers: workers) else {
      throw MigrationError.notSegmentIDs
    }
    let added = Set(coded.texts).subtracting(known.map(\.id)).sorted()
    let all = known + added.map { Migration.Side(id: $0, name: $0) }
    let places = Dictionary(
      all.enumerated().map { ($0.element.id, Int32($0.offset)) }, uniquingKeysWith: { a, _ in a })
    let placeOfCode = coded.texts.map { places[$0]! }
    let codes = coded.codes
    let shards = Shards(rows: codes.count, rowsPerShard: 1 << 16)
    let segments = try Buffer<Int32>(count: codes.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let codes = codes.values
        placeOfCode.withUnsafeBufferPointer { placeOfCode in
          for row in shards[shard] {
            let code = Int(codes[row])
            target.initializeElement(at: row, to: code < 0 ? -1 : placeOfCode[code])
          }
        }
      }
    }
    self.init(customerIDs: customerIDs, segments: segments, sides: all)
  }
}

extension Migration {
  /// Counts who went where.
  ///
  /// - Parameters:
  ///   - rows: What ``CustomerJoin/previousRows(of:in:workers:)`` found for the two id columns.
  /// - Complexity: O(rows).
  package init(
    previous: SegmentedBase, current: SegmentedBase, rows: Buffer<Int32>, workers: Workers
  ) throws {
    precondition(rows.count == current.segments.count)
    let p = previous.sides.count
    let c = current.sides.count
    // Row p is "new", column c is "left".
    let shards = Shards(rows: rows.count, rowsPerShard: 1 << 17)
    let joined = try workers.map(shards.count) { shard in
      var counts = [Int](repeating: 0, count: (p + 1) * c)
      let (rows, before, now) = (rows.values, previous.segments.values, current.segments.values)
      for row in shards[shard] where now[row] >= 0 {
        let from = rows[row] < 0 ? -1 : before[Int(rows[row])]
        counts[(from < 0 ? p : Int(from)) * c + Int(now[row])] += 1
      }
      return counts
    }
    let earlier = Shards(rows: previous.segments.count, rowsPerShard: 1 << 17)
    let sizes = try workers.map(earlier.count) { shard in
      var counts = [Int](repeating: 0, count: p)
      let before = previous.segments.values
      for row in earlier[shard] where before[row] >= 0 { counts[Int(before[row])] += 1 }
      return counts
    }
    var counts = [[Int]](repeating: [Int](repeating: 0, count: c + 1), count: p + 1)
    for part in joined {
      for row in 0...p { for column in 0..<c { counts[row][column] += part[row * c + column] } }
    }
    for row in 0..<p {
      counts[row][c] = sizes.reduce(0) { $0 + $1[row] } - counts[row].reduce(0, +)
    }
    self.init(previous: previous.sides, current: current.sides, counts: counts)
  }

  /// Joins and counts.
  package init(previous: SegmentedBase, current: SegmentedBase, workers: Workers) throws {
    try self.init(
      previous: previous, current: current,
      rows: CustomerJoin.previousRows(
        of: current.customerIDs, in: previous.customerIDs, workers: workers),
      workers: workers)
  }

  /// From counts alone: see ``counts``.
  package init(previous: [Side], current: [Side], counts: [[Int]]) {
    precondition(counts.count == previous.count + 1)
    precondition(counts.allSatisfy { $0.count == current.count + 1 })
    let table = counts.dropLast().map { Array($0.dropLast()) }
    let shared = table.joined().reduce(0, +)
    let columns = Dictionary(
      current.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { a, _ in a })
    var kept = 0
    for (row, side) in previous.enumerated() {
      if let column = columns[side.id] { kept += counts[row][column] }
    }
    self.init(
      previous: previous, current: current, counts: counts,
      // Runs without a customer in common agree in nothing.
      stability: shared > 0 ? Double(kept) / Double(shared) : 0,
      adjustedRandIndex: shared > 0 ? LabelAgreement.adjustedRandIndex(counts: table) : 0,
      normalizedMutualInformation: shared > 0
        ? LabelAgreement.normalizedMutualInformation(counts: table) : 0)
  }

  /// counts[p][c] / the customers of row p, "left" included; a row without customers is all 0.
  package var rowShares: [[Double]] {
    counts.map { row in
      let total = row.reduce(0, +)
      return row.map { total > 0 ? Double($0) / Double(total) : 0 }
    }
  }

  /// Customers who are in the current run only.
  package var newCustomers: Int { counts[previous.count].reduce(0, +) }
  /// Customers who are in the previous run only.
  package var leftCustomers: Int { counts.reduce(0) { $0 + $1[current.count] } }
}

package enum MigrationError: Error, Sendable, Hashable, CustomStringConvertible {
  case tooManyCustomers
  case missingID(run: String, row: Int)
  case notAnID(run: String)
  case notSegmentIDs
  case mixedKinds(previous: String, current: String)
  case duplicateID(run: String, id: String, row: Int)

  package var description: String {
    switch self {
    case .tooManyCustomers:
      "A run of more than 2,147,483,646 customers cannot be compared: split it."
    case .missingID(let run, let row):
      "Row \(row) of the \(run) run has no customer id, so the runs cannot be compared."
    case .notAnID(let run):
      "The customer ids of the \(run) run are neither whole numbers nor text."
    case .notSegmentIDs:
      "The segment ids of the previous run are not text: is it a scores file?"
    case .mixedKinds(let previous, let current):
      "Customer ids are \(previous) in the previous run and \(current) in the current one: read both "
        + "the same way."
    case .duplicateID(let run, let id, let row):
      "Customer '\(id)' appears twice in the \(run) run (row \(row)): each may have one row."
    }
  }
}
