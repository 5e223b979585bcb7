import ArgumentParser
import Tranche

@main
struct TrancheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tranche",
    abstract:
      "Rescores a whole customer base: transactions in; segments, value, tiers and a report out.",
    discussion: """
      Examples:
        tranche generate --customers 100000 --months 12 --out bank
        tranche rescore --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 --out scores
        tranche fit cards.csv --features LIMIT_BAL,BILL_AMT1 --clusters 5 --out model.json
        tranche assign cards.csv --model model.json --out labels.parquet

      Results go to stdout, everything else to stderr; --json makes the result one JSON object. \
      Exit codes: 0 done, 64 usage, 65 bad data, 66 no input, 70 a bug, 73 output not creatable, \
      74 I/O, 75 try again, 77 permission, 78 configuration, 130 interrupted.
      """,
    version: BuildInfo.version,
    subcommands: [
      Rescore.self, FeaturesCommand.self, Value.self, Fit.self, Assign.self, SelectK.self,
      Compare.self, Report.self, Inspect.self, Generate.self, Bench.self, Doctor.self, Config.self,
      Version.self,
    ])

  /// As the default, but a command line that cannot be understood is one sentence too, and an object
  /// with `--json`.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      // An `ExitCode` is a failure that was told already.
      guard !(error is ExitCode), exitCode(for: error) == .validationFailure else {
        exit(withError: error)
      }
      let asked = CommandLine.arguments.dropFirst().first { argument in
        configuration.subcommands.contains { $0._commandName == argument }
      }
      let failure = RunFailure(
        .usage, message(for: error), hint: "see `tranche \(asked.map { "\($0) " } ?? "")--help`")
      do {
        try Execution.fail(failure, json: CommandLine.arguments.contains("--json"))
      } catch {
        exit(withError: error)
      }
    }
  }
}
