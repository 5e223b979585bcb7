import Clustering
import Columnar
import CustomerValue
import Features
import Foundation
import Reporting
import Segments
import Sharding

/// Puts what a run knows into the report's words.
struct ReportAssembly {
  let runID: String
  let asOf: String
  let command: String
  let seed: UInt64
  let inputs: [InputRecord]
  let counts: RowCounts
  let quarantined: [QuarantineReason: Int]
  let excluded: [ExclusionReason: Int]
  let ages: Buffer<Double>?
  let previousID: String?
  let scored: ScoredBase
  let configuration: Configuration
  let workers: Workers

  func render() throws -> [UInt8] {
    try HTMLReport.render(
      try content(), options: try ReportSettings.options(configuration), workers: workers)
  }

  private func content() throws -> ReportContent {
    ReportContent(
      run: ReportContent.Run(
        id: runID, asOf: asOf, modelID: String(try scored.model.checksum().prefix(12)),
        previousID: previousID, warnings: scored.warnings),
      profile: scored.profile, customers: customers(), migration: scored.migration, rfm: rfm(),
      clusterSelection: clusterSelection(), forecast: try forecast(),
      rows: ReportContent.RowCounts(
        read: counts.read, scored: counts.scored,
        quarantined: reasons(quarantined.map { ($0.key.rawValue, $0.value) }),
        excluded: reasons(excluded.map { ($0.key.rawValue, $0.value) })),
      reproduction: ReportContent.Reproduction(
        command: command, seed: seed,
        inputs: inputs.map { ReportContent.Reproduction.Input(path: $0.path, sha256: $0.sha256) },
        versions: BuildInfo.parts))
  }

  private func reasons(_ counts: [(String, Int)]) -> [ReportContent.RowCounts.Reason] {
    counts.filter { $0.1 > 0 }.sorted { $0.0 < $1.0 }.map {
      ReportContent.RowCounts.Reason($0.0, rows: $0.1)
    }
  }

  private func customers() -> CustomerColumns? {
    let table = scored.table
    guard let frequency = table.column("frequency"), let amount = table.column("average_amount")
    else { return nil }
    return CustomerColumns(
      identifiers: table.ids, labels: scored.labels,
      x: CustomerColumns.Axis(name: "frequency", values: frequency),
      y: CustomerColumns.Axis(name: "average_amount", values: amount), ages: ages,
      tiers: scored.tiers.map {
        CustomerColumns.Categories(
          names: Tier.allCases.sorted { $0.rawValue < $1.rawValue }.map(\.name), codes: $0)
      },
      money: table.column("monetary"))
  }

  private func rfm() -> ReportContent.RFMGrid? {
    guard let scores = scored.rfm else { return nil }
    var counts = [[Int]](repeating: [Int](repeating: 0, count: 5), count: 5)
    var sums = [[Double]](repeating: [Double](repeating: 0, count: 5), count: 5)
    let money = scored.table.column("monetary")
    withExtendedLifetime((scores, money)) {
      let (recency, frequency) = (scores.recency.values, scores.frequency.values)
      let money = money?.values
      for row in recency.indices {
        let (r, f) = (Int(recency[row]) - 1, Int(frequency[row]) - 1)
        guard r >= 0, f >= 0 else { continue }
        counts[r][f] += 1
        if let money, !money[row].isNaN { sums[r][f] += money[row] }
      }
    }
    var means = [[Double?]](repeating: [Double?](repeating: nil, count: 5), count: 5)
    for r in 0..<5 {
      for f in 0..<5 where counts[r][f] > 0 { means[r][f] = sums[r][f] / Double(counts[r][f]) }
    }
    return ReportContent.RFMGrid(counts: counts, meanMoney: money == nil ? nil : means)
  }

  private func forecast() throws -> ReportContent.Forecast? {
    guard let comparison = scored.model.scoring?.value?.comparison else { return nil }
    func tenths(_ deciles: [HoldoutMetrics.Decile]) -> [ReportContent.Forecast.Tenth] {
      deciles.map {
        ReportContent.Forecast.Tenth(predicted: $0.predicted, actual: $0.actual)
      }
    }
    let clv = scored.forecast?.clv ?? scored.table.column("clv")
    let concentration = try clv.flatMap { try CustomerValue.Concentration($0, workers: workers) }
    let chosen = comparison.candidates.first { $0.name == comparison.chosen }
    return ReportContent.Forecast(
      chosen: comparison.chosen.rawValue,
      chosenForAmounts: comparison.chosenForAmounts.rawValue, holdoutDays: comparison.days,
      customers: comparison.customers,
      candidates: comparison.candidates.map {
        ReportContent.Forecast.Candidate(
          name: $0.name.rawValue, daysError: $0.days.meanAbsoluteError,
          amountError: $0.amounts.meanAbsoluteError, totalError: $0.days.totalError,
          gini: $0.days.normalisedGini, topDecile: $0.days.topDecileCapture)
      },
      calibration: chosen.map { tenths($0.days.calibration) } ?? [],
      churn: comparison.churn.map { tenths($0.reliability) } ?? [],
      concentration: concentration.map { ($0.gini, $0.curve[20]) }, groups: forecastGroups())
  }

  private func forecastGroups() -> [ReportContent.Forecast.Group] {
    (scored.model.scoring?.valueGroups?.groups ?? []).map { group in
      let table = group.comparison
      func chosen(_ name: ValueCandidate?) -> HoldoutComparison.Candidate? {
        table?.candidates.first { $0.name == name }
      }
      let base = table?.base
      let ofBase = (base?.isChosen ?? false, base?.isChosenForAmounts ?? false)
      return ReportContent.Forecast.Group(
        name: group.name, customers: group.customers,
        chosen: ofBase.0 ? nil : group.model?.candidate.rawValue,
        daysError: (ofBase.0 ? base?.days : chosen(table?.chosen)?.days)?.meanAbsoluteError,
        amountError: (ofBase.1 ? base?.amounts : chosen(table?.chosenForAmounts)?.amounts)?
          .meanAbsoluteError)
    }
  }

  private func clusterSelection() -> ReportContent.ClusterSelection? {
    guard let choice = scored.selection else { return nil }
    return ReportContent.ClusterSelection(
      candidates: choice.evidence.map { evidence in
        ReportContent.ClusterSelection.Candidate(
          k: evidence.clusters, inertia: evidence.inertia, silhouette: evidence.silhouette?.value,
          silhouetteInterval: evidence.silhouette.map { $0.lower...$0.upper },
          calinskiHarabasz: evidence.calinskiHarabasz, daviesBouldin: evidence.daviesBouldin,
          stability: evidence.stability?.mean)
      },
      chosen: choice.recommended, reason: choice.reason)
  }
}

/// The report's options as configured.
enum ReportSettings {
  static func options(_ configuration: Configuration) throws -> ReportOptions {
    let identifiers: ReportOptions.Identifiers
    switch configuration.text("report.ids") ?? "raw" {
    case "none": identifiers = .none
    case "pseudonym":
      guard let path = configuration.text("report.id_key_file") else {
        throw configuration.refuse(
          "report.ids", "is pseudonym without a key", hint: "name a key file in report.id_key_file")
      }
      guard let key = FileManager.default.contents(atPath: path) else {
        throw RunFailure(
          .noInput, "the key file cannot be read", hint: "check report.id_key_file", file: path)
      }
      identifiers = .pseudonym(try PseudonymKey([UInt8](key)))
    default: identifiers = .raw
    }
    return try ReportOptions(
      language: Reporting.Language(rawValue: configuration.text("report.language") ?? "en")
        ?? .english,
      identifiers: identifiers,
      ages: ReportOptions.Ages(rawValue: configuration.text("report.age") ?? "exact") ?? .exact,
      scatterPoints: configuration.integer("report.points") ?? 50_000,
      seed: try configuration.seed())
  }
}
