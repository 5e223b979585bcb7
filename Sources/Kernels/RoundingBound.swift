/// How far apart two Float scores must be for their order to be the order of the Double distances.
///
/// The kernels compare scores t = ½‖c‖² − x·c, which order centroids as ‖x − c‖² = ‖x‖² + 2t does.
/// In Float, with unit roundoff u = 2⁻²⁴, the centroid and ½‖c‖² are rounded once from Double and the
/// d products and d + 1 additions once each, in any order, fused or not, so (Higham, *Accuracy and
/// Stability of Numerical Algorithms*, lemma 3.1 and (3.5))
///
///     |t̂ − t| ≤ γ (½‖c‖² + Σ|xᵢ||cᵢ|) ≤ γ (½‖c‖² + ‖x‖‖c‖),   γ = (d + 3)u / (1 − (d + 3)u).
///
/// Which ‖c‖ may appear? Let ρ ≥ ‖x‖, m be the least norm of any centroid, and R = 2ρ + m. The nearest
/// centroid c* has ‖x − c*‖ ≤ ρ + m, hence ‖c*‖ ≤ R. Let ĉ be the centroid of least *computed* score
/// among any that include c* (all, or those that bounds did not exclude). As t(c*) ≤ ½m² + ρm,
///
///     (1−γ)½‖ĉ‖² − (1+γ)ρ‖ĉ‖ ≤ t̂(ĉ) ≤ t̂(c*) ≤ ½m² + ρm + γ(½R² + ρR) ≤ ½m² + ρm + γR².
///
/// The left side, a function f of ‖ĉ‖, has f(R) ≥ ½m² + ρm − γR² and from there on a slope of at least
/// R(½ − 1.5γ), hence ‖ĉ‖ ≤ R(1 + 4γ/(1 − 3γ)). So with
///
///     M = min(max ‖c‖, (2ρ + m)(1 + 8γ))        (8γ ≥ 4γ/(1 − 3γ) for γ ≤ ⅙)
///
/// both candidates for the lowest label err by at most e = γ(½M² + ρM): one far centroid, such as an
/// outlier alone in its cluster, does not widen the bound of all other points.
///
/// The definition's own arithmetic, Σ(x − c)² in Double in the order of the features, errs by at most
/// (d + 2)2⁻⁵³ relative, that is by (d + 2)2⁻⁵³(ρ + M)² for each of the two. If the runner-up's score
/// exceeds the best by more than
///
///     B = 2e + (d + 3)(2⁻⁵¹(ρ + M)² + 2⁻¹²⁵)
///
/// then no other centroid is as near by the definition, and the Float label is its label. Otherwise
/// the point is decided by the definition itself, ties to the lowest label. (2⁻¹²⁵ covers underflow;
/// overflow is excluded by ``FeatureMatrix/largestMagnitude``; 1 % is added for the bound's own
/// roundings and for that of the gap.) ρ is kept per tile of 64 points, rounded
/// up; a point that is near by that bound is asked again with its own norm.
///
/// So labels depend on neither kernel, instruction set nor thread count.
enum RoundingBound {
  /// γ for d features.
  static func gamma(_ d: Int) -> Double {
    let roundings = Double(d + 3) * 0x1p-24
    precondition(roundings < 0.125, "the bound holds for fewer than 2 million features")
    return roundings / (1 - roundings)
  }
}
