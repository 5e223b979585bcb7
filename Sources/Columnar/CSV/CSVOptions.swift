/// How text files are read.
package struct CSVOptions: Sendable {
  package enum Delimiter: Sendable, Hashable {
    /// The one of `,` `;` tab `|` under which the first lines have the same number of fields.
    case automatic
    /// One ASCII byte.
    case byte(UInt8)
    /// Runs of spaces and tabs; those at either end of a line do not count.
    case whitespace
  }

  package enum Header: Sendable, Hashable {
    /// A first row without an empty field, a number or a date names the columns.
    case automatic
    case present, absent
  }

  /// What happens to a row that has the wrong number of fields, a misplaced quote or a field that
  /// is too long. Rows are never dropped in silence.
  package enum RowErrors: Sendable, Hashable {
    /// The first one ends the reading.
    case fail
    /// They are listed in ``RecordBatch/rejected``.
    case collect
  }

  package var delimiter = Delimiter.automatic
  package var header = Header.automatic
  /// Names of all columns, in file order; they take the place of a header's.
  package var columnNames: [String]?
  /// Encloses fields that hold delimiters or line ends; doubled inside. Nil: no quoting.
  package var quote: UInt8? = UInt8(ascii: "\"")
  /// Lines before the header or the first row that are not part of the table.
  package var skippedLines = 0
  /// Lines that start with this byte are left out.
  package var comment: UInt8?
  /// As iconv names it ("windows-1254", "gbk"). Nil is UTF-8, or UTF-16 where a byte order mark
  /// says so.
  package var encoding: String?
  package var maximumFieldBytes = 1 << 20
  /// Texts that mean "no value". A field of spaces only counts as empty.
  package var missing = ["", "NULL", "null", "NA", "N/A", "n/a", "\\N", "-", "NaN", "nan"]
  package var rowErrors = RowErrors.fail
  /// Text read at once; a piece is about as large.
  package var blockBytes = 8 << 20
  /// Decompressed bytes of one file beyond which it is taken for a bomb; 0 is no limit.
  package var decompressedLimit: Int64 = 1 << 42

  package init() {}
}
