import Sharding

extension BetaGeometric {
  /// Maximum likelihood over the cells of a base.
  ///
  /// Never fails to give finite parameters: a likelihood without an interior maximum ends at a named
  /// boundary (see ``FitStatus/Boundary``), and a base without repeat purchases gets a substitute.
  /// - Parameter near: Parameters of a similar base's maximum, to start from.
  /// - Complexity: about 15 passes over the cells; 50 ns a cell and pass.
  /// - Throws: ``Cancelled``.
  package static func fit(
    _ variant: Variant, _ cells: PurchaseCells, from near: [Double]? = nil, workers: Workers
  ) throws -> ModelFit<BetaGeometric> {
    if let degenerate = try degenerate(variant, cells) { return degenerate }
    let scale = cells.meanAge
    let likelihood = BetaGeometricLikelihood(variant: variant, cells: cells, workers: workers)
    let count = Double(cells.customers)
    let (low, high) = (SpecialFunctions.log(1e-6), SpecialFunctions.log(1e6))
    let shift = SpecialFunctions.log(scale)
    let minimizer = NewtonMinimizer(
      lower: [low, low + shift, low, low], upper: [high, high + shift, high, high])
    let starts: [[Double]] = [[0.5, 0.2, 0.8, 2], [1.5, 0.5, 0.2, 5], [0.3, 0.05, 3, 3]].map {
      [$0[0], $0[1] * scale, $0[2], $0[3]].map(SpecialFunctions.log)
    }
    let best = try cells.bestStart(near.map { [$0.map(SpecialFunctions.log)] } ?? starts) {
      start, cells in
      let likelihood = BetaGeometricLikelihood(variant: variant, cells: cells, workers: workers)
      let count = Double(cells.customers)
      return try minimizer.minimize(from: start) {
        try likelihood.minusMean(atLogarithms: $0, customers: count)
      }
    }
    let full = try minimizer.minimize(from: best) {
      try likelihood.minusMean(atLogarithms: $0, customers: count)
    }

    // Without drop-out what is left is the NBD of the counts.
    let rateOnly = NewtonMinimizer(
      lower: [low, low + shift], upper: [high, high + shift])
    let still = try rateOnly.minimize(from: [full.point[0], full.point[1]]) {
      try likelihood.minusMeanWithoutDropOut(atLogarithms: $0, customers: count)
    }
    let gain = (still.derivatives.value - full.derivatives.value) * count
    if gain <= 1e-9 * abs(full.derivatives.value) * count + 1e-6 {
      return try make(variant, cells, still, limits: minimizer, noDropOut: true)
    }
    return try make(variant, cells, full, limits: minimizer, noDropOut: false)
  }

  /// Bases whose likelihood has nothing to say.
  static func degenerate(
    _ variant: Variant, _ cells: PurchaseCells
  ) throws -> ModelFit<BetaGeometric>? {
    let exposure = cells.meanAge * Double(cells.customers)
    guard cells.distinctRepeats.allSatisfy({ $0.repeats == 0 }) || exposure == 0 else { return nil }
    let unobserved = exposure == 0
    // Jeffreys' estimate of one common rate: half a purchase in all the time observed.
    let model = try BetaGeometric(
      variant, r: unobserved ? 0 : 0.5, alpha: unobserved ? 1 : min(exposure, 1e12), a: 0, b: 1,
      timeUnit: cells.timeUnit)
    return ModelFit(
      model: model, estimates: model.estimates([]), logLikelihood: 0,
      status: FitStatus(.fallback, [unobserved ? .noObservation : .noRepeatPurchases]),
      gradientNorm: 0, hessianCondition: nil, iterations: 0, customers: cells.customers)
  }

  private static func make(
    _ variant: Variant, _ cells: PurchaseCells, _ minimum: NewtonMinimizer.Minimum,
    limits: NewtonMinimizer, noDropOut: Bool
  ) throws -> ModelFit<BetaGeometric> {
    let values = minimum.point.map(SpecialFunctions.exp)
    let model = try BetaGeometric(
      variant, r: values[0], alpha: values[1], a: noDropOut ? 0 : values[2],
      b: noDropOut ? 1 : values[3], timeUnit: cells.timeUnit)
    var boundaries: [FitStatus.Boundary] = []
    if noDropOut {
      boundaries.append(.noDropOut)
    } else {
      if model.b <= 2e-6 { boundaries.append(.everyoneDropsOut) }
      if model.a + model.b >= 1e4 { boundaries.append(.homogeneousDropOut) }
    }
    if model.r >= 1e4 { boundaries.append(.homogeneousRate) }
    return ModelFit(
      model, minimum, limits: limits, boundaries: boundaries, customers: cells.customers,
      estimates: model.estimates)
  }

  private func estimates(_ errors: [Double?]) -> [Estimate] {
    Estimate.list(["r", "alpha", "a", "b"], [r, alpha, a, b], errors)
  }

  /// The log-likelihood of a base at these parameters.
  package func logLikelihood(_ cells: PurchaseCells, workers: Workers) throws -> Double {
    let likelihood = BetaGeometricLikelihood(variant: variant, cells: cells, workers: workers)
    return a == 0
      ? try likelihood.withoutDropOut(r: r, alpha: alpha).value
      : try likelihood.derivatives(r: r, alpha: alpha, a: a, b: b).value
  }
}

extension PurchaseCells {
  /// The best of several local minima, found on a thinned base where the base is large: a start that
  /// is near already comes nearer there for a fraction of the cost.
  func bestStart(
    _ starts: [[Double]],
    _ minimum: ([Double], PurchaseCells) throws -> NewtonMinimizer.Minimum
  ) rethrows -> [Double] {
    let few =
      count > 8_192 ? thinned(by: max(2, count / (starts.count == 1 ? 16_384 : 4_096))) : self
    var best: NewtonMinimizer.Minimum?
    for start in starts {
      let found = try minimum(start, few)
      if best.map({ found.derivatives.value < $0.derivatives.value }) ?? true { best = found }
    }
    return best!.point
  }
}

/// Log-likelihood of BG/NBD and MBG/NBD with analytic gradient and Hessian.
///
/// With R = r + x, n chances to drop out and c = b + n − 1, per customer
///
///     ln L = ln[Γ(R) / Γ(r)] + r ln α − R ln(α + T) + ln[B(a, b + n) / B(a, b)] + ln(1 + e^d)
///     d    = ln(a / c) + R ln[(α + T) / (α + t_x)]      (no last term where n = 0)
///
/// The Γ terms depend on x only and are summed over the distinct x; e^d are the odds that the
/// customer has dropped out. Differences of logarithms are taken as log1p of a ratio, so that r, α
/// or b of a million cost no digits.
struct BetaGeometricLikelihood {
  let variant: BetaGeometric.Variant
  let cells: PurchaseCells
  let workers: Workers

  static let cellsPerShard = 1 << 13

  func minusMean(atLogarithms point: [Double], customers: Double) throws -> Derivatives {
    let x = point.map(SpecialFunctions.exp)
    return try derivatives(r: x[0], alpha: x[1], a: x[2], b: x[3])
      .inLogarithms(of: x, scale: -1 / customers)
  }

  func minusMeanWithoutDropOut(
    atLogarithms point: [Double], customers: Double
  ) throws -> Derivatives {
    let x = point.map(SpecialFunctions.exp)
    return try withoutDropOut(r: x[0], alpha: x[1]).inLogarithms(of: x, scale: -1 / customers)
  }

  /// In the order r, α, a, b.
  func derivatives(r: Double, alpha: Double, a: Double, b: Double) throws -> Derivatives {
    let shards = Shards(rows: cells.count, rowsPerShard: Self.cellsPerShard)
    let parts = try workers.map(shards.count) {
      cellTerms(shards[$0], r: r, alpha: alpha, a: a, b: b)
    }
    var sum = Derivatives(dimension: 4)
    for part in parts { sum += part }
    let start = variant == .bgNBD ? 0.0 : 1.0
    for (repeats, weight) in cells.distinctRepeats {
      let rate = SpecialFunctions.rising(r, Double(repeats))
      let stay = SpecialFunctions.rising(b, Double(repeats) + start)
      let all = SpecialFunctions.rising(a + b, Double(repeats) + start)
      sum.value += weight * (rate.log + stay.log - all.log)
      sum.gradient[0] += weight * rate.first
      sum.gradient[2] -= weight * all.first
      sum.gradient[3] += weight * (stay.first - all.first)
      sum.hessian[0] += weight * rate.second
      sum.hessian[10] -= weight * all.second
      sum.hessian[11] -= weight * all.second
      sum.hessian[15] += weight * (stay.second - all.second)
    }
    for i in 0..<4 { for j in 0..<i { sum.hessian[i * 4 + j] = sum.hessian[j * 4 + i] } }
    return sum
  }

  private func cellTerms(
    _ range: Range<Int>, r: Double, alpha: Double, a: Double, b: Double
  ) -> Derivatives {
    let start = variant == .bgNBD ? 0.0 : 1.0
    var (value, gr, gAlpha, ga, gb) = (0.0, 0.0, 0.0, 0.0, 0.0)
    var (rr, rAlpha, ra, rb, alphaAlpha) = (0.0, 0.0, 0.0, 0.0, 0.0)
    var (alphaA, alphaB, aa, ab, bb) = (0.0, 0.0, 0.0, 0.0, 0.0)
    let inverseA = 1 / a
    let inverseAlpha = 1 / alpha
    let logAlpha = SpecialFunctions.log(alpha)
    cells.repeats.withUnsafeBufferPointer { repeats in
      cells.recency.withUnsafeBufferPointer { recency in
        cells.age.withUnsafeBufferPointer { age in
          cells.weight.withUnsafeBufferPointer { weight in
            for cell in range {
              let (x, last, end, count) =
                (Double(repeats[cell]), recency[cell], age[cell], weight[cell])
              let shape = r + x
              let atEnd = 1 / (alpha + end)
              let logEnd = SpecialFunctions.log1p(end * inverseAlpha)
              value -= count * (shape * logEnd + x * logAlpha)
              gr -= count * logEnd
              rAlpha += count * (inverseAlpha - atEnd)
              var slope = (r * end - x * alpha) * inverseAlpha * atEnd
              var curve = shape * atEnd * atEnd - r * inverseAlpha * inverseAlpha
              let chances = x + start
              if chances > 0 {
                let inverseC = 1 / (b + chances - 1)
                let atLast = 1 / (alpha + last)
                let logGap = SpecialFunctions.log1p((end - last) * atLast)
                let d = SpecialFunctions.log(a * inverseC) + shape * logGap
                // e^−|d| serves both the odds and their logarithm.
                let small = SpecialFunctions.exp(-abs(d))
                let dead = (d >= 0 ? 1 : small) / (1 + small)
                let spread = small / ((1 + small) * (1 + small))
                value += count * (max(d, 0) + SpecialFunctions.log1p(small))
                let gap = atEnd - atLast
                let byAlpha = shape * gap
                slope += dead * byAlpha
                curve += shape * dead * (atLast - atEnd) * (atLast + atEnd)
                let deadCount = count * dead
                let spreadCount = count * spread
                gr += deadCount * logGap
                ga += deadCount
                gb -= deadCount * inverseC
                rr += spreadCount * logGap * logGap
                rAlpha += deadCount * gap + spreadCount * logGap * byAlpha
                ra += spreadCount * logGap
                rb -= spreadCount * logGap * inverseC
                alphaAlpha += spreadCount * byAlpha * byAlpha
                alphaA += spreadCount * byAlpha
                alphaB -= spreadCount * byAlpha * inverseC
                aa += spreadCount - deadCount
                ab -= spreadCount * inverseC
                bb += (spreadCount + deadCount) * inverseC * inverseC
              }
              gAlpha += count * slope
              alphaAlpha += count * curve
            }
          }
        }
      }
    }
    var sum = Derivatives(dimension: 4)
    sum.value = value
    sum.gradient = [gr, gAlpha, ga * inverseA, gb]
    sum.hessian = [
      rr, rAlpha, ra * inverseA, rb,
      0, alphaAlpha, alphaA * inverseA, alphaB,
      0, 0, aa * inverseA * inverseA, ab * inverseA,
      0, 0, 0, bb,
    ]
    return sum
  }

  /// The limit a → 0: the NBD of x in T, in r and α.
  func withoutDropOut(r: Double, alpha: Double) throws -> Derivatives {
    try NegativeBinomialLikelihood(cells: cells, workers: workers).derivatives(r: r, alpha: alpha)
  }
}

/// Log-likelihood of x purchases in T at a rate λ ~ Gamma(r, α): what all models become when nobody
/// drops out.
struct NegativeBinomialLikelihood {
  let cells: PurchaseCells
  let workers: Workers

  func derivatives(r: Double, alpha: Double) throws -> Derivatives {
    let shards = Shards(rows: cells.count, rowsPerShard: BetaGeometricLikelihood.cellsPerShard)
    let logAlpha = r > 0 ? SpecialFunctions.log(alpha) : 0
    let parts = try workers.map(shards.count) { shard in
      var part = Derivatives(dimension: 2)
      for cell in shards[shard] {
        let (x, end, count) = (Double(cells.repeats[cell]), cells.age[cell], cells.weight[cell])
        let logEnd = SpecialFunctions.log1p(end / alpha)
        let atEnd = 1 / (alpha + end)
        part.value -= count * ((r + x) * logEnd + x * logAlpha)
        part.gradient[0] -= count * logEnd
        part.gradient[1] += count * (r * end - x * alpha) / alpha * atEnd
        part.hessian[1] += count * end / alpha * atEnd
        part.hessian[3] += count * ((r + x) * atEnd * atEnd - r / (alpha * alpha))
      }
      return part
    }
    var sum = Derivatives(dimension: 2)
    for part in parts { sum += part }
    for (repeats, weight) in cells.distinctRepeats where repeats > 0 {
      let rate = SpecialFunctions.rising(r, Double(repeats))
      sum.value += weight * rate.log
      sum.gradient[0] += weight * rate.first
      sum.hessian[0] += weight * rate.second
    }
    sum.hessian[2] = sum.hessian[1]
    return sum
  }
}
