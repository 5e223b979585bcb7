import Columnar
import Features
import Sharding

/// What a value model says of every customer; NaN for those without a purchase.
package struct ValueForecast: Sendable {
  package let probabilityAlive: Buffer<Double>
  /// Purchase days to the horizon.
  package let expectedTransactions: Buffer<Double>
  /// Amount to the horizon × margin, undiscounted.
  package let expectedValue: Buffer<Double>
  /// The same, each month's part discounted from its end.
  package let clv: Buffer<Double>
  package let churnRisk: Buffer<Double>
  /// Index into `reasonNames`, −1 for customers without a purchase; nil where not asked for.
  package let reasons: Buffer<Int32>?
  /// The three features that moved a churn risk most, the strongest first; `+` raises it.
  package let reasonNames: [String]
  /// Raw values of ``ValueGroups/Forecaster``: whose model forecast; nil without groups.
  package var groupFits: Buffer<Int32>?
}

extension ValueModel {
  /// - Parameters:
  ///   - purchases: Of a fold with the windows of `windows(_:)`.
  ///   - asOf: Days since 1970-01-01.
  /// - Complexity: O(cells × months) + O(rows).
  package func score(
    _ purchases: CustomerPurchases, _ known: PurchaseBase? = nil, asOf: Int,
    horizon: ValueHorizon, reasons: Bool, workers: Workers
  ) throws -> ValueForecast {
    let known = try known ?? PurchaseBase(purchases, unit: timeUnit, workers: workers)
    precondition(known.snapshot.summary.timeUnit == timeUnit, "a base in the model's unit")
    return try ForecastPass(
      self, known, asOf: asOf, horizon: horizon, reasons: reasons, workers: workers
    ).run(workers)
  }
}
