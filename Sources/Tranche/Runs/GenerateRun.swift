import Columnar
import Foundation
import Sharding
import SyntheticBank

/// `generate`: a synthetic bank with known truth, written as the files a real bank would have.
public struct GenerateRun: Sendable {
  public var customers: Int
  public var months: Int
  /// Last day, ISO 8601; nil: 2025-12-31.
  public var end: String?
  public var out: String
  public var force = false
  /// What kind of customers the bank has.
  public enum Kind: String, Encodable, Sendable, CaseIterable {
    /// Card and cash customers.
    case retail
    /// Salaries, pensions and standing orders on fixed days, and spending around them.
    case currentAccounts = "current-accounts"
    /// Half of each.
    case mixed

    var archetypes: [Archetype] {
      switch self {
      case .retail: Archetype.retailBank
      case .currentAccounts: Archetype.currentAccounts
      case .mixed: Archetype.mixedBank
      }
    }
  }
  public var kind = Kind.retail
  /// Mean number of transactions of a customer in a year, recurring payments not counted.
  public var transactionsPerYear = 16.8
  /// 1 is a bank as found; above, the archetypes lie further apart, so that clustering finds them.
  public var separation = 1.0
  /// Ids as twelve digits of text instead of integers.
  public var textIDs = false

  public init(customers: Int, months: Int, out: String) {
    self.customers = customers
    self.months = months
    self.out = out
  }

  /// `tranche.generate.v1`.
  public struct Result: Encodable, Sendable {
    public var schema = "tranche.generate.v1"
    public var folder: String
    public var kind: Kind
    public var customers: Int
    /// Customers by kind, as in customers.parquet: retail, salary, pension, standing orders.
    public var customersByKind: [String: Int]
    public var transactions: Int
    public var files: [String]
    public var seed: UInt64
    public var threads: Int
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    let seed = try configuration.seed()
    let settings = try SyntheticBankConfiguration(
      customers: customers, months: months, seed: seed,
      endDate: try end.map { try AsOf.days($0, flag: "--end") }
        ?? SyntheticBankConfiguration.defaultEndDate,
      archetypes: kind.archetypes, meanTransactionsPerYear: transactionsPerYear,
      separation: separation,
      identifierForm: textIDs ? .text : .number)
    let bank = SyntheticBank(settings)
    let folder = try StagedFolder(target: out, force: force)
    var files: [String] = []
    var transactions = 0
    for month in 0..<months {
      context.progress(RunProgress("generate", done: month, total: months, unit: "months"))
      let name = "ledger-\(bank.name(ofMonth: month)).parquet"
      transactions += try write(
        name, in: folder, workers, &watch
      ) { try bank.transactions(ofCustomers: $0, month: month, workers: workers) }
      files.append(name)
    }
    var byKind = [Int](repeating: 0, count: bank.kindNames.count)
    _ = try write("customers.parquet", in: folder, workers, &watch) { range in
      let batch = bank.customers(range)
      if let column = batch.schema.index(of: "kind"),
        case .dictionary(let codes, _) = batch.columns[column].values
      {
        for row in 0..<batch.rows { byKind[Int(codes[row])] += 1 }
      } else {
        byKind[0] += batch.rows
      }
      return batch
    }
    _ = try write("truth.parquet", in: folder, workers, &watch) { bank.truth($0) }
    files += ["customers.parquet", "truth.parquet"]
    let result = Result(
      folder: out, kind: kind, customers: customers,
      customersByKind: Dictionary(uniqueKeysWithValues: zip(bank.kindNames, byKind)),
      transactions: transactions, files: files, seed: seed,
      threads: workers.threads, seconds: watch.seconds, peakMemoryBytes: ProcessMemory.peakBytes)
    try folder.write(try JSONText.encode(result), to: "manifest.json")
    try folder.commit()
    return result
  }

  /// Customers made at once: memory stays the same however large the bank.
  private static let customersAtOnce = 2_000_000

  private func write(
    _ name: String, in folder: StagedFolder, _ workers: Workers, _ watch: inout Stopwatch,
    make: (Range<Int>) throws -> RecordBatch
  ) throws -> Int {
    var options = WriteOptions()
    options.threads = workers.threads
    var sink: TableSink?
    var rows = 0
    for start in stride(from: 0, to: customers, by: Self.customersAtOnce) {
      let range = start..<min(start + Self.customersAtOnce, customers)
      let batch = try watch.measure("generate") { try make(range) }
      let target =
        try sink ?? TableSink(path: folder.path(name), schema: batch.schema, options: options)
      sink = target
      try watch.measure("write") { try target.write(batch.columns) }
      rows += batch.rows
    }
    try watch.measure("write") { try sink?.close() }
    return rows
  }
}
