import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

/// Ids that lie close together are folded without a hash: to the same bits as with one.
@Suite struct DenseIdentityTests {
  private static let asOf = FoldTwinTests.asOf

  /// Running numbers from `first` on, of which some have no rows; a few customers have most.
  private static func ledger(rows: Int, ids: Int, first: Int64, seed: UInt64) -> PlainLedger {
    var ledger = FoldTwinTests.ledger(rows: rows, customers: ids, span: 900, seed: seed)
    let random = CounterBasedRandom(seed: seed, purpose: .init("dense twin"))
    for row in 0..<rows {
      let unit = random.unit(at: row)
      ledger.rows[row].id = first + Int64(unit * unit * Double(ids)) / 3 * 3
    }
    return ledger
  }

  @Test(
    arguments: [(4, 1, 0), (290, 64, -30), (12_010, 2_999, 1_000_000), (9_001, 700, -9_000_000)],
    [PlainLedger.IDForm.int64, .int32])
  func sameBits(shape: (rows: Int, ids: Int, first: Int64), form: PlainLedger.IDForm) throws {
    let folder = try TemporaryFolder()
    let ledger = Self.ledger(
      rows: shape.rows, ids: shape.ids, first: shape.first, seed: UInt64(shape.rows))
    let batches = ledger.batches(sizes: [1, shape.rows / 5, 0, shape.rows / 3, 7], form: form)
    let exact = ledger.rows.map(\.id).min()!...ledger.rows.map(\.id).max()!
    let last = shape.first + Int64(shape.ids) - 1
    for buys in [false, true] {
      let expected = try FoldMemoryTests.fold(batches, bytes: nil, buys: buys, in: folder).outcome
      for range in [exact, shape.first...max(last, exact.upperBound)] {
        #expect(DenseIdentities(range, rows: Int64(shape.rows), partitionBits: 6) != nil)
        for threads in [1, 3] {
          let found = try FoldMemoryTests.fold(
            batches, bytes: nil, range: range, threads: threads, buys: buys, in: folder
          ).outcome
          #expect(found == expected)
        }
      }
    }
  }

  @Test func rangesThatAreTaken() throws {
    func dense(_ range: ClosedRange<Int64>, rows: Int64, bits: Int = 6) -> DenseIdentities? {
      DenseIdentities(range, rows: rows, partitionBits: bits)
    }
    #expect(dense(5...5, rows: 4)?.shift == 0)
    #expect(dense(0...99, rows: 399) == nil, "too few rows for so many numbers")
    #expect(dense(.min ... .max, rows: .max) == nil, "the difference overflows")
    #expect(dense(0...(1 << 40), rows: 1 << 43) == nil, "more than a partition can hold")
    for (first, span) in [(-3, 1), (0, 63), (0, 64), (1_000, 65), (-50_000, 100_001)] {
      let last = Int64(first + span - 1)
      let ids = try #require(dense(Int64(first)...last, rows: 4 * Int64(span)))
      #expect(ids.span == span)
      #expect(ids.partition(UInt64(bitPattern: Int64(first))) == 0)
      #expect(ids.partition(UInt64(bitPattern: last)) < 64)
    }
  }

  /// Missing ids are no ids, whatever number stands in their place.
  @Test func missingIDsAreSetAside() throws {
    let ledger = Self.ledger(rows: 500, ids: 100, first: 7, seed: 5)
    let batches = ledger.batches(sizes: [200]).map { batch in
      guard case .int64(let ids) = batch.columns[0].values else { return batch }
      var columns = batch.columns
      let isPresent = ids.values.indices.map { $0 % 9 != 0 }
      columns[0] = Column(
        .int64(Buffer(zip(ids.values, isPresent).map { $1 ? $0 : .max })),
        validity: Validity(present: isPresent))
      return RecordBatch(
        schema: batch.schema, columns: columns, rows: batch.rows, origin: batch.origin)
    }
    let expected = try fold(MemorySource(batches), asOf: Self.asOf)
    let source = MemorySource(batches)
    source.idRange = 7...106
    let found = try fold(source, asOf: Self.asOf)
    #expect(found == expected)
    #expect(found.counts.quarantined[.missingCustomerID] == 57)
  }

  @Test func anIDOutsideTheDeclaredRangeIsRefused() throws {
    let ledger = Self.ledger(rows: 500, ids: 100, first: 7, seed: 6)
    let source = MemorySource(ledger.batches(sizes: [200]))
    source.idRange = 7...50
    let error = try #require(throws: InputError.self) { try fold(source, asOf: Self.asOf) }
    #expect(error.message.contains("range 7 to 50") && error.line != nil)
  }

  /// What real files say of their ids.
  @Test func rangesOfFiles() throws {
    let folder = try TemporaryFolder()
    try Shell.python(
      """
      import sys, pyarrow as pa, pyarrow.parquet as pq
      f = sys.argv[1]
      ids = [5, -3, None, 12, 7, 7]
      t = pa.table({"wide": pa.array(ids, pa.int64()), "narrow": pa.array(ids, pa.int32()),
                    "double": pa.array(ids, pa.float64()), "text": [str(i) for i in ids],
                    "gap": pa.array([1, 2, None, None, 3, 4], pa.int64())})
      pq.write_table(t, f + "/a.parquet", row_group_size=2)
      pq.write_table(t.slice(4), f + "/b.parquet")
      pq.write_table(t, f + "/c.parquet", write_statistics=False)
      pq.write_table(t.slice(0, 0), f + "/d.parquet")
      """, [folder.url.path])
    func range(_ column: Int, _ names: String...) throws -> ClosedRange<Int64>? {
      try ParquetSource(names.map { folder.path($0 + ".parquet") }).integerRange(of: column)
    }
    for column in [0, 1] {
      #expect(try range(column, "a") == -3...12)
      #expect(try range(column, "b") == 7...7)
      #expect(try range(column, "b", "a", "d") == -3...12)
      #expect(try range(column, "c") == nil)
      #expect(try range(column, "a", "c") == nil)
    }
    #expect(try range(4, "a") == 1...4, "a row group without any value says nothing")
    #expect(try range(2, "a") == nil && range(3, "a") == nil)
    #expect(try range(0, "d") == nil)
  }
}
