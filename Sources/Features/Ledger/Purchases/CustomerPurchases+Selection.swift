import Columnar
import Sharding

extension CustomerPurchases {
  /// The purchases of some customers, in the order of `rows`, as if the base had no others.
  ///
  /// - Complexity: O(rows × (words + windows)) time and memory.
  package func selecting(_ rows: Buffer<Int32>, workers: Workers) throws -> CustomerPurchases {
    let (count, width) = (rows.count, windows.edges.count)
    let (days, dayRows) = Buffer<UInt64>.uninitialized(count: count * words)
    let (amounts, amountRows) = Buffer<Double>.uninitialized(count: count * width)
    let (firstAmounts, firstRows) = Buffer<Double>.uninitialized(count: count)
    let (firstAges, ageRows) = Buffer<Int32>.uninitialized(count: count)
    nonisolated(unsafe) let target = (
      days: dayRows.baseAddress!, amounts: amountRows.baseAddress!,
      first: firstRows.baseAddress!, ages: ageRows.baseAddress!
    )
    // Rows drawn from all over a base that lies in a file bring far more of it into memory than they hold:
    // 90 MB a millisecond were seen, too fast for a thread that looks on.
    let shards = Shards(rows: count, rowsPerShard: 1 << 10)
    let space = SpillSpace.current
    let oldest = try workers.map(shards.count) { shard -> Int in
      defer { _ = space?.makeRoom(for: 0) }
      return withExtendedLifetime((self, rows)) {
        var oldest = -1
        for place in shards[shard] {
          let row = Int(rows.base[place])
          (target.days + place * words).update(from: self.days.base + row * words, count: words)
          (target.amounts + place * width)
            .update(from: self.amounts.base + row * width, count: width)
          target.first[place] = self.firstAmounts.base[row]
          target.ages[place] = self.firstAges.base[row]
          oldest = max(oldest, Int(self.firstAges.base[row]))
        }
        return oldest
      }
    }
    return CustomerPurchases(
      windows: windows, words: words, oldestAge: oldest.max() ?? -1, days: days, amounts: amounts,
      perUnit: perUnit, firstAmounts: firstAmounts, firstAges: firstAges)
  }
}
