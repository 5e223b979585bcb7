/// Why a text is not the value it should be.
package struct ParseFailure: Error, Sendable, Hashable {
  /// A clause without a full stop: "is not a number".
  package let reason: String
  /// How to fix it, if there is a way.
  package let hint: String?

  package init(_ reason: String, hint: String? = nil) {
    self.reason = reason
    self.hint = hint
  }
}

/// A value of a column that could not be converted.
package struct ConversionFailure: Sendable, Hashable {
  /// Row of the batch.
  package let row: Int
  /// The value as it stands in the file, shortened.
  package let text: String
  package let failure: ParseFailure

  package init(row: Int, text: String, failure: ParseFailure) {
    self.row = row
    self.text = text
    self.failure = failure
  }

  /// The failure as a sentence with its place.
  package func error(in batch: RecordBatch, column: String) -> InputError {
    InputError(
      .badData, "“\(text)” \(failure.reason)", file: batch.origin.file,
      line: batch.origin.place(of: row), column: column, hint: failure.hint)
  }

  static func shortened(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    let limit = 80
    let text = String(decoding: bytes.prefix(limit), as: UTF8.self)
    return bytes.count > limit ? text + "…" : text
  }
}
