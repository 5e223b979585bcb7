import Sharding

/// The buy-till-you-die models by the names that commands, files and tables use.
package enum PurchaseModelKind: String, Codable, Sendable, CaseIterable {
  case bgNBD = "bg-nbd"
  case mbgNBD = "mbg-nbd"
  case paretoNBD = "pareto-nbd"

  /// In the order of the papers.
  package var parameterNames: [String] {
    switch self {
    case .bgNBD, .mbgNBD: ["r", "alpha", "a", "b"]
    case .paretoNBD: ["r", "alpha", "s", "beta"]
    }
  }

  /// A model of given parameters, by the names above; all of them must be there.
  package func model(
    _ parameters: [String: Double], unit: PurchaseTimeUnit
  ) throws(ModelParameterError) -> any PurchaseModel {
    func value(_ name: String) throws(ModelParameterError) -> Double {
      guard let value = parameters[name] else {
        throw .outOfRange(name, .nan, "for every parameter of \(rawValue)")
      }
      return value
    }
    switch self {
    case .bgNBD, .mbgNBD:
      return try BetaGeometric(
        self == .bgNBD ? .bgNBD : .mbgNBD, r: value("r"), alpha: value("alpha"), a: value("a"),
        b: value("b"), timeUnit: unit)
    case .paretoNBD:
      return try ParetoNBD(
        r: value("r"), alpha: value("alpha"), s: value("s"), beta: value("beta"), timeUnit: unit)
    }
  }

  /// Maximum likelihood, whichever model it is.
  ///
  /// - Parameter start: Parameters near the maximum, in the order of their names; nil searches.
  package func fit(
    _ cells: PurchaseCells, from start: [Double]? = nil, workers: Workers
  ) throws -> PurchaseModelFit {
    switch self {
    case .bgNBD:
      PurchaseModelFit(
        self, try BetaGeometric.fit(.bgNBD, cells, from: start, workers: workers))
    case .mbgNBD:
      PurchaseModelFit(
        self, try BetaGeometric.fit(.mbgNBD, cells, from: start, workers: workers))
    case .paretoNBD:
      PurchaseModelFit(self, try ParetoNBD.fit(cells, from: start, workers: workers))
    }
  }
}

/// A fit of any of the purchase models.
package struct PurchaseModelFit: Sendable {
  package let kind: PurchaseModelKind
  package let model: any PurchaseModel
  package let estimates: [Estimate]
  package let logLikelihood: Double
  package let status: FitStatus
  /// That it was fitted to.
  package let customers: Int

  /// Where the fit of a similar base may start; nil at a boundary, where a maximum may lie elsewhere.
  var startingPoint: [Double]? {
    status.kind == .converged ? estimates.map(\.value) : nil
  }

  init(_ kind: PurchaseModelKind, _ fit: ModelFit<some PurchaseModel>) {
    self.kind = kind
    model = fit.model
    estimates = fit.estimates
    logLikelihood = fit.logLikelihood
    status = fit.status
    customers = fit.customers
  }
}

extension PurchaseModelKind {
  /// More cells than this are compared on every n-th of them.
  private static let comparedCells = 1 << 17

  /// The models in order of their names and the likeliest one of them: all have four parameters, so
  /// the likelihood alone decides (Akaike's criterion). What a summary can tell without a time split.
  ///
  /// The likeliest one is fitted to all cells; of a very large base, the others to a sample.
  package static func compare(
    _ cells: PurchaseCells, workers: Workers
  ) throws -> (fits: [PurchaseModelFit], likeliest: Int, isSampled: Bool) {
    let isSampled = cells.count > comparedCells
    let compared =
      isSampled ? cells.thinned(by: (cells.count + comparedCells - 1) / comparedCells) : cells
    var fits = try allCases.map { try $0.fit(compared, workers: workers) }
    let best = fits.indices.max { fits[$0].logLikelihood < fits[$1].logLikelihood } ?? 0
    if isSampled { fits[best] = try allCases[best].fit(cells, workers: workers) }
    return (fits, best, isSampled)
  }
}
