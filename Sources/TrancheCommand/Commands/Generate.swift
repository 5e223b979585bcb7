import ArgumentParser
import Tranche

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a synthetic bank with known truth.",
    discussion: """
      Examples:
        tranche generate --customers 1000000 --months 12 --out bank
        tranche generate --customers 5000 --months 24 --separation 4 --seed 7 --out easy
        tranche generate --customers 50000 --kind current-accounts --out accounts

      Writes a ledger-YYYY-MM.parquet a month, customers.parquet (ages) and truth.parquet (the \
      latent segment, rate, ticket and last day of every customer).

      Current accounts have a salary or a pension on a fixed day of the month, standing orders on \
      theirs, and spending around them; income due on a weekend comes on the Friday before, a \
      standing order on the Monday after. Their ledgers have a type column (salary, pension, \
      standing order, spending), customers.parquet a kind, truth.parquet the pay day, the income \
      and the number of standing orders.
      """)

  @Option(help: "Number of customers.")
  var customers: Int

  @Option(help: "Calendar months, the last one ending on --end.")
  var months = 12

  @Option(help: "Last day (default: 2025-12-31).")
  var end: String?

  @Option(help: "Customers: retail, current-accounts or mixed (half of each).")
  var kind = GenerateRun.Kind.retail

  @Option(
    help: "Mean number of transactions of a customer in a year, recurring payments not counted.")
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
      generate.kind = kind
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

extension GenerateRun.Kind: ExpressibleByArgument {}
