import Kernels

/// One feature's way from its original unit to the space distances are measured in:
/// missing values filled, winsorised, signed log, centred and scaled, in this order.
///
/// Saved in the model and replayed bit for bit: every number here round-trips through JSON.
package struct FeatureTransform: Sendable, Codable, Equatable {
  package var name: String
  /// What a missing (or infinite) value becomes; nil refuses them.
  package var fill: Double?
  /// Values outside are moved to the nearest bound; nil leaves them.
  package var lower: Double?
  package var upper: Double?
  /// sign(x) · ln(1 + |x|).
  package var log: Bool
  package var center: Double
  package var scale: Double

  package init(
    name: String, fill: Double?, lower: Double?, upper: Double?, log: Bool, center: Double,
    scale: Double
  ) {
    self.name = name
    self.fill = fill
    self.lower = lower
    self.upper = upper
    self.log = log
    self.center = center
    self.scale = scale
  }

  /// Everything before centring and scaling. NaN when `value` is not finite and nothing fills it.
  @inline(__always)
  package func shaped(_ value: Double) -> Double {
    var x = value.isFinite ? value : (fill ?? .nan)
    if let lower, x < lower { x = lower }
    if let upper, x > upper { x = upper }
    return log ? SignedLogarithm.value(x) : x
  }

  @inline(__always)
  package func callAsFunction(_ value: Double) -> Double { (shaped(value) - center) / scale }

  /// `shaped` of a run of values, bit for bit as one by one; `target` takes as many.
  func shape(
    _ values: UnsafeBufferPointer<Double>, into target: UnsafeMutablePointer<Double>
  ) {
    StrictLoops.shape(values, by: loop(scaled: false), into: target)
  }

  /// The whole transform of a run of values, bit for bit as one by one.
  func apply(
    to values: UnsafeBufferPointer<Double>, into target: UnsafeMutablePointer<Double>
  ) {
    StrictLoops.shape(values, by: loop(scaled: true), into: target)
  }

  private func loop(scaled: Bool) -> StrictLoops.Shape {
    StrictLoops.Shape(
      filler: fill ?? .nan, floor: lower ?? -.infinity, ceiling: upper ?? .infinity,
      center: center, scale: scale, is_logarithmic: log, is_scaled: scaled)
  }

  /// Centre and scale from the moments of the shaped values. Scale 0 marks a constant, which has no
  /// place among features; medians and quartiles are set by whoever has whole columns.
  mutating func scale(by moments: Moments, _ scaling: TransformConfiguration.Scaling) {
    switch scaling {
    case .none, .robust: scale = moments.isConstant ? 0 : 1
    case .standard, .logStandard:
      center = moments.mean
      scale = moments.isConstant ? 0 : moments.standardDeviation
    }
  }

  /// Back to the original unit. Winsorised values come back as the bound.
  package func inverse(_ scaled: Double) -> Double {
    let x = scaled * scale + center
    return log ? SignedLogarithm.inverse(x) : x
  }
}

/// How transforms are fitted.
package struct TransformConfiguration: Sendable, Equatable {
  package enum Scaling: String, Sendable, CaseIterable {
    /// (x − mean) / standard deviation (population).
    case standard
    /// (x − median) / interquartile range.
    case robust
    /// Signed log, then standard.
    case logStandard = "log-standard"
    /// As it is.
    case none
  }

  package enum Missing: Sendable, Equatable {
    /// The first missing value ends the run.
    case reject
    /// The median of the values that are there.
    case median
    case constant(Double)
  }

  package var scaling = Scaling.standard
  package var missing = Missing.reject
  /// Share of missing values above which a feature is refused: what is filled in must not outweigh
  /// what was measured.
  package var maximumMissing = 0.5
  /// Share of values moved in at each end, 0 for none: 0.001 keeps the middle 99.8 %.
  package var winsorize = 0.0
  /// Principal components kept; nil for none.
  package var components: Int?

  package init() {}
}

/// Why features cannot be turned into samples.
package enum TransformError: Error, Sendable, Equatable {
  /// A missing value where they are refused; `row` counts from 0.
  case missingValue(feature: String, row: Int)
  case wholeColumnMissing(feature: String)
  /// More values are missing than the configuration allows.
  case mostlyMissing(feature: String, missing: Int, rows: Int)
  /// The values lie so far out that their mean or spread is infinite.
  case rangeTooWide(feature: String)
  case allConstant([String])
  case tooManyComponents(asked: Int, features: Int)
  case noRows
}
