import CArrowBridge
import Glibc

/// How a table is written.
package struct WriteOptions: Sendable {
  package enum Compression: Sendable, Hashable {
    /// zstd for Parquet, by extension for CSV, none for Arrow IPC.
    case automatic
    case none, gzip, zstd
  }

  package var compression = Compression.automatic
  /// Codec level; nil is the codec's own default.
  package var level: Int?
  /// Rows of a Parquet row group.
  package var rowGroupRows = 1_048_576
  /// Parquet columns encoded at once; the bytes do not depend on it.
  package var threads = 1
  /// Whether Parquet looks for numbers that repeat; it writes faster without, and on all threads:
  /// numbers with their first bytes together, then their second ones and so on, of which zstd makes
  /// less in less time than of the numbers themselves. Texts are looked at in any case.
  package var dictionaries = true
  /// CSV: one ASCII character.
  package var delimiter: Character = ","
  /// CSV: whether the first line names the columns.
  package var header = true
  /// Whether `close` waits until the bytes are on the disk (fsync).
  package var synchronize = false
  /// What the file is, where its extension does not say.
  package var format: FileFormat?

  package init() {}
}

/// Writes columns to a Parquet, Arrow IPC or CSV file, batch after batch.
///
/// Decimals of up to 18 digits are stored as 64-bit integers in Parquet (decimal128 to every reader),
/// dates as date32, timestamps with their unit, texts as UTF-8; CSV follows RFC 4180 with `.` decimals
/// and ISO dates, missing values empty. Text columns take the layout of the first batch.
package final class TableSink {
  package let path: String
  package let schema: Schema
  /// Rows written so far.
  package private(set) var rows: Int64 = 0

  private let context: BridgeContext
  private let options: ArrowBridgeWriterOptions
  private var writer: OpaquePointer?
  private var model: [Column] = []
  private var isClosed = false

  /// Creates (or empties) the file.
  ///
  /// - Throws: ``InputError``: `.cannotCreate` for a missing parent folder or a path that is a
  ///   folder, `.permission`, `.usage` for an extension that names no format.
  package init(path: String, schema: Schema, options: WriteOptions = WriteOptions()) throws {
    precondition(options.rowGroupRows >= 1 && options.threads >= 1)
    self.path = path
    self.schema = schema
    let (format, compression) = try FileFormat.ofOutput(path, options)
    context = BridgeContext(file: path, format: format.name)
    self.options = try Self.bridged(options, format: format, compression: compression, path: path)
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw Self.creationError(errno, path: path) }
    Glibc.close(file)
  }

  /// A sink that was never closed removes its partial file.
  deinit {
    abort()
    arrow_bridge_writer_free(writer)
  }

  /// Appends rows.
  ///
  /// - Parameter columns: One per field of the schema, of its type, all of one length.
  /// - Throws: ``InputError`` `.io` when the disk is full or fails.
  package func write(_ columns: [Column]) throws {
    precondition(!isClosed, "a closed sink takes no rows")
    precondition(columns.map(\.type) == schema.fields.map(\.type), "columns follow the schema")
    guard let count = columns.first?.count, count > 0 else { return }
    precondition(columns.allSatisfy { $0.count == count }, "columns of one batch have one length")
    precondition(
      zip(columns, schema.fields).allSatisfy { $0.validity == nil || !$1.isRequired },
      "a required column has every value")
    let handle = try writer ?? start(like: columns)
    var array = ArrowArray()
    let aligned = zip(columns, model).map { $0.withTextLayout(of: $1) }
    ArrowExport.columns(aligned, rows: count, into: &array)
    _ = try context.call { arrow_bridge_writer_write(handle, &array, $0) }
    rows += Int64(count)
  }

  /// Writes what is left and closes the file; a table without rows is a valid file too.
  package func close() throws {
    guard !isClosed else { return }
    let handle = try writer ?? start(like: schema.fields.map { .missing($0.type, count: 0) })
    isClosed = true
    _ = try context.call { arrow_bridge_writer_close(handle, $0) }
  }

  /// Gives up: removes the partial file. Does nothing after `close`.
  package func abort() {
    guard !isClosed else { return }
    isClosed = true
    arrow_bridge_writer_free(writer)
    writer = nil
    var status = stat()
    // A device or a pipe is not ours to remove.
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG { unlink(path) }
  }

  private func start(like columns: [Column]) throws -> OpaquePointer {
    // Only the layout of the first batch is kept, not its rows.
    model = columns.map { $0.emptyLike }
    var arrowSchema = ArrowSchema()
    ArrowExport.schema(schema.fields, like: model, into: &arrowSchema)
    let opened = try context.call {
      arrow_bridge_writer_open(path, options, &arrowSchema, $0)
    }
    guard let opened else { preconditionFailure("the bridge opens a writer or says why not") }
    writer = opened
    return opened
  }

  private static func bridged(
    _ options: WriteOptions, format: FileFormat, compression: WriteOptions.Compression,
    path: String
  ) throws -> ArrowBridgeWriterOptions {
    guard let delimiter = options.delimiter.asciiValue else {
      throw InputError(.usage, "the delimiter must be one ASCII character", file: path)
    }
    let output =
      switch format {
      case .parquet: ARROW_BRIDGE_WRITE_PARQUET
      case .ipc: ARROW_BRIDGE_WRITE_IPC
      case .csv: ARROW_BRIDGE_WRITE_CSV
      }
    let codec =
      switch compression {
      case .none, .automatic: ARROW_BRIDGE_PLAIN
      case .gzip: ARROW_BRIDGE_GZIP
      case .zstd: ARROW_BRIDGE_ZSTD
      }
    if compression == .gzip, format != .csv {
      throw InputError(
        .usage, "\(format.name) files are not written with gzip", file: path, hint: "use zstd")
    }
    return ArrowBridgeWriterOptions(
      output: Int32(output.rawValue), compression: Int32(codec.rawValue),
      level: options.level.map(Int32.init) ?? Int32.min,
      row_group_rows: Int64(options.rowGroupRows), threads: Int32(options.threads),
      delimiter: CChar(bitPattern: delimiter), header: options.header,
      synchronize: options.synchronize, dictionaries: options.dictionaries)
  }

  private static func creationError(_ code: Int32, path: String) -> InputError {
    let said = String(cString: strerror(code))
    switch code {
    case EACCES, EPERM, EROFS:
      return InputError(.permission, "not allowed to write the file: \(said)", file: path)
    case ENOSPC, EDQUOT, EIO:
      return InputError(.io, "writing failed: \(said)", file: path)
    default:
      return InputError(
        .cannotCreate, "cannot create the file: \(said)", file: path,
        hint: code == ENOENT ? "create its folder first" : nil)
    }
  }
}

extension Column {
  /// No rows, the same type and text layout.
  fileprivate var emptyLike: Column {
    switch values {
    case .strings(let strings): return Column(.strings(strings.emptyLike))
    case .dictionary(_, let entries):
      return Column(.dictionary(codes: Buffer(EmptyCollection()), entries.emptyLike))
    default: return .missing(type, count: 0)
    }
  }
}

extension Strings {
  fileprivate var emptyLike: Strings {
    if case .offsets32 = layout {
      return Strings(
        layout: .offsets32(Buffer(CollectionOfOne(0))), bytes: Buffer(EmptyCollection()))
    }
    return Strings([])
  }
}
