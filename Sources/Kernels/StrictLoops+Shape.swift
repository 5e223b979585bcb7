import CKernels

extension StrictLoops {
  /// What becomes of a feature's values; see `tranche_shape`.
  package typealias Shape = tranche_shape

  /// Writes the shaped `values` to `target`, which has room for as many and may be their own memory:
  /// not finite ones filled, all moved between floor and ceiling, then their signed logarithm, then
  /// (x − center) / scale, where the shape says so.
  package static func shape(
    _ values: UnsafeBufferPointer<Double>, by shape: Shape,
    into target: UnsafeMutablePointer<Double>, level: Int32 = KernelSet.strictLevel
  ) {
    guard let source = values.baseAddress else { return }
    var shape = shape
    tranche_shape_values(level, source, Int64(values.count), &shape, target)
  }

  /// Σ (x − pivot) and Σ (x − pivot)².
  package static func deviations(
    of values: UnsafeBufferPointer<Double>, from pivot: Double,
    level: Int32 = KernelSet.strictLevel
  ) -> (sum: Double, squares: Double) {
    guard let source = values.baseAddress else { return (0, 0) }
    var sums = (0.0, 0.0)
    withUnsafeMutablePointer(to: &sums) {
      $0.withMemoryRebound(to: Double.self, capacity: 2) {
        tranche_deviations(level, source, Int64(values.count), pivot, $0)
      }
    }
    return (sums.0, sums.1)
  }
}
