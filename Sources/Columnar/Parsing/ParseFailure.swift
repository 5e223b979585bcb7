/// Why a text is not the value it should be.
package struct ParseError: Error, Sendable, Hashable {
  /// A clause without a full stop: "is not a number".
  package let reason: String
  /// How to fix it, if there is a way.
  package let hint: String?
  let isNotFinite: Bool
  /// It is a value, but nobody has declared which of two.
  let isAmbiguous: Bool

  package init(
    _ reason: String, hint: String? = nil, isNotFinite: Bool = false, isAmbiguous: Bool = false
  ) {
    self.reason = reason
    self.hint = hint
    self.isNotFinite = isNotFinite
    self.isAmbiguous = isAmbiguous
  }
}

/// A row of a column without a usable value.
package struct ParseFailure: Sendable, Hashable {
  /// Row of the batch.
  package let row: Int
  /// The value as it stands in the file, shortened; nil when it is missing.
  package let text: String?
  /// Why it is not usable; nil when it is missing.
  package let error: ParseError?

  package var isMissing: Bool { error == nil }
  /// A number, but infinite or not a number.
  package var isNotFinite: Bool { error?.isNotFinite ?? false }
  /// Could be read in two ways: a declaration is missing, not a value.
  package var isAmbiguous: Bool { error?.isAmbiguous ?? false }

  /// The failure as a sentence with its place.
  package func error(in batch: RecordBatch, column: String) -> InputError {
    InputError(
      .badData, text.map { "“\($0)” \(error?.reason ?? "is missing")" } ?? "the value is missing",
      file: batch.origin.file, line: batch.origin.place(of: row), column: column,
      hint: error?.hint)
  }

  static func shortened(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    let limit = 80
    let text = String(decoding: bytes.prefix(limit), as: UTF8.self)
    return bytes.count > limit ? text + "…" : text
  }
}

/// A column as values of one type, and the rows that have none.
package struct ParsedColumn<Value: BitwiseCopyable & Sendable>: Sendable {
  /// One value a row; rows that failed hold NaN or 0.
  package let values: Buffer<Value>
  /// In row order.
  package let failures: [ParseFailure]
}
