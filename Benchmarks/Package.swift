// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that building Tranche never builds its benchmarks.
let package = Package(
  name: "benchmarks",
  dependencies: [.package(name: "tranche", path: "..")],
  targets: [
    .executableTarget(
      name: "kmeans-workload", dependencies: [.product(name: "Tranche", package: "tranche")],
      path: "Sources/KMeansWorkload")
  ],
  swiftLanguageModes: [.v6]
)
