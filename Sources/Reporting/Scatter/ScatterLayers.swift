import Columnar
import Sharding

/// The two layers of the scatter: density of every customer, and a sample of customers.
///
/// Two passes over the base in parallel, O(n) time; memory is 4 × 65 536 × segments bytes for each
/// of at most 16 pieces (200 MB in all up to 800 segments), plus the candidates of the sample. Nothing depends on the thread count,
/// and the sample not even on the order of the rows.
struct ScatterLayers {
  let x: AxisCells
  let y: AxisCells
  /// `density[label][row of cells × x.count + column of cells]`: customers.
  let density: [[UInt32]]
  /// Row numbers of the sample, in the order of their keyed hashes: a random one, so that no
  /// segment is painted over by another.
  let sample: [Int]
  /// Customers per segment that have both values.
  let placed: [Int]
  /// Rows that miss a value on an axis.
  let unplaced: Int
  /// Customers of the sample that were dropped for `smallestCell`.
  let suppressed: Int

  init(
    _ customers: CustomerColumns, segments: Int, options: ReportOptions, workers: Workers
  ) throws {
    let extents = try Self.extents(customers, segments: segments, workers)
    x = AxisCells(extents.x, segments: segments)
    y = AxisCells(extents.y, segments: segments)
    placed = extents.placed
    unplaced = customers.count - extents.placed.reduce(0, +)
    let quotas = Self.quotas(placed, total: options.scatterPoints)
    let identifiers = try IdentifierTexts(customers.identifiers)
    let counted = try Self.count(
      customers, identifiers: identifiers, x: x, y: y, sizes: placed, quotas: quotas,
      hash: IdentifierHash(seed: options.seed), workers)
    var chosen: [Candidate] = []
    for label in 0..<segments {
      chosen += Self.smallest(
        quotas[label], of: counted.candidates[label], identifiers: identifiers)
    }
    chosen.sort { Self.precedes($0, $1, identifiers) }

    let cells = x.count * y.count
    var density = (0..<segments).map {
      Array(counted.density[$0 * cells..<($0 + 1) * cells])
    }
    var rows = chosen.map(\.row)
    if options.smallestCell > 1 {
      let (x, y) = (x, y)
      let sparse = Self.hideSparseCells(&density, smallest: options.smallestCell)
      rows.removeAll { row in
        let column = AxisCells.cell(of: customers.x.values[row], x.edges, cells: x.count)
        let line = AxisCells.cell(of: customers.y.values[row], y.edges, cells: y.count)
        return sparse[line * x.count + column]
      }
    }
    self.density = density
    sample = rows
    suppressed = chosen.count - rows.count
  }

  /// At least 200 customers of each segment (fewer when it has fewer, or the total is too small
  /// for all segments), the rest in proportion to what is left, by largest remainder.
  static func quotas(_ sizes: [Int], total: Int) -> [Int] {
    let inhabited = sizes.filter { $0 > 0 }.count
    guard inhabited > 0 else { return sizes.map { _ in 0 } }
    let floor = min(200, total / inhabited)
    var quotas = sizes.map { min($0, floor) }
    let left = zip(sizes, quotas).map { $0 - $1 }
    let population = left.reduce(0, +)
    let free = min(total - quotas.reduce(0, +), population)
    guard free > 0 else { return quotas }
    var remainders: [(remainder: Int, label: Int)] = []
    var given = 0
    for (label, members) in left.enumerated() {
      // n ≤ 2⁴⁰ and free ≤ 2²¹: no overflow.
      let (share, remainder) = (members * free).quotientAndRemainder(dividingBy: population)
      quotas[label] += share
      given += share
      remainders.append((remainder, label))
    }
    remainders.sort { ($1.remainder, $0.label) < ($0.remainder, $1.label) }
    for (_, label) in remainders.prefix(free - given) { quotas[label] += 1 }
    return quotas
  }

  // MARK: First pass

  private struct Extents: Sendable {
    var x = AxisExtent()
    var y = AxisExtent()
    var placed: [Int]
  }

  private static func extents(
    _ customers: CustomerColumns, segments: Int, _ workers: Workers
  ) throws -> Extents {
    let shards = Shards(rows: customers.count, rowsPerShard: 1 << 18)
    let parts = try workers.map(shards.count) { shard in
      var part = Extents(placed: Array(repeating: 0, count: segments))
      let (labels, xs, ys) = (
        customers.labels.values, customers.x.values.values, customers.y.values.values
      )
      for row in shards[shard] {
        let label = Int(labels[row])
        guard label >= 0, label < segments else {
          throw ReportError.labelOutOfRange(label: label, row: row, segments: segments)
        }
        guard xs[row].isFinite, ys[row].isFinite else { continue }
        part.x.add(xs[row])
        part.y.add(ys[row])
        part.placed[label] += 1
      }
      return part
    }
    var whole = Extents(placed: Array(repeating: 0, count: segments))
    for part in parts {
      whole.x.merge(part.x)
      whole.y.merge(part.y)
      for label in 0..<segments { whole.placed[label] += part.placed[label] }
    }
    return whole
  }

  // MARK: Second pass

  private struct Candidate: Sendable {
    let hash: UInt64
    let row: Int
  }

  private struct Counted: Sendable {
    /// `cells` per segment, one segment after the other.
    var density: [UInt32]
    var candidates: [[Candidate]]

    init(segments: Int, cells: Int) {
      density = Array(repeating: 0, count: segments * cells)
      candidates = Array(repeating: [], count: segments)
    }

    mutating func merge(_ other: Counted) {
      for index in density.indices { density[index] += other.density[index] }
      for label in candidates.indices { candidates[label] += other.candidates[label] }
    }
  }

  /// Counts cells and keeps everyone whose hash is below a bound that leaves a few more than the
  /// quota: the smallest hashes of a segment without sorting the segment.
  private static func count(
    _ customers: CustomerColumns, identifiers: IdentifierTexts, x: AxisCells, y: AxisCells,
    sizes: [Int], quotas: [Int], hash: IdentifierHash, _ workers: Workers
  ) throws -> Counted {
    let segments = sizes.count
    let cells = x.count * y.count
    let bounds = zip(sizes, quotas).map(bound)
    // 200 MB of cells at most up to 800 segments.
    let pieces = max(1, min(16, 800 / max(segments, 1)))
    let shards = Shards(
      rows: customers.count, rowsPerShard: max(1 << 18, (customers.count + pieces - 1) / pieces))
    let parts = try workers.map(shards.count) { shard in
      var part = Counted(segments: segments, cells: cells)
      count(
        shards[shard], of: customers, identifiers: identifiers, x: x, y: y, bounds: bounds,
        hash: hash, into: &part)
      return part
    }
    var whole = parts.first ?? Counted(segments: segments, cells: cells)
    for part in parts.dropFirst() { whole.merge(part) }
    // Hashes are uniform, so a bound eight standard deviations above the quota practically always
    // suffices; ids that repeat are the exception, and then everyone is a candidate.
    for label in 0..<segments where whole.candidates[label].count < quotas[label] {
      whole.candidates[label] = everyone(customers, label, identifiers, hash)
    }
    return whole
  }

  private static func count(
    _ rows: Range<Int>, of customers: CustomerColumns, identifiers: IdentifierTexts, x: AxisCells,
    y: AxisCells, bounds: [UInt64], hash: IdentifierHash, into part: inout Counted
  ) {
    let digits = IdentifierTexts.Digits()
    let (xCells, yCells) = (x.count, y.count)
    let labels = customers.labels.values
    let (xs, ys) = (customers.x.values.values, customers.y.values.values)
    withExtendedLifetime(customers) {
      x.edges.withUnsafeBufferPointer { xEdges in
        y.edges.withUnsafeBufferPointer { yEdges in
          part.density.withUnsafeMutableBufferPointer { density in
            for row in rows where xs[row].isFinite && ys[row].isFinite {
              let label = Int(labels[row])
              let column = AxisCells.cell(of: xs[row], xEdges.baseAddress!, cells: xCells)
              let line = AxisCells.cell(of: ys[row], yEdges.baseAddress!, cells: yCells)
              density[(label * yCells + line) * xCells + column] += 1
              let hash = hash(identifiers.text(row, digits))
              if hash <= bounds[label] {
                part.candidates[label].append(Candidate(hash: hash, row: row))
              }
            }
          }
        }
      }
    }
  }

  private static func bound(size: Int, quota: Int) -> UInt64 {
    let wanted = Double(quota) + 8 * Double(quota).squareRoot() + 16
    return wanted >= Double(size) ? .max : UInt64(wanted / Double(size) * 0x1p64)
  }

  private static func everyone(
    _ customers: CustomerColumns, _ label: Int, _ identifiers: IdentifierTexts,
    _ hash: IdentifierHash
  ) -> [Candidate] {
    let digits = IdentifierTexts.Digits()
    return (0..<customers.count).compactMap { row in
      guard Int(customers.labels[row]) == label, customers.x.values[row].isFinite,
        customers.y.values[row].isFinite
      else { return nil }
      return Candidate(hash: hash(identifiers.text(row, digits)), row: row)
    }
  }

  private static func smallest(
    _ quota: Int, of candidates: [Candidate], identifiers: IdentifierTexts
  ) -> ArraySlice<Candidate> {
    candidates.sorted { precedes($0, $1, identifiers) }.prefix(quota)
  }

  /// By hash, then by id, so that the order of the rows never shows; equal ids fall back on it.
  private static func precedes(
    _ a: Candidate, _ b: Candidate, _ identifiers: IdentifierTexts
  ) -> Bool {
    if a.hash != b.hash { return a.hash < b.hash }
    // As good as never: two of 10⁷ hashes agree once in 10⁵ runs.
    let (first, second) = (IdentifierTexts.Digits(), IdentifierTexts.Digits())
    let (left, right) = (identifiers.text(a.row, first), identifiers.text(b.row, second))
    if left.elementsEqual(right) { return a.row < b.row }
    return left.lexicographicallyPrecedes(right)
  }

  /// Empties cells with too few customers; returns which ones.
  private static func hideSparseCells(
    _ density: inout [[UInt32]], smallest: Int
  ) -> [Bool] {
    let cells = density.first?.count ?? 0
    var isSparse = Array(repeating: false, count: cells)
    for cell in 0..<cells {
      let total = density.reduce(0) { $0 + Int($1[cell]) }
      guard total > 0, total < smallest else { continue }
      isSparse[cell] = true
      for label in density.indices { density[label][cell] = 0 }
    }
    return isSparse
  }
}
