import CArrowBridge

/// What a bridge call was about, for the sentence when it fails.
struct BridgeContext {
  let file: String
  /// "Parquet", "Arrow IPC", "gzip" …
  let format: String
  /// Rows of the file before those the call reads; nil where rows mean nothing.
  var firstRow: Int64? = nil
  /// Where the rows come from or go, when that is no file.
  var database: DatabaseAddress? = nil

  /// Runs a bridge call and turns its error into an ``InputError``.
  func call<Value>(_ body: (UnsafeMutablePointer<ArrowBridgeError>) -> Value) throws -> Value {
    var failure = ArrowBridgeError()
    let value = body(&failure)
    guard failure.kind != 0 else { return value }
    defer { arrow_bridge_error_release(&failure) }
    throw error(from: failure)
  }

  private func error(from failure: ArrowBridgeError) -> InputError {
    let said = failure.message.map { String(cString: $0) } ?? "unknown failure"
    if let database, ArrowBridgeErrorKind(UInt32(failure.kind)) == ARROW_BRIDGE_DATABASE {
      let state = withUnsafeBytes(of: failure.sqlstate) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      return DatabaseFailure.error(
        said, status: Int(failure.status), sqlState: state, address: database)
    }
    var error =
      switch ArrowBridgeErrorKind(UInt32(failure.kind)) {
      case ARROW_BRIDGE_NOT_FOUND: InputError(.noInput, "cannot open the file: \(said)")
      case ARROW_BRIDGE_PERMISSION: InputError(.permission, "no access to the file: \(said)")
      case ARROW_BRIDGE_UNSUPPORTED:
        InputError(
          .badData, "\(said) are not supported",
          hint: failure.column == nil ? nil : "leave the column out or write it as a plain type")
      case ARROW_BRIDGE_IO: InputError(.io, "reading or writing failed: \(said)")
      case ARROW_BRIDGE_OUT_OF_MEMORY: InputError(.io, "not enough memory: \(said)")
      case ARROW_BRIDGE_DRIVER: InputError(.configuration, said)
      case ARROW_BRIDGE_CANNOT_CREATE: InputError(.cannotCreate, "cannot create the file: \(said)")
      default: InputError(.badData, "the \(format) data cannot be read: \(said)")
      }
    error.file = file
    error.column = failure.column.map { String(cString: $0) }
    if failure.row >= 0, let firstRow { error.line = firstRow + failure.row + 1 }
    if failure.row >= 0 { error.message = said }
    return error
  }
}
