import CKernels
import COpenBLAS

extension KernelSet {
  /// OpenBLAS on one thread, once for the process: threads of ours call it side by side.
  package static let singleThreadedBLAS: Void = openblas_set_num_threads(1)

  /// OpenBLAS `sgemm` on blocks of points; minimum and label are folded per block of scores while it
  /// is in cache.
  package static let gemm = KernelSet(
    name: "gemm", family: .gemm, isSupported: true, group: 1
  ) { problem, pack, tiles, labels, scratch in
    _ = singleThreadedBLAS
    let tilesPerBlock = KernelScratch.blockRows / FeatureMatrix.tileRows
    var rechecked = 0
    for first in stride(from: tiles.lowerBound, to: tiles.upperBound, by: tilesPerBlock) {
      let block = first..<min(first + tilesPerBlock, tiles.upperBound)
      let target = labels + (first - tiles.lowerBound) * FeatureMatrix.tileRows
      rechecked += assignBlock(problem, pack, block, target, scratch)
    }
    return rechecked
  }

  private static func assignBlock(
    _ problem: borrowing tranche_problem, _ pack: CentroidPack, _ block: Range<Int>,
    _ labels: UnsafeMutablePointer<Int32>, _ scratch: KernelScratch
  ) -> Int {
    let tileRows = FeatureMatrix.tileRows
    let d = pack.columns
    let width = block.count * tileRows
    let x: UnsafePointer<Float> = problem.x!
    let points = scratch.points.baseAddress!
    let scores = scratch.scores.baseAddress!
    let best = scratch.best.baseAddress!
    let second = scratch.second.baseAddress!
    // d × width: GEMM wants more columns than a tile has.
    for tile in block {
      for i in 0..<d {
        let target = points + (i * width + (tile - block.lowerBound) * tileRows)
        let source = x + (tile * d + i) * tileRows
        target.update(from: source, count: tileRows)
      }
    }
    best.update(repeating: .infinity, count: width)
    second.update(repeating: .infinity, count: width)
    labels.update(repeating: 0, count: width)
    for label in stride(from: 0, to: pack.k, by: KernelScratch.blockCentroids) {
      let count = min(KernelScratch.blockCentroids, pack.k - label)
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(count), Int32(width), Int32(d), 1,
        pack.negated + label * d, Int32(d), points, Int32(width), 0, scores, Int32(width))
      tranche_fold_scores(
        strictLevel, scores, Int64(width), pack.half + label, Int64(count), Int32(label), best,
        second, labels)
    }
    return withUnsafePointer(to: problem) {
      Int(
        tranche_settle(
          $0, Int64(block.lowerBound), Int64(block.upperBound), best, second, labels))
    }
  }

  /// The BLAS kernels that OpenBLAS picked: for the record beside ``gemm``'s times.
  package static var blasCore: String { String(cString: openblas_get_corename()) }
}
