import Foundation

/// How much two labellings of the same rows agree, whatever the labels are called.
package enum LabelAgreement {
  /// Adjusted Rand index: 1 for the same partition, about 0 for unrelated ones, may be negative.
  ///
  /// Cost: O(n) where labels are small numbers, else O(n log n). Source: Hubert & Arabie, J. Classif.
  /// 2 (1985), in the pair-counting form of scikit-learn.
  package static func adjustedRandIndex(
    _ a: some RandomAccessCollection<Int32>, _ b: some RandomAccessCollection<Int32>
  ) -> Double {
    adjustedRandIndex(Contingency(a, b))
  }

  /// The same from counts[i][j] = rows labelled i by the one and j by the other; classes without
  /// rows do not count.
  package static func adjustedRandIndex(counts: [[Int]]) -> Double {
    adjustedRandIndex(Contingency(counts))
  }

  private static func adjustedRandIndex(_ table: Contingency) -> Double {
    let n = Double(table.n)
    func squares(_ counts: [Int]) -> Double {
      counts.reduce(0.0) { $0 + Double($1) * Double($1) }
    }
    let cells = squares(table.cells.map(\.count))
    // Ordered pairs: together in both, in one only, in neither.
    let both = cells - n
    let onlyA = squares(table.rowSums) - cells
    let onlyB = squares(table.columnSums) - cells
    let neither = n * n - onlyA - onlyB - cells
    if onlyA == 0 && onlyB == 0 { return 1 }
    return 2 * (both * neither - onlyA * onlyB)
      / ((both + onlyA) * (onlyA + neither) + (both + onlyB) * (onlyB + neither))
  }

  /// Normalised mutual information, with the arithmetic mean of the entropies: 0…1.
  ///
  /// Source: Vinh, Epps & Bailey, JMLR 11 (2010); as scikit-learn.
  package static func normalizedMutualInformation(
    _ a: some RandomAccessCollection<Int32>, _ b: some RandomAccessCollection<Int32>
  ) -> Double {
    normalizedMutualInformation(Contingency(a, b))
  }

  /// The same from counts, as for ``adjustedRandIndex(counts:)``.
  package static func normalizedMutualInformation(counts: [[Int]]) -> Double {
    normalizedMutualInformation(Contingency(counts))
  }

  private static func normalizedMutualInformation(_ table: Contingency) -> Double {
    let n = Double(table.n)
    if table.n == 0 || (table.rowSums.count == 1 && table.columnSums.count == 1) { return 1 }
    if table.rowSums.count == 1 || table.columnSums.count == 1 { return 0 }
    func entropy(_ counts: [Int]) -> Double {
      counts.reduce(0.0) { sum, count in
        let share = Double(count) / n
        return sum - share * log(share)
      }
    }
    var information = 0.0
    for cell in table.cells {
      let expected =
        Double(table.rowSums[cell.row]) * Double(table.columnSums[cell.column]) / n
      information += Double(cell.count) / n * log(Double(cell.count) / expected)
    }
    information = max(information, 0)
    return information / ((entropy(table.rowSums) + entropy(table.columnSums)) / 2)
  }

  /// How many rows have each pair of labels, the pairs in ascending order.
  private struct Contingency {
    var n: Int
    var cells: [(row: Int, column: Int, count: Int)] = []
    var rowSums: [Int]
    var columnSums: [Int]

    init(_ a: some RandomAccessCollection<Int32>, _ b: some RandomAccessCollection<Int32>) {
      precondition(a.count == b.count, "labellings of the same rows")
      n = a.count
      let (rows, rowCount) = Self.ranks(a)
      let (columns, columnCount) = Self.ranks(b)
      rowSums = [Int](repeating: 0, count: rowCount)
      columnSums = [Int](repeating: 0, count: columnCount)
      for row in rows { rowSums[row] += 1 }
      for column in columns { columnSums[column] += 1 }
      if rowCount * columnCount <= max(1 << 20, n) {
        var counts = [Int](repeating: 0, count: rowCount * columnCount)
        for i in 0..<n { counts[rows[i] * columnCount + columns[i]] += 1 }
        for (index, count) in counts.enumerated() where count > 0 {
          cells.append((index / columnCount, index % columnCount, count))
        }
      } else {
        let pairs = (0..<n).map { rows[$0] * columnCount + columns[$0] }.sorted()
        var first = 0
        for i in 0..<n where i + 1 == n || pairs[i + 1] != pairs[i] {
          cells.append((pairs[i] / columnCount, pairs[i] % columnCount, i + 1 - first))
          first = i + 1
        }
      }
    }

    init(_ counts: [[Int]]) {
      let sums = (0..<(counts.first?.count ?? 0)).map { column in
        counts.reduce(0) { $0 + $1[column] }
      }
      // Ranks among the classes that have rows, as for labels.
      let columns = sums.indices.filter { sums[$0] > 0 }
      let rows = counts.filter { $0.contains { $0 > 0 } }
      for (row, line) in rows.enumerated() {
        for (rank, column) in columns.enumerated() where line[column] > 0 {
          cells.append((row, rank, line[column]))
        }
      }
      rowSums = rows.map { $0.reduce(0, +) }
      columnSums = columns.map { sums[$0] }
      n = rowSums.reduce(0, +)
    }

    /// Each label's rank among those that occur, and how many occur.
    private static func ranks(
      _ labels: some RandomAccessCollection<Int32>
    ) -> (ranks: [Int], count: Int) {
      guard let least = labels.min(), let most = labels.max() else { return ([], 0) }
      let span = Int(most) - Int(least) + 1
      if span <= max(1 << 20, 4 * labels.count) {
        var rank = [Int](repeating: -1, count: span)
        for label in labels { rank[Int(label) - Int(least)] = 0 }
        var count = 0
        for index in rank.indices where rank[index] == 0 {
          rank[index] = count
          count += 1
        }
        return (labels.map { rank[Int($0) - Int(least)] }, count)
      }
      let distinct = Set(labels).sorted()
      let rank = Dictionary(uniqueKeysWithValues: zip(distinct, distinct.indices))
      return (labels.map { rank[$0]! }, distinct.count)
    }
  }
}

/// See ``LabelAgreement/adjustedRandIndex(_:_:)``.
package func adjustedRandIndex(_ a: [Int32], _ b: [Int32]) -> Double {
  LabelAgreement.adjustedRandIndex(a, b)
}

/// See ``LabelAgreement/normalizedMutualInformation(_:_:)``.
package func normalizedMutualInformation(_ a: [Int32], _ b: [Int32]) -> Double {
  LabelAgreement.normalizedMutualInformation(a, b)
}
