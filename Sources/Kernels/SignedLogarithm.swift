import CKernels

/// sign(x) · ln(1 + |x|) and its inverse, from +, −, ×, ÷ and comparisons alone: the same bits on
/// every processor, where a system's `log1p` may differ from one instruction set to the next.
///
/// The series are fdlibm's (s_log1p.c, s_expm1.c; Sun Microsystems 1993): below 1 ulp of error.
package enum SignedLogarithm {
  private static let lowPartOfLn2 = 1.90821492927058770002e-10
  private static let highPartOfLn2 = 6.93147180369123816490e-01

  /// - Returns: sign(x) · ln(1 + |x|); infinities and NaN come back as they are.
  @inline(__always)
  package static func value(_ x: Double) -> Double {
    let magnitude = abs(x)
    let u = 1 + magnitude
    // 2^k · [√½, √2) = u: adding the distance of √½ from 1 carries into the exponent at √2.
    let shifted = u.bitPattern &+ 0x0009_5f62_0000_0000
    // The bits of 2^52 + k + 1023, without an integer conversion, as SIMD wants it.
    let k = Double(bitPattern: 0x4330_0000_0000_0000 | shifted >> 52) - 0x1.00000000003ffp52
    let isNear = k == 0
    // What rounding took from 1 + |x|, as a share of u.
    let lost = (k >= 2 ? 1 - (u - magnitude) : magnitude - (u - 1)) / u
    let mantissa =
      Double(bitPattern: (shifted & 0x000f_ffff_ffff_ffff) &+ 0x3fe6_a09e_0000_0000) - 1
    let f = isNear ? magnitude : mantissa
    let correction = isNear ? 0 : lost
    let halfSquare = 0.5 * f * f
    let s = f / (2 + f)
    let z = s * s
    let w = z * z
    let even = w * (C.l2 + w * (C.l4 + w * C.l6))
    let odd = z * (C.l1 + w * (C.l3 + w * (C.l5 + w * C.l7)))
    let series = odd + even
    let sum = s * (halfSquare + series) + (k * lowPartOfLn2 + correction)
    let result = sum - halfSquare + f + k * highPartOfLn2
    return magnitude < .infinity
      ? Double(bitPattern: result.bitPattern | (x.bitPattern & 1 << 63)) : x
  }

  /// Replaces every value by its signed logarithm, eight at a time by the same operations.
  package static func apply(
    to values: UnsafeMutableBufferPointer<Double>, level: Int32 = KernelSet.strictLevel
  ) {
    guard let base = values.baseAddress else { return }
    let whole = values.count & ~7
    tranche_signed_logarithm(level, base, Int64(whole))
    for row in whole..<values.count { base[row] = value(base[row]) }
  }

  /// - Returns: sign(y) · (e^|y| − 1), which takes `value` back to within rounding.
  package static func inverse(_ y: Double) -> Double {
    let result = exponentialMinusOne(abs(y))
    return y < 0 ? -result : result
  }

  /// e^x − 1 for x ≥ 0.
  private static func exponentialMinusOne(_ argument: Double) -> Double {
    guard argument <= 7.09782712893383973096e+02 else {
      return argument.isNaN ? argument : .infinity
    }
    if argument < 0x1p-54 { return argument }
    var x = argument
    var k = 0
    var rest = 0.0
    if argument > 0.5 * 0.6931471805599453 {
      k = argument < 1.5 * 0.6931471805599453 ? 1 : Int(1.44269504088896338700 * argument + 0.5)
      let high = argument - Double(k) * highPartOfLn2
      let low = Double(k) * lowPartOfLn2
      x = high - low
      rest = (high - x) - low
    }
    let half = 0.5 * x
    let square = x * half
    let series =
      1 + square * (C.q1 + square * (C.q2 + square * (C.q3 + square * (C.q4 + square * C.q5))))
    let t = 3 - series * half
    var e = square * ((series - t) / (6 - x * t))
    if k == 0 { return x - (x * e - square) }
    e = x * (e - rest) - rest
    e -= square
    if k == 1 { return x < -0.25 ? -2 * (e - (x + 0.5)) : 1 + 2 * (x - e) }
    let power = Double(sign: .plus, exponent: min(k, 1023), significand: 1)
    if k > 56 {
      let y = x - e + 1
      return (k == 1024 ? y * 2 * power : y * power) - 1
    }
    let inversePower = Double(sign: .plus, exponent: -k, significand: 1)
    return k < 20 ? (x - e + (1 - inversePower)) * power : (x - (e + inversePower) + 1) * power
  }

  private enum C {
    static let l1 = 6.666666666666735130e-01
    static let l2 = 3.999999999940941908e-01
    static let l3 = 2.857142874366239149e-01
    static let l4 = 2.222219843214978396e-01
    static let l5 = 1.818357216161805012e-01
    static let l6 = 1.531383769920937332e-01
    static let l7 = 1.479819860511658591e-01
    static let q1 = -3.33333333333331316428e-02
    static let q2 = 1.58730158725481460165e-03
    static let q3 = -7.93650757867487942473e-05
    static let q4 = 4.00821782732936239552e-06
    static let q5 = -2.01099218183624371326e-07
  }
}
