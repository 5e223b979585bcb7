import ArgumentParser
import Tranche

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a synthetic bank with known truth.",
    discussion: """
      Examples:
        tranche generate --customers 1000000 --months 12 --out bank
        tranche generate --customers 5000 --months 24 --separation 4 --seed 7 --out easy

      Writes a ledger-YYYY-MM.parquet a month, customers.parquet (ages) and truth.parquet (the \
      latent segment, rate, ticket and last day of every customer).
      """)

  @Option(help: "Number of customers.")
  var customers: Int

  @Option(help: "Calendar months, the last one ending on --end.")
  var months = 12

  @Option(help: "Last day (default: 2025-12-31).")
  var end: String?

  @Option(help: "Mean number of transactions of a customer in a year.")
  var transactionsPerYear = 16.8

  @Option(help: "How far apart the latent segments lie; 1 is a bank as found.")
  var separation = 1.0

  @Flag(help: "Customer ids as twelve digits of text.")
  var textIds = false

  @Option(help: "Folder to write.")
  var out: String

  @Flag(help: "Replace a folder that is not empty.")
  var force = false

  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      var generate = GenerateRun(customers: customers, months: months, out: out)
      generate.end = end
      generate.transactionsPerYear = transactionsPerYear
      generate.separation = separation
      generate.textIDs = textIds
      generate.force = force
      return try generate.run(common.configuration(), context)
    } summary: { result in
      [
        "\(result.customers) customers, \(result.transactions) transactions in \(result.folder)",
        String(format: "%.1f s", result.seconds["total"] ?? 0),
      ]
    }
  }
}
