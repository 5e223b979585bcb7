import Features
import Foundation
import Sharding

/// How a run over a ledger keeps to `--memory`: what it needs whatever the customers, what each of
/// them takes in memory at every later step, and what may lie in a temporary file instead.
struct LedgerMemory: Sendable {
  let budget: MemoryBudget
  /// Where temporary files lie.
  let folder: String
  let threads: Int
  let needs: Needs

  struct Needs: Sendable {
    /// Columns of the ledger that are read.
    var ledgerColumns: Int
    /// Columns that are written.
    var outputColumns: Int
    /// Bytes a customer beside the table of features that later steps make, where there is room.
    var laterBytes = 0
    /// Bytes a customer of later steps that stay in memory whatever happens to the rest.
    var residentBytes = 0
    /// Whether value is forecast, which takes longer than all else after the fold.
    var hasForecast = false
  }

  /// Customers in a ledger of so many rows, before anybody has counted: transactions of a year.
  static func expectedCustomers(rows: Int) -> Int { rows / 16 + 1 }

  /// What reading, threads and libraries take, or later a row group being written: its columns, and
  /// what they are compressed to.
  var fixed: Int {
    MemoryBudget.fixed(columns: needs.ledgerColumns, threads: threads)
      + max(0, ScoreTable.chunkBytes(columns: needs.outputColumns) - (64 << 20))
  }

  /// What folding takes at least beside that: rows being decoded, and a partition per thread.
  private static let leastFold = 64 << 20

  /// - Throws: ``RunFailure`` `.configuration` where no ledger could be read.
  func check() throws(RunFailure) {
    try budget.check(needs: fixed + Self.leastFold, for: "to fold any ledger")
  }

  var fold: FoldMemory {
    let free = max(Self.leastFold, budget.bytes - fixed)
    return FoldMemory(
      bytes: free, roundBytes: max(16 << 20, free / 12), folder: folder, place: place)
  }

  /// Where the columns of the customers lie from now on.
  ///
  /// - Throws: ``RunFailure`` `.configuration` that names what so many customers need.
  @Sendable private func place(_ size: FoldedSize) throws -> SpillSpace? {
    let inMemory = fixed + size.bytes + size.customers * (needs.laterBytes + needs.residentBytes)
    if inMemory <= budget.bytes { return nil }
    try budget.check(
      needs: least(customers: size.customers), for: "for \(size.customers) customers")
    return try SpillSpace(
      folder: folder, capacity: size.bytes + size.customers * needs.laterBytes + (64 << 20),
      residentLimit: budget.bytes - budget.bytes / 8)
  }

  /// The budget that so many customers need at least.
  func least(customers: Int) -> Int {
    // Pages of the temporary file are let go beyond about seven eighths of the budget.
    max(fixed + Self.leastFold, fixed + customers * needs.residentBytes + (32 << 20))
  }
}

extension Configuration {
  /// Nil without `--memory`.
  ///
  /// - Parameter out: The temporary files lie beside it.
  /// - Throws: ``RunFailure``: `.usage` beside a state, `.configuration` for a budget that no ledger
  ///   could be read with.
  func ledgerMemory(
    out: String, hasState: Bool, threads: Int, _ needs: LedgerMemory.Needs
  ) throws -> LedgerMemory? {
    guard let budget = try memoryBudget() else { return nil }
    guard !hasState else {
      throw RunFailure(
        .usage, "--memory cannot be combined with --state, whose customers are all in memory",
        hint: "leave one of them out")
    }
    let memory = LedgerMemory(
      budget: budget, folder: URL(fileURLWithPath: out).deletingLastPathComponent().path,
      threads: threads, needs: needs)
    try memory.check()
    return memory
  }
}
