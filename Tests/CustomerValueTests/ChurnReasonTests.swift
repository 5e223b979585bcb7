import Sharding
import Testing

@testable import CustomerValue

@Suite struct ChurnReasonTests {
  /// Against sorting all moves by size, ties to the first; few sizes, so that there are many ties.
  @Test(arguments: [3, 4, 10, 13])
  func theThreeLargestMoves(count: Int) {
    let random = CounterBasedRandom(seed: 4, purpose: .init("churn reasons"))
    for trial in 0..<500 {
      let moves = (0..<count).map { place in
        (random.unit(at: trial * 16 + place) * 9).rounded(.down) - 4
      }
      let order = moves.indices.sorted { a, b in
        abs(moves[a]) != abs(moves[b]) ? abs(moves[a]) > abs(moves[b]) : a < b
      }
      let expected = order.prefix(3).reduce(Int32(0)) { code, place in
        code << 6 | Int32(place * 2 + (moves[place] < 0 ? 1 : 0))
      }
      #expect(moves.withUnsafeBufferPointer { ChurnReasons.code($0) } == expected, "\(moves)")
    }
  }

  /// Names are those that occur, in an order that no thread changes; who has none stays without.
  @Test(arguments: [1, 3])
  func codesBecomeNames(threads: Int) throws {
    let features = ["a", "b", "c"]
    let rows: [[Double]?] = [[3, -2, 1], nil, [1, 2, 3], [3, -2, 1], [-1, -2, -3]]
    var codes = rows.map { row in
      row.map { $0.withUnsafeBufferPointer { ChurnReasons.code($0) } } ?? -1
    }
    let names = try codes.withUnsafeMutableBufferPointer {
      try ChurnReasons.name($0, features, Workers(threads: threads))
    }
    #expect(
      codes.map { $0 < 0 ? nil : names[Int($0)] }
        == ["a+ b- c+", nil, "c+ b+ a+", "a+ b- c+", "c- b- a-"])
    #expect(names.count == 3)
  }
}
