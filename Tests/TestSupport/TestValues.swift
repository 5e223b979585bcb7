import Columnar
import Foundation
import Sharding

/// Columns that break selections: ties, signs, missing values, sizes around a shard.
package enum Sample: String, CaseIterable, Sendable {
  case one, two, allEqual, counts, logNormal, negative, missing, zeros, large

  package var values: [Double] {
    let random = CounterBasedRandom(seed: 7, purpose: .init("tests"))
    func draw(_ n: Int, _ value: (Double) -> Double) -> [Double] {
      (0..<n).map { value(random.unit(at: $0)) }
    }
    return switch self {
    case .one: [3.5]
    case .two: [2, -1]
    case .allEqual: [Double](repeating: 4, count: 1_000)
    case .counts: draw(5_003) { (-log(1 - $0) * 1.4).rounded(.down) }
    case .logNormal: draw(4_999) { exp(8 * $0 - 4) * 17.3 }
    case .negative: draw(3_001) { ($0 - 0.6) * 1e5 }
    case .missing: draw(2_000) { $0 < 0.3 ? .nan : $0 }
    case .zeros: draw(999) { $0 < 0.4 ? -0.0 : $0 < 0.8 ? 0.0 : $0 }
    // More than one shard of 2¹⁷ rows, with a bin of more than 2,048 candidates.
    case .large: draw(140_001) { ($0 * 3e4).rounded() / 100 + 1_000 }
    }
  }

  package var present: [Double] { values.filter { $0 == $0 }.sorted() }
}

/// A copy of a buffer's values. `Array(buffer.values)` on a temporary would read freed memory.
package func array<Value>(_ buffer: Buffer<Value>) -> [Value] {
  withExtendedLifetime(buffer) { Array(buffer.values) }
}

package let oneThread = Workers(threads: 1)
package let threeThreads = Workers(threads: 3)
