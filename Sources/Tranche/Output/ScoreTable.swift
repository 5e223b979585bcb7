import Columnar
import Features
import Sharding
import Synchronization

/// Columns on their way to a file, made chunk by chunk so that no second copy of the base exists.
struct OutputColumn: Sendable {
  let field: Field
  /// The rows of a range.
  let slice: @Sendable (Range<Int>) -> Column

  /// - Parameter isRequired: No row is missing.
  init(
    _ name: String, _ type: ColumnType, isRequired: Bool = false,
    slice: @escaping @Sendable (Range<Int>) -> Column
  ) {
    field = Field(name: name, type: type, isRequired: isRequired)
    self.slice = slice
  }

  /// Doubles; NaN becomes missing, unless there is none.
  static func number(
    _ name: String, _ values: Buffer<Double>, isRequired: Bool = false
  ) -> OutputColumn {
    OutputColumn(name, .double, isRequired: isRequired) { rows in
      let part = values[rows]
      return Column(.double(part), validity: isRequired ? nil : Validity(part) { $0 == $0 })
    }
  }

  /// Whole numbers below 2³¹ held in Double, none missing.
  static func count(_ name: String, _ values: Buffer<Double>) -> OutputColumn {
    OutputColumn(name, .int32, isRequired: true) { rows in
      let part = values[rows]
      return Column(
        .int32(
          Buffer<Int32>(count: part.count) { target in
            // So large a sum has the number in its lowest bits; a loop that vectorises.
            for row in 0..<part.count {
              let sum = min(part.base[row], 2_147_483_647) + 0x1.8p52
              target[row] = Int32(truncatingIfNeeded: sum.bitPattern)
            }
          }))
    }
  }

  static func feature(_ name: String, _ values: Buffer<Double>) -> OutputColumn {
    guard let feature = LedgerFeature(rawValue: name) else { return number(name, values) }
    return feature.isCount
      ? count(name, values) : number(name, values, isRequired: !feature.mayBeMissing)
  }

  static func integer(_ name: String, _ values: Buffer<Int32>) -> OutputColumn {
    OutputColumn(name, .int32, isRequired: true) { Column(.int32(values[$0])) }
  }

  static func float(_ name: String, _ values: Buffer<Float>) -> OutputColumn {
    OutputColumn(name, .float) { rows in
      let part = values[rows]
      // k = 1 has no second-nearest centroid.
      return Column(.float(part), validity: Validity(part) { $0.isFinite })
    }
  }

  /// Few texts, many rows; a negative code is missing.
  static func category(_ name: String, _ codes: Buffer<Int32>, _ names: [String]) -> OutputColumn {
    let texts = Strings(names)
    return OutputColumn(name, .string) { rows in
      let part = codes[rows]
      guard let validity = Validity(part, isPresent: { $0 >= 0 }) else {
        return Column(.dictionary(codes: part, texts))
      }
      let filled = Buffer<Int32>(count: part.count) { target in
        for row in 0..<part.count { target[row] = max(part.base[row], 0) }
      }
      return Column(.dictionary(codes: filled, texts), validity: validity)
    }
  }

  /// Whatever identifies the rows.
  ///
  /// - Parameter isRequired: No id is missing; false where a table in pieces would not know.
  static func identifier(_ name: String, _ ids: Column, isRequired: Bool = true) -> OutputColumn {
    OutputColumn(name, ids.type, isRequired: isRequired) { ids.slice($0) }
  }
}

enum ScoreTable {
  /// Rows of a row group: large enough to compress well, small enough to write with little memory. With
  /// twice as many a whole rescoring of 2M customers took 5 % longer, with half as many no less.
  static let chunk = 262_144

  /// What a row group takes while it is encoded: its values and the next one's, and what they are
  /// compressed to.
  static func chunkBytes(columns: Int) -> Int { columns * chunk * 18 }

  /// Writes columns of `rows` rows to a new file.
  ///
  /// While a row group is encoded, the next one's columns are made, and what is in the file already is
  /// hashed.
  ///
  /// - Returns: What the file is; nil unless it `isHashed`.
  @discardableResult
  static func write(
    _ columns: [OutputColumn], rows: Int, to path: String, isHashed: Bool = false,
    workers: Workers, progress: (Int) -> Void = { _ in }
  ) throws -> InputRecord? {
    var options = WriteOptions()
    options.threads = workers.threads
    options.rowGroupRows = chunk
    options.dictionaries = false
    let sink = try TableSink(
      path: path, schema: Schema(fields: columns.map(\.field)), options: options)
    let shards = Shards(rows: rows, rowsPerShard: chunk)
    // The first of the tasks below is the only one to touch the sink, the second the hash.
    nonisolated(unsafe) let writer = sink
    nonisolated(unsafe) var hash = isHashed ? FileHash(path) : nil
    var ready: [Column] = []
    for number in 0...shards.count {
      try workers.cancellation.check()
      let needed = Self.chunkBytes(columns: columns.count)
      if SpillSpace.current?.makeRoom(for: needed) == true { FileMemory.release() }
      let part = ready
      let upcoming = number < shards.count ? shards[number] : 0..<0
      let made = Mutex<[Int: Column]>([:])
      try workers.forEach(2 + (upcoming.isEmpty ? 0 : columns.count)) { task in
        switch task {
        case 0: if !part.isEmpty { try writer.write(part) }
        case 1: try hash?.follow()
        default:
          let column = columns[task - 2].slice(upcoming)
          made.withLock { $0[task - 2] = column }
        }
      }
      let columns = made.withLock { $0 }
      ready = columns.keys.sorted().map { columns[$0]! }
      if number > 0 { progress(shards[number - 1].upperBound) }
    }
    if rows == 0 { try sink.write(columns.map { $0.slice(0..<0) }) }
    try sink.close()
    try hash?.follow()
    return hash?.record
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
