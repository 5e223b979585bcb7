import Columnar
import Sharding

/// The field's two simple formulas. They know neither retention nor discount, so they overshoot a
/// modelled value; they are shown beside it, never instead.
package enum SimpleValue {
  /// Lifetime income − lifetime cost, customer by customer.
  ///
  /// Exact when every column is exact (integers, decimals): the result is then a decimal column of
  /// the finest scale among them. One column of floating-point numbers makes it a column of doubles.
  /// - Parameters:
  ///   - income: Named columns such as deposit interest, loan interest, fees, referrals.
  ///   - cost: Such as acquisition, marketing, service, maintenance, fraud.
  ///   - missingAsZero: Whether a missing amount counts as none; otherwise it makes the customer's
  ///     value missing.
  /// - Throws: ``SimpleValueError``.
  package static func balance(
    income: [(name: String, column: Column)], cost: [(name: String, column: Column)],
    missingAsZero: Bool = false, workers: Workers
  ) throws -> Column {
    let terms =
      try income.map { try Term($0.name, $0.column, sign: 1) }
      + cost.map { try Term($0.name, $0.column, sign: -1) }
    guard let rows = terms.first?.column.count else { throw SimpleValueError.noColumns }
    precondition(terms.allSatisfy { $0.column.count == rows }, "columns of one base")
    let present = missingAsZero ? nil : presence(terms, rows: rows)
    let scales = terms.compactMap(\.scale)
    guard scales.count == terms.count else {
      let values = try sum(rows, workers) { row in
        terms.reduce(0.0) { $0 + ($1.column.isMissing(row) ? 0 : $1.double(row)) }
      }
      return Column(.double(values), validity: present)
    }
    let scale = scales.max() ?? 0
    let factors = zip(terms, scales).map { $0.sign * Self.powerOfTen(scale - $1) }
    let values: Buffer<Int64> = try sum(rows, workers) { row in
      var total: Int64 = 0
      for (term, factor) in zip(terms, factors) where !term.column.isMissing(row) {
        let (product, tooLarge) = term.integer(row).multipliedReportingOverflow(by: factor)
        let (next, overflow) = total.addingReportingOverflow(product)
        if tooLarge || overflow { throw SimpleValueError.tooLarge(term.name, row: row + 1) }
        total = next
      }
      return total
    }
    return Column(.decimal(values, precision: 18, scale: scale), validity: present)
  }

  /// Parameters of the second formula, for the whole base or for one segment.
  package struct Parameters: Sendable, Codable, Equatable {
    /// Share of the turnover that the bank earns, −1…1.
    package let margin: Double
    /// In the units of the average value.
    package let acquisitionCost: Double
    /// Periods of the frequency in a customer's lifetime: 1 values the window as it is.
    package let periods: Double

    package init(
      margin: Double, acquisitionCost: Double = 0, periods: Double = 1
    ) throws(SimpleValueError) {
      guard abs(margin) <= 1 else { throw .badParameter("margin", margin, "from -1 to 1") }
      guard acquisitionCost >= 0, acquisitionCost.isFinite else {
        throw .badParameter("acquisition cost", acquisitionCost, "0 or more")
      }
      guard periods > 0, periods.isFinite else {
        throw .badParameter("number of periods", periods, "above 0")
      }
      self.margin = margin
      self.acquisitionCost = acquisitionCost
      self.periods = periods
    }

    package init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      try self.init(
        margin: container.decode(Double.self, forKey: .margin),
        acquisitionCost: container.decodeIfPresent(Double.self, forKey: .acquisitionCost) ?? 0,
        periods: container.decodeIfPresent(Double.self, forKey: .periods) ?? 1)
    }
  }

  /// frequency × average value × margin × periods − acquisition cost.
  ///
  /// - Parameters:
  ///   - segments: Index into `parameters` of each row; nil when `parameters` has one element for
  ///     the whole base.
  /// - Returns: NaN where frequency or average value is missing.
  package static func turnover(
    frequency: Buffer<Double>, averageValue: Buffer<Double>, segments: Buffer<Int32>? = nil,
    parameters: [Parameters], workers: Workers
  ) throws -> Buffer<Double> {
    let rows = frequency.count
    precondition(averageValue.count == rows && segments.map { $0.count == rows } ?? true)
    precondition(segments != nil || parameters.count == 1, "one set of parameters for one base")
    return try withExtendedLifetime((frequency, averageValue, segments)) {
      nonisolated(unsafe) let (frequency, averageValue) = (frequency.values, averageValue.values)
      nonisolated(unsafe) let segments = segments?.values
      return try sum(rows, workers) { row in
        let index = segments.map { Int($0[row]) } ?? 0
        guard parameters.indices.contains(index) else {
          throw SimpleValueError.unknownSegment(index, row: row + 1)
        }
        let own = parameters[index]
        return frequency[row] * averageValue[row] * own.margin * own.periods - own.acquisitionCost
      }
    }
  }

  /// One column with its sign in the sum.
  private struct Term: Sendable {
    let name: String
    let column: Column
    let sign: Int64
    /// Digits after the point of an exact column; nil for floating point.
    let scale: Int?

    init(_ name: String, _ column: Column, sign: Int64) throws(SimpleValueError) {
      switch column.values {
      case .int32, .int64: scale = 0
      case .decimal(_, _, let digits):
        guard (0...18).contains(digits) else { throw .notANumber(name) }
        scale = digits
      case .float, .double: scale = nil
      case .date, .timestamp, .strings, .dictionary: throw .notANumber(name)
      }
      self.name = name
      self.column = column
      self.sign = sign
    }

    func integer(_ row: Int) -> Int64 {
      switch column.values {
      case .int32(let values): Int64(values[row])
      case .int64(let values), .decimal(let values, _, _): values[row]
      default: preconditionFailure("not an exact column")
      }
    }

    func double(_ row: Int) -> Double {
      let magnitude: Double =
        switch column.values {
        case .float(let values): Double(values[row])
        case .double(let values): values[row]
        default: Double(integer(row)) / Double(powerOfTen(scale ?? 0))
        }
      return Double(sign) * magnitude
    }
  }

  private static func powerOfTen(_ exponent: Int) -> Int64 {
    (0..<exponent).reduce(1) { power, _ in power * 10 }
  }

  private static func presence(_ terms: [Term], rows: Int) -> Validity? {
    let partial = terms.filter { $0.column.validity != nil }
    guard !partial.isEmpty else { return nil }
    return Validity(
      present: (0..<rows).map { row in partial.allSatisfy { !$0.column.isMissing(row) } })
  }

  private static func sum<Value: BitwiseCopyable>(
    _ rows: Int, _ workers: Workers, _ value: @Sendable (Int) throws -> Value
  ) throws -> Buffer<Value> {
    let shards = Shards(rows: rows, rowsPerShard: 1 << 16)
    return try Buffer(count: rows) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        for row in shards[shard] { target.initializeElement(at: row, to: try value(row)) }
      }
    }
  }
}

package enum SimpleValueError: Error, Sendable, CustomStringConvertible {
  case noColumns
  case notANumber(String)
  case tooLarge(String, row: Int)
  case unknownSegment(Int, row: Int)
  case badParameter(String, Double, String)

  package var description: String {
    switch self {
    case .noColumns:
      "The simple value needs at least one income or cost column: name one in the configuration."
    case .notANumber(let name):
      "The column '\(name)' holds no amounts, so it cannot be part of a customer's value."
    case .tooLarge(let name, let row):
      "The value of row \(row) does not fit into 18 digits once '\(name)' is added: check its unit."
    case .unknownSegment(let segment, let row):
      "Row \(row) belongs to segment \(segment), which has no value parameters: add them."
    case .badParameter(let name, let value, let allowed):
      "The \(name) of the simple value cannot be \(value): allowed is \(allowed)."
    }
  }
}
