/// How a maximum-likelihood fit ended, in words.
package struct FitStatus: Codable, Sendable, Equatable {
  package enum Kind: String, Codable, Sendable {
    /// An interior maximum: the gradient vanishes and the Hessian is negative definite.
    case converged
    /// The likelihood rises towards a limit that `boundaries` name; parameters stand for the limit.
    case boundary
    /// Nothing to maximise; parameters are a documented substitute.
    case fallback
    /// The best point found; neither a maximum nor a limit.
    case iterationLimit
  }

  package enum Boundary: String, Codable, Sendable {
    case noDropOut, everyoneDropsOut, homogeneousDropOut, homogeneousRate, scatteredRate
    case noRepeatPurchases, noObservation, equalSpend, constantSpend, heavyTailedSpend
    case scatteredSpend, tooFewRepeaters, flatRidge

    package var sentence: String {
      switch self {
      case .noDropOut: "no drop-out detected: its rate goes to 0"
      case .everyoneDropsOut: "nobody stays after a purchase: the drop-out probability goes to 1"
      case .homogeneousDropOut: "all customers drop out alike: its variance goes to 0"
      case .homogeneousRate: "all customers buy at one rate: its variance goes to 0"
      case .scatteredRate: "the purchase rates have no common scale: a parameter is at its limit"
      case .noRepeatPurchases: "no repeat purchases: half a purchase in the whole base is assumed"
      case .noObservation: "no time was observed: no purchases are expected"
      case .equalSpend: "all customers spend alike: the variance of their means goes to 0"
      case .flatRidge:
        "the data fit many parameters equally well: rely on predictions, not on parameters"
      case .constantSpend: "each customer spends the same every time: that variance goes to 0"
      case .scatteredSpend: "mean spend has no common scale: a parameter is at its limit"
      case .heavyTailedSpend:
        "mean spend has no finite expectation: the observed mean stands in where it is needed"
      case .tooFewRepeaters: "too few repeat customers: the observed mean spend is used"
      }
    }
  }

  package let kind: Kind
  package let boundaries: [Boundary]

  package init(_ kind: Kind, _ boundaries: [Boundary] = []) {
    self.kind = kind
    self.boundaries = boundaries
  }

  /// Whether the parameters are a maximum or a named limit of the likelihood.
  package var isUsable: Bool { kind == .converged || kind == .boundary }

  package var sentence: String {
    let limits = boundaries.map(\.sentence).joined(separator: "; ")
    return switch kind {
    case .converged: "converged"
    case .boundary: "at a boundary: \(limits)"
    case .fallback: "fallback: \(limits)"
    case .iterationLimit: "stopped at the iteration limit"
    }
  }
}

/// One fitted parameter.
package struct Estimate: Codable, Sendable, Equatable {
  package let name: String
  package let value: Double
  /// From the inverse Hessian by the delta method; `nil` where a parameter sits on a boundary.
  package let standardError: Double?
}

/// A model's parameters and how they were found.
package struct ModelFit<Model: Codable & Sendable>: Codable, Sendable {
  package let model: Model
  package let estimates: [Estimate]
  package let logLikelihood: Double
  package let status: FitStatus
  /// Largest |∂ log-likelihood / ∂ ln parameter| per customer, over the free parameters.
  package let gradientNorm: Double
  /// Largest over smallest eigenvalue of the Hessian in the logs of the parameters; `nil` where it
  /// is not positive definite.
  package let hessianCondition: Double?
  package let iterations: Int
  /// Customers the likelihood counts.
  package let customers: Int
}

extension Estimate {
  /// `errors` may be shorter than the values: parameters on a boundary come last and have none.
  static func list(_ names: [String], _ values: [Double], _ errors: [Double?]) -> [Estimate] {
    names.indices.map {
      Estimate(
        name: names[$0], value: values[$0], standardError: $0 < errors.count ? errors[$0] : nil)
    }
  }
}

extension ModelFit {
  /// Reads off a minimum of the mean of −ln L in the logarithms of the parameters.
  ///
  /// A minimum on the box's face without a better name gets `faceName`.
  /// Standard errors exist where every parameter searched for is inside.
  init(
    _ model: Model, _ minimum: NewtonMinimizer.Minimum, limits: NewtonMinimizer,
    boundaries named: [FitStatus.Boundary], onFace faceName: FitStatus.Boundary = .scatteredRate,
    customers: Int, estimates: ([Double?]) -> [Estimate]
  ) {
    let onFace = minimum.point.indices.contains {
      minimum.point[$0] <= limits.lower[$0] || minimum.point[$0] >= limits.upper[$0]
    }
    let size = minimum.point.count
    let count = Double(customers)
    let hessian = minimum.derivatives.hessian
    let condition = conditionNumber(hessian, size)
    var boundaries = named.isEmpty && onFace ? [faceName] : named
    // Beyond this the gradient cannot be brought to 0 in double precision, nor does it matter.
    if boundaries.isEmpty, minimum.gradientNorm <= 1e-4, (condition ?? .infinity) > 1e8 {
      boundaries = [.flatRidge]
    }
    let inside = !onFace && boundaries.allSatisfy { $0 == .noDropOut }
    let variances = inside ? Cholesky(hessian, size)?.inverseDiagonal : nil
    let errors = variances?.enumerated().map { index, variance -> Double? in
      SpecialFunctions.exp(minimum.point[index]) * (variance / count).squareRoot()
    }
    self.init(
      model: model, estimates: estimates(errors ?? []),
      logLikelihood: -minimum.derivatives.value * count,
      status: FitStatus(
        !boundaries.isEmpty ? .boundary : minimum.converged ? .converged : .iterationLimit,
        boundaries),
      gradientNorm: minimum.gradientNorm, hessianCondition: condition,
      iterations: minimum.iterations, customers: customers)
  }
}
