import Columnar
import Segments

/// Everything one report shows. A part that is nil or empty has no section in the page.
///
/// The caller hands over what a run knows; sentences, shares, scales and pictures are made by
/// ``HTMLReport``, in the reader's language.
package struct ReportContent: Sendable {
  package var run: Run
  package var profile: BaseProfile
  /// Code of an offer to the text a reader sees; a code without one is shown itself.
  package var offerTexts: [String: String]
  /// One row per scored customer: scatter and concentration are computed from these columns.
  package var customers: CustomerColumns?
  /// Against the previous run.
  package var migration: Migration?
  package var rfm: RFMGrid?
  package var clusterSelection: ClusterSelection?
  package var forecast: Forecast?
  package var rows: RowCounts?
  package var reproduction: Reproduction?

  package init(
    run: Run, profile: BaseProfile, offerTexts: [String: String] = [:],
    customers: CustomerColumns? = nil, migration: Migration? = nil, rfm: RFMGrid? = nil,
    clusterSelection: ClusterSelection? = nil, forecast: Forecast? = nil, rows: RowCounts? = nil,
    reproduction: Reproduction? = nil
  ) {
    self.run = run
    self.profile = profile
    self.offerTexts = offerTexts
    self.customers = customers
    self.migration = migration
    self.rfm = rfm
    self.clusterSelection = clusterSelection
    self.forecast = forecast
    self.rows = rows
    self.reproduction = reproduction
  }

  /// Which run this is.
  package struct Run: Sendable {
    /// The month of the as-of date: "2025-12".
    package var id: String
    /// ISO 8601: "2025-12-31".
    package var asOf: String
    package var modelID: String
    /// The run this one is compared with, where there is one.
    package var previousID: String?
    /// What the run wants read first, in its own words; shown before the report's own findings.
    package var warnings: [String]
    /// Of the money columns, shown beside amounts: "TRY".
    package var currency: String?

    package init(
      id: String, asOf: String, modelID: String, previousID: String? = nil,
      warnings: [String] = [], currency: String? = nil
    ) {
      self.id = id
      self.asOf = asOf
      self.modelID = modelID
      self.previousID = previousID
      self.warnings = warnings
      self.currency = currency
    }
  }

  /// read = scored + quarantined + excluded.
  package struct RowCounts: Sendable {
    package struct Reason: Sendable {
      package var name: String
      package var rows: Int
      package init(_ name: String, rows: Int) {
        self.name = name
        self.rows = rows
      }
    }

    package var read: Int
    package var scored: Int
    /// Set aside with a reason a person should look at.
    package var quarantined: [Reason]
    /// Left out as configured.
    package var excluded: [Reason]

    package init(read: Int, scored: Int, quarantined: [Reason] = [], excluded: [Reason] = []) {
      self.read = read
      self.scored = scored
      self.quarantined = quarantined
      self.excluded = excluded
    }
  }

  /// Customers by recency score (row 0 is score 1) and frequency score (column 0 is score 1).
  package struct RFMGrid: Sendable {
    package var counts: [[Int]]
    /// Mean money per cell, nil where a cell is empty; shapes equal `counts`.
    package var meanMoney: [[Double?]]?

    package init(counts: [[Int]], meanMoney: [[Double?]]? = nil) {
      precondition(counts.allSatisfy { $0.count == counts[0].count }, "a rectangle of counts")
      precondition(
        meanMoney.map { $0.map(\.count) == counts.map(\.count) } ?? true, "one mean per count")
      self.counts = counts
      self.meanMoney = meanMoney
    }
  }

  /// How value was forecast: every method tried on a holdout.
  package struct Forecast: Sendable {
    package struct Candidate: Sendable {
      package var name: String
      /// Mean absolute error of a customer's purchase days.
      package var daysError: Double
      /// Of a customer's amount.
      package var amountError: Double
      /// Σ predicted days / Σ actual − 1.
      package var totalError: Double?
      /// 1 = the right order of customers.
      package var gini: Double?
      /// Share of all days that the tenth predicted highest had.
      package var topDecile: Double?

      package init(
        name: String, daysError: Double, amountError: Double, totalError: Double?, gini: Double?,
        topDecile: Double?
      ) {
        self.name = name
        self.daysError = daysError
        self.amountError = amountError
        self.totalError = totalError
        self.gini = gini
        self.topDecile = topDecile
      }
    }

    /// Customers whose value is fitted apart.
    package struct Group: Sendable {
      package var name: String
      package var customers: Int
      /// What forecasts their purchase days; nil where the base's model does.
      package var chosen: String?
      /// Mean absolute errors of the chosen ones in the group's holdout.
      package var daysError: Double?
      package var amountError: Double?

      package init(
        name: String, customers: Int, chosen: String?, daysError: Double?, amountError: Double?
      ) {
        self.name = name
        self.customers = customers
        self.chosen = chosen
        self.daysError = daysError
        self.amountError = amountError
      }
    }

    /// Means of a tenth of the customers.
    package struct Tenth: Sendable {
      package var predicted: Double
      package var actual: Double
      package init(predicted: Double, actual: Double) {
        self.predicted = predicted
        self.actual = actual
      }
    }

    /// For purchase days.
    package var chosen: String
    package var chosenForAmounts: String
    package var holdoutDays: Int
    /// Customers judged.
    package var customers: Int
    package var candidates: [Candidate]
    /// Of the chosen one's purchase days, by rising forecast.
    package var calibration: [Tenth]
    /// Of the churn risk, by rising risk.
    package var churn: [Tenth]
    /// Of the modelled value.
    package var concentration: (gini: Double, topFifth: Double)?
    package var groups: [Group]

    package init(
      chosen: String, chosenForAmounts: String, holdoutDays: Int, customers: Int,
      candidates: [Candidate],
      calibration: [Tenth], churn: [Tenth],
      concentration: (gini: Double, topFifth: Double)? = nil, groups: [Group] = []
    ) {
      self.groups = groups
      self.chosen = chosen
      self.chosenForAmounts = chosenForAmounts
      self.holdoutDays = holdoutDays
      self.customers = customers
      self.candidates = candidates
      self.calibration = calibration
      self.churn = churn
      self.concentration = concentration
    }
  }

  /// What every tried number of segments scored.
  package struct ClusterSelection: Sendable {
    package struct Candidate: Sendable {
      package var k: Int
      /// Σw‖x − c‖² in scaled units.
      package var inertia: Double
      /// Mean over a sample, −1 to 1.
      package var silhouette: Double?
      /// 95 % confidence interval of `silhouette`.
      package var silhouetteInterval: ClosedRange<Double>?
      package var calinskiHarabasz: Double?
      package var daviesBouldin: Double?
      /// Mean adjusted Rand index between fits of resamples, up to 1.
      package var stability: Double?
      package var seconds: Double?

      package init(
        k: Int, inertia: Double, silhouette: Double? = nil,
        silhouetteInterval: ClosedRange<Double>? = nil, calinskiHarabasz: Double? = nil,
        daviesBouldin: Double? = nil, stability: Double? = nil, seconds: Double? = nil
      ) {
        self.k = k
        self.inertia = inertia
        self.silhouette = silhouette
        self.silhouetteInterval = silhouetteInterval
        self.calinskiHarabasz = calinskiHarabasz
        self.daviesBouldin = daviesBouldin
        self.stability = stability
        self.seconds = seconds
      }
    }

    /// By rising k.
    package var candidates: [Candidate]
    package var chosen: Int
    /// Why, where the run says so.
    package var reason: String?

    package init(candidates: [Candidate], chosen: Int, reason: String? = nil) {
      self.candidates = candidates
      self.chosen = chosen
      self.reason = reason
    }
  }

  /// What it takes to get the same bytes again.
  package struct Reproduction: Sendable {
    package struct Input: Sendable {
      package var path: String
      /// Lowercase hexadecimal.
      package var sha256: String
      package var rows: Int?
      package init(path: String, sha256: String, rows: Int? = nil) {
        self.path = path
        self.sha256 = sha256
        self.rows = rows
      }
    }

    package var command: String
    package var seed: UInt64
    package var inputs: [Input]
    /// In the order shown: ("tranche", "0.1.0"), ("Arrow", "26.0.1") …
    package var versions: [(name: String, version: String)]

    package init(
      command: String, seed: UInt64, inputs: [Input] = [],
      versions: [(name: String, version: String)] = []
    ) {
      self.command = command
      self.seed = seed
      self.inputs = inputs
      self.versions = versions
    }
  }
}
