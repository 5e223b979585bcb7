import Columnar
import Sharding

/// Scores 1 to 5 by cut points that were taken from a base once and can be kept: next month's
/// customers are scored on the same scale.
package struct ScoreScale: Sendable, Codable, Equatable {
  package enum Direction: String, Sendable, Codable {
    /// More is better: frequency, money.
    case higherIsBetter
    /// Less is better: days since the last transaction.
    case lowerIsBetter
  }

  package let direction: Direction
  /// Four values in the column's units, from score 1|2 to score 4|5. A value reaches a score when it
  /// is at the cut or on its better side.
  package let cutPoints: [Double]

  /// - Throws: ``RFMError/badCutPoints(_:)`` unless there are four, finite and ordered from worse to
  ///   better.
  package init(direction: Direction, cutPoints: [Double]) throws(RFMError) {
    let ordered = zip(cutPoints, cutPoints.dropFirst()).allSatisfy {
      direction == .higherIsBetter ? $0 <= $1 : $0 >= $1
    }
    guard cutPoints.count == 4, cutPoints.allSatisfy(\.isFinite), ordered else {
      throw .badCutPoints(cutPoints)
    }
    self.direction = direction
    self.cutPoints = cutPoints
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      direction: container.decode(Direction.self, forKey: .direction),
      cutPoints: container.decode([Double].self, forKey: .cutPoints))
  }

  /// Fits quintiles; the rule for equal values is that of ``CutPoints``.
  ///
  /// - Throws: ``RFMError/noValues(_:)`` when every value is missing.
  /// - Complexity: O(n).
  package init(
    fitting column: Buffer<Double>, named name: String, direction: Direction, workers: Workers
  ) throws {
    let isReversed = direction == .lowerIsBetter
    let oriented = isReversed ? try Self.negated(column, workers: workers) : column
    guard
      let cuts = try CutPoints.fit(oriented, shares: [0.2, 0.4, 0.6, 0.8], workers: workers)
    else { throw RFMError.noValues(name) }
    self.direction = direction
    cutPoints = isReversed ? cuts.map { 0 - $0 } : cuts
  }

  private static func negated(
    _ column: Buffer<Double>, workers: Workers
  ) throws -> Buffer<Double> {
    let shards = Shards(rows: column.count, rowsPerShard: 1 << 17)
    return try Buffer(count: column.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let values = column.values
        for row in shards[shard] { target.initializeElement(at: row, to: -values[row]) }
      }
    }
  }

  /// 1 to 5; 0 for a missing value.
  @inline(__always)
  package func score(_ value: Double) -> Int32 {
    guard value == value else { return 0 }
    var score: Int32 = 1
    for cut in cutPoints {
      let isReached = direction == .higherIsBetter ? value >= cut : value <= cut
      score += isReached ? 1 : 0
    }
    return score
  }

  /// The scores of a column, 0 where its value is missing.
  package func scores(_ column: Buffer<Double>, workers: Workers) throws -> Buffer<Int32> {
    let shards = Shards(rows: column.count, rowsPerShard: 1 << 16)
    // Oriented so that more is better, and in registers.
    let sign: Double = direction == .higherIsBetter ? 1 : -1
    let cuts = SIMD4<Double>(
      sign * cutPoints[0], sign * cutPoints[1], sign * cutPoints[2], sign * cutPoints[3])
    return try Buffer(count: column.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let values = column.values
        for row in shards[shard] {
          let value = sign * values[row]
          var score: Int32 = value == value ? 1 : 0
          score += value >= cuts[0] ? 1 : 0
          score += value >= cuts[1] ? 1 : 0
          score += value >= cuts[2] ? 1 : 0
          score += value >= cuts[3] ? 1 : 0
          target.initializeElement(at: row, to: score)
        }
      }
    }
  }
}

package enum RFMError: Error, Sendable, Hashable, CustomStringConvertible {
  case badCutPoints([Double])
  case noValues(String)
  case badPattern(name: String, pattern: String, reason: String)
  case mixedDigits(pattern: String)
  case emptyTable
  case emptyName
  case cellsWithoutName([String])
  case cellsWithSeveralNames([String])

  package var description: String {
    switch self {
    case .badCutPoints(let cuts):
      "The cut points \(cuts) of a score are not four finite numbers from worse to better."
    case .noValues(let name):
      "The column '\(name)' has no value at all, so it cannot be scored: leave RFM out or supply it."
    case .badPattern(let name, let pattern, let reason):
      "The pattern '\(pattern)' of the RFM segment '\(name)' cannot be read: \(reason)."
    case .mixedDigits(let pattern):
      "The RFM table mixes patterns of two and three digits ('\(pattern)'): use one form in all."
    case .emptyTable:
      "The RFM table is empty: give every cell of recency × frequency a name."
    case .emptyName:
      "An RFM segment has an empty name: give it one."
    case .cellsWithoutName(let cells):
      "The RFM table leaves \(Self.list(cells)) without a name: every cell needs exactly one."
    case .cellsWithSeveralNames(let cells):
      "The RFM table names \(Self.list(cells)) more than once: every cell needs exactly one name."
    }
  }

  private static func list(_ cells: [String]) -> String {
    (cells.count == 1 ? "the cell " : "\(cells.count) cells, ") + cells.joined(separator: ", ")
  }
}
