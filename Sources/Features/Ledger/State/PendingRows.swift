import Columnar

/// Rows after as-of, kept as they were read: next month's fold judges them as if it read them then.
final class PendingFile {
  /// The columns of the file; those that a ledger lacks are missing throughout.
  static let format: LedgerFormat = {
    var format = LedgerFormat()
    format.customerID = "customer_id"
    format.date = "date"
    format.amount = "amount"
    format.channel = "channel"
    format.currency = "currency"
    format.type = "type"
    return format
  }()

  private let sink: TableSink
  private(set) var rows = 0

  /// - Parameter amountScale: Nil where no amounts are read.
  init(path: String, hasText: Bool, amountScale: Int?, settings: LedgerStateSettings) throws {
    var fields = [
      Field(name: "customer_id", type: hasText ? .string : .int64),
      Field(name: "date", type: .date),
    ]
    if let amountScale {
      fields.append(Field(name: "amount", type: .decimal(precision: 18, scale: amountScale)))
      fields.append(Field(name: "currency", type: .string))
    }
    fields.append(Field(name: "type", type: .string))
    if settings.hasChannels { fields.append(Field(name: "channel", type: .string)) }
    sink = try TableSink(path: path, schema: Schema(fields: fields))
  }

  func write(_ pending: PendingRows) throws {
    let columns = sink.schema.fields.map { field -> Column in
      switch field.name {
      case "customer_id": pending.ids
      case "date": pending.days
      case "amount": pending.amounts ?? .missing(field.type, count: pending.ids.count)
      case "currency": pending.currencies ?? .missing(.string, count: pending.ids.count)
      case "type": pending.types ?? .missing(.string, count: pending.ids.count)
      default: pending.channels ?? .missing(.string, count: pending.ids.count)
      }
    }
    try sink.write(columns)
    rows += pending.ids.count
  }

  func close() throws { try sink.close() }
}

/// The rows of one batch that lie after as-of.
struct PendingRows {
  var ids: Column
  var days: Column
  var amounts: Column?
  var currencies: Column?
  var types: Column?
  var channels: Column?
}

extension LedgerDecoder {
  /// The batch's rows that were set aside for their date alone.
  func pendingRows(
    _ batch: RecordBatch, _ scratch: DecodingScratch, days: Buffer<Int32>, amounts: Buffer<Int64>?
  ) -> PendingRows? {
    let rows = (0..<batch.rows).filter { scratch.verdicts[$0] == .futureDate }
    guard !rows.isEmpty else { return nil }
    func texts(_ position: Int?) -> Column? {
      guard let column = position.map({ batch.columns[$0] }) else { return nil }
      switch column.values {
      case .strings, .dictionary: return column.gathered(rows)
      case .int64(let numbers): return Self.texts(rows.map { String(numbers[$0]) }, column, rows)
      case .int32(let numbers): return Self.texts(rows.map { String(numbers[$0]) }, column, rows)
      default: return nil
      }
    }
    var ids = batch.columns[positions.customerID].gathered(rows)
    if case .int32(let narrow) = ids.values {
      ids = Column(.int64(Buffer(narrow.values.map(Int64.init))))
    }
    return PendingRows(
      ids: ids, days: Column(.date(Buffer(rows.map { days[$0] }))),
      amounts: amounts.map { values in
        Column(
          .decimal(Buffer(rows.map { values[$0] }), precision: 18, scale: amountScale))
      },
      currencies: texts(positions.currency), types: texts(positions.type),
      channels: texts(positions.channel))
  }

  private static func texts(_ texts: [String], _ column: Column, _ rows: [Int]) -> Column {
    Column(
      .strings(Strings(texts)), validity: Validity(present: rows.map { !column.isMissing($0) }))
  }
}
