import Columnar
import CustomerValue
import Features
import Sharding

/// A ready summary: one row a customer, `customer_id x t_x T` and perhaps `m`.
struct SummaryReading {
  let inputs: [String]
  let unit: PurchaseTimeUnit
  let configuration: Configuration
  let workers: Workers

  static let required = ["customer_id", "x", "t_x", "T"]

  func read(_ context: RunContext) throws -> (ids: Column, summary: PurchaseSummary) {
    let source = try Sources.open(inputs, options: try configuration.readOptions())
    if let name = Self.required.first(where: { source.schema.index(of: $0) == nil }) {
      throw RunFailure(
        .badData,
        "there is no column \"\(name)\" among "
          + source.schema.fields.map(\.name).joined(separator: ", "),
        hint: "a summary has customer_id, x (repeat transactions), t_x (last − first),"
          + " T (observation length) and perhaps m (mean spend)",
        file: source.files.first, column: name)
    }
    let hasSpend = source.schema.index(of: "m") != nil
    let total = source.rowCount.map { Int($0) }
    let table = try FeatureTable.read(
      source, id: "customer_id", names: ["x", "t_x", "T"] + (hasSpend ? ["m"] : []),
      format: try decimalFormat(), workers: workers
    ) { context.progress(RunProgress("read", done: $0, total: total)) }
    let columns = table.columns
    let (x, last, end) = (columns[0], columns[1], columns[2])
    // A customer without a repeat purchase has no mean spend to tell.
    let spend = hasSpend ? try filled(columns[3], where: x) : nil
    try check(table, x, last, end, spend)
    let repeats = try converted(x)
    do {
      return (
        table.ids,
        try PurchaseSummary(
          timeUnit: unit, repeats: repeats, recency: last, age: end, meanSpend: spend,
          workers: workers)
      )
    } catch let error as PurchaseSummaryError {
      throw RunFailure(
        .badData, error.description, hint: "correct the summary", file: source.files.first)
    }
  }

  /// - Parameter rows: Of the summary.
  func groups(_ by: GroupBy, rows: Int) throws -> CustomerGroups {
    guard case .column(let name) = by else {
      throw configuration.refuse(
        "value.by", "is \"\(by.name)\", and a summary has no dates",
        hint: "name a column of the summary, or give a --ledger")
    }
    guard inputs != ["-"] else {
      throw configuration.refuse(
        "value.by", "needs a second look at the summary, and standard input is read only once",
        hint: "write the summary to a file")
    }
    var options = try configuration.readOptions()
    options.dictionaryColumns = [name]
    let source = try Sources.open(inputs, options: options)
    let names = source.schema.fields.map(\.name)
    guard names.contains(name) else {
      throw configuration.refuse(
        "value.by", "is \"\(name)\", which is no column of the summary",
        hint: NearestName.of(name, among: names).map { "did you mean \($0)?" }
          ?? "columns are \(names.joined(separator: ", "))")
    }
    return try GroupColumn(name: name, by: by.name, workers: workers).read(source, rows: rows)
  }

  /// Times with three decimals are usual here, amounts with thousands marks are not.
  private func decimalFormat() throws -> DecimalFormat {
    configuration.text("ledger.decimal_mark") == nil
      ? DecimalFormat(decimalMark: .point) : try configuration.decimalFormat()
  }

  private func filled(_ spend: Buffer<Double>, where x: Buffer<Double>) throws -> Buffer<Double> {
    let shards = Shards(rows: x.count, rowsPerShard: 1 << 18)
    return try Buffer(count: x.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        for row in shards[shard] {
          let missing = x.base[row] == 0 && spend.base[row].isNaN
          target.initializeElement(at: row, to: missing ? 0 : spend.base[row])
        }
      }
    }
  }

  private func converted(_ x: Buffer<Double>) throws -> Buffer<Int32> {
    let shards = Shards(rows: x.count, rowsPerShard: 1 << 18)
    return try Buffer(count: x.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        for row in shards[shard] { target.initializeElement(at: row, to: Int32(x.base[row])) }
      }
    }
  }

  /// The first row that no history can have ends the run.
  private func check(
    _ table: FeatureTable, _ x: Buffer<Double>, _ last: Buffer<Double>, _ end: Buffer<Double>,
    _ spend: Buffer<Double>?
  ) throws {
    let shards = Shards(rows: table.rows, rowsPerShard: 1 << 18)
    try workers.forEach(shards.count) { shard in
      for row in shards[shard] {
        let fault = PurchaseSummary.fault(
          repeats: x.base[row], recency: last.base[row], age: end.base[row],
          meanSpend: spend?.base[row])
        guard let fault else { continue }
        let place = table.places?.place(of: row)
        throw RunFailure(
          .badData, fault.problem, hint: "correct or remove that row", file: place?.file,
          line: place?.line, column: fault.column)
      }
    }
  }
}
