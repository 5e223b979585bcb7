/// What rescoring freezes beside the segments, so that next month is measured with the same rules.
package struct ScoringModel: Sendable, Codable, Equatable {
  /// Number of the next new segment id: ids are never used twice.
  package var nextSegmentNumber: Int
  package init(nextSegmentNumber: Int) { self.nextSegmentNumber = nextSegmentNumber }
}
