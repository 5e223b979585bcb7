extension KernelRule {
  /// Derived from a run of `tranche bench --kernels-only --json` on two cores of a Sapphire Rapids
  /// server, which lies in `Benchmarks/Runs/` (a test compares).
  package static let measured = KernelRule([
    Shape(2, 3, ["avx512", "vnni", "avx2", "generic", "gemm"]),
    Shape(3, 5, ["avx512", "avx2", "vnni", "generic", "gemm"]),
    Shape(8, 8, ["avx512", "vnni", "avx2", "generic", "gemm"]),
    Shape(8, 10, ["avx512", "vnni", "avx2", "generic", "gemm"]),
    Shape(16, 32, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(32, 64, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(64, 256, ["vnni", "avx512", "avx2", "gemm", "generic"]),
    Shape(128, 1024, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(4, 64, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(8, 256, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(16, 8, ["avx512", "vnni", "avx2", "generic", "gemm"]),
    Shape(32, 16, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(64, 16, ["vnni", "avx512", "avx2", "generic", "gemm"]),
    Shape(128, 64, ["vnni", "avx512", "avx2", "generic", "gemm"]),
  ])
}
