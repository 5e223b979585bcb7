import Sharding

extension ParetoNBD {
  /// Maximum likelihood over the cells of a base; ends like ``BetaGeometric/fit(_:_:workers:)``.
  /// - Parameter near: Parameters of a similar base's maximum, to start from.
  /// - Complexity: about 15 passes over the cells; 0.3 µs a cell and pass.
  /// - Throws: ``Cancelled``.
  package static func fit(
    _ cells: PurchaseCells, from near: [Double]? = nil, workers: Workers
  ) throws -> ModelFit<ParetoNBD> {
    if let degenerate = try degenerate(cells) { return degenerate }
    let scale = cells.meanAge
    let count = Double(cells.customers)
    let (low, high) = (SpecialFunctions.log(1e-6), SpecialFunctions.log(1e6))
    let shift = SpecialFunctions.log(scale)
    let minimizer = NewtonMinimizer(
      lower: [low, low + shift, low, low + shift], upper: [high, high + shift, high, high + shift])
    let starts: [[Double]] = [[0.6, 0.3, 0.6, 0.4], [1.5, 0.5, 0.3, 1], [0.3, 0.1, 3, 3]].map {
      [$0[0], $0[1] * scale, $0[2], $0[3] * scale].map(SpecialFunctions.log)
    }
    let best = try cells.bestStart(near.map { [$0.map(SpecialFunctions.log)] } ?? starts) {
      start, cells in
      let likelihood = ParetoNBDLikelihood(cells: cells, workers: workers)
      let count = Double(cells.customers)
      return try minimizer.minimize(from: start) {
        try likelihood.minusMean(atLogarithms: $0, customers: count)
      }
    }
    let likelihood = ParetoNBDLikelihood(cells: cells, workers: workers)
    let full = try minimizer.minimize(from: best) {
      try likelihood.minusMean(atLogarithms: $0, customers: count)
    }

    // Without drop-out what is left is the NBD of the counts.
    let rates = NegativeBinomialLikelihood(cells: cells, workers: workers)
    let rateOnly = NewtonMinimizer(lower: [low, low + shift], upper: [high, high + shift])
    let still = try rateOnly.minimize(from: [full.point[0], full.point[1]]) {
      let x = $0.map(SpecialFunctions.exp)
      return try rates.derivatives(r: x[0], alpha: x[1]).inLogarithms(of: x, scale: -1 / count)
    }
    let gain = (still.derivatives.value - full.derivatives.value) * count
    let noDropOut = gain <= 1e-9 * abs(full.derivatives.value) * count + 1e-6
    let minimum = noDropOut ? still : full
    let values = minimum.point.map(SpecialFunctions.exp)
    let model = try ParetoNBD(
      r: values[0], alpha: values[1], s: noDropOut ? 0 : values[2], beta: noDropOut ? 1 : values[3],
      timeUnit: cells.timeUnit)
    var boundaries: [FitStatus.Boundary] = noDropOut ? [.noDropOut] : []
    if model.s >= 1e4 { boundaries.append(.homogeneousDropOut) }
    if model.r >= 1e4 { boundaries.append(.homogeneousRate) }
    return ModelFit(
      model, minimum, limits: noDropOut ? rateOnly : minimizer, boundaries: boundaries,
      customers: cells.customers, estimates: model.estimates)
  }

  /// Bases whose likelihood has nothing to say, as for ``BetaGeometric``.
  private static func degenerate(_ cells: PurchaseCells) throws -> ModelFit<ParetoNBD>? {
    guard
      let counts = try BetaGeometric.degenerate(.bgNBD, cells)
    else { return nil }
    let model = try ParetoNBD(
      r: counts.model.r, alpha: counts.model.alpha, s: 0, beta: 1, timeUnit: cells.timeUnit)
    return ModelFit(
      model: model, estimates: model.estimates([]), logLikelihood: 0, status: counts.status,
      gradientNorm: 0, hessianCondition: nil, iterations: 0, customers: cells.customers)
  }

  private func estimates(_ errors: [Double?]) -> [Estimate] {
    Estimate.list(["r", "alpha", "s", "beta"], [r, alpha, s, beta], errors)
  }

  /// The log-likelihood of a base at these parameters.
  package func logLikelihood(_ cells: PurchaseCells, workers: Workers) throws -> Double {
    s == 0
      ? try NegativeBinomialLikelihood(cells: cells, workers: workers)
        .derivatives(r: r, alpha: alpha).value
      : try ParetoNBDLikelihood(cells: cells, workers: workers)
        .derivatives(r: r, alpha: alpha, s: s, beta: beta).value
  }
}

/// Log-likelihood of Pareto/NBD with analytic gradient and Hessian.
///
/// With R = r + x and d the log-odds of ``DropOutIntegral``, per customer
///
///     ln L = ln[Γ(R) / Γ(r)] + r ln α − R ln(α + T) + s ln[β / (β + T)] + ln(1 + e^d)
///
/// The derivatives of d are means and covariances over the time of drop-out, which the same
/// quadrature gives: gradient and value agree to the last place.
struct ParetoNBDLikelihood {
  let cells: PurchaseCells
  let workers: Workers

  /// A cell costs 1 µs here: shards of a millisecond.
  static let cellsPerShard = 1 << 10

  func minusMean(atLogarithms point: [Double], customers: Double) throws -> Derivatives {
    let x = point.map(SpecialFunctions.exp)
    return try derivatives(r: x[0], alpha: x[1], s: x[2], beta: x[3])
      .inLogarithms(of: x, scale: -1 / customers)
  }

  /// In the order r, α, s, β.
  func derivatives(r: Double, alpha: Double, s: Double, beta: Double) throws -> Derivatives {
    let shards = Shards(rows: cells.count, rowsPerShard: Self.cellsPerShard)
    let parts = try workers.map(shards.count) {
      cellTerms(shards[$0], r: r, alpha: alpha, s: s, beta: beta)
    }
    var sum = Derivatives(dimension: 4)
    for part in parts { sum += part }
    for (repeats, weight) in cells.distinctRepeats where repeats > 0 {
      let rate = SpecialFunctions.rising(r, Double(repeats))
      sum.value += weight * rate.log
      sum.gradient[0] += weight * rate.first
      sum.hessian[0] += weight * rate.second
    }
    for i in 0..<4 { for j in 0..<i { sum.hessian[i * 4 + j] = sum.hessian[j * 4 + i] } }
    return sum
  }

  private func cellTerms(
    _ range: Range<Int>, r: Double, alpha: Double, s: Double, beta: Double
  ) -> Derivatives {
    var value = 0.0
    var gradient = SIMD4<Double>()
    // As in `DropOutIntegral`: diagonal, neighbours, opposites.
    var diagonal = SIMD4<Double>()
    var next = SIMD4<Double>()
    var opposite = SIMD4<Double>()
    let logAlpha = SpecialFunctions.log(alpha)
    for cell in range {
      let (x, last, end, count) =
        (Double(cells.repeats[cell]), cells.recency[cell], cells.age[cell], cells.weight[cell])
      let shape = r + x
      let atAlpha = 1 / (alpha + end)
      let atBeta = 1 / (beta + end)
      let logAlphaEnd = SpecialFunctions.log1p(end / alpha)
      let logBetaEnd = SpecialFunctions.log1p(end / beta)
      value -= count * (shape * logAlphaEnd + x * logAlpha + s * logBetaEnd)
      var slope = SIMD4(
        -logAlphaEnd, (r * end - x * alpha) / alpha * atAlpha, -logBetaEnd, s * end / beta * atBeta)
      var curve = SIMD4(
        0, shape * atAlpha * atAlpha - r / (alpha * alpha), 0,
        s * (atBeta * atBeta - 1 / (beta * beta)))
      var beside = SIMD4(end / alpha * atAlpha, 0, end / beta * atBeta, 0)
      if end > last {
        let leaving = DropOutIntegral(
          shape: shape, alpha: alpha, s: s, beta: beta, recency: last, age: end,
          moments: true)
        let dead = SpecialFunctions.logistic(leaving.logOdds)
        let spread = dead * SpecialFunctions.logistic(-leaving.logOdds)
        value += count * SpecialFunctions.softplus(leaving.logOdds)
        // Means of ln(α + τ), ln(β + τ), 1/(α + τ), 1/(β + τ) in the order r, α, s, β.
        let mean = leaving.mean
        let factors = SIMD4(-1, -shape, -1, -(s + 1))
        let byParameter = SIMD4(mean.x, mean.z, mean.y, mean.w) * factors
        let change =
          byParameter + SIMD4(0, shape * atAlpha, 1 / s, s * atBeta)
        let squares = leaving.squares
        let own =
          SIMD4(squares.x, squares.z, squares.y, squares.w) * factors * factors
          - byParameter * byParameter
        // (r, α), (α, s), (s, β), (β, r) of the four kinds 0 2 1 3.
        let products = SIMD4(
          leaving.opposite.x, leaving.next.y, leaving.opposite.y, leaving.next.w)
        let turned = SIMD4(byParameter.y, byParameter.z, byParameter.w, byParameter.x)
        let neighbours =
          products * factors * SIMD4(factors.y, factors.z, factors.w, factors.x)
          - byParameter * turned
        // (r, s), (α, β).
        let across =
          SIMD4(
            leaving.next.x * factors.x * factors.z, leaving.next.z * factors.y * factors.w, 0, 0)
          - byParameter * SIMD4(byParameter.z, byParameter.w, 0, 0)
        let ownCurve = SIMD4(
          0, shape * (squares.z - atAlpha * atAlpha), -1 / (s * s),
          (s + 1) * squares.w - s * atBeta * atBeta)
        slope += dead * change
        curve += dead * (own + ownCurve) + spread * change * change
        beside +=
          dead * (neighbours + SIMD4(atAlpha - mean.z, 0, atBeta - mean.w, 0))
          + spread * change * SIMD4(change.y, change.z, change.w, change.x)
        opposite +=
          count * (dead * across + spread * change * SIMD4(change.z, change.w, 0, 0))
      }
      gradient += count * slope
      diagonal += count * curve
      next += count * beside
    }
    var sum = Derivatives(dimension: 4)
    sum.value = value
    sum.gradient = (0..<4).map { gradient[$0] }
    sum.hessian = [
      diagonal.x, next.x, opposite.x, next.w,
      0, diagonal.y, next.y, opposite.y,
      0, 0, diagonal.z, next.z,
      0, 0, 0, diagonal.w,
    ]
    return sum
  }
}
