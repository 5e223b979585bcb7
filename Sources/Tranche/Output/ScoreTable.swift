import Columnar
import Features
import Sharding

/// Columns on their way to a file, made chunk by chunk so that no second copy of the base exists.
struct OutputColumn: Sendable {
  let field: Field
  /// The rows of a range.
  let slice: @Sendable (Range<Int>) -> Column

  init(_ name: String, _ type: ColumnType, slice: @escaping @Sendable (Range<Int>) -> Column) {
    field = Field(name: name, type: type)
    self.slice = slice
  }

  /// Doubles; NaN becomes missing.
  static func number(_ name: String, _ values: Buffer<Double>) -> OutputColumn {
    OutputColumn(name, .double) { rows in
      let part = values[rows]
      return Column(.double(part), validity: missing(part))
    }
  }

  /// Whole numbers held in Double; NaN becomes missing.
  static func count(_ name: String, _ values: Buffer<Double>) -> OutputColumn {
    OutputColumn(name, .int32) { rows in
      let part = values[rows]
      let integers = Buffer<Int32>(count: part.count) { target in
        for row in 0..<part.count {
          let value = part.base[row]
          target[row] = value.isNaN ? 0 : Int32(clamping: Int64(value))
        }
      }
      return Column(.int32(integers), validity: missing(part))
    }
  }

  static func feature(_ name: String, _ values: Buffer<Double>) -> OutputColumn {
    LedgerFeature(rawValue: name)?.isCount == true ? count(name, values) : number(name, values)
  }

  static func integer(_ name: String, _ values: Buffer<Int32>) -> OutputColumn {
    OutputColumn(name, .int32) { Column(.int32(values[$0])) }
  }

  static func float(_ name: String, _ values: Buffer<Float>) -> OutputColumn {
    OutputColumn(name, .float) { rows in
      let part = values[rows]
      // k = 1 has no second-nearest centroid.
      guard part.values.contains(where: { !$0.isFinite }) else { return Column(.float(part)) }
      return Column(.float(part), validity: Validity(present: part.values.map(\.isFinite)))
    }
  }

  /// Few texts, many rows; a negative code is missing.
  static func category(_ name: String, _ codes: Buffer<Int32>, _ names: [String]) -> OutputColumn {
    let texts = Strings(names)
    return OutputColumn(name, .string) { rows in
      let part = codes[rows]
      guard part.values.contains(where: { $0 < 0 }) else {
        return Column(.dictionary(codes: part, texts))
      }
      let filled = Buffer(part.values.map { max($0, 0) })
      return Column(
        .dictionary(codes: filled, texts), validity: Validity(present: part.values.map { $0 >= 0 }))
    }
  }

  /// Whatever identifies the rows.
  static func identifier(_ name: String, _ ids: Column) -> OutputColumn {
    OutputColumn(name, ids.type) { ids.slice($0) }
  }

  private static func missing(_ part: Buffer<Double>) -> Validity? {
    guard part.values.contains(where: \.isNaN) else { return nil }
    return Validity(present: part.values.map { !$0.isNaN })
  }
}

enum ScoreTable {
  /// Rows of a row group: large enough to compress well, small enough to write with little memory.
  static let chunk = 524_288

  /// Writes columns of `rows` rows to a new file.
  static func write(
    _ columns: [OutputColumn], rows: Int, to path: String, workers: Workers,
    progress: (Int) -> Void = { _ in }
  ) throws {
    var options = WriteOptions()
    options.threads = workers.threads
    options.rowGroupRows = chunk
    options.dictionaries = false
    let sink = try TableSink(
      path: path, schema: Schema(fields: columns.map(\.field)), options: options)
    for range in Shards(rows: rows, rowsPerShard: chunk) {
      try workers.cancellation.check()
      let part = try workers.map(columns.count) { columns[$0].slice(range) }
      try sink.write(part)
      progress(range.upperBound)
    }
    if rows == 0 { try sink.write(columns.map { $0.slice(0..<0) }) }
    try sink.close()
  }

  /// Writes the columns to a table of a database; nobody sees it before its `commit`.
  static func write(
    _ columns: [OutputColumn], rows: Int, to address: DatabaseAddress,
    _ configuration: Configuration, workers: Workers, progress: (Int) -> Void = { _ in }
  ) throws -> DatabaseTable {
    let table = try DatabaseTable(
      address, fields: columns.map(\.field), settings: configuration.databaseSettings())
    for range in Shards(rows: rows, rowsPerShard: chunk) {
      try workers.cancellation.check()
      try table.write(try workers.map(columns.count) { columns[$0].slice(range) })
      progress(range.upperBound)
    }
    return table
  }
}
