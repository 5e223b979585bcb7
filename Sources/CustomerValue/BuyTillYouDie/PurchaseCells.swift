import Columnar
import Sharding

/// The distinct (x, t_x, T) of a base, each counted once: a likelihood or a score costs one
/// evaluation per cell, not per customer. 10M shop customers make about 200,000 cells.
///
/// Cells are in order of their first row, whatever the number of threads.
package struct PurchaseCells: Sendable {
  package let timeUnit: PurchaseTimeUnit
  package let customers: Int
  package let repeats: [Int32]
  package let recency: [Double]
  package let age: [Double]
  /// Customers in the cell.
  package let weight: [Double]
  /// Cell of each customer.
  package let cellOfRow: Buffer<UInt32>

  /// Distinct x, ascending, with their customers: what the Γ functions of a likelihood depend on.
  package let distinctRepeats: [(repeats: Int32, weight: Double)]
  /// Distinct (x, T), ascending by x, then T: what expected transactions depend on, apart from
  /// P(alive).
  package let exposures: [(repeats: Int32, age: Double)]
  /// Exposure of each cell.
  package let exposureOfCell: [UInt32]

  package var count: Int { repeats.count }
  package var meanAge: Double {
    var sum = 0.0
    for cell in 0..<count { sum += weight[cell] * age[cell] }
    return customers == 0 ? 0 : sum / Double(customers)
  }

  static let rowsPerShard = 1 << 20

  package init(_ summary: PurchaseSummary, workers: Workers) throws {
    let rows = summary.count
    let shards = Shards(rows: rows, rowsPerShard: Self.rowsPerShard)
    let (buffer, storage) = Buffer<UInt32>.uninitialized(count: rows)
    nonisolated(unsafe) let cellOfRow = storage
    let parts = try workers.map(shards.count) { shard in
      var index = CellIndex(expected: 1 << 12)
      withExtendedLifetime(summary) {
        let (x, recency, age) = (summary.repeats.base, summary.recency.base, summary.age.base)
        for row in shards[shard] {
          cellOfRow.initializeElement(
            at: row, to: index.insert(x[row], recency[row], age[row], weight: 1))
        }
      }
      return index
    }
    var all = CellIndex(expected: parts.reduce(1 << 12) { max($0, $1.count) })
    let maps = parts.map { part in
      (0..<part.count).map {
        all.insert(part.repeats[$0], part.recency[$0], part.age[$0], weight: part.weight[$0])
      }
    }
    if maps.count > 1 {
      try workers.forEach(shards.count) { shard in
        maps[shard].withUnsafeBufferPointer { map in
          for row in shards[shard] { cellOfRow[row] = map[Int(cellOfRow[row])] }
        }
      }
    }
    var exposures = CellIndex(expected: 1 << 10)
    let exposureOfCell = (0..<all.count).map {
      exposures.insert(all.repeats[$0], 0, all.age[$0], weight: all.weight[$0])
    }
    var distinct = CellIndex(expected: 64)
    for exposure in 0..<exposures.count {
      _ = distinct.insert(exposures.repeats[exposure], 0, 0, weight: exposures.weight[exposure])
    }
    let byRepeats = (0..<distinct.count).sorted { distinct.repeats[$0] < distinct.repeats[$1] }
    let order = (0..<exposures.count).sorted {
      (exposures.repeats[$0], exposures.age[$0]) < (exposures.repeats[$1], exposures.age[$1])
    }
    var rank = [UInt32](repeating: 0, count: order.count)
    for (place, exposure) in order.enumerated() { rank[exposure] = UInt32(place) }

    timeUnit = summary.timeUnit
    customers = rows
    self.cellOfRow = buffer
    repeats = all.repeats
    recency = all.recency
    age = all.age
    weight = all.weight
    distinctRepeats = byRepeats.map { (distinct.repeats[$0], distinct.weight[$0]) }
    self.exposures = order.map { (exposures.repeats[$0], exposures.age[$0]) }
    self.exposureOfCell = exposureOfCell.map { rank[Int($0)] }
  }

  /// Every `stride`-th cell, to find a start for a fit of all of them.
  func thinned(by stride: Int) -> PurchaseCells { PurchaseCells(self, stride: stride) }

  private init(_ whole: PurchaseCells, stride step: Int) {
    let kept = Array(stride(from: 0, to: whole.count, by: step))
    timeUnit = whole.timeUnit
    repeats = kept.map { whole.repeats[$0] }
    recency = kept.map { whole.recency[$0] }
    age = kept.map { whole.age[$0] }
    weight = kept.map { whole.weight[$0] }
    customers = Int(weight.reduce(0, +))
    cellOfRow = Buffer<UInt32>([])
    exposures = []
    exposureOfCell = []
    var distinct = CellIndex(expected: 64)
    for cell in kept {
      _ = distinct.insert(whole.repeats[cell], 0, 0, weight: whole.weight[cell])
    }
    let places = (0..<distinct.count).sorted { distinct.repeats[$0] < distinct.repeats[$1] }
    distinctRepeats = places.map { (distinct.repeats[$0], distinct.weight[$0]) }
  }
}

/// A hash table of (x, t_x, T) with open addressing; cells are numbered as they first appear.
private struct CellIndex: Sendable {
  private(set) var repeats: [Int32] = []
  private(set) var recency: [Double] = []
  private(set) var age: [Double] = []
  private(set) var weight: [Double] = []
  /// Cell + 1; 0 is free.
  private var slots: [UInt32]
  private var mask: Int

  var count: Int { repeats.count }

  init(expected: Int) {
    var size = 64
    while size < 2 * expected { size *= 2 }
    slots = [UInt32](repeating: 0, count: size)
    mask = size - 1
  }

  private static func hash(_ x: Int32, _ recency: Double, _ age: Double) -> Int {
    var bits = UInt64(truncatingIfNeeded: x) &* 0x9E37_79B9_7F4A_7C15
    bits = (bits ^ (recency + 0).bitPattern) &* 0xBF58_476D_1CE4_E5B9
    bits = ((bits ^ (bits >> 29)) &+ (age + 0).bitPattern) &* 0x94D0_49BB_1331_11EB
    return Int(truncatingIfNeeded: (bits ^ (bits >> 32)) >> 1)
  }

  mutating func insert(_ x: Int32, _ t: Double, _ end: Double, weight customers: Double) -> UInt32 {
    var place = Self.hash(x, t, end) & mask
    while slots[place] != 0 {
      let cell = Int(slots[place]) - 1
      if repeats[cell] == x && recency[cell] == t && age[cell] == end {
        weight[cell] += customers
        return UInt32(cell)
      }
      place = (place + 1) & mask
    }
    let cell = repeats.count
    slots[place] = UInt32(cell + 1)
    repeats.append(x)
    recency.append(t + 0)
    age.append(end + 0)
    weight.append(customers)
    if 2 * (cell + 1) > slots.count { grow() }
    return UInt32(cell)
  }

  private mutating func grow() {
    let size = slots.count * 4
    slots = [UInt32](repeating: 0, count: size)
    mask = size - 1
    for cell in 0..<count {
      var place = Self.hash(repeats[cell], recency[cell], age[cell]) & mask
      while slots[place] != 0 { place = (place + 1) & mask }
      slots[place] = UInt32(cell + 1)
    }
  }
}
