import Columnar
import Sharding

/// What was fitted on customers known at a split, by nothing that came after it: it can forecast any
/// customers of that day, those of the fit or some of them.
struct SplitFits: Sendable {
  let models: PurchaseModelSet
  /// Days of the earlier split's outcome that regressions learned from; nil without one.
  let innerDays: Int?
  let regressions: [ValueCandidate: ValueRegression]

  init(_ models: PurchaseModelSet, _ inner: HoldoutSplit.Inner?, workers: Workers) throws {
    self.models = models
    innerDays = inner?.length
    var learned: [ValueCandidate: ValueRegression] = [:]
    for candidate in ValueCandidate.allCases where candidate.isRegression {
      guard let inner else { break }
      let input = RegressionInput(
        candidate, window: inner.features.window, 0..<inner.snapshot.count, inner.forecasts,
        inner.recurring)
      learned[candidate] = try ValueRegression(
        candidate, input, inner.features, days: inner.outcome.days,
        amounts: inner.outcome.amounts, workers: workers)
    }
    regressions = learned
  }
}

/// What fits say of a split's customers.
struct SplitForecasts {
  private let fits: SplitFits
  private let split: HoldoutSplit
  private let forecasts: PurchaseModelForecasts
  /// Of the inner length, and what a day of it becomes in the holdout.
  private let inner: PurchaseModelForecasts?
  private let growth: [Double]

  /// - Parameter known: The models' forecasts of the holdout, where they are known already.
  init(_ fits: SplitFits, _ known: PurchaseModelForecasts? = nil, _ split: HoldoutSplit) throws {
    self.fits = fits
    self.split = split
    let forecasts = try known ?? split.forecasts(of: fits.models, length: split.length)
    self.forecasts = forecasts
    inner = try fits.innerDays.map {
      $0 == split.length ? forecasts : try split.forecasts(of: fits.models, length: $0)
    }
    growth =
      inner.map {
        PurchaseModelForecasts.growth(
          from: $0, to: forecasts,
          otherwise: Double(split.length) / Double(fits.innerDays ?? split.length))
      } ?? []
  }

  /// Nil for a regression without an earlier split to learn from.
  func forecast(_ candidate: ValueCandidate) throws -> SnapshotForecast? {
    if let days = candidate.purchaseModel.flatMap({ forecasts.expected[$0] }) {
      return SnapshotForecast(days: days, amounts: zip(days, forecasts.spend).map(*))
    }
    guard candidate.isRegression else {
      return try SimpleRule.forecast(
        candidate, split.outer, length: split.length, workers: split.workers)
    }
    guard let regression = fits.regressions[candidate], let inner, let days = fits.innerDays else {
      return nil
    }
    let recurring = candidate == .recurring ? try split.recurring(length: days) : nil
    var forecast = try regression.forecast(
      RegressionInput(
        candidate, window: split.window, 0..<split.outer.count, inner, recurring),
      split.features, longest: days, workers: split.workers)
    for row in 0..<split.outer.count {
      forecast.days[row] *= growth[row]
      forecast.amounts[row] *= growth[row]
    }
    return forecast
  }
}

/// Errors of forecasts against what a split's customers did.
struct HoldoutJudge: Sendable {
  let actualDays: [Double]
  let actualAmounts: [Double]
  private let ascendingDays: [Double]
  private let ascendingAmounts: [Double]

  init(_ outcome: (days: Buffer<Double>, amounts: Buffer<Double>)) {
    actualDays = Array(outcome.days.values)
    actualAmounts = Array(outcome.amounts.values)
    ascendingDays = actualDays.sorted()
    ascendingAmounts = actualAmounts.sorted()
  }

  func days(_ forecast: SnapshotForecast) -> HoldoutMetrics {
    HoldoutMetrics(predicted: forecast.days, actual: actualDays, ascending: ascendingDays)
  }

  func amounts(_ forecast: SnapshotForecast) -> HoldoutMetrics {
    HoldoutMetrics(predicted: forecast.amounts, actual: actualAmounts, ascending: ascendingAmounts)
  }
}

/// A base's model as it was at the split of its holdout: a rival of the fits of the base's groups.
///
/// Its parameters come from before the split; which candidate it is was chosen by the base's holdout,
/// as a group's is by the group's.
package struct BaseAtSplit: Sendable {
  let chosen: ValueCandidate
  let chosenForAmounts: ValueCandidate
  let fits: SplitFits

  /// - Parameters:
  ///   - split: Of a group, at the base's split.
  ///   - days: Errors of the group's own best one.
  func judged(
    on split: HoldoutSplit, by judge: HoldoutJudge, days: HoldoutMetrics?, amounts: HoldoutMetrics?
  ) throws -> HoldoutComparison.BaseCandidate {
    let forecasts = try SplitForecasts(fits, nil, split)
    func forecast(_ candidate: ValueCandidate) throws -> SnapshotForecast {
      .mean(try candidate.parts.compactMap { try forecasts.forecast($0) })
    }
    let ownDays = judge.days(try forecast(chosen))
    let ownAmounts = judge.amounts(try forecast(chosenForAmounts))
    return HoldoutComparison.BaseCandidate(
      name: chosen, nameForAmounts: chosenForAmounts, days: ownDays, amounts: ownAmounts,
      // Ties go to the group.
      isChosen: HoldoutComparison.best([days, ownDays].compactMap { $0 }) == (days == nil ? 0 : 1),
      isChosenForAmounts: HoldoutComparison.best([amounts, ownAmounts].compactMap { $0 })
        == (amounts == nil ? 0 : 1))
  }
}
