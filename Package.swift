// swift-tools-version: 6.2
import PackageDescription

// `scripts/setup` puts Arrow C++ here (or links the system's), so that the manifest asks nothing of
// the machine it is evaluated on: a manifest's answers are cached.
let arrow = Context.packageDirectory + "/.deps/arrow"

let swiftArgumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")

let package = Package(
  name: "tranche",
  products: [
    .executable(name: "tranche", targets: ["TrancheCommand"]),
    .library(name: "Tranche", targets: ["Tranche"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
  ],
  targets: [
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3"])]),
    .target(
      name: "CArrowBridge",
      cxxSettings: [.unsafeFlags(["-isystem", arrow + "/include"])],
      linkerSettings: [
        .unsafeFlags(["-L" + arrow + "/lib", "-Xlinker", "-rpath", "-Xlinker", arrow + "/lib"]),
        .linkedLibrary("arrow"), .linkedLibrary("parquet"),
      ]),
    .target(name: "Sharding"),
    .target(name: "Kernels", dependencies: ["COpenBLAS", "CKernels", "Sharding"]),
    .target(name: "Columnar", dependencies: ["CArrowBridge", "CKernels", "Sharding", crypto]),
    .target(
      name: "Features", dependencies: ["CKernels", "COpenBLAS", "Columnar", "Kernels", "Sharding"]),
    .target(name: "Clustering", dependencies: ["Kernels", "Sharding"]),
    .target(
      name: "CustomerValue",
      dependencies: ["COpenBLAS", "Columnar", "Features", "Kernels", "Sharding"]),
    .target(
      name: "Segments",
      dependencies: ["Clustering", "Columnar", "CustomerValue", "Features", "Sharding"]),
    .target(name: "SyntheticBank", dependencies: ["Columnar", "Sharding"]),
    .target(
      name: "Reporting", dependencies: ["Segments", "Columnar", "Sharding", crypto],
      resources: [.embedInCode("Resources/page.css"), .embedInCode("Resources/page.js")]),
    .target(
      name: "Tranche",
      dependencies: [
        "Columnar", "Features", "Clustering", "CustomerValue", "Segments", "Reporting", "Sharding",
        "SyntheticBank", "Kernels", "COpenBLAS", crypto, toml,
      ]),
    .executableTarget(name: "TrancheCommand", dependencies: ["Tranche", swiftArgumentParser]),

    .target(
      name: "TestSupport", dependencies: ["Columnar", "Sharding"], path: "Tests/TestSupport"),
    .testTarget(name: "ShardingTests", dependencies: ["Sharding", "TestSupport"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "TestSupport"]),
    .testTarget(name: "ColumnarTests", dependencies: ["Columnar", "TestSupport"]),
    .testTarget(
      name: "FeaturesTests", dependencies: ["Features", "SyntheticBank", "TestSupport"]),
    .testTarget(name: "ClusteringTests", dependencies: ["Clustering", "TestSupport"]),
    .testTarget(name: "CustomerValueTests", dependencies: ["CustomerValue", "TestSupport"]),
    .testTarget(
      name: "SegmentsTests", dependencies: ["Segments", "SyntheticBank", "TestSupport"]),
    .testTarget(name: "SyntheticBankTests", dependencies: ["SyntheticBank", "TestSupport"]),
    .testTarget(
      name: "ReportingTests",
      dependencies: ["Reporting", "Segments", "Columnar", "Sharding", "TestSupport"],
      exclude: ["browser.py"]),
    .testTarget(name: "TrancheTests", dependencies: ["Tranche", "Features", "TestSupport"]),
    .testTarget(name: "CommandTests", dependencies: ["TrancheCommand", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17,
  cxxLanguageStandard: .cxx20
)
