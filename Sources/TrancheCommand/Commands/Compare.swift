import ArgumentParser
import Foundation
import Tranche

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Count who moved between the segments of two runs.",
    discussion: """
      Example:
        tranche compare 2025-11 2025-12 --json
      """)

  @Argument(help: "Output folder of the earlier run.")
  var previous: String

  @Argument(help: "Output folder of the later run.")
  var current: String

  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      try CompareRun(previous: previous, current: current).run(common.configuration(), context)
    } summary: { result in
      func cell(_ text: String) -> String {
        String(repeating: " ", count: max(1, 10 - text.count)) + text
      }
      let head = "from \\ to " + result.columns.map { cell($0.id) }.joined()
      let rows = result.rows.enumerated().map { index, side in
        side.id.padding(toLength: 10, withPad: " ", startingAt: 0)
          + result.counts[index].map { cell(String($0)) }.joined()
      }
      return [head] + rows + [
        String(
          format: "%.1f %% kept their segment; adjusted Rand index %.3f", result.stability * 100,
          result.adjustedRandIndex),
        "\(result.newCustomers) new, \(result.leftCustomers) left",
      ]
    }
  }
}
