import Columnar

/// A column turned into the numbers that are folded.
struct ParsedColumn<Value: BitwiseCopyable & Sendable>: Sendable {
  let values: Buffer<Value>
  /// Missing or failed rows are absent; nil when every row has a value.
  let validity: Validity?
  /// What could not be read, in row order.
  let failures: [ConversionFailure]
}

extension Column {
  /// Days since 1970-01-01.
  func parsedDays(_ format: DateFormat) -> ParsedColumn<Int32> {
    var failures: [ConversionFailure] = []
    let column = days(format, failures: &failures)
    guard case .date(let days) = column.values else {
      preconditionFailure("days are a column of dates")
    }
    return ParsedColumn(values: days, validity: column.validity, failures: failures)
  }

  /// Exact minor units. Integers are minor units already where `scale` says what they mean.
  func parsedMinorUnits(_ format: DecimalFormat, scale: Int) -> ParsedColumn<Int64> {
    var failures: [ConversionFailure] = []
    let isWhole = type == .int32 || type == .int64
    let column = minorUnits(scale: isWhole ? 0 : scale, format, failures: &failures)
    guard case .decimal(let units, _, _) = column.values else {
      preconditionFailure("minor units are a column of decimals")
    }
    return ParsedColumn(values: units, validity: column.validity, failures: failures)
  }

  /// Doubles; NaN and ±∞ are for the caller to refuse.
  func parsedDoubles(_ format: DecimalFormat) -> ParsedColumn<Double> {
    var failures: [ConversionFailure] = []
    let values = doubles(format, failures: &failures)
    return ParsedColumn(values: values, validity: validity, failures: failures)
  }
}
