import ArgumentParser
import Foundation
import Tranche

struct Assign: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give every row of a table the label of its nearest centroid.",
    discussion: """
      Examples:
        tranche assign cards.csv --model model.json --out labels.parquet
        tranche assign 'base-*.parquet' --model model.json --out labels.parquet --memory 512MiB

      Rows stream through: memory does not grow with their number.
      """)

  @Argument(
    help: "Files, globs or folders; Parquet, CSV (.gz, .zst) or Arrow IPC; - for CSV on stdin.")
  var input: [String]

  @Option(help: "Model to use.")
  var model: String

  @OptionGroup var output: TableOutput

  @Option(help: "Column that identifies rows (default: the first).")
  var id: String?

  @Option(help: "auto, or a kernel set by name; labels do not depend on it.")
  var kernel = "auto"

  @Option(help: MemoryOption.help)
  var memory: String?

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      var run = AssignRun(inputs: input, model: model, out: output.file)
      run.id = id
      run.kernel = kernel
      run.force = output.force
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      MemoryOption.apply(memory, to: &configuration)
      return try run.run(configuration, context)
    } summary: { result in
      [
        "\(result.n) rows in \(result.k) clusters of \(result.sizes.map(String.init).joined(separator: ", "))",
        String(format: "%.2f s", result.seconds["total"] ?? 0) + ", labels in \(result.out)",
      ]
    }
  }
}
