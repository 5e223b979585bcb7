extension KernelRule {
  /// Derived from a run of `tranche bench --kernels-only --json` on two cores of a Sapphire Rapids
  /// server, which lies in `Benchmarks/Runs/` (a test compares).
  package static let measured = KernelRule([
    Shape(2, 3, ["avx512", "avx2", "vnni", "generic", "gemm"]),
    Shape(16, 32, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(128, 1024, ["vnni", "avx512", "avx2", "gemm", "generic"]),
  ])
}
