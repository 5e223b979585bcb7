import Columnar
import Features
import Sharding

/// All candidates, fitted on what was known some days before as-of and judged on what came after.
package struct HoldoutComparison: Sendable, Codable, Equatable {
  /// Days from the split to as-of.
  package let days: Int
  /// Days of the earlier split's outcome that regressions learned from; nil where the ledger is too
  /// short for one.
  package let innerDays: Int?
  /// Customers judged: all that were known at the split, every n-th of a very large base.
  package let customers: Int
  package let actualDays: Double
  package let actualAmount: Double
  package let candidates: [Candidate]
  /// The least absolute error of purchase days among those whose total is not far off.
  package let chosen: ValueCandidate
  /// The same of amounts: a salary repeats itself to the cent, the days of a card do not.
  package let chosenForAmounts: ValueCandidate
  /// Of a group: its base's model, judged on the same customers; nil for a base itself.
  package let base: BaseCandidate?
  /// Of the churn risk that goes with the chosen one, against "no purchase in the holdout".
  package let churn: ProbabilityCalibration?

  package struct Candidate: Sendable, Codable, Equatable {
    package let name: ValueCandidate
    /// Of purchase days.
    package let days: HoldoutMetrics
    package let amounts: HoldoutMetrics
    /// How its fits ended, where they did not simply converge.
    package let notes: [String]
  }

  /// The model of a group's base: fitted and chosen on all customers, of whom the group's are some.
  package struct BaseCandidate: Sendable, Codable, Equatable {
    package let name: ValueCandidate
    package let nameForAmounts: ValueCandidate
    package let days: HoldoutMetrics
    package let amounts: HoldoutMetrics
    /// Whether it does better than the group's own best one.
    package let isChosen: Bool
    package let isChosenForAmounts: Bool
  }

  /// A candidate whose total is off by more than this is passed over while others are not: the least
  /// absolute error alone would reward forecasting too little for everybody.
  static let largestTotalError = 0.25
  /// Customers that candidates are fitted on and judged by: a total is then off by chance by less
  /// than 1 %.
  static let sampleSize = 1 << 17
  /// Fewer customers before the inner split teach nothing.
  static let leastSample = 50
}

extension HoldoutComparison {
  /// Least absolute error, ties to the first; with every total far off, the nearest total.
  static func best(_ metrics: [HoldoutMetrics]) -> Int {
    func bias(_ index: Int) -> Double { abs(metrics[index].totalError ?? 0) }
    let usable = metrics.indices.filter { bias($0) <= largestTotalError }
    let best =
      usable.min { metrics[$0].meanAbsoluteError < metrics[$1].meanAbsoluteError }
      ?? metrics.indices.min { bias($0) < bias($1) }
    guard let best else { preconditionFailure("there are candidates without an inner split") }
    return best
  }
}
