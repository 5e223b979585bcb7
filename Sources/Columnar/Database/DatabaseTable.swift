/// A table made anew in one transaction: others see the old one until ``commit()``, and keep it when
/// anything goes wrong before.
///
/// Rows go into a staging table of the same transaction, which at last takes the old one's place. In
/// PostgreSQL rights that others had on the old table are granted on the new one; a view that
/// depends on the old one is a reason to fail.
package final class DatabaseTable {
  package let name: String
  package private(set) var rows: Int64 = 0
  private let connection: DatabaseConnection
  private let address: DatabaseAddress
  private let fields: [Field]
  private let schema: String?
  private let table: String
  private var isCreated = false

  /// Connects; nothing is written yet.
  ///
  /// - Throws: ``InputError``, see ``DatabaseConnection``; `.usage` for an address with a query, or
  ///   of a database other than PostgreSQL and SQLite.
  package init(
    _ address: DatabaseAddress, fields: [Field], settings: DatabaseSettings = DatabaseSettings()
  ) throws {
    let path = try Self.check(address)
    self.address = address
    self.fields = fields
    name = address.name
    table = path[path.count - 1]
    schema = path.count > 1 ? path[0] : nil
    connection = try DatabaseConnection(address, settings: settings, isReading: false)
    try connection.begin()
  }

  /// Whether scores can be written there: that the address is one of a table, and the database
  /// answers.
  package static func probe(
    _ address: DatabaseAddress, settings: DatabaseSettings = DatabaseSettings()
  ) throws {
    _ = try check(address)
    _ = try DatabaseConnection(address, settings: settings, isReading: false)
  }

  private static func check(_ address: DatabaseAddress) throws -> [String] {
    guard case .table(let table) = address.selection else {
      throw InputError(
        .usage, "rows are written to a table, not to a query", file: address.name,
        hint: "add ?table=NAME")
    }
    guard address.dialect != .other else {
      throw InputError(
        .usage, "rows are written to PostgreSQL and SQLite only", file: address.name,
        hint: "load the scores file with the database's own tools")
    }
    let path = table.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard path.count <= 2, !path.contains("") else {
      throw InputError(
        .usage, "the table's name is \"\(table)\"", file: address.name,
        hint: "write table=NAME or table=SCHEMA.NAME")
    }
    return path
  }

  /// Appends rows.
  ///
  /// - Parameter columns: One per field, of its type, all of one length.
  package func write(_ columns: [Column]) throws {
    precondition(columns.map(\.type) == fields.map(\.type), "columns follow the fields")
    let count = columns.first?.count ?? 0
    try connection.ingest(
      columns, fields: fields, rows: count, schema: schema, table: staging, create: !isCreated)
    isCreated = true
    rows += Int64(count)
  }

  /// Puts the new rows in the old ones' place and ends the transaction.
  package func commit() throws {
    precondition(isCreated, "a table has been written before it is committed")
    let (old, new) = (qualified(table), qualified(staging))
    if address.dialect == .postgreSQL { try connection.execute(grants(from: old, to: new)) }
    try connection.execute("DROP TABLE IF EXISTS \(old)")
    try connection.execute("ALTER TABLE \(new) RENAME TO \(DatabaseAddress.quoted(table))")
    try connection.commit()
  }

  private var staging: String { table + "__tranche_new" }

  private func qualified(_ table: String) -> String {
    (schema.map { DatabaseAddress.quoted($0) + "." } ?? "") + DatabaseAddress.quoted(table)
  }

  /// The rights of others on the old table, for the new one.
  private func grants(from old: String, to new: String) -> String {
    func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
    return """
      DO $tranche$ DECLARE held record; BEGIN
      FOR held IN SELECT a.privilege_type, a.grantee, a.is_grantable FROM pg_class c,
        aclexplode(c.relacl) a WHERE c.oid = to_regclass(\(literal(old))) AND a.grantee <> c.relowner
      LOOP EXECUTE format('GRANT %s ON %s TO %s%s', held.privilege_type, \(literal(new)),
        CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END,
        CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
      END LOOP; END $tranche$
      """
  }
}
