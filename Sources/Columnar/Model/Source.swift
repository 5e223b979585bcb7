/// Rows to read: one or more files of one shape, cut into pieces in file order.
///
/// Cutting is serial and cheap (for compressed text it includes decompression); decoding a piece is
/// the expensive part and any number of pieces decode at once. A piece holds at most about a million
/// rows, so a reader's memory is bounded by the pieces it keeps.
package protocol Source: AnyObject {
  /// All columns of the files. Text files have only `.string` columns: their readers parse them.
  var schema: Schema { get }
  /// The files, in reading order.
  var files: [String] { get }
  /// Rows in all files, where the format says so.
  var rowCount: Int64? { get }
  /// Smallest and largest number of a column of integers, where the files say so; nil where they do
  /// not, and for other columns.
  func integerRange(of column: Int) -> ClosedRange<Int64>?

  /// The next piece of rows with the given columns (indices into `schema`), nil at the end.
  /// One caller at a time.
  func next(columns: [Int]) throws -> Piece?
}

extension Source {
  package func integerRange(of column: Int) -> ClosedRange<Int64>? { nil }
}

/// A run of rows that is still to be decoded.
package struct Piece: Sendable {
  /// Decodes into one batch; safe on any thread, once.
  package let decode: @Sendable () throws -> RecordBatch
  /// How many rows it holds, where the format says so before they are decoded.
  package let rows: Int?
  private let batches: (@Sendable (Int, (RecordBatch) throws -> Void) throws -> Void)?

  package init(rows: Int? = nil, decode: @escaping @Sendable () throws -> RecordBatch) {
    self.rows = rows
    self.decode = decode
    batches = nil
  }

  /// - Parameter batches: Decodes into batches of at most so many rows, in order.
  package init(
    rows: Int? = nil, decode: @escaping @Sendable () throws -> RecordBatch,
    batches: @escaping @Sendable (Int, (RecordBatch) throws -> Void) throws -> Void
  ) {
    self.rows = rows
    self.decode = decode
    self.batches = batches
  }

  /// Decodes bit by bit where the format can: batches that fit a core's cache cost neither memory
  /// nor the time to fetch it. Where it cannot, `body` gets the whole piece.
  package func forEachBatch(rows: Int, _ body: (RecordBatch) throws -> Void) throws {
    if let batches { try batches(rows, body) } else { try body(decode()) }
  }
}
