import CArrowBridge

/// An open Parquet or Arrow IPC file: its fields and row groups. Reading is safe on any thread.
final class ArrowFile: @unchecked Sendable {
  enum Format {
    case parquet, ipc, database

    var name: String {
      switch self {
      case .parquet: "Parquet"
      case .ipc: "Arrow IPC"
      case .database: "database"
      }
    }
  }

  /// A field, and whether it holds no value at all (Arrow's null type) and so fits any type.
  struct FileField {
    let field: Field
    let isNull: Bool
  }

  let path: String
  let format: Format
  let fields: [FileField]
  /// Rows of each row group; empty for IPC.
  let groupRows: [Int]
  /// Nil for IPC streams.
  let rows: Int64?
  private let handle: OpaquePointer
  private let owner: AnyObject?
  private let database: DatabaseAddress?

  /// - Parameters:
  ///   - name: What messages call the file; differs from `path` for a spooled stream.
  ///   - owner: Keeps the file at `path` readable.
  init(path: String, format: Format, name: String? = nil, owner: AnyObject? = nil) throws {
    self.path = name ?? path
    self.owner = owner
    self.format = format
    database = nil
    let context = BridgeContext(file: self.path, format: format.name)
    let kind = format == .parquet ? ARROW_BRIDGE_PARQUET : ARROW_BRIDGE_IPC
    let opened = try context.call { arrow_bridge_file_open(path, Int32(kind.rawValue), $0) }
    guard let opened else { preconditionFailure("the bridge opens a file or says why not") }
    handle = opened
    fields = Self.fields(opened)
    groupRows = (0..<arrow_bridge_file_groups(opened)).map {
      Int(arrow_bridge_file_group_rows(opened, $0))
    }
    let counted = arrow_bridge_file_rows(opened)
    rows = counted < 0 ? nil : counted
  }

  /// The result of a query, which only a cursor can read, once. Takes over `handle`.
  init(result handle: OpaquePointer, of address: DatabaseAddress) {
    path = address.name
    owner = nil
    format = .database
    database = address
    self.handle = handle
    fields = Self.fields(handle)
    groupRows = []
    rows = nil
  }

  deinit { arrow_bridge_file_close(handle) }

  private static func fields(_ handle: OpaquePointer) -> [FileField] {
    (0..<arrow_bridge_file_fields(handle)).map { field(arrow_bridge_file_field(handle, $0)) }
  }

  /// What a Parquet file's statistics say of an integer field.
  func integerRange(of field: Int) -> ClosedRange<Int64>? {
    var (low, high): (Int64, Int64) = (0, 0)
    guard arrow_bridge_file_integer_range(handle, Int32(field), &low, &high), low <= high else {
      return nil
    }
    return low...high
  }

  /// Whole row groups with the given fields, decoded on the calling thread.
  func read(groups: Range<Int>, columns: [FileColumn], firstRow: Int64) throws -> [Column] {
    let context = BridgeContext(file: path, format: format.name, firstRow: firstRow)
    let batch = try ImportedBatch { array, schema in
      try withColumns(columns) { selection in
        _ = try groups.map(Int32.init).withUnsafeBufferPointer { list in
          try context.call {
            arrow_bridge_file_read(
              handle, list.baseAddress, Int64(list.count), selection, array, schema, $0)
          }
        }
      }
    }
    return Self.convert(batch, columns)
  }

  /// Reads row groups (Parquet) or the whole file (IPC, no groups) batch after batch.
  ///
  /// - Parameter buffered: Fetches a column bit by bit, so that a huge row group is never held.
  func cursor(
    groups: [Int], columns: [FileColumn], batchRows: Int, buffered: Bool
  ) throws -> Cursor {
    let context = BridgeContext(file: path, format: format.name, database: database)
    let groups = groups.map(Int32.init)
    let opened = try withColumns(columns) { selection in
      try groups.withUnsafeBufferPointer { list in
        try context.call {
          arrow_bridge_cursor_open(
            handle, list.baseAddress, Int64(list.count), selection, Int64(batchRows), buffered, $0)
        }
      }
    }
    guard let opened else { preconditionFailure("the bridge opens a cursor or says why not") }
    return Cursor(handle: opened, file: self, columns: columns)
  }

  /// Batches in file order; one caller at a time.
  final class Cursor {
    private let handle: OpaquePointer
    private let file: ArrowFile
    private let columns: [FileColumn]

    init(handle: OpaquePointer, file: ArrowFile, columns: [FileColumn]) {
      self.handle = handle
      self.file = file
      self.columns = columns
    }

    deinit { arrow_bridge_cursor_close(handle) }

    /// Nil at the end.
    func next(firstRow: Int64) throws -> Batch? {
      let context = BridgeContext(
        file: file.path, format: file.format.name, firstRow: firstRow, database: file.database)
      guard let batch = try context.call({ arrow_bridge_cursor_next(handle, $0) }) else {
        return nil
      }
      return Batch(handle: batch, columns: columns, context: context)
    }
  }

  /// Rows read but not yet normalised; ``decode()`` is safe on any thread.
  final class Batch: @unchecked Sendable {
    private let handle: OpaquePointer
    private let columns: [FileColumn]
    private let context: BridgeContext

    init(handle: OpaquePointer, columns: [FileColumn], context: BridgeContext) {
      self.handle = handle
      self.columns = columns
      self.context = context
    }

    deinit { arrow_bridge_batch_free(handle) }

    var rows: Int { Int(arrow_bridge_batch_rows(handle)) }

    func decode() throws -> [Column] {
      let batch = try ImportedBatch { array, schema in
        _ = try context.call { arrow_bridge_batch_export(handle, array, schema, $0) }
      }
      return ArrowFile.convert(batch, columns)
    }
  }

  private func withColumns<Value>(
    _ columns: [FileColumn], _ body: (ArrowBridgeColumns) throws -> Value
  ) rethrows -> Value {
    try columns.map { Int32($0.index) }.withUnsafeBufferPointer { indices in
      try columns.map(\.asDictionary).withUnsafeBufferPointer { dictionaries in
        try body(
          ArrowBridgeColumns(
            fields: indices.baseAddress, as_dictionary: dictionaries.baseAddress,
            count: Int64(columns.count)))
      }
    }
  }

  private static func convert(_ batch: ImportedBatch, _ columns: [FileColumn]) -> [Column] {
    columns.enumerated().map { position, column in
      if column.isNull { return .missing(column.type, count: batch.rows) }
      return batch.column(position, as: column.stored).widened(to: column.type)
    }
  }

  private static func field(_ bridged: ArrowBridgeField) -> FileField {
    let name = String(cString: bridged.name)
    var unreadable: String?
    let type: ColumnType
    switch ArrowBridgeType(UInt32(bridged.type)) {
    case ARROW_BRIDGE_INT32: type = .int32
    case ARROW_BRIDGE_INT64: type = .int64
    case ARROW_BRIDGE_FLOAT: type = .float
    case ARROW_BRIDGE_DOUBLE: type = .double
    case ARROW_BRIDGE_DATE: type = .date
    case ARROW_BRIDGE_TIMESTAMP:
      type = .timestamp(TimeUnit(rawValue: Int(bridged.unit)) ?? .second, hasZone: bridged.has_zone)
    case ARROW_BRIDGE_DECIMAL:
      type = .decimal(precision: Int(bridged.precision), scale: Int(bridged.scale))
    case ARROW_BRIDGE_STRING, ARROW_BRIDGE_NULL: type = .string
    default:
      type = .string
      unreadable = "columns of type \(String(cString: bridged.type_name))"
    }
    return FileField(
      field: Field(name: name, type: type, unreadable: unreadable),
      isNull: ArrowBridgeType(UInt32(bridged.type)) == ARROW_BRIDGE_NULL)
  }
}

/// A column of one file and what it must become.
struct FileColumn: Sendable {
  /// Field of the file.
  let index: Int
  /// Its type in this file.
  let stored: ColumnType
  let isNull: Bool
  /// The type all files agree on.
  let type: ColumnType
  let asDictionary: Bool
}
