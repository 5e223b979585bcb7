import Columnar
import CustomerValue
import Features
import Sharding

/// A summary's models with the cells they were fitted on.
struct SummaryModel: Sendable {
  let fit: SummaryFit
  private let cells: PurchaseCells

  init(
    _ summary: PurchaseSummary, _ settings: ValueSettings, _ given: ValueParameters?,
    _ file: String, _ workers: Workers, watch: inout Stopwatch
  ) throws {
    let cells = try watch.measure("cells") { try PurchaseCells(summary, workers: workers) }
    var fit = try watch.measure("fit") {
      try SummaryFit(cells, settings, given, file, workers)
    }
    if summary.meanSpend != nil {
      try watch.measure("spend") { try fit.addSpend(summary, given, file, workers) }
    }
    (self.fit, self.cells) = (fit, cells)
  }

  func score(
    _ summary: PurchaseSummary, _ horizon: ValueHorizon, _ workers: Workers
  ) throws -> ValueScores {
    try fit.model.score(
      summary, cells, spend: fit.spendModel, horizon: horizon, workers: workers)
  }
}

/// The models of a summary's groups.
struct SummaryGroups {
  let labels: CustomerGroups
  let groups: [Group]
  private let rows: [Buffer<Int32>]

  struct Group: Sendable {
    let name: String
    let customers: Int
    /// Nil: the base's is used.
    fileprivate let own: (summary: PurchaseSummary, model: SummaryModel)?
    let fallback: String?
    var fit: SummaryFit? { own?.model.fit }
  }

  init(
    _ summary: PurchaseSummary, _ labels: CustomerGroups, _ settings: ValueSettings,
    _ workers: Workers
  ) throws {
    let rows = labels.rows
    self.labels = labels
    self.rows = rows
    let alone = Workers(threads: 1, cancellation: workers.cancellation)
    groups = try workers.map(rows.count) { index in
      let part = try summary.selecting(rows[index], workers: alone)
      let repeaters = part.repeats.values.count { $0 > 0 }
      let fallback = ValueGroups.fallback(customers: part.count, repeaters: repeaters)
      var watch = Stopwatch()
      let model =
        try fallback == nil
        ? SummaryModel(part, settings, nil, "", alone, watch: &watch) : nil
      return Group(
        name: labels.names[index], customers: part.count, own: model.map { (part, $0) },
        fallback: fallback)
    }
  }

  /// Whose model forecasts.
  var fits: Buffer<Int32> {
    Buffer(
      labels.codes.values.map { code in
        let fit: ValueGroups.Forecaster = code >= 0 && groups[Int(code)].own != nil ? .group : .base
        return fit.rawValue
      })
  }

  /// The base's scores with those of groups in their customers' places.
  func scores(
    over base: ValueScores, _ horizon: ValueHorizon, _ workers: Workers
  ) throws -> ValueScores {
    base.replacing(
      try zip(groups, rows).compactMap { group, rows in
        try group.own.map { (rows, try $0.model.score($0.summary, horizon, workers)) }
      })
  }
}
