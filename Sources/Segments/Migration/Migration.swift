/// Who went where between two runs, by stable segment id.
package struct Migration: Sendable, Codable, Equatable {
  /// A segment of one of the two runs.
  package struct Side: Sendable, Codable, Equatable {
    package var id: String
    package var name: String
    package init(id: String, name: String) {
      self.id = id
      self.name = name
    }
  }

  /// Rows of `counts`; the last row, one past the end, is customers new in the current run.
  package var previous: [Side]
  /// Columns of `counts`; the last column, one past the end, is customers who left.
  package var current: [Side]
  /// (previous.count + 1) × (current.count + 1); the corner (new and left) is 0.
  package var counts: [[Int]]
  /// Share of the customers of both runs who kept their segment id.
  package var stability: Double
  package var adjustedRandIndex: Double
  package var normalizedMutualInformation: Double

  package init(
    previous: [Side], current: [Side], counts: [[Int]], stability: Double,
    adjustedRandIndex: Double, normalizedMutualInformation: Double
  ) {
    self.previous = previous
    self.current = current
    self.counts = counts
    self.stability = stability
    self.adjustedRandIndex = adjustedRandIndex
    self.normalizedMutualInformation = normalizedMutualInformation
  }
}
