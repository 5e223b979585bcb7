import Columnar
import Sharding

/// The logistic model of "no purchase in the days after".
enum ChurnModel {
  static func input(_ features: SnapshotFeatures) -> RegressionInput {
    RegressionInput(.poisson, window: features.window, features.places, nil)
  }

  static func fit(
    _ features: SnapshotFeatures, _ days: Buffer<Double>, workers: Workers
  ) throws -> GeneralizedLinearModel {
    try GeneralizedLinearModel(
      .binomial, input(features).dayMatrix(features, workers),
      target: Buffer(days.values.map { $0 == 0 ? 1 : 0 }), workers: workers)
  }
}
