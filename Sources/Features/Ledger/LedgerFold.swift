import Columnar
import Sharding
import Synchronization

/// Folds a ledger into one state per customer, in one pass.
///
/// Rows stream through three overlapping steps: the source cuts pieces, threads decode them and
/// group their rows by the hash of the customer id, and threads fold each group into its partition.
/// A partition takes its groups in file order, so every customer's rows arrive in file order on any
/// number of threads; exact amounts do not even depend on that.
///
/// Memory: the states, plus two rounds of decoded pieces. Under ``memory`` the states that do not fit
/// wait in a temporary file, as do the rows of their partitions; the result is the same to the bit.
package struct LedgerFold: Sendable {
  package let format: LedgerFormat
  /// Last day of the window, days since 1970-01-01.
  package let asOf: Int32
  package let features: FeatureSelection
  package let workers: Workers
  /// Also remember purchases, for models of customer value.
  package var purchases: PurchaseWindows?
  /// Nil: as much as it takes. Not together with a state.
  package var memory: FoldMemory?

  package init(format: LedgerFormat, asOf: Int32, features: FeatureSelection, workers: Workers) {
    self.format = format
    self.asOf = asOf
    self.features = features
    self.workers = workers
  }

  /// Reads `source` to its end.
  ///
  /// - Parameters:
  ///   - source: Nil for no new rows, where there is a state to go on from.
  ///   - state: Where to go on from and where to leave what the next fold goes on from.
  ///   - quarantine: Called with the rows set aside, in file order, as they are met.
  /// - Returns: One row per customer, in ascending order of the id: the same for a ledger folded in
  ///   one go and for one folded file after file with a state in between.
  /// - Throws: `InputError` for a ledger or a state that cannot be used; `Cancelled`.
  package func features(
    of source: (any Source)?, state: LedgerStateExchange? = nil,
    progress: (LedgerCounts) -> Void = { _ in },
    quarantine: (QuarantinedRows) throws -> Void
  ) throws -> FoldedLedger {
    let previous = state?.previous?.index
    let needs = previous?.settings.keeps ?? self.needs
    let positions = try source.map { try locate(in: $0, needs) }
    let amounts: AmountForm
    if let source, let positions {
      amounts = AmountForm(
        positions.amount.map { source.schema.fields[positions.asked[$0]].type }, format)
    } else if let previous {
      amounts = AmountForm(previous)
    } else {
      throw InputError(.usage, "there is neither a ledger nor a state to read")
    }
    let hasText = try hasTextIDs(source, positions, previous)
    var settings: LedgerStateSettings?
    precondition(state == nil || memory == nil, "a state's customers stay in memory")
    if let state {
      let asked = self.needs
      settings = try LedgerStateSettings(
        format, needs, amounts, hasText: hasText,
        hasChannels: positions.map { $0.channel != nil } ?? previous?.settings.hasChannels ?? false)
      try settings?.check(asked, state, asOf: asOf)
    }
    let setup = FoldSetup(
      format: format, asOf: asOf, features: features, needs: needs, hasText: hasText,
      scale: amounts.scale,
      partitionBits: partitionBits(rows: source?.rowCount, hasText),
      expectedCustomers: previous == nil ? Self.expectedCustomers(of: source) : 0,
      workers: workers,
      state: state,
      settings: settings, purchases: purchases, memory: memory)
    switch amounts.kind {
    case .floating:
      let session = try FoldSession<Double>(setup)
      return try run(session, source, positions, parse: Self.parseDouble, progress, quarantine)
    case .exact:
      let session = try FoldSession<Int64>(setup)
      return try run(session, source, positions, parse: Self.parseMinor, progress, quarantine)
    }
  }

  private func run<Amount: LedgerAmount>(
    _ session: FoldSession<Amount>, _ source: (any Source)?, _ positions: LedgerColumnPositions?,
    parse: @escaping FoldSession<Amount>.Parse, _ progress: (LedgerCounts) -> Void,
    _ quarantine: (QuarantinedRows) throws -> Void
  ) throws -> FoldedLedger {
    if let pending = try session.openPending() {
      let format = session.pendingFormat
      let positions = try LedgerFold(
        format: format, asOf: asOf, features: features, workers: workers
      ).locate(in: pending, session.setup.needs)
      try session.stream(pending, format, positions, parse: parse, isPending: true, progress) {
        _ in
      }
    }
    if let source, let positions {
      try session.stream(
        source, format, positions, parse: parse, isPending: false, progress, quarantine)
    }
    return try session.finish()
  }

  /// Whether ids are texts; a state's must be what the ledger's are.
  private func hasTextIDs(
    _ source: (any Source)?, _ positions: LedgerColumnPositions?, _ previous: LedgerStateIndex?
  ) throws -> Bool {
    guard let source, let positions else { return previous?.textIdentifiers ?? false }
    return source.schema.fields[positions.asked[positions.customerID]].type == .string
  }

  private var needs: FoldNeeds {
    FoldNeeds(features, purchases: purchases?.kind)
  }

  /// Names of the columns that a fold of `source` would read.
  package func columnsRead(of source: any Source) throws -> [String] {
    try locate(in: source, needs).asked.map { source.schema.fields[$0].name }
  }

  private static let parseDouble: @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Double> = {
    column, format, _ in column.finiteDoubles(format.decimalFormat)
  }
  private static let parseMinor: @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Int64> = {
    column, format, scale in
    // Integers are minor units already, whatever the scale says about their meaning.
    let isWhole = column.type == .int32 || column.type == .int64
    return column.minorUnits(format.decimalFormat, scale: isWhole ? 0 : scale)
  }

  /// Finds the columns that the format names and the features need.
  private func locate(
    in source: any Source, _ needs: FoldNeeds
  ) throws -> LedgerColumnPositions {
    var positions = LedgerColumnPositions()
    func ask(_ name: String, required: Bool) throws -> Int? {
      if name.isEmpty { return nil }
      guard let index = source.schema.index(of: name) else {
        guard required else { return nil }
        let names = source.schema.fields.map(\.name)
        throw InputError(
          .badData, "there is no column \"\(name)\" among \(names.joined(separator: ", "))",
          file: source.files.first, column: name,
          hint: "name the ledger's columns in the [ledger] section of the configuration")
      }
      // One column may have two roles; it is read once.
      if let known = positions.asked.firstIndex(of: index) { return known }
      positions.asked.append(index)
      return positions.asked.count - 1
    }
    positions.customerID = try ask(format.customerID, required: true)!
    positions.date = try ask(format.date, required: true)!
    if needs.amounts || format.duplicates != .keep || format.refunds != .net {
      positions.amount = try ask(format.amount, required: true)
      positions.currency = try ask(format.currency, required: format.rates != nil)
    }
    if needs.channels {
      positions.channel = try ask(format.channel, required: false)
    }
    if !format.excludedTypes.isEmpty { positions.type = try ask(format.type, required: true) }
    if format.duplicates != .keep {
      if let name = format.transactionID {
        positions.transactionID = try ask(name, required: true)
      } else {
        for field in source.schema.fields where field.unreadable == nil {
          _ = try ask(field.name, required: false)
        }
      }
    }
    switch source.schema.fields[positions.asked[positions.customerID]].type {
    case .int32, .int64, .string: break
    case let type:
      throw InputError(
        .badData, "a customer id cannot be \(type.name)", file: source.files.first,
        column: format.customerID, hint: "store ids as integers or texts, so that none is rounded")
    }
    return positions
  }

  /// About 16 rows a customer and year. Of text, whose rows nobody has counted, rather too many.
  private static func expectedCustomers(of source: (any Source)?) -> Int {
    if let rows = source?.rowCount { return Int(rows) / 16 }
    return Int((source as? CSVSource)?.likelyRows ?? 0) / 4
  }

  /// So few partitions that grouping rows keeps its write streams in a core's cache and that one's
  /// states fill huge pages, so many that threads share the work evenly. Folding fetches states
  /// ahead, so they need not fit a cache.
  ///
  /// Under a limit to memory also so many that eight of them fit, where the rows tell.
  private func partitionBits(rows: Int64?, _ hasText: Bool) -> Int {
    var wanted = max(1, (rows ?? 16_777_216) / 1_048_576)
    if let memory {
      let customers = (rows ?? 268_435_456) / 16
      let bytes = needs.bytesPerCustomer(hasText: hasText, purchases)
      wanted = max(wanted, customers * Int64(8 * bytes) / Int64(max(1, memory.bytes)) + 1)
    }
    return min(10, max(6, 64 - (wanted - 1).leadingZeroBitCount))
  }
}

/// What a ledger holds, folded.
package struct FoldedLedger: Sendable {
  package let table: FeatureTable
  /// Of all rows, those of the state included.
  package let counts: LedgerCounts
  /// Of the table's customers, when they were asked for.
  package var purchases: CustomerPurchases?
  /// A few of the rows set aside for each reason, masked: whoever reads them may not know customers.
  package var examples: [QuarantinedRow] = []
  /// What the new state's files hold, where one was asked for.
  package var state: LedgerStateIndex?
  /// Where the columns lie; nil for memory. Later work on them belongs there too.
  package var space: SpillSpace?
  /// Nil where there was no limit to memory.
  package var spilling: FoldSpilling?
}

/// How amounts are written in the ledger and added up.
struct AmountForm {
  enum Kind { case exact, floating }
  let kind: Kind
  let scale: Int
  /// For comparing states: how a number of the file is read.
  let name: String

  init(_ type: ColumnType?, _ format: LedgerFormat) {
    switch type {
    case .float?, .double?: (kind, scale, name) = (.floating, 0, "floating point")
    case .decimal(_, let scale)?:
      (kind, self.scale, name) = (.exact, max(scale, format.amountScale ?? 0), "exact")
    case .string?: (kind, scale, name) = (.exact, format.amountScale ?? 4, "exact")
    case nil: (kind, scale, name) = (.exact, format.amountScale ?? 0, "none")
    default: (kind, scale, name) = (.exact, format.amountScale ?? 0, "exact")
    }
  }

  init(_ state: LedgerStateIndex) {
    kind = .exact
    scale = state.amountScale
    name = state.settings.values["amounts"] ?? "exact"
  }
}
