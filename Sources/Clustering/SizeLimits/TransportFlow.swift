/// The cheapest way to move rows between clusters until every size is within its limits.
///
/// A transportation problem: rows flow to clusters, clusters to a common sink through arcs that carry
/// `least` to `most` rows at no cost. Rows go along shortest paths, where the step from cluster a to b
/// costs what the row of a that minds least loses by it. The paths' lengths are the dual prices, so
/// the result is optimal for them: a cluster has a price above 0 only where it is full and below 0
/// only where it is at its least (successive shortest paths with potentials; Ahuja, Magnanti & Orlin,
/// *Network Flows*, 9.7). O(k²) a path and O(k log rows) a move. Prices of an earlier, similar
/// problem are a start from which few rows must move.
///
/// Only rows near a boundary are looked at: those for which another cluster costs at most `reach`
/// more. A step that would need others is noticed, and the caller comes back with a larger reach.
struct TransportFlow {
  let k: Int
  let limits: SizeLimits
  /// Per candidate k costs.
  private let costs: [Double]
  private(set) var labels: [Int32]
  private(set) var sizes: [Int]
  /// Of the clusters, and last of the sink, which is 0 between paths.
  private var potentials: [Double]
  private let startPrices: [Double]
  private let reach: Double
  /// k × k: the candidates of cluster a by what a step to b costs.
  private var heaps: [LossHeap]
  /// What flows from each cluster to the sink.
  private var outflow: [Int]
  /// Rows that come in beyond what flows out, per cluster and last for the sink; negative: too few.
  private var excess: [Int]

  var prices: [Double] { Array(potentials.prefix(k)) }

  /// - Parameters:
  ///   - labels: Of the candidates: their cheapest clusters at these prices.
  ///   - sizes: Of all rows.
  init(
    costs: [Double], labels: [Int32], sizes: [Int], prices: [Double], reach: Double,
    limits: SizeLimits
  ) {
    k = sizes.count
    self.limits = limits
    self.costs = costs
    self.labels = labels
    self.sizes = sizes
    potentials = prices + [0]
    startPrices = prices
    self.reach = reach
    heaps = [LossHeap](repeating: LossHeap(), count: k * k)
    outflow = Self.outflow(sizes, prices, limits)
    excess = zip(sizes, outflow).map { $0 - $1 }
    excess.append(-excess.reduce(0, +))
    for candidate in labels.indices { insert(Int32(candidate)) }
  }

  /// What must flow out of clusters at these prices.
  static func outflow(_ sizes: [Int], _ prices: [Double], _ limits: SizeLimits) -> [Int] {
    zip(sizes, prices).map { size, price in
      price > 0
        ? limits.most : price < 0 ? limits.least : min(max(size, limits.least), limits.most)
    }
  }

  /// - Returns: False when a row beyond the reach is needed.
  mutating func solve() -> Bool {
    for node in 0...k {
      while excess[node] > 0 {
        guard push(from: node) else { return false }
      }
    }
    return true
  }

  /// Steps beyond the reach are left out: `loss` would not take them.
  private mutating func insert(_ candidate: Int32) {
    let own = Int(labels[Int(candidate)])
    let row = Int(candidate) * k
    for other in 0..<k where other != own {
      let loss = costs[row + other] - costs[row + own]
      if loss <= bound(own, other) { heaps[own * k + other].insert(loss, candidate) }
    }
  }

  /// What a step of a row beyond the candidates costs at least.
  private func bound(_ a: Int, _ b: Int) -> Double { reach + startPrices[a] - startPrices[b] }

  /// What a step between clusters costs, and whether a candidate is known that takes it at this cost.
  private mutating func loss(_ a: Int, _ b: Int) -> (cost: Double, isKnown: Bool) {
    while let top = heaps[a * k + b].top, labels[Int(top.row)] != Int32(a) {
      heaps[a * k + b].removeTop()
    }
    guard let top = heaps[a * k + b].top else { return (bound(a, b), false) }
    return (top.loss, true)
  }

  /// As `loss`, the sink included.
  private mutating func step(_ a: Int, _ b: Int) -> (cost: Double, isKnown: Bool) {
    if a == k { return (outflow[b] > limits.least ? 0 : .infinity, true) }
    if b == k { return (outflow[a] < limits.most ? 0 : .infinity, true) }
    return loss(a, b)
  }

  /// One row's worth from where there are too many, along the shortest path, to where there are too
  /// few.
  private mutating func push(from origin: Int) -> Bool {
    var distance = [Double](repeating: .infinity, count: k + 1)
    var previous = [Int](repeating: -1, count: k + 1)
    var isKnown = [Bool](repeating: true, count: k + 1)
    var isDone = [Bool](repeating: false, count: k + 1)
    distance[origin] = 0
    var goal = -1
    while goal < 0 {
      var near = -1
      for node in 0...k where !isDone[node] && distance[node] < .infinity {
        if near < 0 || distance[node] < distance[near] { near = node }
      }
      guard near >= 0 else { return false }
      isDone[near] = true
      if excess[near] < 0 {
        goal = near
        break
      }
      for node in 0...k where !isDone[node] {
        let step = step(near, node)
        guard step.cost < .infinity else { continue }
        let length = distance[near] + max(0, step.cost + potentials[node] - potentials[near])
        if length < distance[node] {
          distance[node] = length
          previous[node] = near
          isKnown[node] = isKnown[near] && step.isKnown
        }
      }
    }
    guard isKnown[goal] else { return false }
    excess[origin] -= 1
    excess[goal] += 1
    // From the far end, so that no step takes the row that another one brought.
    var node = goal
    while node != origin {
      move(previous[node], node)
      node = previous[node]
    }
    for node in 0...k { potentials[node] += max(0, distance[goal] - distance[node]) }
    let sink = potentials[k]
    if sink != 0 { for node in 0...k { potentials[node] -= sink } }
    return true
  }

  private mutating func move(_ a: Int, _ b: Int) {
    if a == k {
      outflow[b] -= 1
    } else if b == k {
      outflow[a] += 1
    } else {
      let top = heaps[a * k + b].top!
      heaps[a * k + b].removeTop()
      labels[Int(top.row)] = Int32(b)
      sizes[a] -= 1
      sizes[b] += 1
      insert(top.row)
    }
  }

  /// Prices for the same labels that lie as far as possible from those that would change one, so
  /// that rounding does not.
  ///
  /// The labels allow p[a] − p[b] ≤ loss(a, b); the largest ε with p[a] − p[b] ≤ loss(a, b) − ε is
  /// found by halving, each trial by Bellman and Ford's method. O(k³) a trial. Where no limit binds,
  /// all prices stay 0.
  mutating func centredPrices() -> [Double] {
    var losses = [Double](repeating: .infinity, count: k * k)
    for a in 0..<k { for b in 0..<k where b != a { losses[a * k + b] = loss(a, b).cost } }
    func solve(_ slack: Double) -> [Double]? {
      // p[a] ≤ p[b] + loss(a, b) − slack: shortest paths from a source at distance 0 of all.
      var p = [Double](repeating: 0, count: k)
      for round in 0...k {
        var changes = false
        for a in 0..<k {
          for b in 0..<k where b != a {
            let bound = p[b] + losses[a * k + b] - slack
            if bound < p[a] - 1e-15 * abs(p[a]) {
              p[a] = bound
              changes = true
            }
          }
        }
        if !changes { return p }
        if round == k { return nil }
      }
      return nil
    }
    guard potentials.contains(where: { $0 != 0 }) else { return prices }
    var best = solve(0) ?? prices
    var low = 0.0
    // Two clusters bound the slack by half their sum of losses.
    var high = Double.infinity
    for a in 0..<k {
      for b in 0..<k where b != a { high = min(high, (losses[a * k + b] + losses[b * k + a]) / 2) }
    }
    guard high > 0, high < .infinity else { return best }
    for _ in 0..<(k <= 64 ? 40 : 12) {
      let middle = (low + high) / 2
      if let p = solve(middle) {
        (best, low) = (p, middle)
      } else {
        high = middle
      }
    }
    return best
  }
}

/// Candidates by loss, then row; those that have moved on are dropped when they come to the top.
private struct LossHeap {
  private var entries: [(loss: Double, row: Int32)] = []

  var top: (loss: Double, row: Int32)? { entries.first }

  mutating func insert(_ loss: Double, _ row: Int32) {
    entries.append((loss, row))
    var at = entries.count - 1
    while at > 0, entries[at] < entries[(at - 1) / 2] {
      entries.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  mutating func removeTop() {
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    var at = 0
    while true {
      var least = at
      for child in [2 * at + 1, 2 * at + 2]
      where child < entries.count && entries[child] < entries[least] { least = child }
      if least == at { return }
      entries.swapAt(at, least)
      at = least
    }
  }
}
