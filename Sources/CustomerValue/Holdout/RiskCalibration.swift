/// A monotone map from a risk that a model states to the share of customers whom it then befell.
///
/// Customers in order of the stated risk are cut into up to 100 runs of equal size (equal risks are
/// never parted); neighbouring runs whose shares fall are pooled until none do (isotonic regression,
/// pool adjacent violators); between the runs' means the map is linear. So it is continuous, never
/// decreasing, and equal risks stay equal.
///
/// Source: Zadrozny & Elkan, KDD 2002; Ayer et al., Annals of Mathematical Statistics 1955.
package struct RiskCalibration: Sendable, Codable, Equatable {
  /// Mean stated risks, ascending.
  package let stated: [Double]
  /// The share of each, never falling.
  package let observed: [Double]

  private static let mostRuns = 100
  /// Customers a run has at least: its share is then off by chance by less than a tenth.
  private static let leastCustomers = 50

  /// - Parameters:
  ///   - risks: 0…1, of at least one customer.
  ///   - happened: 1 where it did, else 0.
  /// - Complexity: O(n).
  package init(_ risks: [Double], happened: [Double]) {
    precondition(risks.count == happened.count && !risks.isEmpty)
    let order = HoldoutMetrics.ascending(risks)
    let runs = min(Self.mostRuns, max(1, risks.count / Self.leastCustomers))
    var blocks: [Block] = []
    var start = 0
    for run in 0..<runs {
      var end = (run + 1) * order.count / runs
      guard end > start else { continue }
      while end < order.count && risks[order[end]] == risks[order[end - 1]] { end += 1 }
      var block = Block()
      for row in order[start..<end] { block.add(risks[row], happened[row]) }
      blocks.append(block)
      while blocks.count > 1, blocks[blocks.count - 2].share >= blocks[blocks.count - 1].share {
        let last = blocks.removeLast()
        blocks[blocks.count - 1].add(last)
      }
      start = end
    }
    stated = blocks.map { $0.risks / $0.customers }
    observed = blocks.map(\.share)
  }

  /// Beyond the ends the nearest run's share.
  package func callAsFunction(_ risk: Double) -> Double {
    guard let first = stated.first, risk > first else { return observed.first ?? risk }
    var (low, high) = (0, stated.count)
    while high - low > 1 {
      let middle = (low + high) >> 1
      if stated[middle] <= risk { low = middle } else { high = middle }
    }
    guard high < stated.count else { return observed[low] }
    let share = (risk - stated[low]) / (stated[high] - stated[low])
    return observed[low] + share * (observed[high] - observed[low])
  }

  private struct Block {
    var customers = 0.0
    var risks = 0.0
    var happened = 0.0
    var share: Double { happened / customers }

    mutating func add(_ risk: Double, _ event: Double) {
      customers += 1
      risks += risk
      happened += event
    }

    mutating func add(_ other: Block) {
      customers += other.customers
      risks += other.risks
      happened += other.happened
    }
  }
}
