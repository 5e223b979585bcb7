import Columnar
import Sharding

/// Customers who are left alone, so that what an offer did can be told from what would have happened
/// anyway.
///
/// A customer belongs to it when a number drawn by (seed, id) lies below the share: a property of the
/// customer, not of the month or the segment. So it stays from month to month, and every segment has
/// about this share of its own.
enum ControlGroup {
  static func share(_ configuration: Configuration) throws -> Double {
    let share = configuration.number("value.control_share") ?? 0
    guard share >= 0, share < 1 else {
      throw configuration.refuse(
        "value.control_share", "is \(share)", hint: "give 0 to below 1, such as 0.1")
    }
    return share
  }

  /// 1 for each customer of the group, else 0.
  static func choose(
    _ ids: Column, share: Double, seed: UInt64, workers: Workers
  ) throws -> Buffer<Int32> {
    let random = CounterBasedRandom(seed: seed, purpose: .init("control group"))
    let shards = Shards(rows: ids.count, rowsPerShard: 1 << 16)
    return try Buffer(count: ids.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        for row in shards[shard] {
          let isControl = random.unit(at: index(of: ids, row)) < share
          target.initializeElement(at: row, to: isControl ? 1 : 0)
        }
      }
    }
  }

  private static func index(of ids: Column, _ row: Int) -> Int {
    switch ids.values {
    case .int64(let numbers): return Int(numbers.base[row])
    case .int32(let numbers): return Int(numbers.base[row])
    case .strings(let texts): return hash(texts[row])
    case .dictionary(let codes, let texts): return hash(texts[Int(codes.base[row])])
    default: preconditionFailure("ids are integers or texts")
    }
  }

  /// FNV-1a, mixed: stable across builds.
  private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return Int(truncatingIfNeeded: CounterBasedRandom.mix(hash))
  }
}
