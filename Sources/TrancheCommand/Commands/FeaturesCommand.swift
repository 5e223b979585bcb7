import ArgumentParser
import Tranche

struct FeaturesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features",
    abstract: "Fold a ledger to one row of features per customer.",
    discussion: """
      Examples:
        tranche features --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 --out features.parquet
        tranche features --ledger sales.csv.gz --config shop.toml --as-of 2025-12-31 \\
          --features recency_days,frequency,monetary --out features.csv
        tranche features --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 \\
          --memory 1GiB --out features.parquet
        tranche features --ledger bank/ledger-2026-01.parquet --state state \\
          --as-of 2026-01-31 --out features.parquet
      """)

  @OptionGroup var ledger: LedgerOptions
  @OptionGroup var keeping: StateOptions

  @OptionGroup var output: TableOutput

  @Option(help: ArgumentHelp("Features to compute (default: all).", valueName: "a,b,…"))
  var features: String?

  @Option(help: "File for the rows that cannot be used.")
  var quarantine: String?

  @Option(help: MemoryOption.help)
  var memory: String?

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      var run = FeaturesRun(ledger: ledger.ledger, asOf: ledger.asOf, out: output.file)
      run.features = features.map(commaSeparated)
      run.quarantine = quarantine
      run.state = try keeping.options(ledger)
      run.force = output.force
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      MemoryOption.apply(memory, to: &configuration)
      return try run.run(configuration, context)
    } summary: { result in
      [
        "\(result.customers) customers, \(result.features.count) features in \(result.out)",
        result.rows.sentence,
        String(format: "%.1f s", result.seconds["total"] ?? 0),
      ]
    }
  }
}

/// The ledger and the day it is looked at from.
struct LedgerOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: """
      Transactions: files, globs or folders; Parquet, CSV (.gz, .zst) or Arrow IPC. Or a database: \
      postgresql://user@host/db?table=… (or ?query=SELECT…), sqlite:///path/bank.db?table=…, or \
      source:NAME of the configuration.
      """)
  var ledger: [String] = []

  @Option(help: "Last day that counts, such as 2025-12-31; later rows are quarantined.")
  var asOf: String
}

/// What is kept from month to month.
struct StateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Folder that keeps what the next run needs: give only new ledger files then.",
      valueName: "folder"))
  var state: String?

  @Flag(help: "Make the state anew from all ledger files, corrected ones too.")
  var refold = false

  /// Also checks that there is something to read.
  func options(_ ledger: LedgerOptions) throws -> LedgerStateOptions? {
    if let state { return LedgerStateOptions(folder: state, refold: refold) }
    if refold {
      throw RunFailure(.usage, "--refold without a state does nothing", hint: "add --state")
    }
    if ledger.ledger.isEmpty {
      throw RunFailure(.usage, "there is no ledger to read", hint: "add --ledger")
    }
    return nil
  }
}

extension RowCounts {
  /// "12 rows read: 10 scored, 1 quarantined (1 future_date), 1 excluded (1 refund)".
  var sentence: String {
    var text =
      "\(read) rows read: \(scored) scored, \(quarantined) quarantined, \(excluded) excluded"
    let reasons = reasons.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    if !reasons.isEmpty { text += " (\(reasons.joined(separator: ", ")))" }
    return text
  }
}
