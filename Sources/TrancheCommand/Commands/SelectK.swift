import ArgumentParser
import Foundation
import Tranche

struct SelectK: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "select-k",
    abstract: "Measure a range of cluster numbers and recommend one.",
    discussion: """
      Example:
        tranche select-k cards.csv --features LIMIT_BAL,BILL_AMT1,PAY_AMT1 --clusters 2...10
      """)

  @Argument(
    help: "Files, globs or folders; Parquet, CSV (.gz, .zst) or Arrow IPC; - for CSV on stdin.")
  var input: [String]

  @OptionGroup var samples: SampleArguments

  @Option(help: ArgumentHelp("Range of cluster numbers.", valueName: "a...b"))
  var clusters: ClusterRange

  @Option(help: "Bootstrap refits per k for the stability; 0 for none.")
  var refits = 10

  @Option(help: "Rows the silhouette looks at.")
  var silhouetteSample = 10_000

  @Option(help: "Starts per k.")
  var nInit = 1

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      var run = SelectKRun(inputs: input, samples: samples.options, range: clusters.range)
      run.refits = refits
      run.silhouetteSample = silhouetteSample
      run.restarts = nInit
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      return try run.run(configuration, context)
    } summary: { result in
      func cell(_ value: Double?, _ digits: Int) -> String {
        let text = value.map { String(format: "%.\(digits)f", $0) } ?? "-"
        return String(repeating: " ", count: max(0, 12 - text.count)) + text
      }
      return ["   k     inertia  silhouette   Calinski-H.  Davies-B.   stability"]
        + result.candidates.map { candidate in
          String(format: "%4d", candidate.k) + cell(candidate.inertia, 1)
            + cell(candidate.silhouette, 4) + cell(candidate.calinskiHarabasz, 1)
            + cell(candidate.daviesBouldin, 4) + cell(candidate.stability, 3)
        } + [result.reason]
    }
  }
}

/// "2...10".
struct ClusterRange: ExpressibleByArgument {
  let range: ClosedRange<Int>

  init?(argument: String) {
    let parts = argument.components(separatedBy: "...")
    guard parts.count == 2, let low = Int(parts[0]), let high = Int(parts[1]), low >= 1, low <= high
    else { return nil }
    range = low...high
  }
}
