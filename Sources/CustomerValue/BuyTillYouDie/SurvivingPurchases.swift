/// Purchases a living customer makes before dropping out, with p ~ Beta(a, b) the probability to
/// drop out after each.
///
/// Were there no drop-out, the number N of purchases in time t would be negative binomial with
/// shape R = r + x and exposure s = t / (α + T). The j-th is made if j − 1 chances were survived:
///
///     E[X] = Σₙ P(N = n) Sₙ,   Sₙ = Σ_{j<n} mⱼ,   mⱼ = E[(1 − p)ʲ] = ∏_{i<j} (b + i) / (a + b + i)
///
/// Every term is positive, so nothing cancels: a = 1, a + b < 1 and a → 0, singular in the published
/// form with ₂F₁ (of which this is the Pfaff transform), need no care here. P(N = n) is built from
/// its mode outwards and normalised by its own sum, so nothing overflows. Where the sum would be too
/// long, the expectation over p is integrated directly.
package struct SurvivingPurchases {
  let a: Double
  let b: Double
  /// S₀, S₁, …: shared by all exposures of one a, b; grows as needed.
  private var sums = [0.0, 1.0]
  private var survival = 1.0

  static let longestSeries = 1 << 16

  init(a: Double, b: Double) {
    self.a = a
    self.b = b
  }

  mutating func expected(shape: Double, exposure: Double) -> Double {
    let mean = shape * exposure
    if mean == 0 || a == 0 { return mean }
    let spread = (mean * (1 + exposure)).squareRoot()
    // 9 deviations on each side, and the geometric tail that a small shape leaves.
    let longest = mean + 9 * spread + 40 * (1 + exposure)
    return longest <= Double(Self.longestSeries)
      ? series(shape, exposure) : integral(shape, exposure)
  }

  /// Σ P(N = n) Sₙ.
  mutating func series(_ shape: Double, _ exposure: Double) -> Double {
    let q = exposure / (1 + exposure)
    let mode = shape > 1 ? ((shape - 1) * exposure).rounded(.down) : 0
    let start = Int(mode)
    grow(to: start + 1)
    var total = 1.0
    var weighted = sums[start]
    var mass = 1.0
    var n = start
    while true {
      mass *= q * (shape + Double(n)) / Double(n + 1)
      n += 1
      if n >= sums.count { grow(to: n + 64) }
      let term = mass * sums[n]
      total += mass
      weighted += term
      // Beyond the mode the masses fall at least geometrically, in the limit by q each.
      let ratio = q * (shape + Double(n)) / Double(n + 1)
      if ratio < 1 && term <= 1e-17 * weighted * (1 - max(ratio, q)) { break }
    }
    mass = 1
    n = start
    while n > 0 {
      mass *= Double(n) / (q * (shape + Double(n - 1)))
      n -= 1
      total += mass
      weighted += mass * sums[n]
      if mass <= 1e-18 { break }
    }
    return weighted / total
  }

  private mutating func grow(to count: Int) {
    sums.reserveCapacity(count + 1)
    var last = sums[sums.count - 1]
    while sums.count <= count {
      let chances = Double(sums.count - 2)
      survival *= (b + chances) / (a + b + chances)
      last += survival
      sums.append(last)
    }
  }

  /// E over p of (1 − (1 + p s)^−R) / p, what is bought by a customer of drop-out probability p.
  ///
  /// p = logistic(u) with u = centre + width · sinh(v) makes the trapezoidal rule converge
  /// double-exponentially at both ends (Takahasi & Mori 1974); the density is normalised by its own
  /// sum. Positive throughout.
  func integral(_ shape: Double, _ exposure: Double) -> Double {
    let centre = SpecialFunctions.log(a / b)
    let width = min(1, ((a + b) / (a * b)).squareRoot())
    let step = 1.0 / 64
    func logWeight(_ u: Double) -> Double {
      -a * SpecialFunctions.softplus(-u) - b * SpecialFunctions.softplus(u)
    }
    let peak = logWeight(centre)
    var total = 0.0
    var weighted = 0.0
    func add(_ v: Double) -> Bool {
      let e = SpecialFunctions.exp(v)
      let u = centre + width * 0.5 * (e - 1 / e)
      let density = SpecialFunctions.exp(logWeight(u) - peak) * 0.5 * (e + 1 / e)
      let p = SpecialFunctions.logistic(u)
      let y = shape * SpecialFunctions.log1p(p * exposure)
      let bought = p < 1e-290 ? shape * exposure : SpecialFunctions.decayMean(y) * (y / p)
      total += density
      weighted += density * bought
      return density > 1e-19 * total || abs(v) < 1
    }
    _ = add(0)
    var k = 1.0
    while add(k * step) && k < 3000 { k += 1 }
    k = 1
    while add(-k * step) && k < 3000 { k += 1 }
    return weighted / total
  }
}
