import Columnar
import Sharding

extension GammaGamma {
  /// What a Gamma-Gamma fit says beside its parameters.
  package struct SpendFit: Codable, Sendable {
    package let fit: ModelFit<GammaGamma>
    /// Customers with x ≥ 1 and m > 0, the ones the model is fitted to.
    package let repeaters: Int
    /// Pearson's correlation of x and m among them: the model assumes none. `nil` where undefined.
    package let correlation: Double?
  }

  /// Maximum likelihood over the customers with x ≥ 1 and mean spend > 0.
  /// - Complexity: about 6 passes over the repeaters; 2 ns a row and pass.
  /// - Throws: ``Cancelled``.
  package static func fit(_ summary: PurchaseSummary, workers: Workers) throws -> SpendFit {
    let totals = try SpendTotals(summary, workers: workers)
    let repeaters = totals.spend.count
    let mean = totals.meanSpend
    if repeaters < 3 || totals.allEqual {
      // q → ∞ is one mean for all.
      let model = try GammaGamma(
        p: repeaters == 0 ? 0 : 1, q: 1e9, gamma: mean * (1e9 - 1), observedMean: mean)
      let status =
        repeaters < 3
        ? FitStatus(.fallback, [.tooFewRepeaters]) : FitStatus(.boundary, [.equalSpend])
      return SpendFit(
        fit: ModelFit(
          model: model, estimates: model.estimates([]), logLikelihood: 0, status: status,
          gradientNorm: 0, hessianCondition: nil, iterations: 0, customers: repeaters),
        repeaters: repeaters, correlation: nil)
    }
    let (low, high) = (SpecialFunctions.log(1e-6), SpecialFunctions.log(1e6))
    let shift = SpecialFunctions.log(mean)
    let minimizer = NewtonMinimizer(
      lower: [low, low, low + shift], upper: [high, high, high + shift])
    func minimum(_ start: [Double], _ totals: SpendTotals) throws -> NewtonMinimizer.Minimum {
      let count = Double(totals.spend.count)
      return try minimizer.minimize(from: start) { point in
        let x = point.map(SpecialFunctions.exp)
        return try totals.derivatives(p: x[0], q: x[1], gamma: x[2], workers: workers)
          .inLogarithms(of: x, scale: -1 / count)
      }
    }
    let few = repeaters > 65_536 ? totals.thinned(by: repeaters / 32_768) : totals
    let starts: [[Double]] = [[6, 4, 0.5], [1, 3, 2], [50, 10, 0.2]].map {
      [$0[0], $0[1], $0[2] * mean].map(SpecialFunctions.log)
    }
    let found = try starts.map { try minimum($0, few) }
    let best = found.min { $0.derivatives.value < $1.derivatives.value }!
    let full = repeaters > 65_536 ? try minimum(best.point, totals) : best
    let values = full.point.map(SpecialFunctions.exp)
    let model = try GammaGamma(p: values[0], q: values[1], gamma: values[2], observedMean: mean)
    var boundaries: [FitStatus.Boundary] = []
    if model.q >= 1e4 { boundaries.append(.equalSpend) }
    if model.p >= 1e4 { boundaries.append(.constantSpend) }
    if model.q <= 1 { boundaries.append(.heavyTailedSpend) }
    return SpendFit(
      fit: ModelFit(
        model, full, limits: minimizer, boundaries: boundaries, onFace: .scatteredSpend,
        customers: repeaters, estimates: model.estimates),
      repeaters: repeaters, correlation: totals.correlation)
  }

  private func estimates(_ errors: [Double?]) -> [Estimate] {
    Estimate.list(["p", "q", "gamma"], [p, q, gamma], errors)
  }

  /// The log-likelihood of a base's repeat customers at these parameters.
  package func logLikelihood(_ summary: PurchaseSummary, workers: Workers) throws -> Double {
    try SpendTotals(summary, workers: workers).derivatives(
      p: p, q: q, gamma: gamma, workers: workers
    ).value
  }
}

/// Total spend z = x m of the repeat customers, in groups of equal x.
///
/// The likelihood needs of each group only Σ ln(γ + z), Σ 1 / (γ + z) and Σ 1 / (γ + z)²; the Γ
/// functions depend on x alone:
///
///     ln L = lnΓ(px + q) − lnΓ(px) − lnΓ(q) + q ln γ + px ln z − ln m − (px + q) ln(γ + z)
struct SpendTotals: Sendable {
  struct Group: Sendable {
    let repeats: Double
    let rows: Range<Int>
    /// Σ ln z.
    var sumOfLogs = 0.0
  }

  let spend: Buffer<Double>
  let groups: [Group]
  private let sumOfLogMeans: Double
  let meanSpend: Double
  let allEqual: Bool
  let correlation: Double?

  /// Sums of a shard of the base, before and after the means are known.
  private struct Moments: Sendable {
    var counts = [Int32](repeating: 0, count: SpendTotals.directRepeats)
    var large: [(repeats: Int32, mean: Double)] = []
    var (count, repeats, means) = (0, 0.0, 0.0)
    var (least, greatest) = (Double.infinity, 0.0)
    var (xx, xm, mm) = (0.0, 0.0, 0.0)
  }

  /// x below this are sorted by counting, the rest by comparing.
  private static let directRepeats = 1 << 11

  /// - Complexity: O(rows), plus a sort of the customers with 2,048 repeats or more.
  init(_ summary: PurchaseSummary, workers: Workers) throws {
    guard let money = summary.meanSpend else {
      self.init(Buffer([]), [], meanSpend: 0, allEqual: true, correlation: nil)
      return
    }
    let shards = Shards(rows: summary.count, rowsPerShard: 1 << 18)
    let first = try workers.map(shards.count) { shard in
      var sums = Moments()
      withExtendedLifetime((summary, money)) {
        let (repeats, means) = (summary.repeats.base, money.base)
        sums.counts.withUnsafeMutableBufferPointer { counts in
          for row in shards[shard] where repeats[row] >= 1 && means[row] > 0 {
            let (x, mean) = (repeats[row], means[row])
            if x < counts.count { counts[Int(x)] += 1 } else { sums.large.append((x, mean)) }
            sums.count += 1
            sums.repeats += Double(x)
            sums.means += mean
            sums.least = min(sums.least, mean)
            sums.greatest = max(sums.greatest, mean)
          }
        }
      }
      return sums
    }
    let count = first.reduce(0) { $0 + $1.count }
    let mean = count == 0 ? 0 : first.reduce(0) { $0 + $1.means } / Double(count)
    let meanRepeats = count == 0 ? 0 : first.reduce(0) { $0 + $1.repeats } / Double(count)
    // Where each shard puts its first row of each x.
    var places = first.map { _ in [Int](repeating: 0, count: Self.directRepeats) }
    var groups: [Group] = []
    var place = 0
    for x in 0..<Self.directRepeats {
      let start = place
      for shard in first.indices {
        places[shard][x] = place
        place += Int(first[shard].counts[x])
      }
      if place > start { groups.append(Group(repeats: Double(x), rows: start..<place)) }
    }
    let (spend, storage) = Buffer<Double>.uninitialized(count: count)
    nonisolated(unsafe) let target = storage
    let starts = places
    let second = try workers.map(shards.count) { shard in
      var sums = Moments()
      var next = starts[shard]
      withExtendedLifetime((summary, money)) {
        let (repeats, means) = (summary.repeats.base, money.base)
        next.withUnsafeMutableBufferPointer { next in
          for row in shards[shard] where repeats[row] >= 1 && means[row] > 0 {
            let (x, m) = (Double(repeats[row]), means[row])
            sums.xx += (x - meanRepeats) * (x - meanRepeats)
            sums.xm += (x - meanRepeats) * (m - mean)
            sums.mm += (m - mean) * (m - mean)
            guard repeats[row] < next.count else { continue }
            target.initializeElement(at: next[Int(repeats[row])], to: x * m)
            next[Int(repeats[row])] += 1
          }
        }
      }
      return sums
    }
    // Ties by position: a stable order, whatever the sort.
    let large = first.flatMap(\.large).enumerated().sorted {
      ($0.element.repeats, $0.offset) < ($1.element.repeats, $1.offset)
    }
    for (_, row) in large {
      let x = Double(row.repeats)
      target.initializeElement(at: place, to: x * row.mean)
      let start = groups.last?.repeats == x ? groups.removeLast().rows.lowerBound : place
      place += 1
      groups.append(Group(repeats: x, rows: start..<place))
    }
    let moments = second.reduce((xx: 0.0, xm: 0.0, mm: 0.0)) {
      ($0.xx + $1.xx, $0.xm + $1.xm, $0.mm + $1.mm)
    }
    let least = first.reduce(Double.infinity) { min($0, $1.least) }
    let greatest = first.reduce(0) { max($0, $1.greatest) }
    self.init(
      spend, try Self.summingLogs(groups, spend, workers), meanSpend: mean,
      allEqual: least >= greatest,
      correlation: moments.xx > 0 && moments.mm > 0
        ? moments.xm / (moments.xx * moments.mm).squareRoot() : nil)
  }

  private init(
    _ spend: Buffer<Double>, _ groups: [Group], meanSpend: Double, allEqual: Bool,
    correlation: Double?
  ) {
    self.spend = spend
    self.groups = groups
    self.meanSpend = meanSpend
    self.allEqual = allEqual
    self.correlation = correlation
    sumOfLogMeans = groups.reduce(0) {
      $0 + $1.sumOfLogs - Double($1.rows.count) * SpecialFunctions.log($1.repeats)
    }
  }

  private static func summingLogs(
    _ groups: [Group], _ spend: Buffer<Double>, _ workers: Workers
  ) throws -> [Group] {
    let shards = groups.map { Shards(rows: $0.rows.count, rowsPerShard: rowsPerShard) }
    let pieces = groups.indices.flatMap { group in
      shards[group].map { (group, $0.lowerBound + groups[group].rows.lowerBound, $0.count) }
    }
    let logs = try workers.map(pieces.count) { piece in
      let (_, start, count) = pieces[piece]
      return sums(spend, start..<start + count, 0).logs
    }
    var result = groups
    for ((group, _, _), sum) in zip(pieces, logs) { result[group].sumOfLogs += sum }
    return result
  }

  /// Every `step`-th customer of each x.
  func thinned(by step: Int) -> SpendTotals {
    var kept: [Double] = []
    var few: [Group] = []
    var row = 0
    for group in groups {
      let start = kept.count
      var logs = 0.0
      while row < group.rows.upperBound {
        kept.append(spend[row])
        logs += SpecialFunctions.log(spend[row])
        row += step
      }
      if kept.count > start {
        few.append(Group(repeats: group.repeats, rows: start..<kept.count, sumOfLogs: logs))
      }
    }
    return SpendTotals(
      Buffer(kept), few, meanSpend: meanSpend, allEqual: allEqual, correlation: correlation)
  }

  static let rowsPerShard = 1 << 16

  private struct Sums: Sendable {
    var logs = 0.0
    var inverses = 0.0
    var squares = 0.0
  }

  /// In the order p, q, γ.
  func derivatives(p: Double, q: Double, gamma: Double, workers: Workers) throws -> Derivatives {
    let shards = Shards(rows: spend.count, rowsPerShard: Self.rowsPerShard)
    let groupOfShard = shards.map { shard in
      groups.firstIndex { $0.rows.contains(shard.lowerBound) }!
    }
    let parts = try workers.map(shards.count) { shard in
      let range = shards[shard]
      var sums: [Sums] = []
      var group = groupOfShard[shard]
      while group < groups.count && groups[group].rows.lowerBound < range.upperBound {
        sums.append(Self.sums(spend, groups[group].rows.clamped(to: range), gamma))
        group += 1
      }
      return sums
    }
    var byGroup = [Sums](repeating: Sums(), count: groups.count)
    for (first, part) in zip(groupOfShard, parts) {
      for (offset, sums) in part.enumerated() {
        byGroup[first + offset].logs += sums.logs
        byGroup[first + offset].inverses += sums.inverses
        byGroup[first + offset].squares += sums.squares
      }
    }
    var sum = Derivatives(dimension: 3)
    sum.value = -sumOfLogMeans
    let alone = SpecialFunctions.gamma(q)
    let logGamma = SpecialFunctions.log(gamma)
    for (group, sums) in zip(groups, byGroup) {
      let (x, n) = (group.repeats, Double(group.rows.count))
      let both = SpecialFunctions.gamma(p * x + q)
      let shape = SpecialFunctions.gamma(p * x)
      sum.value += n * (both.log - shape.log - alone.log + q * logGamma)
      sum.value += p * x * group.sumOfLogs - (p * x + q) * sums.logs
      sum.gradient[0] += x * (n * (both.digamma - shape.digamma) + group.sumOfLogs - sums.logs)
      sum.gradient[1] += n * (both.digamma - alone.digamma + logGamma) - sums.logs
      sum.gradient[2] += n * q / gamma - (p * x + q) * sums.inverses
      sum.hessian[0] += x * x * n * (both.trigamma - shape.trigamma)
      sum.hessian[1] += x * n * both.trigamma
      sum.hessian[2] -= x * sums.inverses
      sum.hessian[4] += n * (both.trigamma - alone.trigamma)
      sum.hessian[5] += n / gamma - sums.inverses
      sum.hessian[8] += (p * x + q) * sums.squares - n * q / (gamma * gamma)
    }
    (sum.hessian[3], sum.hessian[6], sum.hessian[7]) =
      (sum.hessian[1], sum.hessian[2], sum.hessian[5])
    return sum
  }

  /// One logarithm serves eight rows: their product stays far from overflow for any money.
  private static func sums(
    _ spend: Buffer<Double>, _ rows: Range<Int>, _ gamma: Double
  ) -> Sums {
    withExtendedLifetime(spend) {
      let values = spend.base
      var sums = Sums()
      var row = rows.lowerBound
      while row + 8 <= rows.upperBound {
        let low = UnsafeRawPointer(values + row).loadUnaligned(as: SIMD4<Double>.self) + gamma
        let high = UnsafeRawPointer(values + row + 4).loadUnaligned(as: SIMD4<Double>.self) + gamma
        let pairs = low * high
        let product = (pairs.x * pairs.y) * (pairs.z * pairs.w)
        if product > 1e-290 && product < 1e290 {
          sums.logs += SpecialFunctions.log(product)
        } else {
          for lane in 0..<4 { sums.logs += SpecialFunctions.log(pairs[lane]) }
        }
        let (a, b) = (1 / low, 1 / high)
        let inverse = a + b
        let square = a * a + b * b
        sums.inverses += (inverse.x + inverse.y) + (inverse.z + inverse.w)
        sums.squares += (square.x + square.y) + (square.z + square.w)
        row += 8
      }
      while row < rows.upperBound {
        let value = values[row] + gamma
        sums.logs += SpecialFunctions.log(value)
        sums.inverses += 1 / value
        sums.squares += 1 / (value * value)
        row += 1
      }
      return sums
    }
  }
}
