import Columnar
import CustomerValue
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Segments

/// Speed, on request: `TRANCHE_MEASURE=1 swift test -c release -Xswiftc -enable-testing --filter SegmentsMeasurements`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["TRANCHE_MEASURE"] != nil), .serialized)
struct SegmentsMeasurements {
  let random = CounterBasedRandom(seed: 1, purpose: .init("measure"))
  let workers = Workers(threads: 2)

  func measure(_ name: String, _ body: () throws -> Void) rethrows {
    let best = try (0..<3).map { _ in try ContinuousClock().measure(body) }.min()!
    print("\(name): \(best)")
  }

  func column<Value: BitwiseCopyable>(_ n: Int, _ value: (Int) -> Value) -> Buffer<Value> {
    Buffer(count: n) { target in
      for row in 0..<n { target.initializeElement(at: row, to: value(row)) }
    }
  }

  @Test func profileOfTwoMillion() throws {
    let n = 2_000_000
    let labels = column(n) { Int32(random.bits(at: $0) % 8) }
    let features = (0..<12).map { feature in
      BaseProfile.Feature(
        name: "f\(feature)",
        values: column(n) { row in
          let u = random.unit(at: row * 12 + feature)
          return feature % 3 == 0 ? (u * 365).rounded() : exp(u * 9)
        })
    }
    try measure("profile of 2,000,000 × 12, 8 segments") {
      _ = try BaseProfile(
        labels: labels, segmentCount: 8, features: features, money: features[1].values,
        workers: workers)
    }
  }

  @Test func migrationOfTenMillion() throws {
    let n = 10_000_000
    let segments = column(n) { Int32(random.bits(at: $0) % 8) }
    let sides = (1...8).map { Migration.Side(id: "S0\($0)", name: "") }
    func base(_ ids: Buffer<Int64>) -> SegmentedBase {
      SegmentedBase(customerIDs: Column(.int64(ids)), segments: segments, sides: sides)
    }
    let sorted = base(column(n) { Int64($0) + 1_000_000 })
    let other = base(column(n) { Int64(($0 &* 7_919) % n) + 1_000_000 })
    try measure("migration of 10,000,000, sorted") {
      _ = try Migration(previous: sorted, current: sorted, workers: workers)
    }
    try measure("migration of 10,000,000, shuffled") {
      _ = try Migration(previous: sorted, current: other, workers: workers)
    }
  }
}
