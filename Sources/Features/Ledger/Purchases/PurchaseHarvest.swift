import Columnar
import Sharding

/// Brings the partitions' records of purchases into the rows of a ``CustomerPurchases``, on several
/// threads, each to rows of its own.
final class PurchaseHarvest<Amount: LedgerAmount>: @unchecked Sendable {
  private let tables: [PurchaseTable<Amount>]
  /// Where their records begin; reading it counts no references.
  private let bases: [(records: UnsafeMutableRawPointer, layout: PurchaseLayout)]
  private let planes: PurchasePlanes
  private let customers: Int

  /// - Parameter customers: Rows, all of which are to be written.
  /// - Throws: `InputError` when a customer's sum left the exact range.
  init(
    _ tables: [PurchaseTable<Amount>], _ windows: PurchaseWindows, customers: Int, scale: Int,
    amountColumn: String
  ) throws {
    guard !tables.contains(where: \.overflowed) else { throw InputError.exactRange(amountColumn) }
    (self.tables, self.customers) = (tables, customers)
    bases = tables.map { ($0.records, $0.layout) }
    planes = PurchasePlanes(
      windows, words: max(1, tables.reduce(0) { max($0, $1.layout.words) }),
      perUnit: Amount.perUnit(scale: scale), capacity: customers)
  }

  /// Writes customers to rows from `first` on.
  ///
  /// - Parameter state: Of the partition's table, by row.
  func write(_ partition: Int, _ rows: Range<Int>, to first: Int, state: (Int) -> Int) {
    let (records, layout) = bases[partition]
    let (stride, wordsOffset, known) = (layout.stride, layout.wordsOffset, layout.words)
    let (days, amounts) = (planes.days, planes.amounts)
    let (firstAmounts, firstAges, perUnit) = (planes.firstAmounts, planes.firstAges, planes.perUnit)
    let (words, width) = (planes.words, planes.windows.edges.count)
    for row in rows {
      let record = records + state(row) * stride
      let target = first + row - rows.lowerBound
      let bits = (record + wordsOffset).assumingMemoryBound(to: UInt64.self)
      for word in 0..<words { days[target * words + word] = word < known ? bits[word] : 0 }
      let sums = (record + PurchaseLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
      for window in 0..<width { amounts[target * width + window] = sums[window].number }
      firstAmounts[target] =
        record.load(fromByteOffset: PurchaseLayout.firstOffset, as: Amount.self).number / perUnit
      firstAges[target] = record.load(as: Int32.self)
    }
  }

  /// Writes some of the customers that references stand for, to rows from 0 on.
  func write(_ rows: Range<Int>, of references: Buffer<CustomerReference>, to first: Int = 0) {
    withExtendedLifetime(references) {
      for row in rows {
        let reference = references.base[row]
        write(Int(reference.partition), row..<row + 1, to: first + row - rows.lowerBound) { _ in
          Int(reference.state)
        }
      }
    }
  }

  /// Frees a partition's records, all of which were written.
  func remove(_ partition: Int) { tables[partition].removeCustomers() }

  /// Of all rows.
  func purchases(_ workers: Workers) throws -> CustomerPurchases {
    let shards = Shards(rows: customers, rowsPerShard: 1 << 16)
    let oldest = try workers.map(shards.count) { shard in
      shards[shard].reduce(-1) { max($0, planes.firstAges[$1]) }
    }
    return planes.purchases(count: customers, oldestAge: Int(oldest.max() ?? -1))
  }
}
