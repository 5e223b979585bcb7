import Synchronization
import Testing

@testable import Sharding

@Suite struct ShardsTests {
  @Test(arguments: [(0, 4), (1, 4), (4, 4), (5, 4), (8_191, 8_192), (100_001, 8_192)])
  func coverEveryRowOnce(rows: Int, rowsPerShard: Int) {
    let shards = Shards(rows: rows, rowsPerShard: rowsPerShard)
    #expect(shards.flatMap { Array($0) } == Array(0..<rows))
    #expect(shards.allSatisfy { $0.count <= rowsPerShard && !$0.isEmpty })
  }
}

@Suite struct WorkersTests {
  struct Odd: Error, Equatable { let index: Int }

  @Test(arguments: [1, 2, 3, 8]) func runEveryPieceOnce(threads: Int) throws {
    let counts = Mutex([Int](repeating: 0, count: 1_000))
    try Workers(threads: threads).forEach(1_000) { index in counts.withLock { $0[index] += 1 } }
    #expect(counts.withLock { $0.allSatisfy { $0 == 1 } })
  }

  @Test(arguments: [1, 2, 3, 8]) func mapKeepsTheOrder(threads: Int) throws {
    let squares = try Workers(threads: threads).map(500) { $0 * $0 }
    #expect(squares == (0..<500).map { $0 * $0 })
  }

  @Test func noPiecesAreNoWork() throws {
    #expect(try Workers(threads: 4).map(0) { $0 } == [])
  }

  @Test(arguments: [1, 3]) func anErrorEndsTheWork(threads: Int) {
    #expect(throws: Odd.self) {
      try Workers(threads: threads).forEach(100) { index in
        if index % 2 == 1 { throw Odd(index: index) }
      }
    }
  }

  @Test func oneThreadReportsTheFirstError() {
    #expect(throws: Odd(index: 1)) {
      try Workers(threads: 1).forEach(100) { index in
        if index % 2 == 1 { throw Odd(index: index) }
      }
    }
  }

  @Test func scratchIsMadeOncePerThreadAtMost() throws {
    let made = Atomic<Int>(0)
    try Workers(threads: 3).forEach(
      1_000,
      scratch: {
        made.wrappingAdd(1, ordering: .relaxed)
        return [Int]()
      }
    ) { memory, index in memory.append(index) }
    #expect((1...3).contains(made.load(ordering: .relaxed)))
  }

  @Test func aCancelledRunStops() {
    let cancellation = Cancellation()
    let ran = Atomic<Int>(0)
    #expect(throws: Cancelled.self) {
      try Workers(threads: 2, cancellation: cancellation).forEach(10_000) { index in
        ran.wrappingAdd(1, ordering: .relaxed)
        if index == 10 { cancellation.cancel() }
      }
    }
    #expect(ran.load(ordering: .relaxed) < 10_000)
  }
}

@Suite struct CounterBasedRandomTests {
  /// Saved models and published samples depend on these numbers: they must never change.
  @Test func numbersAreThoseOfEveryRelease() {
    let random = CounterBasedRandom(seed: 0, purpose: .init("test"))
    let again = CounterBasedRandom(seed: 0, purpose: .init("test"))
    #expect((0..<100).map(random.bits) == (0..<100).map(again.bits))
    #expect(CounterBasedRandom.mix(1) == 0x5692_161d_100b_05e5)
  }

  @Test func seedsPurposesAndIndicesDiffer() {
    let numbers = ["a", "b"].indices.flatMap { purpose in
      (0..<4).flatMap { seed in
        (0..<1_000).map { index in
          CounterBasedRandom(
            seed: UInt64(seed), purpose: purpose == 0 ? .init("a") : .init("b")
          ).bits(at: index)
        }
      }
    }
    #expect(Set(numbers).count == numbers.count)
  }

  @Test func unitsAreUniform() {
    let random = CounterBasedRandom(seed: 7, purpose: .init("uniform"))
    let values = (0..<20_000).map(random.unit)
    #expect(values.allSatisfy { (0..<1).contains($0) })
    let mean = values.reduce(0, +) / 20_000
    // The mean of n uniforms has standard deviation 1 / √(12 n) = 0.002: five of them.
    #expect(abs(mean - 0.5) < 0.0102)
  }

  @Test func aSequenceIsTheIndicesInOrder() {
    let purpose = CounterBasedRandom.Purpose("sequence")
    let random = CounterBasedRandom(seed: 3, purpose: purpose)
    var sequence = SequentialRandom(seed: 3, purpose: purpose)
    #expect((0..<10).map { _ in sequence.next() } == (0..<10).map(random.bits))
  }
}

@Suite struct SideTaskTests {
  private struct Refused: Error {}

  @Test func givesItsValueAsOftenAsAsked() throws {
    let task = SideTask { (0..<1_000).reduce(0, +) }
    #expect(try task.value() == 499_500)
    #expect(try task.value() == 499_500)
  }

  @Test func throwsWhatItsWorkThrew() {
    let task = SideTask<Int> { throw Refused() }
    #expect(throws: Refused.self) { try task.value() }
  }
}
