/// The assignment of rows to columns with the least total cost.
///
/// Shortest augmenting paths with potentials, O(n³) for n = max(rows, columns).
///
/// Source: Jonker & Volgenant, Computing 38, 1987; Kuhn 1955 ("Hungarian method").
enum LinearAssignment {
  /// - Parameter cost: rows × columns, finite; either may be the greater number.
  /// - Returns: The column of each row, nil for rows left over when there are fewer columns.
  static func solve(_ cost: [[Double]]) -> [Int?] {
    let rows = cost.count
    let columns = cost.first?.count ?? 0
    guard rows > 0, columns > 0 else { return [Int?](repeating: nil, count: rows) }
    precondition(cost.allSatisfy { $0.count == columns && $0.allSatisfy(\.isFinite) })
    // Padding with one cost leaves the order of all complete assignments as it is.
    let n = max(rows, columns)
    func entry(_ row: Int, _ column: Int) -> Double {
      row < rows && column < columns ? cost[row][column] : 0
    }
    // Row and column 0 are a stand-in: real ones count from 1.
    var rowPotential = [Double](repeating: 0, count: n + 1)
    var columnPotential = [Double](repeating: 0, count: n + 1)
    var rowOfColumn = [Int](repeating: 0, count: n + 1)
    for row in 1...n {
      rowOfColumn[0] = row
      var distance = [Double](repeating: .infinity, count: n + 1)
      var previous = [Int](repeating: 0, count: n + 1)
      var isDone = [Bool](repeating: false, count: n + 1)
      var column = 0
      repeat {
        isDone[column] = true
        let current = rowOfColumn[column]
        var step = Double.infinity
        var next = 0
        for candidate in 1...n where !isDone[candidate] {
          let reduced =
            entry(current - 1, candidate - 1) - rowPotential[current] - columnPotential[candidate]
          if reduced < distance[candidate] {
            distance[candidate] = reduced
            previous[candidate] = column
          }
          if distance[candidate] < step {
            step = distance[candidate]
            next = candidate
          }
        }
        for other in 0...n {
          if isDone[other] {
            rowPotential[rowOfColumn[other]] += step
            columnPotential[other] -= step
          } else {
            distance[other] -= step
          }
        }
        column = next
      } while rowOfColumn[column] != 0
      while column != 0 {
        rowOfColumn[column] = rowOfColumn[previous[column]]
        column = previous[column]
      }
    }
    var assignment = [Int?](repeating: nil, count: rows)
    for column in 1...n where rowOfColumn[column] <= rows && column <= columns {
      assignment[rowOfColumn[column] - 1] = column - 1
    }
    return assignment
  }
}
