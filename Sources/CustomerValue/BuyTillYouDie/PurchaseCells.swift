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
  /// Distinct (x, T), ascending by x, then T (unless scattered): what expected transactions depend on, apart from
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

  /// Every customer is a cell and an exposure of their own, in the order of the rows.
  package let isScattered: Bool

  static let rowsPerShard = 1 << 18
  /// After so many shards it is known whether customers are alike.
  private static let probedShards = 5

  package init(_ summary: PurchaseSummary, workers: Workers) throws {
    let rows = summary.count
    let shards = Shards(rows: rows, rowsPerShard: Self.rowsPerShard)
    let (buffer, storage) = Buffer<UInt32>.uninitialized(count: rows)
    nonisolated(unsafe) let cellOfRow = storage
    @Sendable func index(_ shard: Int) -> CellIndex {
      let index = CellIndex(expected: 1 << 12)
      withExtendedLifetime(summary) {
        let (x, recency, age) = (summary.repeats.base, summary.recency.base, summary.age.base)
        for row in shards[shard] {
          cellOfRow.initializeElement(
            at: row, to: index.insert(x[row], recency[row], age[row], weight: 1))
        }
      }
      return index
    }
    let probed = min(Self.probedShards, shards.count)
    let first = try workers.map(probed, index)
    let all = CellIndex(expected: first.reduce(1 << 12) { max($0, $1.count) })
    func merge(_ part: CellIndex) -> [UInt32] {
      part.map { all.insert($0.repeats, $0.recency, $0.age, weight: $0.weight) }
    }
    var maps: [[UInt32]] = []
    for part in first {
      let known = all.count
      maps.append(merge(part))
      if maps.count == Self.probedShards, all.count - known > part.count / 4 * 3,
        part.count > shards[maps.count - 1].count / 2
      {
        // Hardly two customers are alike: counting cells would cost more than it saves.
        try workers.forEach(shards.count) { shard in
          for row in shards[shard] { cellOfRow[row] = UInt32(row) }
        }
        isScattered = true
        timeUnit = summary.timeUnit
        customers = summary.count
        self.cellOfRow = buffer
        repeats = Array(summary.repeats.values)
        recency = Array(summary.recency.values)
        age = Array(summary.age.values)
        weight = [Double](repeating: 1, count: summary.count)
        let distinct = CellIndex(expected: 64)
        for x in summary.repeats.values { _ = distinct.insert(x, 0, 0, weight: 1) }
        distinctRepeats = distinct.map { ($0.repeats, $0.weight) }.sorted { $0.0 < $1.0 }
        exposures = zip(repeats, age).map { ($0, $1) }
        exposureOfCell = (0..<summary.count).map { UInt32($0) }
        return
      }
    }
    for part in try workers.map(shards.count - probed, { index($0 + probed) }) {
      maps.append(merge(part))
    }
    if maps.count > 1 {
      let maps = maps
      try workers.forEach(shards.count) { shard in
        maps[shard].withUnsafeBufferPointer { map in
          for row in shards[shard] { cellOfRow[row] = map[Int(cellOfRow[row])] }
        }
      }
    }
    let exposures = CellIndex(expected: 1 << 10)
    let exposureOfCell = all.map { exposures.insert($0.repeats, 0, $0.age, weight: $0.weight) }
    let distinct = CellIndex(expected: 64)
    let kinds = exposures.map { $0 }
    for kind in kinds { _ = distinct.insert(kind.repeats, 0, 0, weight: kind.weight) }
    let order = kinds.indices.sorted {
      (kinds[$0].repeats, kinds[$0].age) < (kinds[$1].repeats, kinds[$1].age)
    }
    var rank = [UInt32](repeating: 0, count: order.count)
    for (place, exposure) in order.enumerated() { rank[exposure] = UInt32(place) }

    isScattered = false
    timeUnit = summary.timeUnit
    customers = rows
    self.cellOfRow = buffer
    repeats = all.map(\.repeats)
    recency = all.map(\.recency)
    age = all.map(\.age)
    weight = all.map(\.weight)
    distinctRepeats = distinct.map { ($0.repeats, $0.weight) }.sorted { $0.0 < $1.0 }
    self.exposures = order.map { (kinds[$0].repeats, kinds[$0].age) }
    self.exposureOfCell = exposureOfCell.map { rank[Int($0)] }
  }

  /// Every `stride`-th cell, to find a start for a fit of all of them.
  func thinned(by stride: Int) -> PurchaseCells { PurchaseCells(self, stride: stride) }

  private init(_ whole: PurchaseCells, stride step: Int) {
    let kept = Array(stride(from: 0, to: whole.count, by: step))
    isScattered = false
    timeUnit = whole.timeUnit
    repeats = kept.map { whole.repeats[$0] }
    recency = kept.map { whole.recency[$0] }
    age = kept.map { whole.age[$0] }
    weight = kept.map { whole.weight[$0] }
    customers = Int(weight.reduce(0, +))
    cellOfRow = Buffer<UInt32>([])
    exposures = []
    exposureOfCell = []
    let distinct = CellIndex(expected: 64)
    for cell in kept {
      _ = distinct.insert(whole.repeats[cell], 0, 0, weight: whole.weight[cell])
    }
    distinctRepeats = distinct.map { ($0.repeats, $0.weight) }.sorted { $0.0 < $1.0 }
  }
}

/// A hash table of (x, t_x, T) with open addressing; cells are numbered as they first appear.
///
/// A cell's key and count share half a cache line: a look-up costs one miss in the slots, one here.
/// Filled by one thread; only read once it is shared.
private final class CellIndex: @unchecked Sendable {
  struct Cell {
    let recency: Double
    let age: Double
    var weight: Double
    let repeats: Int32
  }

  private(set) var count = 0
  private(set) var cells: UnsafeMutablePointer<Cell>
  private var capacity: Int
  /// Cell + 1; 0 is free. Twice as many as cells at least.
  private var slots: UnsafeMutablePointer<UInt32>
  private var mask: Int

  init(expected: Int) {
    capacity = 32
    while capacity < expected { capacity *= 2 }
    cells = LargeMemory.allocate(capacity)
    slots = LargeMemory.allocate(2 * capacity)
    slots.initialize(repeating: 0, count: 2 * capacity)
    mask = 2 * capacity - 1
  }

  deinit {
    cells.deallocate()
    slots.deallocate()
  }

  @inline(__always)
  private static func hash(_ x: Int32, _ recency: Double, _ age: Double) -> Int {
    var bits = UInt64(truncatingIfNeeded: x) &* 0x9E37_79B9_7F4A_7C15
    bits = (bits ^ recency.bitPattern) &* 0xBF58_476D_1CE4_E5B9
    bits = ((bits ^ (bits >> 29)) &+ age.bitPattern) &* 0x94D0_49BB_1331_11EB
    return Int(truncatingIfNeeded: (bits ^ (bits >> 32)) >> 1)
  }

  @inline(__always)
  func insert(_ x: Int32, _ recency: Double, _ age: Double, weight customers: Double) -> UInt32 {
    // −0 and 0 are one time with two bit patterns.
    let (last, end) = (recency + 0, age + 0)
    var place = Self.hash(x, last, end) & mask
    while true {
      let slot = slots[place]
      if slot == 0 { break }
      let cell = cells + (Int(slot) &- 1)
      if cell.pointee.repeats == x && cell.pointee.recency == last && cell.pointee.age == end {
        cell.pointee.weight += customers
        return slot &- 1
      }
      place = (place &+ 1) & mask
    }
    if count == capacity {
      grow()
      place = freePlace(x, last, end)
    }
    let cell = Cell(recency: last, age: end, weight: customers, repeats: x)
    (cells + count).initialize(to: cell)
    count += 1
    slots[place] = UInt32(count)
    return UInt32(count - 1)
  }

  private func freePlace(_ x: Int32, _ recency: Double, _ age: Double) -> Int {
    var place = Self.hash(x, recency, age) & mask
    while slots[place] != 0 { place = (place + 1) & mask }
    return place
  }

  private func grow() {
    let larger: UnsafeMutablePointer<Cell> = LargeMemory.allocate(2 * capacity)
    larger.moveInitialize(from: cells, count: count)
    cells.deallocate()
    cells = larger
    capacity *= 2
    slots.deallocate()
    slots = LargeMemory.allocate(2 * capacity)
    slots.initialize(repeating: 0, count: 2 * capacity)
    mask = 2 * capacity - 1
    for cell in 0..<count {
      let key = cells[cell]
      slots[freePlace(key.repeats, key.recency, key.age)] = UInt32(cell + 1)
    }
  }

  func map<Value>(_ value: (Cell) -> Value) -> [Value] { (0..<count).map { value(cells[$0]) } }
}
