import ArgumentParser
import Tranche

@main
struct TrancheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tranche",
    abstract: "Rescores a whole customer base: transactions in; segments, value, tiers and a report out.",
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
      Rescore.self, FeaturesCommand.self, Fit.self, Assign.self, SelectK.self, Compare.self,
      Report.self, Inspect.self, Generate.self, Doctor.self, Config.self, Version.self,
    ])
}
