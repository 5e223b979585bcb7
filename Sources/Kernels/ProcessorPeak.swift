import CKernels
import COpenBLAS

/// Loops that do nothing but keep one core's arithmetic, or its memory, as busy as they can be: the
/// roofline that kernels are held against.
package enum ProcessorPeak {
  /// Multiply-adds on registers, at least `operations` of them (a multiply-add counts as two).
  ///
  /// - Returns: How many operations were done.
  package static func multiplyAdd(
    operations: Int, level: Int32 = KernelSet.strictLevel
  ) -> Int {
    let perRound = Int(tranche_flops(level, 1))
    let rounds = Int64((operations + perRound - 1) / perRound)
    _ = tranche_multiply_add(level, rounds, Float(rounds))
    return Int(tranche_flops(level, rounds))
  }

  /// Reads `values` front to back.
  package static func read(
    _ values: UnsafeBufferPointer<Float>, level: Int32 = KernelSet.strictLevel
  ) {
    guard let base = values.baseAddress else { return }
    _ = tranche_read(level, base, Int64(values.count))
  }

  /// OpenBLAS's product of `size` × `size` matrices on the calling thread: c = a · b.
  package static func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
    size: Int
  ) {
    _ = KernelSet.singleThreadedBLAS
    let n = Int32(size)
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, 0, c, n)
  }
}
