import ArgumentParser
import Tranche

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a file holds and which settings read it.",
    discussion: """
      Example:
        tranche inspect sales.csv
        tranche inspect 'postgresql://risk@db/bank?table=ledger'
      """)

  @Argument(help: "A Parquet, CSV (.gz, .zst) or Arrow IPC file, or a database's address.")
  var file: String

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { _ in
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      return try InspectRun(input: file).run(configuration)
    } summary: {
      $0.lines
    }
  }
}
