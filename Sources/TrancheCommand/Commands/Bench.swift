import ArgumentParser
import Foundation
import Tranche

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure this server: memory, arithmetic, kernels, scaling, and a rescoring.",
    discussion: """
      Examples:
        tranche bench
        tranche bench --customers 5000000,20000000 --months 24 --folder /data/tmp
        tranche bench --quick --kernels-only --json > look.json
        tranche bench --kernels-only --json > server.json
        TRANCHE_KERNEL_RULE=server.json tranche fit customers.parquet --features a,b --clusters 8 --out model.json

      Takes about a minute (--quick: seconds) and 1 GB of memory. The share of the limit is the time \
      that memory or arithmetic at its measured peak would allow, over the time taken. The forecast \
      is a straight line through two rescorings of synthetic banks, measured here. The kernels' record \
      tells --kernel auto which one is fastest for which shape of table; without it, the one of the \
      server that Tranche was made on does. Labels do not depend on it.
      """)

  @Option(
    help: ArgumentHelp(
      "Customers to forecast a rescoring for (default: 1000000,10000000).", valueName: "n,m,…"))
  var customers: String?

  @Option(help: "Months of the ledger to forecast for.")
  var months = 12

  @Flag(help: "Smaller tables, shorter repetitions.")
  var quick = false

  @Flag(help: "No forecast.")
  var kernelsOnly = false

  @Option(
    help: "Folder for the forecast's synthetic banks while they are needed (default: TMPDIR).")
  var folder: String?

  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      var run = BenchRun()
      if let customers {
        run.customers = try commaSeparated(customers).map { text in
          guard let count = Int(text) else {
            throw RunFailure(
              .usage, "--customers \(text) is no number", hint: "give numbers, as 1000000,5000000")
          }
          return count
        }
      }
      run.months = months
      run.quick = quick
      run.kernelsOnly = kernelsOnly
      run.folder = folder
      return try run.run(common.configuration(), context)
    } summary: {
      BenchTable(result: $0).lines
    }
  }
}

/// The result as people read it.
private struct BenchTable {
  let result: BenchRun.Result

  var lines: [String] {
    machine + peaks + kernels + scaling + forecast
      + [String(format: "%.0f s", result.seconds["total"] ?? 0)]
  }

  private var machine: [String] {
    let machine = result.machine
    return [
      String(
        format: "%@, %d cores, %.0f GiB; kernels %@; OpenBLAS %@", machine.processor,
        machine.cores, Double(machine.memoryBytes) / 1_073_741_824,
        machine.kernels.joined(separator: " "), machine.blasCore)
    ]
  }

  private var peaks: [String] {
    result.peaks.map {
      String(
        format: "%d %@: reads %.1f GB/s, multiply-adds %.0f GFLOP/s, sgemm %.0f GFLOP/s",
        $0.threads, $0.threads == 1 ? "thread" : "threads", $0.readBytesPerSecond / 1e9,
        $0.multiplyAddPerSecond / 1e9, $0.matrixProductPerSecond / 1e9)
    }
  }

  private var kernels: [String] {
    let header =
      "\n" + pad("rows × columns, k", 26) + pad("kernel", 9)
      + "       ms  M points/s  GFLOP/s   GB/s  of limit"
    return [header]
      + result.kernels.map { timing in
        pad("\(timing.rows) × \(timing.columns), \(timing.clusters)", 26) + pad(timing.kernel, 9)
          + String(
            format: "%9.2f %11.1f %8.0f %6.1f  %3.0f %% %@%@", timing.seconds.median * 1e3,
            timing.pointsPerSecond / 1e6, timing.operationsPerSecond / 1e9,
            timing.bytesPerSecond / 1e9, timing.shareOfLimit * 100, timing.limit,
            timing.isChosen ? "  ← auto" : "")
      } + [choice]
  }

  private var choice: String {
    let chosen = result.kernels.filter(\.isChosen)
    let right = chosen.count(where: \.isFastest)
    return "auto takes the fastest kernel on \(right) of \(chosen.count) shapes\n"
  }

  private var scaling: [String] {
    result.threadScaling.map {
      String(
        format: "%d × %d, k = %d, %d threads: %.1f ms for 5 iterations, %.2f times one thread",
        $0.rows, $0.columns, $0.clusters, $0.threads, $0.seconds.median * 1e3, $0.speedup)
    }
      + result.rowScaling.map {
        String(
          format: "%d × %d, k = %d: %.2f ns a row and iteration", $0.rows, $0.columns, $0.clusters,
          $0.nanosecondsPerRowAndIteration)
      }
  }

  private var forecast: [String] {
    guard let rescore = result.rescore else { return [] }
    return [""]
      + rescore.measured.map {
        String(
          format: "rescoring %d customers (%d transactions): %.2f s, measured", $0.customers,
          $0.transactions, $0.seconds.least)
      }
      + rescore.expected.map {
        String(
          format: "rescoring %d customers (%d transactions): about %.0f s", $0.customers,
          $0.transactions, $0.seconds.rounded(.up))
      }
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}
