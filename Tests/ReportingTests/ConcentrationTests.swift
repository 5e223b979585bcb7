import Columnar
import Foundation
import Sharding
import Testing

@testable import Reporting

@Suite struct ConcentrationTests {
  /// By sorting everyone, from the definition.
  private func sorted(_ money: [Double]) -> (gini: Double, share: (Double) -> Double) {
    let held = money.filter { !$0.isNaN }.map { max($0, 0) }.sorted()
    let total = held.reduce(0, +)
    let n = Double(held.count)
    let weighted = held.enumerated().reduce(0.0) { $0 + Double($1.offset + 1) * $1.element }
    let gini = 2 * weighted / (n * total) - (n + 1) / n
    // The last customer of the top counts by the fraction that belongs to it.
    return (
      gini,
      { top in
        let whole = Int(top * n)
        let part = (top * n - Double(whole)) * held[held.count - 1 - whole]
        return (held.suffix(whole).reduce(0, +) + part) / total
      }
    )
  }

  @Test func agreesWithSorting() throws {
    var random = SequentialRandom(seed: 4, purpose: .init("concentration test"))
    let money = (0..<40_000).map { _ in
      let unit = random.unit()
      return unit < 0.04 ? -50 * random.unit() : unit < 0.05 ? .nan : pow(1 - random.unit(), -0.8)
    }
    let concentration = try #require(try Concentration(Buffer(money), Workers(threads: 2)))
    let exact = sorted(money)
    #expect(abs(concentration.gini - exact.gini) < 1e-6)
    for top in [0.01, 0.1, 0.2, 0.5] {
      // The cut may fall inside a bucket, where the curve is straight: 2⁻¹⁰ of one bucket's share.
      #expect(abs(concentration.share(ofTop: top) - exact.share(top)) < 1e-5)
    }
    #expect(concentration.withoutMoney == money.filter { $0 <= 0 }.count)
    #expect(concentration.customers == money.filter { !$0.isNaN }.count)
  }

  @Test func extremesAreExact() throws {
    let workers = Workers(threads: 1)
    let equal = try #require(try Concentration(Buffer(Array(repeating: 3.5, count: 10)), workers))
    #expect(equal.gini == 0)
    #expect(abs(equal.share(ofTop: 0.2) - 0.2) < 1e-15)
    let one = try #require(try Concentration(Buffer([0, 0, 0, -4, 0, 0, 0, 0, 0, 9.0]), workers))
    #expect(abs(one.gini - 0.9) < 1e-15)
    #expect(one.share(ofTop: 0.2) == 1)
    #expect(try Concentration(Buffer([Double]()), workers) == nil)
    #expect(try Concentration(Buffer([0.0, -1]), workers) == nil)
    #expect(try Concentration(Buffer([1e-9, 1e300]), workers)?.share(ofTop: 0.5) == 1)
  }

  @Test func threadsDoNotShow() throws {
    let money = (0..<600_000).map { Double(CounterBasedRandom.mix(UInt64($0)) % 99_991) / 7 }
    let curves = try [1, 2, 8].map { threads in
      try #require(try Concentration(Buffer(money), Workers(threads: threads))).curve.map(\.money)
    }
    #expect(curves[0] == curves[1] && curves[0] == curves[2])
  }
}
