import Columnar
import Features
import Sharding

/// A base as it was known some days before as-of: nothing younger is looked at.
package struct PurchaseSnapshot: Sendable {
  /// Days before as-of; 0 is as-of itself.
  package let age: Int
  /// The base's, or of the customers drawn from it only.
  package let purchases: CustomerPurchases
  /// Rows of these, ascending: the customers with a purchase by then.
  package let rows: Buffer<Int32>
  package let summary: PurchaseSummary

  /// - Parameter limit: With more customers than this, every n-th is taken.
  package init(
    _ purchases: CustomerPurchases, age: Int, unit: PurchaseTimeUnit, limit: Int = .max,
    workers: Workers
  ) throws {
    let shards = Shards(rows: purchases.customers, rowsPerShard: 1 << 16)
    let found = try workers.map(shards.count) { shard in
      shards[shard].compactMap { row -> Int32? in
        purchases.firstAges.base[row] >= age ? Int32(row) : nil
      }
    }
    var rows: [Int32] = []
    rows.reserveCapacity(found.reduce(0) { $0 + $1.count })
    for part in found { rows += part }
    if rows.count > limit {
      let step = (rows.count + limit - 1) / limit
      let drawn = stride(from: 0, to: rows.count, by: step).map { rows[$0] }
      // What comes later need not go through the whole base for them again.
      let own = try purchases.selecting(Buffer(drawn), workers: workers)
      try self.init(
        own, age: age, unit: unit, rows: Buffer((0..<drawn.count).map { Int32($0) }),
        workers: workers)
      return
    }
    try self.init(purchases, age: age, unit: unit, rows: Buffer(rows), workers: workers)
  }

  private init(
    _ purchases: CustomerPurchases, age: Int, unit: PurchaseTimeUnit, rows: Buffer<Int32>,
    workers: Workers
  ) throws {
    let count = rows.count
    let (repeats, repeatRows) = Buffer<Int32>.uninitialized(count: count)
    let (recency, recencyRows) = Buffer<Double>.uninitialized(count: count)
    let (ages, ageRows) = Buffer<Double>.uninitialized(count: count)
    let (spend, spendRows) = Buffer<Double>.uninitialized(count: count)
    nonisolated(unsafe) let target = (
      x: repeatRows.baseAddress!, recency: recencyRows.baseAddress!, age: ageRows.baseAddress!,
      spend: spendRows.baseAddress!
    )
    let perUnit = 1 / unit.days
    let shards = Shards(rows: count, rowsPerShard: 1 << 14)
    try workers.forEach(shards.count) { shard in
      for place in shards[shard] {
        let row = Int(rows.base[place])
        let first = Int(purchases.firstAges.base[row])
        let days = purchases.dayCount(row, from: age, to: first + 1)
        let last = purchases.youngest(row, from: age) ?? first
        target.x[place] = Int32(days - 1)
        target.recency[place] = Double(first - last) * perUnit
        target.age[place] = Double(first - age) * perUnit
        let amount = purchases.amount(row, from: age) - purchases.firstAmounts.base[row]
        target.spend[place] = days > 1 ? max(0, amount / Double(days - 1)) : 0
      }
    }
    self.age = age
    self.purchases = purchases
    self.rows = rows
    summary = try PurchaseSummary(
      timeUnit: unit, repeats: repeats, recency: recency, age: ages, meanSpend: spend,
      workers: workers)
  }

  package var count: Int { rows.count }

  /// What these customers did in the `length` days after the snapshot: days with a purchase, and
  /// amounts.
  package func outcome(
    length: Int, workers: Workers
  ) throws -> (days: Buffer<Double>, amounts: Buffer<Double>) {
    precondition(length <= age && purchases.isEdge(age - length), "a window of the fold")
    let (days, dayRows) = Buffer<Double>.uninitialized(count: count)
    let (amounts, amountRows) = Buffer<Double>.uninitialized(count: count)
    nonisolated(unsafe) let target = (dayRows.baseAddress!, amountRows.baseAddress!)
    let shards = Shards(rows: count, rowsPerShard: 1 << 14)
    try workers.forEach(shards.count) { shard in
      for place in shards[shard] {
        let row = Int(rows.base[place])
        target.0[place] = Double(purchases.dayCount(row, from: age - length, to: age))
        target.1[place] = purchases.amount(row, from: age - length, to: age)
      }
    }
    return (days, amounts)
  }
}

/// A base as it is at as-of, with its cells: what a fit and the scores after it both need.
package struct PurchaseBase: Sendable {
  let snapshot: PurchaseSnapshot
  let cells: PurchaseCells

  /// - Parameter limit: With more customers than this, every n-th is taken.
  package init(
    _ purchases: CustomerPurchases, unit: PurchaseTimeUnit, limit: Int = .max, workers: Workers
  ) throws {
    snapshot = try PurchaseSnapshot(
      purchases, age: 0, unit: unit, limit: limit, workers: workers)
    cells = try PurchaseCells(snapshot.summary, workers: workers)
  }
}

/// Features of purchases for regressions: logarithms of rates, so that Poisson's are powers.
///
/// Those of days stand first, those of amounts behind: a regression of days knows no amounts, whose
/// level drifts with prices and wages while a salary's day stays.
package struct PurchaseFeatures: Sendable, Codable, Equatable {
  /// Days of the shortest window; others are 3 and 12 times as long.
  package let window: Int
  /// Whether plain rates stand beside the logarithms, for a regression without a logarithmic link.
  package let hasRates: Bool

  package init(window: Int, hasRates: Bool) {
    self.window = window
    self.hasRates = hasRates
  }

  package var dayNames: [String] {
    let (short, mid, long) = (window, 3 * window, 12 * window)
    return [
      "tenure_days", "recency_days", "active_days", "active_days_\(short)d",
      "active_days_\(mid)d", "active_days_\(long)d", "rate", "mean_gap_days", "gap_regularity",
      "recency_to_gap",
    ] + (hasRates ? ["days_rate_\(short)d", "days_rate_\(mid)d", "days_rate"] : [])
  }

  package var amountNames: [String] {
    let (short, mid, long) = (window, 3 * window, 12 * window)
    return ["average_amount", "amount_\(short)d", "amount_\(mid)d", "amount_\(long)d"]
      + (hasRates ? ["amount_rate"] : [])
  }

  var dayCount: Int { hasRates ? Self.dayWidth : Self.dayWidth - 3 }
  var amountCount: Int { hasRates ? Self.amountWidth : Self.amountWidth - 1 }

  static let dayWidth = 13
  static let amountWidth = 5
  /// Of a row that has everything: those of days, then those of amounts, rates last in each.
  static let width = dayWidth + amountWidth

  /// Writes one customer's features, as of `age` days before as-of, rates included: `width` values.
  static func write(
    _ purchases: CustomerPurchases, _ row: Int, age: Int, window: Int,
    to target: UnsafeMutablePointer<Double>
  ) {
    let money = target + dayWidth
    func log1p(_ value: Double) -> Double { SpecialFunctions.log1p(max(value, 0)) }
    let first = Int(purchases.firstAges.base[row])
    let last = purchases.youngest(row, from: age) ?? first
    let days = Double(purchases.dayCount(row, from: age, to: first + 1))
    let tenure = Double(first - age)
    let recency = Double(last - age)
    var previous = -1
    var squares = 0.0
    purchases.forEachDay(row, from: age) { day in
      if previous >= 0 { squares += Double((day - previous) * (day - previous)) }
      previous = day
    }
    let gaps = days - 1
    // One purchase: the time since is the least the gap can be.
    let gap = gaps > 0 ? Double(first - last) / gaps : tenure + 1
    let spread = gaps > 1 ? max(0, squares / gaps - gap * gap).squareRoot() / gap : 1
    let amount = purchases.amount(row, from: age)
    func daysWithin(_ length: Int) -> Double {
      Double(purchases.dayCount(row, from: age, to: age + length))
    }
    func amounts(_ length: Int) -> Double {
      purchases.amount(row, from: age, to: age + length)
    }
    // All are rates or bounded: a split three months earlier knows three months less, and what it
    // teaches must hold later. A window at least is taken as known: a first day is no rate of one a
    // day.
    let known = max(tenure + 1, Double(window))
    func monthly(_ sum: Double, _ length: Int) -> Double {
      sum * Double(window) / min(Double(length), known)
    }
    let (short, mid) = (daysWithin(window), daysWithin(3 * window))
    let rate = days / known
    target[0] = Double(window) / known
    target[1] = log1p(recency)
    target[2] = 1 / (days + 1)
    target[3] = log1p(short)
    target[4] = log1p(monthly(mid, 3 * window))
    target[5] = log1p(monthly(daysWithin(12 * window), 12 * window))
    target[6] = SpecialFunctions.log(rate)
    target[7] = log1p(gap)
    target[8] = spread
    target[9] = log1p(recency / gap)
    money[0] = log1p(amount / max(days, 1))
    money[1] = log1p(amounts(window))
    money[2] = log1p(monthly(amounts(3 * window), 3 * window))
    money[3] = log1p(monthly(amounts(12 * window), 12 * window))
    target[10] = short
    target[11] = monthly(mid, 3 * window)
    target[12] = rate
    money[4] = amount / known
  }
}
