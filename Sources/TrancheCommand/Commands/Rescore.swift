import ArgumentParser
import Foundation
import Tranche

struct Rescore: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn a ledger of transactions into a scored customer base.",
    discussion: """
      Examples:
        tranche rescore --ledger 'bank/ledger-*.parquet' --as-of 2025-11-30 --out 2025-11
        tranche rescore --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 --out 2025-12 \\
          --model 2025-11/model.json --previous 2025-11
        tranche rescore --ledger sales.csv --config shop.toml --as-of 2025-12-31 --out shop \\
          --clusters 5 --columns segment_id,clv_simple,frequency --no-report
        tranche rescore --ledger 'bank/ledger-*.parquet' --as-of 2025-12-31 --out 2025-12 \\
          --memory 4GiB --dry-run
        tranche rescore --ledger bank/ledger-2026-01.parquet --state state --as-of 2026-01-31 \\
          --out 2026-01 --model 2025-12/model.json --previous 2025-12
        tranche rescore --ledger 'postgresql://risk@db/bank?table=ledger' --as-of 2025-12-31 \\
          --out 2025-12 --out-table 'postgresql://risk@db/bank?table=scores'

      Writes scores.parquet, model.json, segments.json, migration.json (with --previous), \
      quality.json, quarantine.parquet, report.html and, last, manifest.json. Without --model a \
      model is fitted; with it customers are scored by it as it is, unless --refit.
      """)

  @OptionGroup var ledger: LedgerOptions
  @OptionGroup var keeping: StateOptions

  @Option(
    parsing: .upToNextOption,
    help: "Customer attributes (id, age): files, globs or folders, or a database.")
  var customers: [String] = []

  @Option(help: "Folder to write.")
  var out: String

  @Option(
    help: ArgumentHelp(
      "Table of PostgreSQL or SQLite that takes the scores too, in one transaction.",
      valueName: "address"))
  var outTable: String?

  @Option(help: "Model of an earlier run.")
  var model: String?

  @Option(help: "Output folder of the run before: stable ids, moves, hysteresis.")
  var previous: String?

  @Flag(help: "Fit the segments anew and match their ids to those of --previous.")
  var refit = false

  @Option(help: ArgumentHelp("Number of segments (default: auto).", valueName: "k|auto"))
  var clusters: String?

  @Flag(help: "Make fewer segments where the customers differ too little for as many.")
  var kMaxDistinct = false

  @Option(help: ArgumentHelp("Features that make the segments.", valueName: "a,b,…"))
  var features: String?

  @Option(help: ArgumentHelp("Columns of scores.parquet (default: all).", valueName: "all|a,b,…"))
  var columns: String?

  @Flag(help: "Write no report.html.")
  var noReport = false

  @Flag(help: "Replace a folder that is not empty.")
  var force = false

  @Option(help: MemoryOption.help)
  var memory: String?

  @Flag(help: "Check the inputs and say what would be done; write nothing.")
  var dryRun = false

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    var run = RescoreRun(ledger: ledger.ledger, asOf: ledger.asOf, out: out)
    run.customers = customers
    run.model = model
    run.previous = previous
    run.refit = refit
    run.clusters = clusters
    run.lowersClusters = kMaxDistinct
    run.features = features.map(commaSeparated)
    run.columns = columns == "all" ? nil : columns.map(commaSeparated)
    run.writesReport = !noReport
    run.force = force
    run.outTable = outTable
    run.state = try keeping.options(ledger)
    run.command = CommandLineText.asTyped
    let plan = run
    func settings() throws -> Configuration {
      var configuration = try common.configuration()
      reading.apply(to: &configuration)
      MemoryOption.apply(memory, to: &configuration)
      return configuration
    }
    if dryRun {
      try Execution.run(common) { _ in
        try plan.plan(settings())
      } summary: {
        $0.lines
      }
    } else {
      try Execution.run(common, work: { try plan.run(settings(), $0) }, summary: summary)
    }
  }

  /// At most fifteen lines, the report's path last.
  private func summary(_ result: RescoreRun.Result) -> [String] {
    var lines = [
      "\(result.customers) customers scored as of \(result.asOf), \(result.k) segments",
      result.rows.sentence,
    ]
    for segment in result.segments.sorted(by: { $0.id < $1.id }).prefix(8) {
      lines.append(
        "  \(segment.id)  \(Self.percent(segment.share))  \(segment.name)")
    }
    if result.segments.count > 8 { lines.append("  … \(result.segments.count - 8) more") }
    if let stability = result.stability {
      lines.append("\(Self.percent(stability)) of the customers kept their segment")
    }
    if let table = result.table { lines.append("written to \(table)") }
    if !result.warnings.isEmpty {
      lines.append("\(result.warnings.count) warnings, see quality.json")
    }
    lines.append(
      String(
        format: "%.1f s, at most %.2f GiB", result.seconds["total"] ?? 0,
        Double(result.peakMemoryBytes) / 1_073_741_824))
    lines.append(result.report ?? result.out)
    return lines
  }

  private static func percent(_ share: Double) -> String { String(format: "%5.1f %%", share * 100) }
}

/// The command line, quoted so that a shell reads it back, without the flags that cannot change the
/// result: equal results have equal reports.
enum CommandLineText {
  private static let ignoredFlags: Set = ["--json", "--quiet", "-q", "--force"]
  private static let ignoredOptions: Set = ["--threads", "--progress", "--memory"]

  static var asTyped: String {
    var words = ["tranche"]
    var arguments = CommandLine.arguments.dropFirst()
    while let argument = arguments.popFirst() {
      if ignoredFlags.contains(argument) { continue }
      if ignoredOptions.contains(argument) {
        arguments = arguments.dropFirst()
        continue
      }
      if ignoredOptions.contains(where: { argument.hasPrefix($0 + "=") }) { continue }
      words.append(argument)
    }
    return words.map(Redaction.shown).map { argument in
      let isPlain = argument.allSatisfy { $0.isLetter || $0.isNumber || "-_./:,=@%+".contains($0) }
      return isPlain && !argument.isEmpty
        ? argument : "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }.joined(separator: " ")
  }
}
