import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

/// Speed, on request: `TRANCHE_MEASURE=1 swift test -c release -Xswiftc -enable-testing --filter CustomerValueTests`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["TRANCHE_MEASURE"] != nil), .serialized)
struct CustomerValueMeasurements {
  @Test func tenMillionCustomers() throws {
    let n = 10_000_000
    let random = CounterBasedRandom(seed: 1, purpose: .init("measure"))
    let recency = Buffer<Double>(count: n) { target in
      for row in 0..<n {
        target.initializeElement(at: row, to: (random.unit(at: row) * 365).rounded())
      }
    }
    let money = Buffer<Double>(count: n) { target in
      for row in 0..<n { target.initializeElement(at: row, to: exp(random.unit(at: row) * 9)) }
    }
    let workers = Workers(threads: 2)
    func measure(_ name: String, _ body: () throws -> Void) rethrows {
      let best = try (0..<3).map { _ in try ContinuousClock().measure(body) }.min()!
      print("\(name) of 10,000,000: \(best)")
    }
    try measure("RFM fit and scores") {
      let rfm = try RFM(
        fittingRecency: recency, frequency: recency, monetary: money, workers: workers)
      _ = try rfm.scores(recency: recency, frequency: recency, monetary: money, workers: workers)
    }
    try measure("tiers fit and assign") {
      _ = try Tiers(fitting: money, workers: workers).assign(money, workers: workers)
    }
    try measure("concentration") { _ = try Concentration(money, workers: workers) }
  }
}
