/// Columns of any type as the numbers and days that features are made of. A row without a usable
/// value is listed; nothing is thrown and nothing is guessed.
extension Column {
  /// Double values, NaN where missing. Dates count as days, timestamps as ticks, decimals as minor
  /// units divided by 10^scale (correctly rounded up to 2^53 minor units). Missing rows are not
  /// listed; infinite numbers are.
  package func doubles(_ format: DecimalFormat) -> ParsedColumn<Double> {
    var failures: [ParseFailure] = []
    let values = rawDoubles(format, &failures)
    let infinite = rows(of: values) { $0.isInfinite }
    guard !infinite.isEmpty else {
      return ParsedColumn(values: values, failures: failures.filter { !$0.isMissing })
    }
    let listed = failures.filter { !$0.isMissing } + infinite.map { Self.notFinite($0, values[$0]) }
    return ParsedColumn(values: values, failures: listed.sorted { $0.row < $1.row })
  }

  /// As `doubles`, for columns where every row needs a number: missing rows and NaN are listed too.
  package func finiteDoubles(_ format: DecimalFormat) -> ParsedColumn<Double> {
    var failures: [ParseFailure] = []
    let values = rawDoubles(format, &failures)
    let known = Set(failures.map(\.row))
    let others = rows(of: values) { !$0.isFinite }.filter { !known.contains($0) }
    guard !others.isEmpty else { return ParsedColumn(values: values, failures: failures) }
    failures += others.map {
      isMissing($0)
        ? ParseFailure(row: $0, text: nil, error: nil) : Self.notFinite($0, values[$0])
    }
    return ParsedColumn(values: values, failures: failures.sorted { $0.row < $1.row })
  }

  /// Days since 1970-01-01; all rows without a day are listed. Timestamps are the day they lie in (in
  /// UTC when they have a zone); numbers need a format that says what they count.
  package func days(_ format: DateFormat) -> ParsedColumn<Int32> {
    switch values {
    case .date(let days): ParsedColumn(values: days, failures: missingRows())
    case .timestamp(let ticks, let unit, _):
      numbers(ticks) { ticks throws(ParseError) in try DateFormat.days(ofTicks: ticks, unit) }
    case .int32(let values):
      numbers(values) { number throws(ParseError) in try format.days(Int64(number)) }
    case .int64(let values):
      numbers(values) { number throws(ParseError) in try format.days(number) }
    case .float(let values):
      numbers(values) { number throws(ParseError) in try format.days(Self.whole(Double(number))) }
    case .double(let values):
      numbers(values) { number throws(ParseError) in try format.days(Self.whole(number)) }
    case .decimal(let units, _, let scale):
      numbers(units) { units throws(ParseError) in
        try format.days(Self.rescaled(units, from: scale, to: 0))
      }
    case .strings:
      knownDays(format)
    case .dictionary:
      texts(missing: 0) { text throws(ParseError) in try format.days(text) }
    }
  }

  /// Exact minor units at `scale` (0...18); all rows without an amount are listed. Whole numbers
  /// count units (at scale 0, which leaves them as they are, whatever they mean); floating point is
  /// rounded to the nearest minor unit, halves away from zero.
  package func minorUnits(_ format: DecimalFormat, scale: Int) -> ParsedColumn<Int64> {
    precondition((0...18).contains(scale))
    let power = Self.powerOfTen(scale)
    switch values {
    case .decimal(let units, _, let known):
      if known == scale { return ParsedColumn(values: units, failures: missingRows()) }
      return numbers(units) { units throws(ParseError) in
        try Self.rescaled(units, from: known, to: scale)
      }
    case .int64(let values):
      if scale == 0 { return ParsedColumn(values: values, failures: missingRows()) }
      return numbers(values) { number throws(ParseError) in
        try Self.rescaled(number, from: 0, to: scale)
      }
    case .int32(let values):
      return numbers(values) { number throws(ParseError) in
        try Self.rescaled(Int64(number), from: 0, to: scale)
      }
    case .float(let values):
      return numbers(values) { number throws(ParseError) in
        try Self.rounded(Double(number) * power)
      }
    case .double(let values):
      return numbers(values) { number throws(ParseError) in try Self.rounded(number * power) }
    case .strings, .dictionary:
      let plain = PlainDecimals(format, scale: scale)
      return texts(missing: 0) { text throws(ParseError) in
        if let units = plain.minorUnits(text) { return units }
        return try format.minorUnits(text, scale: scale)
      }
    case .date(let values):
      return numbers(values) { _ throws(ParseError) in
        throw ParseError("is a date, not an amount")
      }
    case .timestamp(let values, _, _):
      return numbers(values) { _ throws(ParseError) in
        throw ParseError("is a point in time, not an amount")
      }
    }
  }

  /// Many rows, few days: a text that was met before is not read again.
  private func knownDays(_ format: DateFormat) -> ParsedColumn<Int32> {
    withUnsafeTemporaryAllocation(of: KnownDays.Entry.self, capacity: KnownDays.count) { entries in
      entries.initialize(repeating: KnownDays.Entry())
      let known = KnownDays(entries: entries.baseAddress!)
      return texts(missing: 0) { text throws(ParseError) in
        guard let key = KnownDays.Key(text) else { return try format.days(text) }
        let entry = known.entry(of: key)
        if entry.pointee.key == key { return entry.pointee.days }
        let days = try format.days(text)
        entry.pointee = KnownDays.Entry(key: key, days: days)
        return days
      }
    }
  }

  // MARK: - Rows

  /// NaN where missing or unreadable. Text columns list both, others nothing.
  private func rawDoubles(
    _ format: DecimalFormat, _ failures: inout [ParseFailure]
  ) -> Buffer<Double> {
    switch values {
    case .int32(let values), .date(let values): return numbersAsDoubles(values) { Double($0) }
    case .int64(let values), .timestamp(let values, _, _):
      return numbersAsDoubles(values) { Double($0) }
    case .float(let values): return numbersAsDoubles(values) { Double($0) }
    case .double(let values): return validity == nil ? values : numbersAsDoubles(values) { $0 }
    case .decimal(let units, _, let scale):
      let power = Self.powerOfTen(scale)
      return numbersAsDoubles(units) { Double($0) / power }
    case .strings, .dictionary:
      let parsed = texts(missing: .nan) { text throws(ParseError) in try format.double(text) }
      failures = parsed.failures
      return parsed.values
    }
  }

  private func numbersAsDoubles<Value>(
    _ values: Buffer<Value>, _ convert: (Value) -> Double
  ) -> Buffer<Double> {
    guard let validity else { return values.mapped(convert) }
    return Buffer(count: count) { target in
      withExtendedLifetime(values) {
        for row in 0..<count {
          target.initializeElement(at: row, to: validity[row] ? convert(values.base[row]) : .nan)
        }
      }
    }
  }

  private func rows(of values: Buffer<Double>, where isWanted: (Double) -> Bool) -> [Int] {
    withExtendedLifetime(values) {
      var rows: [Int] = []
      for row in 0..<values.count where isWanted(values.base[row]) { rows.append(row) }
      return rows
    }
  }

  private static func notFinite(_ row: Int, _ value: Double) -> ParseFailure {
    ParseFailure(
      row: row, text: value.description,
      error: ParseError("is not a finite number", isNotFinite: true))
  }

  private func missingRows() -> [ParseFailure] {
    guard let validity else { return [] }
    var failures: [ParseFailure] = []
    for row in 0..<count where !validity[row] {
      failures.append(ParseFailure(row: row, text: nil, error: nil))
    }
    return failures
  }

  private func numbers<Value: CustomStringConvertible, Target: FixedWidthInteger & BitwiseCopyable>(
    _ values: Buffer<Value>, _ convert: (Value) throws(ParseError) -> Target
  ) -> ParsedColumn<Target> {
    convertRows(
      missing: 0, convert: { row throws(ParseError) in try convert(values[row]) },
      describe: { values[$0].description })
  }

  private func texts<Target: BitwiseCopyable>(
    missing: Target, _ convert: (UnsafeBufferPointer<UInt8>) throws(ParseError) -> Target
  ) -> ParsedColumn<Target> {
    switch values {
    case .strings(let strings):
      var failures: [ParseFailure] = []
      let validity = validity
      let values = Buffer<Target>(count: count) { target in
        let target = target.baseAddress
        strings.forEach { row, text in
          guard let cell = target.map({ $0 + row }) else { return }
          if let validity, !validity[row] {
            cell.initialize(to: missing)
            failures.append(ParseFailure(row: row, text: nil, error: nil))
            return
          }
          do throws(ParseError) {
            cell.initialize(to: try convert(text))
          } catch {
            cell.initialize(to: missing)
            failures.append(
              ParseFailure(row: row, text: ParseFailure.shortened(text), error: error))
          }
        }
      }
      return ParsedColumn(values: values, failures: failures)
    case .dictionary(let codes, let entries):
      // Each distinct text is parsed once.
      let parsed = (0..<entries.count).map { entry -> Result<Target, ParseError> in
        Result { () throws(ParseError) in try convert(entries[entry]) }
      }
      return convertRows(
        missing: missing,
        convert: { row throws(ParseError) in try parsed[Int(codes[row])].get() },
        describe: { ParseFailure.shortened(entries[Int(codes[$0])]) })
    default: preconditionFailure("only text columns hold texts")
    }
  }

  @inline(__always)
  private func convertRows<Target: BitwiseCopyable>(
    missing: Target, convert: (Int) throws(ParseError) -> Target, describe: (Int) -> String
  ) -> ParsedColumn<Target> {
    var failures: [ParseFailure] = []
    let values = Buffer<Target>(count: count) { target in
      for row in 0..<count {
        guard !isMissing(row) else {
          target.initializeElement(at: row, to: missing)
          failures.append(ParseFailure(row: row, text: nil, error: nil))
          continue
        }
        do throws(ParseError) {
          target.initializeElement(at: row, to: try convert(row))
        } catch {
          target.initializeElement(at: row, to: missing)
          failures.append(ParseFailure(row: row, text: describe(row), error: error))
        }
      }
    }
    return ParsedColumn(values: values, failures: failures)
  }

  // MARK: - Arithmetic

  private static func powerOfTen(_ exponent: Int) -> Double {
    // Exact up to 10^22.
    (0..<exponent).reduce(1.0) { power, _ in power * 10 }
  }

  private static func rescaled(
    _ units: Int64, from scale: Int, to target: Int
  ) throws(ParseError) -> Int64 {
    var value = units
    for _ in 0..<max(0, target - scale) {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { throw ParseError("does not fit into 64 bits") }
      value = product
    }
    for _ in 0..<max(0, scale - target) {
      guard value % 10 == 0 else {
        throw ParseError(
          "has more than \(target) decimals", hint: "declare more decimals for the column")
      }
      value /= 10
    }
    return value
  }

  private static func rounded(_ value: Double) throws(ParseError) -> Int64 {
    guard value.isFinite else { throw ParseError("is not a finite number", isNotFinite: true) }
    guard let units = Int64(exactly: value.rounded()) else {
      throw ParseError("does not fit into 64 bits")
    }
    return units
  }

  private static func whole(_ value: Double) throws(ParseError) -> Int64 {
    guard let number = Int64(exactly: value) else { throw ParseError("is not a whole number") }
    return number
  }
}
