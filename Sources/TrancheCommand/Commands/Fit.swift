import ArgumentParser
import Foundation
import Tranche

struct Fit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Cluster any table and save the model.",
    discussion: """
      Examples:
        tranche fit cards.csv --features LIMIT_BAL,BILL_AMT1,PAY_AMT1 --clusters 5 --out model.json
        tranche fit base.parquet --features a,b,c --clusters 3 --n-init 10 --scale log-standard \\
          --labels labels.parquet --out model.json --json
        tranche fit 'base-*.parquet' --features a,b,c --clusters 8 --memory 4GiB --out model.json
        tranche fit base.parquet --features a,b,c --clusters 5 --min-share 0.1 --max-share 0.3 \\
          --out model.json
        tranche fit new.parquet --features a,b,c --warm-start model.json --out newer.json
        tranche fit base.parquet --features x,y --algorithm dbscan --eps 0.3 --min-points 10 \\
          --out model.json
        tranche fit base.parquet --features x,y --algorithm ward --clusters 4 --out model.json

      K-Means keeps limits on sizes by a price per cluster; `assign` uses the same prices. dbscan \
      looks at a sample where there are more than --sample rows, ward at micro-clusters; all other \
      rows go to the nearest core or micro-cluster, and dbscan's noise has label -1.
      """)

  @Argument(
    help: "Files, globs or folders; Parquet, CSV (.gz, .zst) or Arrow IPC; - for CSV on stdin.")
  var input: [String]

  @OptionGroup var samples: SampleArguments

  @Option(help: "Number of clusters (not for dbscan, which finds it).")
  var clusters: Int?

  @Flag(help: "Fit fewer clusters where the rows differ too little for as many.")
  var kMaxDistinct = false

  @Option(help: "Model file to write.")
  var out: String

  @Option(
    name: .customLong("init"),
    help: "k-means++, k-means-parallel, random, or a file with k rows in scaled units.")
  var initialization = "k-means++"

  @Option(
    help: """
      auto, lloyd, bounded (skips what cannot be nearest; same labels), mini-batch, dbscan or ward.
      """)
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

  @Option(help: "Share of the rows that every cluster has at least, 0 to 1.")
  var minShare: Double?

  @Option(help: "Share of the rows that a cluster has at most, 0 to 1.")
  var maxShare: Double?

  @Option(help: "dbscan: how far a neighbour may be, in scaled units.")
  var eps: Double?

  @Option(help: "dbscan: neighbours that make a core, itself included (default: 5).")
  var minPoints: Int?

  @Option(
    help: "Rows that dbscan (default: 20000) or ward (default: 10000) looks at one by one.")
  var sample: Int?

  @Option(
    help: ArgumentHelp(
      "Start from this model: its transforms as they are, its centroids first.",
      valueName: "model"))
  var warmStart: String?

  @Option(help: MemoryOption.help)
  var memory: String?

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
      run.minShare = minShare
      run.maxShare = maxShare
      run.eps = eps
      run.minPoints = minPoints
      run.sample = sample
      run.warmStart = warmStart
      run.force = force
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      MemoryOption.apply(memory, to: &configuration)
      return try run.run(configuration, context)
    } summary: { result in
      [
        "\(result.n) rows × \(result.d) features, \(result.k) clusters of \(result.sizes.map(String.init).joined(separator: ", "))"
          + (result.noise > 0 ? ", \(result.noise) rows of none" : ""),
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
