import Foundation
import Sharding
import TestSupport
import Testing

@testable import CustomerValue

/// Recalibrated risks, and the order of predictions that they and the metrics rely on.
@Suite struct RiskCalibrationTests {
  @Test func poolsWhatFallsAndIsLinearBetween() {
    // 50 customers a run: shares .2, .1 (pooled to .15), .8.
    let risks = [0.1, 0.2, 0.6].flatMap { [Double](repeating: $0, count: 50) }
    let happened = [10, 5, 40].flatMap { ones in (0..<50).map { $0 < ones ? 1.0 : 0 } }
    let map = RiskCalibration(risks, happened: happened)
    #expect(map.observed == [0.15, 0.8])
    #expect(abs(map.stated[0] - 0.15) < 1e-15 && abs(map.stated[1] - 0.6) < 1e-15)
    #expect(map(0) == 0.15 && map(1) == 0.8)
    #expect(abs(map(0.375) - 0.475) < 1e-12)
  }

  @Test(arguments: [1, 49, 50, 99, 1_000, 20_011])
  func isMonotoneStableAndKeepsTheTotal(count: Int) throws {
    let random = CounterBasedRandom(seed: UInt64(count), purpose: .init("risk calibration"))
    // Stated risks are half of the true ones, on a grid with ties.
    let risks = (0..<count).map { (random.unit(at: $0) * 100).rounded() / 200 }
    let happened = risks.indices.map { random.unit(at: count + $0) < 2 * risks[$0] ? 1.0 : 0 }
    let map = RiskCalibration(risks, happened: happened)
    let grid = (0...1_000).map { map(Double($0) / 1_000) }
    #expect(zip(grid, grid.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(grid.allSatisfy { 0 <= $0 && $0 <= 1 })
    let again = try JSONDecoder().decode(
      RiskCalibration.self, from: try JSONEncoder().encode(map))
    #expect(again == map)
    guard count >= 1_000 else { return }
    let after = risks.map { map($0) }
    let total = happened.reduce(0, +)
    // A run's mean is on the line only where its neighbours lie on it, too.
    #expect(abs(after.reduce(0, +) - total) < 0.02 * Double(count))
    let (before, now) = (
      ProbabilityCalibration(probabilities: risks, happened: happened),
      ProbabilityCalibration(probabilities: after, happened: happened)
    )
    #expect(now.brier < before.brier && now.brier < now.brierOfBaseRate)
  }

  @Test func ordersNumbersAsASortDoes() {
    let random = CounterBasedRandom(seed: 5, purpose: .init("order"))
    let values =
      [0, -0.0, 1, -1, .infinity, -.infinity, .leastNonzeroMagnitude, 0.5, 0.5, -0.5]
      + (0..<3_000).map { (random.unit(at: $0) * 144 - 72).rounded() / 8 }
    let expected = values.indices.sorted {
      values[$0] == values[$1] ? $0 < $1 : values[$0] < values[$1]
    }
    #expect(HoldoutMetrics.ascending(values) == expected)
    #expect(HoldoutMetrics.ascending([]) == [])
  }
}
