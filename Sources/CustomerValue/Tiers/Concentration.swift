import Columnar
import Features
import Sharding

/// How unevenly value is spread over customers.
///
/// A negative value holds nothing: it counts as 0 here, and `negativeCount` and `negativeSum` say
/// how much was left out that way.
package struct Concentration: Sendable, Codable, Equatable {
  /// `curve[p]` is the share of all value held by the top p % of customers, p = 0…100; the
  /// customer at a fractional border counts with that fraction.
  package let curve: [Double]
  /// 0 = all alike, towards 1 = one has everything: G = 2·Σ i·xᵢ / (n·Σx) − (n + 1)/n over
  /// ascending x.
  package let gini: Double
  package let customers: Int
  package let total: Double
  package let negativeCount: Int
  package let negativeSum: Double

  /// - Returns: Nil when no value is above 0, or one is infinite. Missing values (NaN) are left out.
  /// - Complexity: O(n): a bucket sort of integer keys. Scratch: 16 bytes a customer.
  package init?(_ values: Buffer<Double>, workers: Workers) throws {
    let sorted = try SortedKeys(values, workers: workers)
    let n = sorted.count
    guard n > 0, let greatest = sorted.value(at: n - 1), greatest > 0, greatest.isFinite else {
      return nil
    }
    let shards = Shards(rows: n, rowsPerShard: 1 << 16)
    let parts = try workers.map(shards.count) { shard in
      Part(sorted, shards[shard])
    }
    var total = 0.0
    var weighted = 0.0
    var negativeCount = 0
    var negativeSum = 0.0
    var below: [Double] = []  // value held by the rows before each shard
    for part in parts {
      below.append(total)
      total += part.sum
      weighted += part.weighted
      negativeCount += part.negativeCount
      negativeSum += part.negativeSum
    }
    gini = max(0, 2 * weighted / (Double(n) * total) - Double(n + 1) / Double(n))
    curve = (0...100).map { percent in
      // Rows below the border, from the bottom.
      let border = Double(n) * Double(100 - percent) / 100
      let row = min(Int(border), n)
      let shard = min(row / shards.rowsPerShard, shards.count - 1)
      var held = below[shard]
      for other in shards[shard].lowerBound..<row { held += max(0, sorted[other]) }
      if row < n { held += (border - Double(row)) * max(0, sorted[row]) }
      return percent == 100 ? 1 : percent == 0 ? 0 : min(1, max(0, 1 - held / total))
    }
    customers = n
    self.total = total
    self.negativeCount = negativeCount
    self.negativeSum = negativeSum
  }

  private struct Part: Sendable {
    var sum = 0.0
    var weighted = 0.0
    var negativeCount = 0
    var negativeSum = 0.0

    init(_ sorted: SortedKeys, _ rows: Range<Int>) {
      let keys = sorted.keys.values
      defer { withExtendedLifetime(sorted) {} }
      for row in rows {
        let value = OrderStatistics.value(keys[row])
        if value < 0 {
          negativeCount += 1
          negativeSum += value
        } else {
          sum += value
          weighted += Double(row + 1) * value
        }
      }
    }
  }
}

/// The present values of a column in ascending order.
///
/// Buckets of about 32,768 values by leading bits, each sorted by radix on its own: all threads work,
/// and the result has no choice.
struct SortedKeys: Sendable {
  let keys: Buffer<UInt64>
  var count: Int { keys.count }

  subscript(row: Int) -> Double { OrderStatistics.value(keys[row]) }
  func value(at row: Int) -> Double? { row >= 0 && row < count ? self[row] : nil }

  init(_ column: Buffer<Double>, workers: Workers) throws {
    let shards = Shards(rows: column.count, rowsPerShard: max(1 << 17, (column.count + 63) / 64))
    let bins = 1 << 16
    let histograms = try workers.map(shards.count) { shard in
      var counts = [UInt32](repeating: 0, count: bins)
      counts.withUnsafeMutableBufferPointer { counts in
        for value in UnsafeBufferPointer(rebasing: column.values[shards[shard]])
        where value == value {
          counts[Int(OrderStatistics.key(value) >> 48)] += 1
        }
      }
      return counts
    }
    // Neighbouring bins share a bucket until it is large enough.
    var bucketOfBin = [Int32](repeating: 0, count: bins)
    var starts = [0]
    var size = 0
    for bin in 0..<bins {
      bucketOfBin[bin] = Int32(starts.count - 1)
      for histogram in histograms { size += Int(histogram[bin]) }
      if size >= 1 << 15 {
        starts.append(starts[starts.count - 1] + size)
        size = 0
      }
    }
    starts.append(starts[starts.count - 1] + size)
    let buckets = starts.count - 1
    var next = starts
    var places: [[Int]] = []
    for histogram in histograms {
      places.append(next)
      for bin in 0..<bins { next[Int(bucketOfBin[bin])] += Int(histogram[bin]) }
    }
    let (firstPlaces, bucketStarts, binBuckets) = (places, starts, bucketOfBin)
    let count = starts[buckets]
    keys = try Buffer(count: count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        var place = firstPlaces[shard]
        for value in UnsafeBufferPointer(rebasing: column.values[shards[shard]])
        where value == value {
          let key = OrderStatistics.key(value)
          let bucket = Int(binBuckets[Int(key >> 48)])
          target.initializeElement(at: place[bucket], to: key)
          place[bucket] += 1
        }
      }
      try workers.forEach(buckets, scratch: { [UInt64]() }) { scratch, bucket in
        Self.sort(
          UnsafeMutableBufferPointer(
            rebasing: target[bucketStarts[bucket]..<bucketStarts[bucket + 1]]), &scratch)
      }
    }
  }

  /// Radix sort from the last digit of 11 bits to the first; digits that are the same everywhere cost
  /// one look.
  private static func sort(
    _ keys: UnsafeMutableBufferPointer<UInt64>, _ scratch: inout [UInt64]
  ) {
    guard keys.count > 64 else {
      var few = keys
      few.sort()
      return
    }
    if scratch.count < keys.count { scratch = [UInt64](repeating: 0, count: keys.count) }
    let (all, any) = keys.reduce((UInt64.max, UInt64(0))) { ($0.0 & $1, $0.1 | $1) }
    let varying = all ^ any
    var starts = [Int](repeating: 0, count: 1 << 11)
    scratch.withUnsafeMutableBufferPointer { scratch in
      var source = keys
      var target = UnsafeMutableBufferPointer(rebasing: scratch[..<keys.count])
      for shift in stride(from: UInt64(0), to: 64, by: 11) where varying >> shift & 0x7ff != 0 {
        starts.withUnsafeMutableBufferPointer { starts in
          starts.update(repeating: 0)
          for key in source { starts[Int(truncatingIfNeeded: key >> shift) & 0x7ff] += 1 }
          var total = 0
          for digit in 0..<starts.count {
            let size = starts[digit]
            starts[digit] = total
            total += size
          }
          for key in source {
            let digit = Int(truncatingIfNeeded: key >> shift) & 0x7ff
            target[starts[digit]] = key
            starts[digit] += 1
          }
        }
        swap(&source, &target)
      }
      if source.baseAddress != keys.baseAddress { _ = keys.update(fromContentsOf: source) }
    }
  }
}
