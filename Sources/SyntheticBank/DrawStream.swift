import Foundation
import Sharding

/// A short sequence of draws that belongs to one thing (a customer, a customer's month): started
/// from that thing's counter-based bits, so that nothing drawn elsewhere can shift it.
struct DrawStream {
  private var state: UInt64

  init(_ random: CounterBasedRandom, at index: Int) { state = random.bits(at: index) }

  @inline(__always)
  mutating func bits() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return CounterBasedRandom.mix(state)
  }

  /// Uniform in [0, 1).
  @inline(__always)
  mutating func unit() -> Double { Double(bits() >> 11) * 0x1p-53 }

  /// Uniform in (0, 1): for logarithms and quantile functions.
  @inline(__always)
  mutating func openUnit() -> Double { (Double(bits() >> 12) + 0.5) * 0x1p-52 }

  @inline(__always)
  mutating func normal() -> Double { normalQuantile(openUnit()) }

  /// Mean 1.
  mutating func exponential() -> Double { -log(openUnit()) }

  /// Mean `shape`, scale 1.
  ///
  /// Source: Marsaglia & Tsang, ACM TOMS 26(3), 2000; shapes below 1 by their section 6.
  mutating func gamma(shape: Double) -> Double {
    let boosted = shape < 1 ? shape + 1 : shape
    let d = boosted - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let z = normal()
      let v = 1 + c * z
      guard v > 0 else { continue }
      let cube = v * v * v
      let u = openUnit()
      // Their squeeze: all but two in a hundred draws need no logarithm.
      let isInside = u < 1 - 0.0331 * z * z * z * z
      if isInside || log(u) < 0.5 * z * z + d - d * cube + d * log(cube) {
        return shape < 1 ? d * cube * pow(openUnit(), 1 / shape) : d * cube
      }
    }
  }

  /// By inversion, one draw for every 32 of the mean, so that exp(−mean) never underflows.
  mutating func poisson(mean: Double) -> Int {
    var rest = mean
    var total = 0
    while rest > 32 {
      total += poissonByInversion(mean: 32)
      rest -= 32
    }
    return total + poissonByInversion(mean: rest)
  }

  private mutating func poissonByInversion(mean: Double) -> Int {
    let u = unit()
    var probability = exp(-mean)
    var cumulative = probability
    var count = 0
    // Past 200 the rest of the distribution of a mean of 32 is below the resolution of `u`.
    while u >= cumulative && count < 200 {
      count += 1
      probability *= mean / Double(count)
      cumulative += probability
    }
    return count
  }
}

/// The standard normal quantile of `p` in (0, 1), relative error about 1e-16.
///
/// Source: M. Wichura, algorithm AS 241 (PPND16), Applied Statistics 37(3), 1988.
func normalQuantile(_ p: Double) -> Double {
  let q = p - 0.5
  if abs(q) <= 0.425 {
    let r = 0.180625 - q * q
    return q
      * polynomial(
        r, 3.3871328727963666080, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
        1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
        3.3430575583588128105e+4, 2.5090809287301226727e+3)
      / polynomial(
        r, 1, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
        2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
        5.2264952788528545610e+3)
  }
  var r = (-log(q < 0 ? p : 1 - p)).squareRoot()
  let tail: Double
  if r <= 5 {
    r -= 1.6
    tail =
      polynomial(
        r, 1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
        3.64784832476320460504, 1.27045825245236838258, 2.41780725177450611770e-1,
        2.27238449892691845833e-2, 7.74545014278341407640e-4)
      / polynomial(
        r, 1, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
        1.05075007164441684324e-9)
  } else {
    r -= 5
    tail =
      polynomial(
        r, 6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
        2.71155556874348757815e-5, 2.01033439929228813265e-7)
      / polynomial(
        r, 1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
        7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
        2.04426310338993978564e-15)
  }
  return q < 0 ? -tail : tail
}

/// c0 + x·(c1 + x·(c2 + …)), eight coefficients.
@inline(__always)
private func polynomial(
  _ x: Double, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double, _ c4: Double, _ c5: Double,
  _ c6: Double, _ c7: Double
) -> Double {
  c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * (c5 + x * (c6 + x * c7))))))
}
