import Columnar
import CustomerValue
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Segments

@Suite struct MatchingTests {
  @Test func assignmentAgreesWithTryingAll() {
    func permutations(_ n: Int) -> [[Int]] {
      guard n > 0 else { return [[]] }
      return permutations(n - 1).flatMap { shorter in
        (0...shorter.count).map { place in
          var longer = shorter
          longer.insert(n - 1, at: place)
          return longer
        }
      }
    }
    let random = CounterBasedRandom(seed: 5, purpose: .init("assignment"))
    for trial in 0..<60 {
      let rows = 1 + trial % 5
      let columns = 1 + trial / 5 % 5
      // Few distinct costs: ties.
      let cost = (0..<rows).map { row in
        (0..<columns).map { column -> Double in
          (random.unit(at: trial * 100 + row * 10 + column) * 6).rounded(.down) - 2
        }
      }
      let found = LinearAssignment.solve(cost)
      var total = 0.0
      for (row, column) in found.enumerated() { if let column { total += cost[row][column] } }
      #expect(found.compactMap { $0 }.count == min(rows, columns))
      #expect(Set(found.compactMap { $0 }).count == min(rows, columns))
      let n = max(rows, columns)
      let best = permutations(n).map { permutation in
        var sum = 0.0
        for row in 0..<rows where permutation[row] < columns { sum += cost[row][permutation[row]] }
        return sum
      }.min()!
      #expect(abs(total - best) < 1e-12)
    }
  }

  @Test func idsFollowTheCustomersWhenLabelsArePermuted() {
    let matching = SegmentMatching(
      previousIDs: ["S02", "S01", "S03"], currentCount: 3,
      overlap: [[5, 90, 0], [80, 3, 0], [0, 0, 40]],
      distances: [[1, 1, 1], [1, 1, 1], [1, 1, 1]])
    #expect(matching.ids == ["S01", "S02", "S03"])
    #expect(matching.previous == [1, 0, 2])
    #expect(matching.retired == [] && matching.splits == [] && matching.merges == [])
    #expect(matching.jaccard[2] == 1)
  }

  @Test func lowOverlapGetsANumberNeverUsedBefore() {
    let matching = SegmentMatching(
      previousIDs: ["S01", "S04"], currentCount: 2, overlap: [[100, 0], [80, 20]],
      distances: [[0, 1], [1, 0]], history: ["S01", "S02", "S03", "S07"])
    // 20 / (100 + 20 − 20) = 0.2 is below 0.3.
    #expect(matching.ids == ["S01", "S08"])
    #expect(matching.retired == ["S04"])
    #expect(matching.history == ["S01", "S02", "S03", "S07", "S04", "S08"])
  }

  @Test func equalOverlapsAreDecidedByDistance() {
    let overlap = [[10, 10], [10, 10]]
    let near = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: overlap,
      distances: [[5, 1], [1, 5]],
      threshold: 0.1)
    #expect(near.ids == ["S02", "S01"])
    let far = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: overlap,
      distances: [[1, 5], [5, 1]],
      threshold: 0.1)
    #expect(far.ids == ["S01", "S02"])
  }

  @Test func splitsAndMergesAreReported() {
    let split = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 3, overlap: [[60, 40, 0], [0, 0, 50]],
      distances: [[0, 1, 2], [2, 2, 0]])
    #expect(split.ids == ["S01", "S03", "S02"])
    #expect(split.splits == [.init(from: "S01", into: ["S01", "S03"])])
    let merge = SegmentMatching(
      previousIDs: ["S01", "S02", "S03"], currentCount: 2, overlap: [[60, 0], [40, 0], [0, 50]],
      distances: [[0, 1], [1, 1], [1, 0]])
    #expect(merge.ids == ["S01", "S03"])
    #expect(merge.retired == ["S02"])
    #expect(merge.merges == [.init(from: ["S01", "S02"], into: "S01")])
  }

  @Test func withoutSharedCustomersNearnessDecides() {
    let matching = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: [[0, 0], [0, 0]],
      distances: [[9, 1], [4, 8]], previousDistances: [[0, 10], [10, 0]])
    #expect(matching.ids == ["S02", "S01"])
    let strange = SegmentMatching(
      previousIDs: ["S01", "S02"], currentCount: 2, overlap: [[0, 0], [0, 0]],
      distances: [[9, 1], [6, 8]], previousDistances: [[0, 10], [10, 0]])
    #expect(strange.ids == ["S03", "S01"])
  }

  @Test func aFirstRunHasNothingToMatch() {
    let matching = SegmentMatching(
      previousIDs: [], currentCount: 2, overlap: [], distances: [], history: ["S05"])
    #expect(matching.ids == ["S06", "S07"])
  }
}
