import ArgumentParser
import Foundation
import Tranche

struct Fit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fit K-Means to any table and save the model.",
    discussion: """
      Examples:
        tranche fit cards.csv --features LIMIT_BAL,BILL_AMT1,PAY_AMT1 --clusters 5 --out model.json
        tranche fit base.parquet --features a,b,c --clusters 3 --n-init 10 --scale log-standard \\
          --labels labels.parquet --out model.json --json
      """)

  @Argument(
    help: "Files, globs or folders; Parquet, CSV (.gz, .zst) or Arrow IPC; - for CSV on stdin.")
  var input: [String]

  @OptionGroup var samples: SampleArguments

  @Option(help: "Number of clusters.")
  var clusters: Int

  @Flag(help: "Fit fewer clusters where the rows differ too little for as many.")
  var kMaxDistinct = false

  @Option(help: "Model file to write.")
  var out: String

  @Option(
    name: .customLong("init"),
    help: "k-means++, k-means-parallel, random, or a file with k rows in scaled units.")
  var initialization = "k-means++"

  @Option(
    help: "auto, lloyd, bounded (skips what cannot be nearest; same labels) or mini-batch.")
  var algorithm = "auto"

  @Option(
    help: "auto, or a kernel set by name (gemm, fused, reference …); labels do not depend on it.")
  var kernel = "auto"

  @Option(help: "Starts; the one of least inertia is kept.")
  var nInit = 1

  @Option(help: "Iterations at most.")
  var maxIterations = 300

  @Option(
    help: "Stop when centroids move less, relative to the mean variance; 0: until no label changes."
  )
  var tolerance = 1e-4

  @Option(help: "Column of sample weights.")
  var weight: String?

  @Option(help: "File for the labels and distances of the input.")
  var labels: String?

  @Flag(help: "Replace files that exist.")
  var force = false

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      var run = FitRun(inputs: input, samples: samples.options, clusters: clusters, out: out)
      run.initialization = initialization
      run.algorithm = algorithm
      run.kernel = kernel
      run.restarts = nInit
      run.maxIterations = maxIterations
      run.tolerance = tolerance
      run.weight = weight
      run.labels = labels
      run.lowersClusters = kMaxDistinct
      run.force = force
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      return try run.run(configuration, context)
    } summary: { result in
      [
        "\(result.n) rows × \(result.d) features, \(result.k) clusters of \(result.sizes.map(String.init).joined(separator: ", "))",
        "inertia \(result.inertia), \(result.iterations) iterations, \(result.converged ? "converged" : "not converged")",
      ] + result.warnings.map { "warning: \($0)" } + [
        String(format: "%.2f s", result.seconds["total"] ?? 0) + ", model in \(result.model)"
      ]
    }
  }
}

/// How columns become samples.
struct SampleArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Columns, in this order.", valueName: "a,b,…"))
  var features: String

  @Option(help: "Column that identifies rows (default: the first).")
  var id: String?

  @Option(help: "standard, robust, log-standard or none (default: standard).")
  var scale: String?

  @Option(help: "Missing values: reject, median or a number (default: reject).")
  var missing: String?

  @Option(help: "Share of missing values above which a feature is refused (default: 0.5).")
  var maxMissing: Double?

  @Option(help: "Share of values moved in at each end (default: 0).")
  var winsorize: Double?

  @Option(help: "Cluster on so many principal components.")
  var components: Int?

  var options: SampleOptions {
    var options = SampleOptions(features: commaSeparated(features))
    options.id = id
    options.scale = scale
    options.missing = missing
    options.maximumMissing = maxMissing
    options.winsorize = winsorize
    options.components = components
    return options
  }
}
