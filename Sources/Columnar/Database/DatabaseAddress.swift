import Foundation

/// Where rows are in a database, from what a person writes: `postgresql://user@host/bank?table=…`,
/// `postgresql://…?query=SELECT…`, `sqlite:///path/bank.db?table=…`, or `source:NAME` of the
/// configuration.
///
/// `query` and `table` are ours; every other parameter is the driver's. Queries may be
/// percent-encoded, and must be where they hold `&` or `#`.
package struct DatabaseAddress: Sendable, Equatable {
  package enum Dialect: Sendable, Equatable {
    case postgreSQL, sqlite
    /// Whatever the driver speaks.
    case other
  }

  package enum Selection: Sendable, Equatable {
    case query(String)
    /// `table` or `schema.table`.
    case table(String)
  }

  package let dialect: Dialect
  /// Name of the driver ("postgresql"), or path of its library.
  package let driver: String
  /// The driver's init function; nil: `AdbcDriverInit`.
  package let entry: String?
  /// What the driver is told, in order.
  package let options: [Option]
  package let selection: Selection
  /// What messages and manifests call it; no secrets.
  package let name: String
  /// Never to be shown: passwords and the like.
  let secrets: [String]

  package struct Option: Sendable, Equatable {
    package let key: String
    package let value: String
  }

  private static let schemes: [(prefix: String, dialect: Dialect)] = [
    ("postgresql://", .postgreSQL), ("postgres://", .postgreSQL), ("sqlite:", .sqlite),
    ("source:", .other),
  ]

  /// Whether `input` names a database rather than files.
  package static func isDatabase(_ input: String) -> Bool {
    schemes.contains { input.hasPrefix($0.prefix) }
  }

  /// - Parameter settings: Named sources.
  /// - Throws: ``InputError`` `.usage` for an address without a query or table, `.configuration` for
  ///   a name that the configuration does not have.
  package init(_ input: String, settings: DatabaseSettings = DatabaseSettings()) throws {
    guard input.hasPrefix("source:") else {
      try self.init(address: input)
      return
    }
    try self.init(named: String(input.dropFirst("source:".count)), settings)
  }

  private init(address input: String) throws {
    guard let scheme = Self.schemes.first(where: { input.hasPrefix($0.prefix) }) else {
      preconditionFailure("files are told from databases before")
    }
    let parts = Parameters(input)
    let shown = Self.redacted(parts.base)
    switch (parts.query, parts.table) {
    case (let query?, nil) where !query.isEmpty:
      selection = .query(query)
      name = shown + "?query"
    case (nil, let table?) where !table.isEmpty:
      selection = .table(table)
      name = shown + "?table=" + table
    case (_?, _?):
      throw InputError(
        .usage, "the address has both a query and a table", file: shown, hint: "give one of them")
    default:
      throw InputError(
        .usage, "the address does not say which rows", file: shown,
        hint: "add ?table=NAME or ?query=SELECT…")
    }
    dialect = scheme.dialect
    driver = scheme.dialect == .sqlite ? "sqlite" : "postgresql"
    entry = nil
    secrets = Self.secrets(in: input)
    options = [
      Option(
        key: "uri",
        value: scheme.dialect == .sqlite
          ? try Self.sqlitePath(parts.base) : Self.postgreSQL(parts.base, parts.others))
    ]
  }

  private init(named name: String, _ settings: DatabaseSettings) throws {
    guard let source = settings.sources[name] else {
      let known = settings.sources.keys.sorted().joined(separator: ", ")
      throw InputError(
        .configuration, "there is no source \"\(name)\" in the configuration",
        hint: known.isEmpty
          ? "write [sources.\(name)] with driver, uri and query" : "there are \(known)")
    }
    let place = "sources.\(name)"
    if let uri = source.uri, Self.isDatabase(uri), source.driver == nil {
      // A plain address with a name: what the configuration adds is written behind it.
      var address = uri
      let separator = { address.contains("?") ? "&" : "?" }
      if let query = source.query { address += separator() + "query=" + Self.encoded(query) }
      if let table = source.table { address += separator() + "table=" + Self.encoded(table) }
      guard !uri.hasPrefix("source:") else {
        throw InputError(
          .configuration, "\(place) names another source", hint: "give it the address itself")
      }
      let plain = try DatabaseAddress(address: address)
      dialect = plain.dialect
      (driver, entry) = (plain.driver, plain.entry)
      options = plain.options + source.options
      selection = plain.selection
      secrets = plain.secrets + source.secrets
    } else {
      guard let driver = source.driver else {
        throw InputError(
          .configuration, "\(place) has no driver",
          hint: "name the driver, such as snowflake, or the path of its library")
      }
      switch (source.query, source.table) {
      case (let query?, nil): selection = .query(query)
      case (nil, let table?): selection = .table(table)
      default:
        throw InputError(
          .configuration, "\(place) needs a query or a table", hint: "give one of them")
      }
      self.driver = driver
      dialect =
        driver.contains("postgresql") ? .postgreSQL : driver.contains("sqlite") ? .sqlite : .other
      entry = source.entry
      options = (source.uri.map { [Option(key: "uri", value: $0)] } ?? []) + source.options
      secrets = source.secrets + (source.uri.map(Self.secrets(in:)) ?? [])
    }
    self.name = "source:\(name)"
  }

  /// The statement that reads the rows.
  ///
  /// - Parameter columns: Of a table, the fields wanted; nil for all, as they are.
  func sql(columns: [Field]? = nil) -> String {
    switch selection {
    case .query(let query):
      // Drivers put it inside another statement.
      var text = query[...]
      while let last = text.last, last == ";" || last.isWhitespace { text = text.dropLast() }
      return String(text)
    case .table(let table):
      let list = columns.map { $0.map(Self.expression).joined(separator: ", ") } ?? "*"
      return "SELECT \(list) FROM \(Self.quotedTable(table))"
    }
  }

  /// What arrives as text is best made text by the server: its driver takes longer over a numeric
  /// than the server and all the rest.
  private static func expression(_ field: Field) -> String {
    let name = quoted(field.name)
    return field.type == .string ? "\(name)::text AS \(name)" : name
  }

  /// As the manifest records it.
  package var statement: String { sql() }

  /// A message of the driver without what must not be shown.
  func scrubbed(_ text: String) -> String {
    secrets.sorted { $0.count > $1.count }.reduce(text) { $0.replacing($1, with: "***") }
  }
}

// MARK: - SQL names

extension DatabaseAddress {
  static func quoted(_ identifier: String) -> String {
    "\"" + identifier.replacing("\"", with: "\"\"") + "\""
  }

  static func quotedTable(_ table: String) -> String {
    table.split(separator: ".", omittingEmptySubsequences: false).map { quoted(String($0)) }
      .joined(separator: ".")
  }
}

// MARK: - Parts of an address

extension DatabaseAddress {
  /// An address cut at its `?` and `&`s, percent-decoded where it is ours.
  private struct Parameters {
    /// Before the `?`.
    let base: Substring
    var query: String?
    var table: String?
    /// As written.
    var others: [Substring] = []

    init(_ input: String) {
      let cut = input.firstIndex(of: "?") ?? input.endIndex
      base = input[..<cut]
      for parameter in input[cut...].dropFirst().split(separator: "&") {
        if parameter.hasPrefix("query=") {
          query = DatabaseAddress.decoded(parameter.dropFirst(6))
        } else if parameter.hasPrefix("table=") {
          table = DatabaseAddress.decoded(parameter.dropFirst(6))
        } else {
          others.append(parameter)
        }
      }
    }
  }

  /// Percent signs that encode nothing stand for themselves, as in `LIKE 'a%'`.
  private static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(2).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
      if byte == UInt8(ascii: "%"), digits.count == 2 {
        bytes.append(UInt8(digits[0] * 16 + digits[1]))
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func encoded(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
  }

  /// Texts arrive as UTF-8, whatever the database's encoding.
  private static func postgreSQL(_ base: Substring, _ others: [Substring]) -> String {
    let declared = others.contains { $0.hasPrefix("client_encoding=") }
    let parameters = others.map(String.init) + (declared ? [] : ["client_encoding=UTF8"])
    return base + "?" + parameters.joined(separator: "&")
  }

  /// `sqlite:///path` is absolute, `sqlite:path` relative.
  private static func sqlitePath(_ base: Substring) throws -> String {
    var path = base.dropFirst("sqlite:".count)
    if path.hasPrefix("//") { path = path.dropFirst(2) }
    let decoded = decoded(path)
    guard !decoded.isEmpty, decoded != "/" else {
      throw InputError(
        .usage, "the address names no file", file: String(base),
        hint: "write sqlite:///path/bank.db?table=NAME")
    }
    return decoded
  }
}

// MARK: - Secrets

extension DatabaseAddress {
  private static let secretWords = ["pass", "pwd", "secret", "token", "key", "credential", "jwt"]

  static func isSecret(_ key: String) -> Bool {
    let key = key.lowercased()
    return secretWords.contains { key.contains($0) }
  }

  /// An address as it may be shown: passwords are `***`. Other texts come back as they are.
  package static func redacted(_ text: some StringProtocol) -> String {
    secrets(in: text).sorted { $0.count > $1.count }.reduce(String(text)) {
      $0.replacing($1, with: "***")
    }
  }

  /// What an address holds that must not be shown, as written and decoded.
  private static func secrets(in text: some StringProtocol) -> [String] {
    let text = String(text)
    guard let scheme = text.range(of: "://") else { return [] }
    let cut = text[scheme.upperBound...].firstIndex(of: "?") ?? text.endIndex
    let authority = text[scheme.upperBound..<cut]
    var found: [Substring] = []
    if let at = authority.lastIndex(of: "@") {
      // Up to the last @: a password may hold one that should have been encoded.
      if let colon = authority[..<at].firstIndex(of: ":") {
        found.append(authority[authority.index(after: colon)..<at])
      }
    } else if let colon = authority.firstIndex(of: ":") {
      // A port, or a password cut off by a ? that should have been encoded.
      let rest = authority[authority.index(after: colon)...]
      if !rest.prefix(while: { $0 != "/" && $0 != "," }).allSatisfy(\.isNumber) {
        found.append(text[authority.index(after: colon)...].prefix { $0 != "@" })
      }
    }
    for parameter in text[cut...].dropFirst().split(separator: "&") {
      guard let equals = parameter.firstIndex(of: "=") else { continue }
      if isSecret(String(parameter[..<equals])), !parameter.hasPrefix("query=") {
        found.append(parameter[parameter.index(after: equals)...])
      }
    }
    return found.filter { !$0.isEmpty }.flatMap { [String($0), decoded($0)] }
  }
}

/// What the configuration knows of databases.
package struct DatabaseSettings: Sendable {
  /// `[sources.NAME]`.
  package struct NamedSource: Sendable {
    package var driver: String?
    package var entry: String?
    package var uri: String?
    package var query: String?
    package var table: String?
    package var options: [DatabaseAddress.Option] = []

    package init() {}

    /// Values that must not be shown.
    var secrets: [String] {
      options.filter { DatabaseAddress.isSecret($0.key) && !$0.value.isEmpty }.map(\.value)
    }
  }

  package var sources: [String: NamedSource] = [:]
  /// Folder of driver libraries, looked at first.
  package var driverFolder: String?

  package init() {}
}

extension DatabaseAddress.Option {
  package init(_ key: String, _ value: String) {
    self.init(key: key, value: value)
  }

  package var shownValue: String { DatabaseAddress.isSecret(key) ? "***" : value }
}
