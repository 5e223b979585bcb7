import Sharding

/// Transactions to the horizon of a living customer, and the same discounted by month; one thread's.
struct FutureEvaluation<Model: PurchaseModel> {
  private let model: Model
  private let ends: [Double]
  private let factors: [Double]
  private var scratch: SurvivingPurchases?
  private var expected: [Double]

  init(_ model: Model, ends: [Double], factors: [Double]) {
    self.model = model
    self.ends = ends
    self.factors = factors
    expected = [Double](repeating: 0, count: ends.count)
  }

  mutating func future(repeats: Double, age: Double) -> SIMD2<Double> {
    model.expectedIfAlive(
      repeats: repeats, age: age, horizons: ends, scratch: &scratch, into: &expected)
    var before = 0.0
    var discounted = 0.0
    for (transactions, factor) in zip(expected, factors) {
      discounted += max(transactions - before, 0) * factor
      before = transactions
    }
    return SIMD2(before, discounted)
  }
}

/// Futures of a base in which hardly two customers are alike: for every x, a curve over T.
///
/// In u = ln(α + T) the future of a living customer is analytic up to Im u = π, where 1 + t e^−u
/// vanishes. A Chebyshev series over panels no longer than 2 falls by 6.4 a term: 23 terms leave
/// nothing of a double. One curve costs 24 evaluations, a customer two short sums.
struct ExposureCurves: Sendable {
  private static let terms = 24
  private static let longestPanel = 2.0
  /// Fewer customers of one x are evaluated themselves.
  private static let leastCustomers = 128

  private struct Curve: Sendable {
    let start: Double
    /// Panels per unit of u.
    let perUnit: Double
    let panels: Int
    /// `terms` a panel.
    let coefficients: [SIMD2<Double>]

    @inline(__always)
    func value(_ u: Double) -> SIMD2<Double> {
      let place = (u - start) * perUnit
      let panel = min(max(Int(place), 0), panels - 1)
      // −1…1 inside the panel.
      let x = 2 * (place - Double(panel)) - 1
      // Clenshaw's recurrence.
      return coefficients.withUnsafeBufferPointer { all in
        let own = all.baseAddress! + panel * ExposureCurves.terms
        var (b1, b2) = (SIMD2<Double>(), SIMD2<Double>())
        for term in (1..<ExposureCurves.terms).reversed() {
          let b0 = own[term] + 2 * x * b1 - b2
          (b1, b2) = (b0, b1)
        }
        return own[0] + x * b1 - b2
      }
    }
  }

  private let scale: Double
  /// By place among the distinct x; nil where there are few customers.
  private let curves: [Curve?]
  private let placeOfRepeats: [Int32: Int]
  /// Of the customers without a curve, ascending by x: their futures.
  private let others: [(row: Int, future: SIMD2<Double>)]

  init(
    _ model: some PurchaseModel, _ cells: PurchaseCells, ends: [Double], factors: [Double],
    workers: Workers
  ) throws {
    let distinct = cells.distinctRepeats
    var places: [Int32: Int] = [:]
    for (place, kind) in distinct.enumerated() { places[kind.repeats] = place }
    let scale = model.timeScale
    var ranges = [(low: Double, high: Double)](
      repeating: (.infinity, -.infinity), count: distinct.count)
    var rare: [Int] = []
    var last = (repeats: Int32.min, place: 0)
    for row in 0..<cells.count {
      let repeats = cells.repeats[row]
      if repeats != last.repeats { last = (repeats, places[repeats] ?? 0) }
      let age = cells.age[row]
      ranges[last.place].low = min(ranges[last.place].low, age)
      ranges[last.place].high = max(ranges[last.place].high, age)
      if Int(distinct[last.place].weight) < Self.leastCustomers { rare.append(row) }
    }
    rare.sort { (cells.repeats[$0], $0) < (cells.repeats[$1], $1) }
    let (bounds, few) = (ranges, rare)
    curves = try workers.map(distinct.count) { place -> Curve? in
      guard Int(distinct[place].weight) >= Self.leastCustomers else { return nil }
      var evaluation = FutureEvaluation(model, ends: ends, factors: factors)
      let repeats = Double(distinct[place].repeats)
      let start = SpecialFunctions.log(scale + bounds[place].low)
      let end = SpecialFunctions.log(scale + bounds[place].high)
      let panels = max(1, Int(((end - start) / Self.longestPanel).rounded(.up)))
      let width = max(end - start, 1e-9) / Double(panels)
      var coefficients: [SIMD2<Double>] = []
      for panel in 0..<panels {
        coefficients += Self.series { x in
          let u = start + width * (Double(panel) + 0.5 * (x + 1))
          return evaluation.future(
            repeats: repeats, age: max(SpecialFunctions.exp(u) - scale, 0))
        }
      }
      return Curve(
        start: start, perUnit: 1 / width, panels: panels, coefficients: coefficients)
    }
    let shards = Shards(rows: few.count, rowsPerShard: 256)
    others = try workers.map(shards.count) { shard in
      var evaluation = FutureEvaluation(model, ends: ends, factors: factors)
      return shards[shard].map { place in
        let row = few[place]
        return (
          row,
          evaluation.future(repeats: Double(cells.repeats[row]), age: cells.age[row])
        )
      }
    }.flatMap { $0 }
    placeOfRepeats = places
    self.scale = scale
  }

  /// Chebyshev coefficients of a function on −1…1, from its values at the zeros of T₂₄.
  private static func series(_ value: (Double) -> SIMD2<Double>) -> [SIMD2<Double>] {
    let values = nodes.map(value)
    return (0..<terms).map { term in
      var sum = SIMD2<Double>()
      for node in 0..<terms { sum += values[node] * cosines[term * terms + node] }
      return sum * ((term == 0 ? 1 : 2) / Double(terms))
    }
  }

  private static let nodes: [Double] = (0..<terms).map { cosine($0, 1) }
  /// cos(term · θ) at node θ, by rows of a term.
  private static let cosines: [Double] = (0..<terms).flatMap { term in
    (0..<terms).map { cosine($0, term) }
  }

  /// cos(term · π (node + ½) / terms) as Chebyshev's polynomial of the node, which needs but one
  /// cosine: x = cos θ from Newton's method on T₂₄.
  private static func cosine(_ node: Int, _ term: Int) -> Double {
    polynomial(term, zero(node)).value
  }

  private static func polynomial(_ degree: Int, _ x: Double) -> (value: Double, slope: Double) {
    var (t0, t1, u0, u1) = (1.0, x, 1.0, 2 * x)
    if degree == 0 { return (1, 0) }
    for _ in 1..<degree {
      (t0, t1) = (t1, 2 * x * t1 - t0)
      (u0, u1) = (u1, 2 * x * u1 - u0)
    }
    // T′ₙ = n Uₙ₋₁.
    return (t1, Double(degree) * u0)
  }

  /// The node-th zero of T₂₄, from 1 downwards.
  private static func zero(_ node: Int) -> Double {
    // cos by its series in quarter turns is good enough to start from.
    let angle = Double.pi * (Double(node) + 0.5) / Double(terms)
    let quarter = Double.pi / 2 - angle
    var (term, sum) = (quarter, quarter)
    for k in 1..<12 {
      term *= -quarter * quarter / Double(2 * k * (2 * k + 1))
      sum += term
    }
    var x = sum
    for _ in 0..<3 {
      let (value, slope) = polynomial(terms, x)
      x -= value / slope
    }
    return x
  }

  /// One a row of a scattered base.
  func futures(_ cells: PurchaseCells, workers: Workers) throws -> [SIMD2<Double>] {
    let shards = Shards(rows: cells.count, rowsPerShard: 1 << 14)
    var futures = try workers.map(shards.count) { shard -> [SIMD2<Double>] in
      var last = (repeats: Int32.min, place: 0)
      return shards[shard].map { row in
        let repeats = cells.repeats[row]
        if repeats != last.repeats { last = (repeats, placeOfRepeats[repeats] ?? 0) }
        guard let curve = curves[last.place] else { return SIMD2() }
        return curve.value(SpecialFunctions.log(scale + cells.age[row]))
      }
    }.flatMap { $0 }
    for (row, future) in others { futures[row] = future }
    return futures
  }
}
