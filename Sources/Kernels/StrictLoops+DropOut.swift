import CKernels

extension StrictLoops {
  /// Panels of a quadrature; see `tranche_drop_out_panels`.
  package typealias DropOutPanels = tranche_drop_out_panels

  /// The integral over its panels' half length.
  @inline(__always)
  package static func dropOut(
    _ panels: DropOutPanels, level: Int32 = KernelSet.strictLevel
  ) -> Double {
    var (panels, sum) = (panels, 0.0)
    tranche_drop_out(level, &panels, 0, &sum)
    return sum
  }

  /// The same with its moments: 15 sums.
  @inline(__always)
  package static func dropOut(
    _ panels: DropOutPanels, moments sums: UnsafeMutablePointer<Double>,
    level: Int32 = KernelSet.strictLevel
  ) {
    var panels = panels
    tranche_drop_out(level, &panels, 1, sums)
  }
}
