/// What is wrong with a file that came in or went out: one sentence, a place, a way out.
package struct InputError: Error, Sendable, Hashable {
  package enum Kind: Sendable, Hashable {
    /// The file is not there (exit 66).
    case noInput
    /// The file is there, its content is not usable (65).
    case badData
    /// Not allowed to read or write (77).
    case permission
    /// The output cannot be created (73).
    case cannotCreate
    /// Reading or writing failed half way: disk full, I/O error (74).
    case io
    /// Asked for in a way that contradicts itself (64).
    case usage
    /// A database does not answer (69).
    case unavailable
    /// Someone else is in the way, for now (75).
    case tryAgain
    /// A named source or a driver is not set up (78).
    case configuration
  }

  package var kind: Kind
  /// What is wrong, a clause without a full stop.
  package var message: String
  package var file: String?
  /// 1-based line of a text file, 1-based row of a binary one.
  package var line: Int64?
  package var column: String?
  /// How to fix it, a clause without a full stop.
  package var hint: String?

  package init(
    _ kind: Kind, _ message: String, file: String? = nil, line: Int64? = nil,
    column: String? = nil, hint: String? = nil
  ) {
    self.kind = kind
    self.message = message
    self.file = file
    self.line = line
    self.column = column
    self.hint = hint
  }
}
