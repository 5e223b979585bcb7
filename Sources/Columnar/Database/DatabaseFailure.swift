/// What a database said, as one sentence with a way out.
enum DatabaseFailure {
  /// - Parameters:
  ///   - status: ADBC's status code.
  ///   - sqlState: Five letters (SQL standard, PostgreSQL appendix A), or empty.
  static func error(
    _ message: String, status: Int, sqlState: String, address: DatabaseAddress
  ) -> InputError {
    let said = address.scrubbed(plain(message))
    let (kind, clause, hint) = meaning(said, status: status, sqlState: sqlState)
    return InputError(kind, "\(clause): \(said)", file: address.name, hint: hint)
  }

  private typealias Meaning = (kind: InputError.Kind, clause: String, hint: String)

  private static let refusedLogin: Meaning = (
    .permission, "the database refuses the login",
    "check the user and the password (PGPASSWORD, or ~/.pgpass)"
  )
  private static let notAllowed: Meaning = (
    .permission, "the database does not allow it", "ask for the rights"
  )
  private static let absent: Meaning = (
    .noInput, "the database does not have it", "check the names of the database and the table"
  )
  private static let wrongQuery: Meaning = (
    .usage, "the database refuses the query", "correct the query or the address"
  )
  private static let badRows: Meaning = (
    .badData, "the rows cannot be read", "correct the rows, or convert them in the query"
  )
  private static let noDatabase: Meaning = (
    .badData, "the file cannot be read", "check that it is an undamaged SQLite database"
  )
  private static let mixedTypes: Meaning = (
    .badData, "a column has values of several types",
    "give it one in the query, such as CAST(amount AS TEXT)"
  )
  private static let busy: Meaning = (
    .tryAgain, "the database is busy", "try again later"
  )
  private static let full: Meaning = (
    .io, "the database cannot store it", "check the space on the server's disk"
  )
  private static let exists: Meaning = (
    .cannotCreate, "the table cannot be made", "see whether another run is writing it"
  )
  private static let heldOn: Meaning = (
    .cannotCreate, "the table cannot be replaced", "drop what depends on it, or name another table"
  )
  private static let away: Meaning = (
    .unavailable, "the database cannot be reached", "check the address and that the server runs"
  )

  private static func meaning(_ said: String, status: Int, sqlState: String) -> Meaning {
    if let known = bySQLState(sqlState) { return known }
    for (words, meaning) in byWords where words.contains(where: said.contains) { return meaning }
    switch status {
    case 3: return absent
    case 4: return exists
    case 5: return wrongQuery
    case 7, 8: return badRows
    case 13, 14: return refusedLogin
    default: return away
    }
  }

  private static func bySQLState(_ state: String) -> Meaning? {
    switch state {
    case "42P01", "3D000", "3F000": return absent
    case "42501": return notAllowed
    case "42P07", "23505": return exists
    case "2BP01": return heldOn
    case "57014": return (.unavailable, "the database ended the query", "ask for less, or later")
    case "55006": return busy
    default: break
    }
    switch state.prefix(2) {
    case "28": return refusedLogin
    case "42", "0A", "25": return wrongQuery
    case "22", "23": return badRows
    case "40", "55": return busy
    case "53": return state == "53100" ? full : busy
    case "08", "57": return away
    default: return nil
    }
  }

  /// Where there is no SQL state: logins of PostgreSQL, and SQLite.
  private static let byWords: [(words: [String], meaning: Meaning)] = [
    (
      [
        "password authentication failed", "no password supplied", "no pg_hba.conf entry",
        "authentication failed", "role \"",
      ], refusedLogin
    ),
    (["no such table", "does not exist", "unable to open database file"], absent),
    (
      [
        "no such column", "syntax error", "invalid URI", "invalid connection option",
        "missing \"=\"", "value: \"",
      ], wrongQuery
    ),
    (["starting up", "too many clients", "remaining connection slots", "is locked"], busy),
    (["not a database", "malformed"], noDatabase),
    (["Type mismatch"], mixedTypes),
    (["nvalid UTF8"], badRows),
    (["readonly database", "permission denied"], notAllowed),
    (["database or disk is full"], full),
    (["already exists"], exists),
  ]

  /// Without the layers that drivers wrap around what the server says.
  private static func plain(_ message: String) -> String {
    var text = message[...]
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      text = text[text.index(after: end)...].drop { $0 == " " }
    }
    for layer in ["ERROR:", "FATAL:", "Failed to connect:", "Failed to prepare query:"] {
      if let range = text.range(of: layer) { text = text[range.upperBound...] }
    }
    return String(text.drop { $0 == " " })
  }
}
