/// Elementary and Γ functions in plain Double additions and multiplications, so that every CPU
/// gives the same bits: a C library may choose other code, with fused operations, per CPU.
///
/// Errors stay within a few units in the last place of the value (of 1 for values near 0).
enum SpecialFunctions {
  private static let ln2High = 6.93147180369123816490e-01
  private static let ln2Low = 1.90821492927058770002e-10

  /// ln x of a positive number. Source: FDLIBM `e_log.c` (Sun Microsystems 1993).
  @inline(__always)
  static func log(_ x: Double) -> Double {
    if !(x >= Double.leastNormalMagnitude && x <= Double.greatestFiniteMagnitude) {
      return logOfRare(x)
    }
    // x = 2^k (1 + f), with 1 + f from √½ to √2.
    let bits = Int64(bitPattern: x.bitPattern) &+ (0x3FF0_0000_0000_0000 - 0x3FE6_A09E_667F_3BCD)
    let k = Double((bits >> 52) &- 0x3FF)
    let f =
      Double(
        bitPattern: UInt64(bitPattern: (bits & 0x000F_FFFF_FFFF_FFFF) &+ 0x3FE6_A09E_667F_3BCD)) - 1
    let s = f / (2 + f)
    let z = s * s
    let w = z * z
    let even =
      w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    let odd =
      z
      * (6.666666666666735130e-01 + w
        * (2.857142874366239149e-01 + w
          * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)))
    let half = 0.5 * f * f
    return k * ln2High - ((half - (s * (half + (even + odd)) + k * ln2Low)) - f)
  }

  @inline(never)
  private static func logOfRare(_ x: Double) -> Double {
    if x == 0 { return -.infinity }
    if x > 0 && x.isFinite { return log(x * 0x1p54) - 54 * (ln2High + ln2Low) }
    return x > 0 ? x : .nan
  }

  /// eˣ; 0 below −745, infinity above 709.78. Source: FDLIBM `e_exp.c`.
  @inline(__always)
  static func exp(_ x: Double) -> Double {
    if x > 709.782712893384 { return .infinity }
    if !(x > -745) { return x < 0 ? 0 : .nan }
    let k = (x * 1.44269504088896338700).rounded()
    let high = x - k * ln2High
    let low = k * ln2Low
    let r = high - low
    let t = r * r
    let c =
      r - t
      * (1.66666666666666019037e-01 + t
        * (-2.77777777770155933842e-03 + t
          * (6.61375632143793436117e-05 + t
            * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))))
    let y = 1 - ((low - (r * c) / (2 - c)) - high)
    // 2^k in two factors: k reaches −1,075 and 1,024.
    let first = Int64(k) >> 1
    let second = Int64(k) - first
    return y * Double(bitPattern: UInt64(bitPattern: (first + 1023) << 52))
      * Double(bitPattern: UInt64(bitPattern: (second + 1023) << 52))
  }

  /// ln(1 + x) for x > −1, right for small x. Source: Kahan; Goldberg 1991, theorem 4.
  @inline(__always)
  static func log1p(_ x: Double) -> Double {
    let u = 1 + x
    return u == 1 ? x : x < 1e15 ? log(u) * (x / (u - 1)) : log(u)
  }

  /// eˣ − 1, right for small x.
  @inline(__always)
  static func expm1(_ x: Double) -> Double {
    let u = exp(x)
    if u == 1 { return x }
    let v = u - 1
    if v == -1 || x > 40 { return v }
    return abs(x) > 1 ? v : v * (x / log(u))
  }

  /// 1 / (1 + e^−x).
  @inline(__always)
  static func logistic(_ x: Double) -> Double {
    if x >= 0 { return 1 / (1 + exp(-x)) }
    let e = exp(x)
    return e / (1 + e)
  }

  /// ln(1 + eˣ).
  @inline(__always)
  static func softplus(_ x: Double) -> Double {
    x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))
  }

  /// (1 − e^−y) / y, 1 at y = 0.
  static func decayMean(_ y: Double) -> Double { y == 0 ? 1 : -expm1(-y) / y }

  /// From here on the asymptotic series below are exact to the last place.
  private static let asymptotic = 12.0

  /// lnΓ(z) − [(z − ½) ln z − z + ½ ln 2π] for z ≥ 12.
  private static func stirlingRest(_ z: Double) -> Double {
    let v = 1 / (z * z)
    return
      (1.0 / 12 - v
      * (1.0 / 360 - v
        * (1.0 / 1260 - v * (1.0 / 1680 - v * (1.0 / 1188 - v * (691.0 / 360360))))))
      / z
  }

  private static func digammaRest(_ z: Double) -> Double {
    let v = 1 / (z * z)
    return -0.5 / z - v
      * (1.0 / 12 - v
        * (1.0 / 120 - v
          * (1.0 / 252 - v * (1.0 / 240 - v * (1.0 / 132 - v * (691.0 / 32760))))))
  }

  private static func trigammaLarge(_ z: Double) -> Double {
    let v = 1 / (z * z)
    let tail =
      1.0 / 6 - v
      * (1.0 / 30 - v * (1.0 / 42 - v * (1.0 / 30 - v * (5.0 / 66 - v * (691.0 / 2730)))))
    return (1 + 0.5 / z + v * tail) / z
  }

  /// lnΓ, ψ and ψ′ at z > 0.
  static func gamma(_ z: Double) -> (log: Double, digamma: Double, trigamma: Double) {
    var shifted = z
    var product = 1.0
    var inverse = 0.0
    var squares = 0.0
    while shifted < asymptotic {
      product *= shifted
      inverse += 1 / shifted
      squares += 1 / (shifted * shifted)
      shifted += 1
    }
    let logShifted = log(shifted)
    return (
      (shifted - 0.5) * logShifted - shifted + 0.91893853320467274178 + stirlingRest(shifted)
        - log(product),
      logShifted + digammaRest(shifted) - inverse, trigammaLarge(shifted) + squares
    )
  }

  /// ln[Γ(z + n) / Γ(z)] with its first and second derivative in z, for z > 0 and whole n ≥ 0.
  ///
  /// A difference of two values of lnΓ would lose every digit when z is far above n.
  static func rising(_ z: Double, _ n: Double) -> (log: Double, first: Double, second: Double) {
    var result = (log: 0.0, first: 0.0, second: 0.0)
    var product = 1.0
    var place = z
    var left = n
    while left > 0 && (place < asymptotic || n <= 16) {
      product *= place
      result.first += 1 / place
      result.second -= 1 / (place * place)
      place += 1
      left -= 1
    }
    result.log = log(product)
    if left > 0 {
      let end = place + left
      let ratio = log1p(left / place)
      result.log +=
        (place - 0.5) * ratio + left * (log(end) - 1) + stirlingRest(end) - stirlingRest(place)
      result.first += ratio + digammaRest(end) - digammaRest(place)
      result.second += trigammaLarge(end) - trigammaLarge(place)
    }
    return result
  }
}
