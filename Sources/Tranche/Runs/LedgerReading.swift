import Columnar
import Features
import Foundation
import Sharding

/// Reading a ledger as the configuration says, with the quarantine beside it.
struct LedgerReading {
  let inputs: [String]
  let asOf: Int32
  let selection: FeatureSelection
  let configuration: Configuration
  let workers: Workers
  /// Where the rows set aside go; nil only counts them.
  let quarantinePath: String?
  /// Purchases to remember beside the features, for models of customer value.
  var purchases: PurchaseWindows?
  /// Nil: as much as it takes.
  var memory: LedgerMemory?

  /// Nil where no files are named: a state alone is read.
  func open() throws -> (any Source)? {
    if inputs.isEmpty { return nil }
    let format = try configuration.ledgerFormat()
    var options = try configuration.readOptions()
    options.dictionaryColumns = [format.channel, format.currency, format.type].filter {
      !$0.isEmpty
    }
    // A ledger's broken rows are set aside and counted, not fatal.
    options.csv.rowErrors = .collect
    // A block and its fields stay in a core's cache until they are decoded.
    options.csv.blockBytes = 1 << 20
    // Whole row groups of a column at once are what little memory would go into.
    if let memory, memory.budget.bytes < 1 << 30 { options.parquet.buffersBatches = true }
    return try Sources.open(inputs, options: options)
  }

  func fold(
    _ source: (any Source)?, state: LedgerStateExchange? = nil, _ context: RunContext
  ) throws -> FoldedLedger {
    let format = try configuration.ledgerFormat()
    var fold = LedgerFold(format: format, asOf: asOf, features: selection, workers: workers)
    fold.purchases = purchases
    fold.memory = memory?.fold
    let hasText =
      source.map { source in
        source.schema.index(of: format.customerID).map { source.schema.fields[$0].type } == .string
      } ?? false
    let quarantine = try quarantinePath.map {
      try QuarantineFile(path: $0, format: format, hasText: hasText, workers: workers)
    }
    let known = state?.previous?.index.counts.read ?? 0
    let total = source?.rowCount.map { Int($0) + known }
    var first: QuarantinedRow?
    var examples = QuarantineExamples()
    var ledger = try fold.features(of: source, state: state) { counts in
      context.progress(RunProgress("read ledger", done: counts.read, total: total))
    } quarantine: { rows in
      if first == nil, !rows.isEmpty { first = rows.row(0, format) }
      examples.look(at: rows, format)
      try quarantine?.write(rows)
    }
    try quarantine?.close()
    ledger.examples = examples.rows
    let counts = ledger.counts
    precondition(
      counts.read == counts.folded + counts.quarantinedTotal + counts.excludedTotal,
      "every row is folded, quarantined or excluded")
    guard ledger.table.rows > 0 else {
      let reasons = counts.quarantined.filter { $0.value > 0 }
        .sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.value) \($0.key.rawValue)" }
      throw RunFailure(
        .badData,
        counts.read == 0
          ? "the ledger has no rows"
          : "none of the ledger's \(counts.read) rows can be used (\(reasons.joined(separator: ", "))"
            + (first?.value.map { ", such as “\($0)”)" } ?? ")"),
        hint: counts.read == 0
          ? "check --ledger" : "check --as-of and the [ledger] section of the configuration",
        file: first?.file ?? source?.files.first, line: first?.place, column: first?.column)
    }
    return ledger
  }
}

/// What became of the ledger's rows, as JSON.
public struct RowCounts: Codable, Sendable, Equatable {
  public var read: Int
  public var scored: Int
  public var quarantined: Int
  public var excluded: Int
  /// Rows by reason, for what is not scored.
  public var reasons: [String: Int]

  init(_ quality: QualityFile) {
    read = quality.read
    scored = quality.scored
    quarantined = quality.quarantined
    excluded = quality.excluded
    reasons = quality.reasons
  }

  init(_ counts: LedgerCounts) {
    read = counts.read
    scored = counts.folded
    quarantined = counts.quarantinedTotal
    excluded = counts.excludedTotal
    reasons = [:]
    for (reason, count) in counts.quarantined where count > 0 { reasons[reason.rawValue] = count }
    for (reason, count) in counts.excluded where count > 0 { reasons[reason.rawValue] = count }
  }
}
