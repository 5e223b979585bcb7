import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

/// Folds that do not fit their memory against folds that do: the same bits, whatever left memory.
@Suite struct FoldMemoryTests {
  static let asOf = FoldTwinTests.asOf

  struct Outcome: Equatable {
    var ids: [String]
    var names: [String]
    var bits: [[UInt64]]
    /// Days, amounts, first amounts and ages of purchases, by customer.
    var purchases: [[UInt64]]
    var oldestPurchase: Int?
    var counts: LedgerCounts
  }

  /// - Parameters:
  ///   - bytes: Nil: no limit.
  ///   - range: What the source says of its ids.
  static func fold(
    _ batches: [RecordBatch], bytes: Int?, range: ClosedRange<Int64>? = nil, threads: Int = 2,
    buys: Bool = false,
    duplicates: LedgerFormat.Duplicates = .keep, spaced: Bool = false,
    in folder: TemporaryFolder
  ) throws -> (outcome: Outcome, spilling: FoldSpilling?) {
    var format = LedgerFormat()
    format.duplicates = duplicates
    var fold = LedgerFold(
      format: format, asOf: asOf, features: .all, workers: Workers(threads: threads))
    if buys { fold.purchases = PurchaseWindows(kind: .positive, edges: [0, 30, 90, 365]) }
    let path = folder.url.path
    fold.memory = try bytes.map { bytes in
      FoldMemory(bytes: bytes, roundBytes: 1 << 10, folder: path) { size in
        spaced
          ? try SpillSpace(folder: path, capacity: size.bytes + (8 << 20), residentLimit: 0) : nil
      }
    }
    let source = MemorySource(batches)
    source.idRange = range
    let folded = try fold.features(of: source) { _ in }
    let table = folded.table
    let ids = (0..<table.rows).map { row -> String in
      switch table.ids.values {
      case .int64(let ids): String(ids[row])
      case .strings(let texts): texts.text(row)
      default: "unexpected"
      }
    }
    var purchases: [[UInt64]] = []
    if let bought = folded.purchases {
      for row in 0..<bought.customers {
        var days: [UInt64] = []
        bought.forEachDay(row, from: 0) { days.append(UInt64($0)) }
        let amounts = bought.windows.edges.indices.map {
          bought.amounts[row * bought.windows.edges.count + $0].bitPattern
        }
        purchases.append(
          days + amounts + [
            bought.firstAmounts[row].bitPattern, UInt64(bitPattern: Int64(bought.firstAges[row])),
          ])
      }
    }
    return (
      Outcome(
        ids: ids, names: table.names, bits: table.columns.map { array($0).map(\.bitPattern) },
        purchases: purchases, oldestPurchase: folded.purchases?.oldestAge, counts: folded.counts),
      folded.spilling
    )
  }

  /// From a limit below empty tables, where all partitions leave in the first round, to one where
  /// only some leave, late.
  @Test(arguments: PlainLedger.IDForm.allCases, [1, 3])
  func sameBits(form: PlainLedger.IDForm, threads: Int) throws {
    let folder = try TemporaryFolder()
    let ledger = FoldTwinTests.ledger(rows: 12_000, customers: 6_000, span: 800, seed: 21)
    let batches = ledger.batches(sizes: (0..<12).map { 200 + 97 * $0 }, form: form)
    for buys in [false, true] {
      let expected = try Self.fold(batches, bytes: nil, buys: buys, in: folder).outcome
      var outside: Set<Int> = []
      for bytes in [1 << 16, 3 << 18, 64 << 20] {
        let (found, spilling) = try Self.fold(
          batches, bytes: bytes, threads: threads, buys: buys, spaced: bytes == 3 << 18,
          in: folder)
        #expect(found == expected, "\(bytes) bytes")
        let account = try #require(spilling)
        outside.insert(account.spilledPartitions)
        #expect(account.spilledRows == 0 || account.spilledPartitions > 0)
      }
      // Nearly all of the 64, and none.
      #expect(outside.contains(0) && outside.contains { $0 > 48 }, "\(outside)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
  }

  /// Sums in floating point depend on the order of the rows, which spilling keeps.
  @Test func floatingPointSumsKeepTheirOrder() throws {
    let folder = try TemporaryFolder()
    let ledger = FoldTwinTests.ledger(rows: 20_000, customers: 2_000, span: 800, seed: 22)
    let batches = ledger.batches(sizes: (0..<20).map { 300 + 31 * $0 }).map { batch in
      guard case .decimal(let units, _, _) = batch.columns[2].values else { return batch }
      var (fields, columns) = (batch.schema.fields, batch.columns)
      fields[2] = Field(name: "amount", type: .double)
      columns[2] = Column(.double(Buffer(units.values.map { Double($0) / 7 * 1e-3 })))
      return RecordBatch(
        schema: Schema(fields: fields), columns: columns, rows: batch.rows, origin: batch.origin)
    }
    let expected = try Self.fold(batches, bytes: nil, in: folder).outcome
    for bytes in [1 << 16, 1 << 20] {
      let (found, spilling) = try Self.fold(batches, bytes: bytes, in: folder)
      #expect(found == expected)
      #expect(try #require(spilling).spilledRows > 0)
    }
  }

  /// Copies are known whether or not their customers have left.
  @Test func copiesAreDroppedAllTheSame() throws {
    let folder = try TemporaryFolder()
    var ledger = FoldTwinTests.ledger(rows: 12_000, customers: 6_000, span: 800, seed: 23)
    ledger.rows += ledger.rows[2_000..<5_000]
    let batches = ledger.batches(sizes: (0..<20).map { 300 + 31 * $0 }, form: .text)
    let expected = try Self.fold(batches, bytes: nil, duplicates: .drop, in: folder).outcome
    #expect(expected.counts.quarantined[.duplicate] ?? 0 >= 3_000)
    let (found, spilling) = try Self.fold(
      batches, bytes: 1_500_000, duplicates: .drop, in: folder)
    #expect(found == expected)
    #expect(try #require(spilling).spilledRows > 0)
    let failure = #expect(throws: InputError.self) {
      _ = try Self.fold(batches, bytes: 1 << 16, duplicates: .drop, in: folder)
    }
    #expect(failure?.kind == .configuration)
  }

  @Test func refusalsAndFailuresReachTheCaller() throws {
    let folder = try TemporaryFolder()
    let ledger = FoldTwinTests.ledger(rows: 5_000, customers: 900, span: 800, seed: 24)
    struct Refusal: Error {}
    for bytes in [1 << 16, 1 << 28] {
      var fold = LedgerFold(
        format: LedgerFormat(), asOf: Self.asOf, features: .all, workers: Workers(threads: 2))
      fold.memory = FoldMemory(bytes: bytes, roundBytes: 1 << 10, folder: folder.url.path) { size in
        #expect(size.customers == Set(ledger.rows.map(\.id)).count)
        throw Refusal()
      }
      #expect(throws: Refusal.self) {
        try fold.features(of: MemorySource(ledger.batches(sizes: [999]))) { _ in }
      }
      fold.memory = FoldMemory(bytes: bytes, roundBytes: 1, folder: folder.path("none")) { _ in nil
      }
      #expect(throws: SpillSpace.Failure.self) {
        try fold.features(of: MemorySource(ledger.batches(sizes: [999]))) { _ in }
      }
    }
  }

  private struct PlainRow: Equatable {
    var key: UInt64
    var bits: Int64
    var age: Int32
    var channel: UInt16
    var isRefund: UInt16
    var text: [UInt8]
  }

  /// Rows at the ends of every width come back as they were.
  @Test(arguments: [false, true]) func packedRowsComeBack(hasText: Bool) throws {
    let folder = try TemporaryFolder()
    let file = try SpillFile(folder: folder.url.path)
    let packer = RowPacker<Int64>()
    let keys: [UInt64] = [0, 1, 0xffff_ffff, 0x1_0000_0000, .max]
    let amounts: [Int64] = [0, -1, Int64(Int32.max), Int64(Int32.min), 1 << 40, .min, .max]
    for (wide, long) in [(0, 3), (3, 255), (5, 256), (7, 70_000)] {
      var rows: [PlainRow] = []
      for index in 0..<500 {
        let text =
          Array(String(repeating: "ü\(index)", count: 1).utf8)
          + [UInt8](repeating: 7, count: index == 77 ? long : 0)
        let bytes = hasText ? Array(text.prefix(long)) : []
        let key = keys[index % (wide < 5 ? 3 : 5)]
        rows.append(
          PlainRow(
            key: hasText ? bytes.withUnsafeBufferPointer { IdentityHash.hash($0) } : key,
            bits: amounts[index % (wide < 5 ? 4 : 7)], age: Int32(index * 73),
            channel: UInt16(index % 64), isRefund: UInt16(index & 1), text: bytes))
      }
      // Two runs, as two blocks bring them.
      let ledgerRows = rows.map {
        LedgerRow<Int64>(
          key: $0.key, amount: $0.bits, age: $0.age, channel: $0.channel, isRefund: $0.isRefund)
      }
      let texts = rows.flatMap(\.text)
      var found: [PlainRow] = []
      try texts.withUnsafeBufferPointer { texts in
        var start = 0
        let ids = rows.map { row -> TextReference in
          defer { start += row.text.count }
          return TextReference(start: texts.baseAddress! + start, length: row.text.count)
        }
        try ids.withUnsafeBufferPointer { ids in
          try ledgerRows.withUnsafeBufferPointer { rows in
            let spilled = try packer.pack(
              [(0, 123), (123, 377)].map { start, count in
                RowPacker.Run(
                  rows: rows.baseAddress! + start, ids: hasText ? ids.baseAddress! + start : nil,
                  count: count)
              }, into: file)
            #expect(spilled.amountWidth == (wide < 5 ? 4 : 8))
            #expect(spilled.keyWidth == (hasText ? 0 : wide < 5 ? 4 : 8))
            try packer.unpack(spilled, from: file) { rows, ids in
              for (index, row) in rows.enumerated() {
                found.append(
                  PlainRow(
                    key: row.key, bits: row.amount, age: row.age, channel: row.channel,
                    isRefund: row.isRefund, text: ids.map { Array($0[index].bytes) } ?? []))
              }
            }
          }
        }
      }
      #expect(found == rows)
    }
  }
}
