/// Which segment of this run is which segment of the last one, so that ids stay with their
/// customers when a model is fitted anew.
///
/// Cost of a pair: 1 − Jaccard index over the customers of both runs; equal costs are decided by the
/// distance of centroids. The cheapest one-to-one assignment is taken, and a pair of it is accepted
/// when its Jaccard index reaches the threshold. A segment without a partner gets a new number, one
/// never used before; a previous segment without a partner is retired.
///
/// When the runs share no customer, nearness of centroids decides: a pair is accepted when it is
/// nearer than half the least distance between two previous centroids.
package struct SegmentMatching: Sendable, Codable, Equatable {
  /// The id of each current segment, in label order.
  package let ids: [String]
  /// Index of the previous segment each current one continues, nil for a new one.
  package let previous: [Int?]
  /// Jaccard index with that segment, 0 for a new one.
  package let jaccard: [Double]
  /// Previous ids without a continuation, in previous order.
  package let retired: [String]
  package let splits: [Split]
  package let merges: [Merge]
  /// Every id used until now, this run's included: hand it to the next matching.
  package let history: [String]

  /// One segment became several: each of `into` comes mostly from it, and each holds at least a tenth
  /// of its customers.
  package struct Split: Sendable, Codable, Equatable {
    package let from: String
    package let into: [String]
  }

  /// Several segments became one: each of `from` went mostly into it and makes up at least a tenth.
  package struct Merge: Sendable, Codable, Equatable {
    package let from: [String]
    package let into: String
  }

  /// - Parameters:
  ///   - previousIDs: Ids of the last run's segments.
  ///   - currentCount: Segments of this run.
  ///   - overlap: overlap[p][c] = customers of both runs who were in p and are in c.
  ///   - distances: distances[p][c] between centroids, in the space of the reference scaler.
  ///   - previousDistances: Distances among the previous centroids; only asked when no customer is
  ///     shared.
  ///   - history: Every id used before, in any order.
  ///   - threshold: Least Jaccard index of a continuation.
  package init(
    previousIDs: [String], currentCount c: Int, overlap: [[Int]], distances: [[Double]],
    previousDistances: [[Double]] = [], history: [String] = [], threshold: Double = 0.3
  ) {
    let p = previousIDs.count
    precondition(overlap.count == p && distances.count == p)
    precondition(overlap.allSatisfy { $0.count == c } && distances.allSatisfy { $0.count == c })
    let rowTotals = overlap.map { $0.reduce(0, +) }
    let columnTotals = (0..<c).map { column in
      overlap.map { $0[column] }.reduce(0, +)
    }
    let isShared = rowTotals.contains { $0 > 0 }
    let similarity = (0..<p).map { row in
      (0..<c).map { column -> Double in
        let union = rowTotals[row] + columnTotals[column] - overlap[row][column]
        return union > 0 ? Double(overlap[row][column]) / Double(union) : 0
      }
    }
    var greatest = 0.0
    for values in distances { for value in values { greatest = max(greatest, value) } }
    // A billionth of the greatest distance decides between equal Jaccard indices; unequal ones differ
    // by more unless segments hold tens of thousands of customers and differ in a handful.
    let cost = (0..<p).map { row in
      (0..<c).map { column -> Double in
        let nearness = greatest > 0 ? distances[row][column] / greatest : 0
        return isShared ? 1 - similarity[row][column] + 1e-9 * nearness : nearness
      }
    }
    var nearest = Double.infinity
    for (row, values) in previousDistances.enumerated() {
      for (column, value) in values.enumerated() where row != column {
        nearest = min(nearest, value)
      }
    }
    let reach = nearest.isFinite ? nearest / 2 : 0

    var previous = [Int?](repeating: nil, count: c)
    for (row, match) in LinearAssignment.solve(cost).enumerated() {
      guard let column = match else { continue }
      let isAccepted =
        isShared ? similarity[row][column] >= threshold : distances[row][column] < reach
      if isAccepted { previous[column] = row }
    }
    self.init(
      previousIDs: previousIDs, previous: previous, similarity: similarity, overlap: overlap,
      rowTotals: rowTotals, columnTotals: columnTotals, history: history)
  }

  /// From a migration whose current sides have provisional ids: its counts are the overlap.
  package init(
    _ migration: Migration, distances: [[Double]], previousDistances: [[Double]] = [],
    history: [String] = [], threshold: Double = 0.3
  ) {
    self.init(
      previousIDs: migration.previous.map(\.id), currentCount: migration.current.count,
      overlap: migration.counts.dropLast().map { Array($0.dropLast()) }, distances: distances,
      previousDistances: previousDistances, history: history, threshold: threshold)
  }

  private init(
    previousIDs: [String], previous: [Int?], similarity: [[Double]], overlap: [[Int]],
    rowTotals: [Int], columnTotals: [Int], history: [String]
  ) {
    let used = history + previousIDs
    var number = SegmentIDs.nextNumber(after: used)
    var ids: [String] = []
    for match in previous {
      if let row = match {
        ids.append(previousIDs[row])
      } else {
        ids.append(SegmentIDs.id(number: number))
        number += 1
      }
    }
    let continued = Set(previous.compactMap { $0 })
    self.ids = ids
    self.previous = previous
    jaccard = previous.enumerated().map { column, row in row.map { similarity[$0][column] } ?? 0 }
    retired = previousIDs.indices.filter { !continued.contains($0) }.map { previousIDs[$0] }
    splits = previousIDs.indices.compactMap { row in
      let parts = columnTotals.indices.filter { column in
        let shared = overlap[row][column]
        return shared > 0 && 2 * shared >= columnTotals[column] && 10 * shared >= rowTotals[row]
      }
      return parts.count > 1 ? Split(from: previousIDs[row], into: parts.map { ids[$0] }) : nil
    }
    merges = columnTotals.indices.compactMap { column in
      let parts = previousIDs.indices.filter { row in
        let shared = overlap[row][column]
        return shared > 0 && 2 * shared >= rowTotals[row] && 10 * shared >= columnTotals[column]
      }
      return parts.count > 1
        ? Merge(from: parts.map { previousIDs[$0] }, into: ids[column]) : nil
    }
    var seen = Set<String>()
    self.history = (used + ids).filter { seen.insert($0).inserted }
  }
}
