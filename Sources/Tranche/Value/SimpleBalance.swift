import Columnar
import CustomerValue
import Features
import Sharding

/// Lifetime income − lifetime cost of each customer, from named columns of `--customers`: deposit
/// interest, fees, referrals; acquisition, service, fraud.
struct SimpleBalance {
  let income: [String]
  let cost: [String]
  let format: DecimalFormat
  let workers: Workers

  /// Decimals that amounts of text files are read with, exactly.
  private static let textScale = 4

  static func isAsked(_ configuration: Configuration) -> Bool {
    !(configuration.list("value.income") ?? []).isEmpty
      || !(configuration.list("value.cost") ?? []).isEmpty
  }

  /// Nil where no columns are named.
  init?(_ configuration: Configuration, workers: Workers) throws {
    guard Self.isAsked(configuration) else { return nil }
    income = configuration.list("value.income") ?? []
    cost = configuration.list("value.cost") ?? []
    format = try configuration.decimalFormat()
    self.workers = workers
    let names = income + cost
    if let name = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw configuration.refuse(
        income.contains(name) ? "value.income" : "value.cost", "names \"\(name)\" twice",
        hint: "a column is an income or a cost, once")
    }
  }

  /// - Parameter rows: Row of the source for each customer, −1 where it has none.
  /// - Returns: Exact decimals where every column is exact, else doubles; missing for customers
  ///   without a row, or with a missing amount.
  func read(_ source: any Source, rows: [Int]) throws -> Column {
    let names = income + cost
    let columns = try names.map { name in
      guard let index = source.schema.index(of: name) else {
        throw RunFailure(
          .badData,
          "there is no column \"\(name)\" among "
            + source.schema.fields.map(\.name).joined(separator: ", "),
          hint: "correct value.income and value.cost in the configuration",
          file: source.files.first, column: name)
      }
      return index
    }
    var chunks = names.map { _ in [Column]() }
    while true {
      var pieces: [Piece] = []
      while pieces.count < 4 * workers.threads, let piece = try source.next(columns: columns) {
        pieces.append(piece)
      }
      if pieces.isEmpty { break }
      let round = pieces
      let decoded = try workers.map(round.count) { index in
        let batch = try round[index].decode()
        return try names.indices.map { try exact(batch.columns[$0], batch, names[$0]) }
      }
      for batch in decoded {
        for (index, column) in batch.enumerated() { chunks[index].append(column) }
      }
    }
    let amounts = zip(names, chunks.map(Column.concatenating)).map { (name: $0, column: $1) }
    let all: Column
    do {
      all = try SimpleValue.balance(
        income: Array(amounts.prefix(income.count)), cost: Array(amounts.dropFirst(income.count)),
        workers: workers)
    } catch let error as SimpleValueError {
      throw RunFailure(
        .badData, String(error.description.dropLast()),
        hint: "correct value.income and value.cost, or the columns", file: source.files.first)
    }
    let present = rows.map { $0 >= 0 && !all.isMissing($0) }
    return Column(
      all.gathered(rows.map { max($0, 0) }).values, validity: Validity(present: present))
  }

  /// Texts become decimals, other columns stay what they are.
  private func exact(_ column: Column, _ batch: RecordBatch, _ name: String) throws -> Column {
    guard column.type == .string else { return column }
    let parsed = column.minorUnits(format, scale: Self.textScale)
    var present = [Bool](repeating: true, count: column.count)
    for failure in parsed.failures {
      guard failure.isMissing else { throw failure.error(in: batch, column: name) }
      present[failure.row] = false
    }
    return Column(
      .decimal(parsed.values, precision: 18, scale: Self.textScale),
      validity: Validity(present: present))
  }
}
