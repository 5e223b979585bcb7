import Columnar
import Sharding

/// What time is counted in: of the summary, the parameters and the horizons alike.
package enum PurchaseTimeUnit: String, Codable, Sendable, CaseIterable {
  case days, weeks

  package var days: Double { self == .days ? 1 : 7 }
  /// A twelfth of a Julian year.
  package var month: Double { 365.25 / 12 / days }
}

/// What buy-till-you-die models know of each customer, one column each.
///
/// "Recency" here is the time from first to last purchase, not RFM's time since the last one.
package struct PurchaseSummary: Sendable {
  package let timeUnit: PurchaseTimeUnit
  /// x: days with a purchase after the first one.
  package let repeats: Buffer<Int32>
  /// t_x: last − first purchase.
  package let recency: Buffer<Double>
  /// T: end of observation − first purchase.
  package let age: Buffer<Double>
  /// m: mean spend per repeat purchase; 0 where there is none, `nil` where spend is unknown.
  package let meanSpend: Buffer<Double>?

  package var count: Int { repeats.count }

  /// - Throws: ``PurchaseSummaryError`` with the first row that no history can have.
  package init(
    timeUnit: PurchaseTimeUnit, repeats: Buffer<Int32>, recency: Buffer<Double>,
    age: Buffer<Double>,
    meanSpend: Buffer<Double>? = nil, workers: Workers = Workers(threads: 1)
  ) throws {
    precondition(repeats.count == recency.count && repeats.count == age.count)
    precondition(meanSpend.map { $0.count == repeats.count } ?? true, "columns of one base")
    guard repeats.count < Int(UInt32.max) else { throw PurchaseSummaryError.tooManyCustomers }
    self.timeUnit = timeUnit
    self.repeats = repeats
    self.recency = recency
    self.age = age
    self.meanSpend = meanSpend
    let shards = Shards(rows: count, rowsPerShard: 1 << 18)
    let summary = self
    try workers.forEach(shards.count) { try summary.check(shards[$0]) }
  }

  /// One comparison chain for the good rows; the first bad one is looked at again for its words.
  private func check(_ rows: Range<Int>) throws {
    let bad = withExtendedLifetime((repeats, recency, age, meanSpend)) { () -> Int? in
      let (x, last, end, money) = (repeats.base, recency.base, age.base, meanSpend?.base)
      return rows.first { row in
        let time = x[row] >= 0 && last[row] >= 0 && last[row] <= end[row] && end[row] < .infinity
        let spend = money.map { abs($0[row]) < .infinity } ?? true
        return !(time && spend && (x[row] > 0 || last[row] == 0))
      }
    }
    guard let row = bad else { return }
    let problem = Self.problem(
      repeats: repeats[row], recency: recency[row], age: age[row], meanSpend: meanSpend?[row])
    throw PurchaseSummaryError.impossible(row: row + 1, problem ?? "it is not a number")
  }

  /// Why no history can look like this, or `nil`; a caller may set such rows aside.
  package static func problem(
    repeats: Int32, recency: Double, age: Double, meanSpend: Double? = nil
  ) -> String? {
    if repeats < 0 { return "x = \(repeats) is negative" }
    return fault(
      repeats: Double(repeats), recency: recency, age: age, meanSpend: meanSpend)?.problem
  }

  /// As `problem`, of numbers as a file holds them, with the column that is to blame.
  package static func fault(
    repeats: Double, recency: Double, age: Double, meanSpend: Double? = nil
  ) -> (column: String, problem: String)? {
    if !(repeats >= 0) { return ("x", "x = \(repeats) is negative or missing") }
    if repeats != repeats.rounded() || repeats > Double(Int32.max) {
      return ("x", "x = \(repeats) is not a whole number of repeat purchases")
    }
    if !(recency >= 0 && recency.isFinite) { return ("t_x", "t_x = \(recency) is not a time") }
    if !(age >= 0 && age.isFinite) { return ("T", "T = \(age) is not a time") }
    if recency > age {
      return ("t_x", "t_x = \(recency) is after the end of observation, T = \(age)")
    }
    if repeats == 0 && recency > 0 {
      return ("t_x", "t_x = \(recency) without a repeat purchase (x = 0)")
    }
    if let meanSpend, !meanSpend.isFinite { return ("m", "m = \(meanSpend) is not an amount") }
    return nil
  }

  /// Some customers, in the order of `rows`.
  package func selecting(_ rows: Buffer<Int32>, workers: Workers) throws -> PurchaseSummary {
    func some<Value: BitwiseCopyable & Sendable>(_ column: Buffer<Value>) -> Buffer<Value> {
      Buffer(rows.values.map { column[Int($0)] })
    }
    return try PurchaseSummary(
      timeUnit: timeUnit, repeats: some(repeats), recency: some(recency), age: some(age),
      meanSpend: meanSpend.map(some), workers: workers)
  }
}

package enum PurchaseSummaryError: Error, CustomStringConvertible {
  case impossible(row: Int, String)
  case tooManyCustomers

  package var description: String {
    switch self {
    case .impossible(let row, let problem):
      "Row \(row) of the purchase summary cannot be: \(problem). Correct or remove that row."
    case .tooManyCustomers:
      "A purchase summary holds at most 4,294,967,294 customers; split the base."
    }
  }
}
