import CustomerValue

extension ValueRun {
  /// `tranche.value.v1`.
  public struct Result: Encodable, Sendable {
    public var schema = "tranche.value.v1"
    public var out: String
    /// summary or ledger.
    public var source: String
    public var asOf: String?
    public var customers: Int
    /// Of the ledger.
    public var rows: RowCounts?
    /// Of t_x, T, the horizon and the parameters.
    public var timeUnit: String
    public var horizon: Double
    public var monthlyDiscount: Double
    public var margin: Double
    /// The one that forecasts transactions.
    public var model: String
    /// The one that forecasts value.
    public var valueModel: String
    /// As `--parameters` reads them.
    public var parameters: ValueParameters
    /// By model, then by parameter; null where a parameter sits on a boundary.
    public var standardErrors: [String: [String: Double?]]
    /// Of the purchase model; null where the forecast has none of its own.
    public var logLikelihood: Double?
    /// How the fit ended, in words; "given" where nothing was fitted.
    public var status: String
    public var spend: Spend?
    public var candidates: [Candidate]
    public var holdout: Holdout?
    public var churn: Churn?
    public var regression: [Regression]
    /// With `--by`.
    public var groups: Groups?
    public var uplift: UpliftReadout?
    /// Σ over customers.
    public var totals: Totals
    public var warnings: [String]
    /// Of a ledger: bytes that lay in temporary files because of `--memory`.
    public var spilledBytes: Int?
    public var threads: Int
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int

    /// - Parameter source: summary or ledger.
    init(
      _ fit: FitResult, out: String, source: String, customers: Int, settings: ValueSettings,
      totals: Totals, warnings: [String], threads: Int, seconds: [String: Double]
    ) {
      self.out = out
      self.source = source
      self.customers = customers
      timeUnit = settings.unit.rawValue
      horizon = settings.length
      monthlyDiscount = settings.monthlyDiscount
      margin = settings.margin
      model = fit.model
      valueModel = fit.valueModel
      parameters = fit.parameters
      standardErrors = fit.standardErrors
      logLikelihood = fit.logLikelihood
      status = fit.status
      spend = fit.spend
      candidates = fit.candidates
      holdout = fit.holdout
      churn = fit.churn
      regression = fit.regression ?? []
      self.totals = totals
      self.warnings = warnings
      self.threads = threads
      self.seconds = seconds
      peakMemoryBytes = ProcessMemory.peakBytes
    }
  }

  public struct Spend: Encodable, Sendable {
    public var logLikelihood: Double?
    public var status: String
    /// Customers with a repeat purchase and a mean spend above 0.
    public var repeaters: Int?
    /// Of frequency and mean spend among them: the model assumes none.
    public var correlation: Double?
  }

  public struct Totals: Encodable, Sendable {
    public var expectedTransactions: Double
    public var expectedValue: Double?
    public var clv: Double?
  }

  public struct Candidate: Encodable, Sendable {
    public var name: String
    /// For transactions.
    public var chosen: Bool
    public var chosenForValue: Bool
    public var logLikelihood: Double?
    public var status: String?
    /// Purchase days in the holdout.
    public var counts: Metrics?
    /// Amounts in the holdout.
    public var values: Metrics?
  }

  public struct Metrics: Encodable, Sendable {
    public var mae: Double
    public var rmse: Double
    public var totalError: Double?
    public var normalisedGini: Double?
    public var topDecileCapture: Double?
    public var calibration: [Decile]

    init(_ metrics: HoldoutMetrics) {
      mae = metrics.meanAbsoluteError
      rmse = metrics.rootMeanSquaredError
      totalError = metrics.totalError
      normalisedGini = metrics.normalisedGini
      topDecileCapture = metrics.topDecileCapture
      calibration = metrics.calibration.map(Decile.init)
    }
  }

  /// A tenth of the customers in order of the prediction: means.
  public struct Decile: Encodable, Sendable {
    public var customers: Int
    public var predicted: Double
    public var actual: Double

    init(_ decile: HoldoutMetrics.Decile) {
      (customers, predicted, actual) = (decile.customers, decile.predicted, decile.actual)
    }
  }

  public struct Holdout: Encodable, Sendable {
    public var days: Int
    /// Of the earlier split that regressions learned from before they were judged.
    public var innerDays: Int?
    public var customers: Int
    public var actualCount: Double
    public var actualValue: Double
  }

  public struct Churn: Encodable, Sendable {
    /// "1 - p_alive", "1 - p_alive, recalibrated" or "logistic".
    public var source: String
    public var brier: Double
    /// Of 1 − p_alive as it is, where it was recalibrated.
    public var brierBefore: Double?
    public var brierOfBaseRate: Double
    public var baseRate: Double
    public var reliability: [Decile]
  }

  public struct Regression: Encodable, Sendable {
    public var model: String
    /// What it predicts: count, value, buying or churn.
    public var target: String
    public var family: String
    public var intercept: Double
    public var coefficients: [Coefficient]

    public struct Coefficient: Encodable, Sendable {
      public var feature: String
      /// Per standard deviation of the feature.
      public var value: Double
      public var standardError: Double?
      public var center: Double
      public var scale: Double
    }

    init(_ name: String, _ target: String, _ model: GeneralizedLinearModel) {
      self.model = name
      self.target = target
      family = model.family.rawValue
      intercept = model.intercept
      coefficients = model.names.indices.map {
        Coefficient(
          feature: model.names[$0], value: model.coefficients[$0],
          standardError: $0 < model.standardErrors.count ? model.standardErrors[$0] : nil,
          center: model.centers[$0], scale: model.scales[$0])
      }
    }
  }
}

extension ValueRun.Candidate {
  /// Of a group: the model of the base it belongs to.
  static let baseName = "base"

  static func all(_ table: HoldoutComparison) -> [ValueRun.Candidate] {
    let base = table.base
    let own = table.candidates.map { candidate in
      ValueRun.Candidate(
        name: candidate.name.rawValue,
        chosen: candidate.name == table.chosen && base?.isChosen != true,
        chosenForValue: candidate.name == table.chosenForAmounts
          && base?.isChosenForAmounts != true, logLikelihood: nil,
        status: candidate.notes.isEmpty ? nil : candidate.notes.joined(separator: "; "),
        counts: ValueRun.Metrics(candidate.days), values: ValueRun.Metrics(candidate.amounts))
    }
    return own
      + [base].compactMap {
        $0.map { base in
          let names = Set([base.name, base.nameForAmounts].map(\.rawValue)).sorted()
          return ValueRun.Candidate(
            name: baseName, chosen: base.isChosen, chosenForValue: base.isChosenForAmounts,
            status: "\(names.joined(separator: ", ")) of the whole base",
            counts: ValueRun.Metrics(base.days), values: ValueRun.Metrics(base.amounts))
        }
      }
  }

  /// Without a holdout.
  init(name: String, chosen: Bool, logLikelihood: Double?, status: String) {
    self.init(
      name: name, chosen: chosen, chosenForValue: chosen, logLikelihood: logLikelihood,
      status: status, counts: nil, values: nil)
  }

  init(_ fit: PurchaseModelFit, chosen: Bool) {
    self.init(
      name: fit.kind.rawValue, chosen: chosen, logLikelihood: fit.logLikelihood,
      status: fit.status.sentence)
  }
}
