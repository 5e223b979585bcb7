/// Columns of any type as the numbers and days that features are made of. A value that cannot be
/// converted is listed, and missing in the result; nothing is thrown and nothing is guessed.
extension Column {
  /// Double values, NaN where missing or failed. Dates become days, timestamps ticks, decimals
  /// units (minor units divided by 10^scale, correctly rounded up to 2^53 minor units).
  package func doubles(
    _ format: DecimalFormat = DecimalFormat(), failures: inout [ConversionFailure]
  ) -> Buffer<Double> {
    switch values {
    case .int32(let values), .date(let values): return doubles(values) { Double($0) }
    case .int64(let values), .timestamp(let values, _, _): return doubles(values) { Double($0) }
    case .float(let values): return doubles(values) { Double($0) }
    case .double(let values): return validity == nil ? values : doubles(values) { $0 }
    case .decimal(let units, _, let scale):
      let power = Self.powerOfTen(scale)
      return doubles(units) { Double($0) / power }
    case .strings, .dictionary:
      return texts(missing: .nan, &failures) { text throws(ParseFailure) in
        try format.double(text)
      }.values
    }
  }

  /// Days since 1970-01-01, as a date column.
  package func days(
    _ format: DateFormat = .iso, failures: inout [ConversionFailure]
  ) -> Column {
    switch values {
    case .date: return self
    case .timestamp(let ticks, let unit, _):
      return numbers(ticks, missing: 0, &failures) { ticks throws(ParseFailure) in
        try DateFormat.days(ofTicks: ticks, unit)
      }.column { .date($0) }
    case .int32(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try format.days(Int64(number))
      }.column { .date($0) }
    case .int64(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try format.days(number)
      }.column { .date($0) }
    case .strings, .dictionary:
      return texts(missing: 0, &failures) { text throws(ParseFailure) in try format.days(text) }
        .column { .date($0) }
    case .float(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try format.days(Self.whole(Double(number)))
      }.column { .date($0) }
    case .double(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try format.days(Self.whole(number))
      }.column { .date($0) }
    case .decimal(let units, _, let scale):
      return numbers(units, missing: 0, &failures) { units throws(ParseFailure) in
        try format.days(Self.rescaled(units, from: scale, to: 0))
      }.column { .date($0) }
    }
  }

  /// Exact minor units at `scale`, as a decimal column of 18 digits. Whole numbers count units (not
  /// minor units); floating point is rounded to the nearest minor unit, halves away from zero.
  package func minorUnits(
    scale: Int, _ format: DecimalFormat = DecimalFormat(), failures: inout [ConversionFailure]
  ) -> Column {
    precondition((0...18).contains(scale))
    func decimal(_ units: Buffer<Int64>) -> ColumnValues {
      .decimal(units, precision: 18, scale: scale)
    }
    let power = Self.powerOfTen(scale)
    switch values {
    case .decimal(let units, _, let known):
      if known == scale { return Column(decimal(units), validity: validity) }
      return numbers(units, missing: 0, &failures) { units throws(ParseFailure) in
        try Self.rescaled(units, from: known, to: scale)
      }.column(decimal)
    case .int32(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try Self.rescaled(Int64(number), from: 0, to: scale)
      }.column(decimal)
    case .int64(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try Self.rescaled(number, from: 0, to: scale)
      }.column(decimal)
    case .float(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try Self.rounded(Double(number) * power)
      }.column(decimal)
    case .double(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { number throws(ParseFailure) in
        try Self.rounded(number * power)
      }.column(decimal)
    case .strings, .dictionary:
      return texts(missing: 0, &failures) { text throws(ParseFailure) in
        try format.minorUnits(text, scale: scale)
      }.column(decimal)
    case .date(let numbers):
      return self.numbers(numbers, missing: 0, &failures) { _ throws(ParseFailure) in
        throw ParseFailure("is a date, not an amount")
      }.column(decimal)
    case .timestamp(let numbers, _, _):
      return self.numbers(numbers, missing: 0, &failures) { _ throws(ParseFailure) in
        throw ParseFailure("is a point in time, not an amount")
      }.column(decimal)
    }
  }

  // MARK: - Rows

  /// Converted values and which of them are there.
  private struct Converted<Value: BitwiseCopyable> {
    let values: Buffer<Value>
    let validity: Validity?

    func column(_ make: (Buffer<Value>) -> ColumnValues) -> Column {
      Column(make(values), validity: validity)
    }
  }

  private func doubles<Value>(
    _ values: Buffer<Value>, _ convert: (Value) -> Double
  ) -> Buffer<Double> {
    guard let validity else { return values.mapped(convert) }
    return Buffer(count: count) { target in
      withExtendedLifetime(values) {
        for row in 0..<count {
          target.initializeElement(
            at: row, to: validity[row] ? convert(values.base[row]) : .nan)
        }
      }
    }
  }

  private func numbers<Value: CustomStringConvertible, Target: BitwiseCopyable>(
    _ values: Buffer<Value>, missing: Target, _ failures: inout [ConversionFailure],
    _ convert: (Value) throws(ParseFailure) -> Target
  ) -> Converted<Target> {
    convertRows(
      missing: missing, &failures, convert: { row throws(ParseFailure) in try convert(values[row]) }
    ) { values[$0].description }
  }

  private func texts<Target: BitwiseCopyable>(
    missing: Target, _ failures: inout [ConversionFailure],
    _ convert: (UnsafeBufferPointer<UInt8>) throws(ParseFailure) -> Target
  ) -> Converted<Target> {
    switch values {
    case .strings(let strings):
      return withExtendedLifetime(strings) {
        convertRows(
          missing: missing, &failures,
          convert: { row throws(ParseFailure) in try convert(strings[row]) }
        ) { ConversionFailure.shortened(strings[$0]) }
      }
    case .dictionary(let codes, let entries):
      // Each distinct text is parsed once.
      let parsed = (0..<entries.count).map { entry -> Result<Target, ParseFailure> in
        Result { () throws(ParseFailure) in try convert(entries[entry]) }
      }
      return convertRows(
        missing: missing, &failures,
        convert: { row throws(ParseFailure) in try parsed[Int(codes[row])].get() }
      ) { ConversionFailure.shortened(entries[Int(codes[$0])]) }
    default: preconditionFailure("only text columns hold texts")
    }
  }

  private func convertRows<Target: BitwiseCopyable>(
    missing: Target, _ failures: inout [ConversionFailure],
    convert: (Int) throws(ParseFailure) -> Target, describe: (Int) -> String
  ) -> Converted<Target> {
    var failed: [Int] = []
    let result = Buffer<Target>(count: count) { target in
      for row in 0..<count {
        guard !isMissing(row) else {
          target.initializeElement(at: row, to: missing)
          continue
        }
        do throws(ParseFailure) {
          target.initializeElement(at: row, to: try convert(row))
        } catch {
          target.initializeElement(at: row, to: missing)
          failed.append(row)
          failures.append(ConversionFailure(row: row, text: describe(row), failure: error))
        }
      }
    }
    guard !failed.isEmpty else { return Converted(values: result, validity: validity) }
    var present = (0..<count).map { !isMissing($0) }
    for row in failed { present[row] = false }
    return Converted(values: result, validity: Validity(present: present))
  }

  // MARK: - Arithmetic

  private static func powerOfTen(_ exponent: Int) -> Double {
    // Exact up to 10^22.
    (0..<exponent).reduce(1.0) { power, _ in power * 10 }
  }

  private static func rescaled(
    _ units: Int64, from scale: Int, to target: Int
  ) throws(ParseFailure) -> Int64 {
    var value = units
    for _ in 0..<max(0, target - scale) {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { throw ParseFailure("does not fit into 64 bits") }
      value = product
    }
    for _ in 0..<max(0, scale - target) {
      guard value % 10 == 0 else {
        throw ParseFailure(
          "has more than \(target) decimals", hint: "declare more decimals for the column")
      }
      value /= 10
    }
    return value
  }

  private static func rounded(_ value: Double) throws(ParseFailure) -> Int64 {
    guard value.isFinite else { throw ParseFailure("is not a finite number") }
    guard let units = Int64(exactly: value.rounded()) else {
      throw ParseFailure("does not fit into 64 bits")
    }
    return units
  }

  private static func whole(_ value: Double) throws(ParseFailure) -> Int64 {
    guard let number = Int64(exactly: value) else { throw ParseFailure("is not a whole number") }
    return number
  }
}
