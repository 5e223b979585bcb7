import CArrowBridge
import Foundation

/// An open connection; one caller at a time. What was not committed is undone when it goes.
final class DatabaseConnection {
  let address: DatabaseAddress
  private let handle: OpaquePointer

  /// - Parameter isReading: Whether the database must be there already, and stays as it is.
  /// - Throws: ``InputError``: `.configuration` without a driver, `.unavailable` for a server that
  ///   does not answer, `.permission` for a login it refuses, `.noInput` for a database it lacks.
  init(_ address: DatabaseAddress, settings: DatabaseSettings, isReading: Bool) throws {
    self.address = address
    var options = address.options
    if address.dialect == .sqlite { options = try Self.sqlite(options, address, isReading) }
    let library = try DatabaseDriver.library(address.driver, settings: settings)
    let opened = try Self.call(address, library) { error in
      withStrings(options.flatMap { [$0.key, $0.value] }) {
        arrow_bridge_database_open(library, address.entry, $0, Int64(options.count), error)
      }
    }
    guard let opened else { preconditionFailure("the bridge opens a database or says why not") }
    handle = opened
  }

  deinit { arrow_bridge_database_close(handle) }

  func execute(_ sql: String) throws {
    _ = try Self.call(address) { arrow_bridge_database_execute(handle, sql, $0) }
  }

  /// The rows of a statement, to be read once.
  func query(_ sql: String, options: [DatabaseAddress.Option] = []) throws -> ArrowFile {
    let result = try Self.call(address) { error in
      withStrings(options.flatMap { [$0.key, $0.value] }) {
        arrow_bridge_database_query(handle, sql, $0, Int64(options.count), error)
      }
    }
    guard let result else { preconditionFailure("the bridge runs a query or says why not") }
    return ArrowFile(result: result, of: address)
  }

  func begin() throws { _ = try Self.call(address) { arrow_bridge_database_begin(handle, $0) } }

  func commit() throws { _ = try Self.call(address) { arrow_bridge_database_commit(handle, $0) } }

  /// Appends rows to a table, which is made first when `create`.
  func ingest(
    _ columns: [Column], fields: [Field], rows: Int, schema: String?, table: String, create: Bool
  ) throws {
    var array = ArrowArray()
    var types = ArrowSchema()
    ArrowExport.columns(columns, rows: rows, into: &array)
    ArrowExport.schema(fields, like: columns, into: &types)
    _ = try Self.call(address) {
      arrow_bridge_database_ingest(handle, schema, table, create, &array, &types, $0)
    }
  }

  private static func call<Value>(
    _ address: DatabaseAddress, _ library: String = "",
    _ body: (UnsafeMutablePointer<ArrowBridgeError>) -> Value
  ) throws -> Value {
    let context = BridgeContext(file: address.name, format: "database", database: address)
    do {
      return try context.call(body)
    } catch let error as InputError where error.kind == .configuration {
      throw DatabaseDriver.missing(address.driver, library, said: error.message)
    }
  }

  /// SQLite creates what is not there; a reader must not.
  private static func sqlite(
    _ options: [DatabaseAddress.Option], _ address: DatabaseAddress, _ isReading: Bool
  ) throws -> [DatabaseAddress.Option] {
    try options.map { option in
      guard option.key == "uri", !option.value.hasPrefix("file:") else { return option }
      let path = option.value
      if isReading {
        guard access(path, F_OK) == 0 else {
          throw InputError(.noInput, "the database file does not exist", file: address.name)
        }
        guard access(path, R_OK) == 0 else {
          throw InputError(.permission, "not allowed to read the database", file: address.name)
        }
      } else {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard access(folder, F_OK) == 0 else {
          throw InputError(
            .cannotCreate, "cannot create the database file", file: address.name,
            hint: "create its folder first")
        }
      }
      let allowed = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "/._-"))
      let encoded = path.addingPercentEncoding(withAllowedCharacters: allowed) ?? path
      return DatabaseAddress.Option("uri", "file:\(encoded)" + (isReading ? "?mode=ro" : ""))
    }
  }
}

/// C strings that live during `body`.
private func withStrings<Value>(
  _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Value
) -> Value {
  let copies = texts.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  let pointers = copies.map { $0.map { UnsafePointer($0) } }
  return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
}
