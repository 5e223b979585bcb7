import Columnar
import Features
import Sharding

/// What a customer's purchase days say of payments that come every month: salaries, pensions,
/// standing orders, rents.
///
/// Every slot of the calendar (day of the month, custom for weekends) is scored by the logarithm of
/// how much likelier its due days' hits and misses are by a monthly payment than by chance at the
/// customer's rate of other days, from the latest due day back to the likeliest first payment. The
/// best slot's days are explained by it and taken away, which lowers the rate of the others; so on
/// until none is likely. Only days are looked at: what a payment is called does not matter.
struct RecurringPayments {
  /// Days of the time ahead with a due payment, expected.
  private(set) var dueDays = 0.0
  /// Days without one.
  private(set) var freeDays: Double
  /// Purchase days of the past that no payment explains.
  private(set) var otherDays = 0
  /// Days known.
  let known: Double

  /// A payment is booked on its day, but for one of so many: accounts are closed and orders end.
  private static let kept = 0.999
  /// Of all slots, the share that is a customer's payment before anything is known: a few among 93,
  /// most of which are others' neighbours.
  private static let prior = 0.0003
  /// No more are looked for.
  private static let most = 10

  private static let doubt = -SpecialFunctions.log(prior / (1 - prior))

  /// - Parameters:
  ///   - calendar: Of the age.
  ///   - residual: Scratch, a word for each of the customer's.
  ///   - clear: Scratch, a number for each day ahead.
  init(
    _ purchases: CustomerPurchases, _ row: Int, age: Int, _ calendar: DueCalendar,
    residual: UnsafeMutableBufferPointer<UInt64>, clear: UnsafeMutableBufferPointer<Double>
  ) {
    let first = Int(purchases.firstAges.base[row])
    known = Double(first - age + 1)
    freeDays = Double(calendar.length)
    let bits = purchases.days.base + row * purchases.words
    var others = 0
    for word in 0..<purchases.words {
      let mask: UInt64 =
        word > age >> 6 ? ~0 : word < age >> 6 ? 0 : ~0 << UInt64(age & 63)
      residual[word] = bits[word] & mask
      others += residual[word].nonzeroBitCount
    }
    otherDays = others
    calendar.past.withUnsafeBufferPointer { past in
      withUnsafeTemporaryAllocation(of: Int.self, capacity: DueCalendar.slots) { slots in
        var count = 0
        for slot in 0..<DueCalendar.slots
        where Self.isWorthALook(bits, past, slot, first: first) {
          slots[count] = slot
          count += 1
        }
        guard count > 0 else { return }
        for day in 0..<calendar.length { clear[day] = 1 }
        explain(bits, calendar, past, slots.baseAddress!, count, first, residual, clear)
      }
    }
  }

  /// Whether one of the two latest due days and two in all were hit: no other slot can be likely.
  @inline(__always)
  private static func isWorthALook(
    _ bits: UnsafePointer<UInt64>, _ past: UnsafeBufferPointer<Int32>, _ slot: Int, first: Int
  ) -> Bool {
    let start = slot * DueCalendar.months
    var hits = 0
    for month in 0..<DueCalendar.months {
      let age = Int(past[start + month])
      guard age <= first else { break }
      if bits[age >> 6] & 1 << UInt64(age & 63) != 0 { hits += 1 }
      if hits == 2 { return true }
      if month == 1, hits == 0 { return false }
    }
    return false
  }

  /// Takes the likeliest slot's days away until there is none.
  private mutating func explain(
    _ bits: UnsafePointer<UInt64>, _ calendar: DueCalendar, _ past: UnsafeBufferPointer<Int32>,
    _ slots: UnsafeMutablePointer<Int>, _ count: Int, _ first: Int,
    _ residual: UnsafeMutableBufferPointer<UInt64>, _ clear: UnsafeMutableBufferPointer<Double>
  ) {
    var taken: UInt32 = 0
    for _ in 0..<Self.most {
      // A day more and twenty days longer: no rate is 0.
      let rate = min(max((Double(otherDays) + 1) / (known + 20), 0.005), 0.6)
      let hit = SpecialFunctions.log(Self.kept / rate)
      let miss = SpecialFunctions.log((1 - Self.kept) / (1 - rate))
      var best = (score: 0.0, slot: -1, months: 0)
      for index in 0..<count {
        let slot = slots[index]
        guard taken & 1 << UInt32(slot % DueCalendar.daysOfMonth) == 0 else { continue }
        var score = -Self.doubt
        for month in 0..<DueCalendar.months {
          let age = Int(past[slot * DueCalendar.months + month])
          guard age <= first else { break }
          let bit = 1 << UInt64(age & 63) as UInt64
          if residual[age >> 6] & bit != 0 {
            score += hit
          } else if bits[age >> 6] & bit == 0 {
            score += miss
          }
          if score > best.score { best = (score, slot, month + 1) }
        }
      }
      guard best.slot >= 0 else { break }
      taken |= 1 << UInt32(best.slot % DueCalendar.daysOfMonth)
      for month in 0..<best.months {
        let age = Int(past[best.slot * DueCalendar.months + month])
        let bit = 1 << UInt64(age & 63) as UInt64
        if residual[age >> 6] & bit != 0 {
          residual[age >> 6] &= ~bit
          otherDays -= 1
        }
      }
      let share = Self.kept * SpecialFunctions.logistic(best.score)
      for place in calendar.starts[best.slot]..<calendar.starts[best.slot + 1] {
        let day = Int(calendar.ahead[place])
        dueDays += clear[day] * share
        clear[day] *= 1 - share
      }
    }
    freeDays = Double(calendar.length) - dueDays
  }
}

/// Recurring payments of a snapshot's customers as columns of a regression.
struct RecurringColumns: Sendable {
  /// Days with a due payment; days without one × the rate of other days; the same days × what is
  /// unknown of that rate, which the base's level goes into.
  let columns: [Buffer<Double>]
  static let names = ["due_days", "other_days", "unknown_days"]

  /// A rate is known as if so many days without anything had been seen before: of the lengths from 10
  /// to 90 the one that forecast generated current accounts best.
  private static let priorDays = 45.0

  /// All of a snapshot.
  ///
  /// - Parameter length: Days ahead.
  init(
    _ snapshot: PurchaseSnapshot, asOf: Int, length: Int, workers: Workers
  ) throws {
    let calendar = DueCalendar(asOf: asOf, age: snapshot.age, length: length)
    let shards = Shards(rows: snapshot.count, rowsPerShard: 1 << 12)
    let made = Self.names.map { _ in Buffer<Double>.uninitialized(count: snapshot.count) }
    nonisolated(unsafe) let targets = made.map { $0.1.baseAddress! }
    try workers.forEach(shards.count) { shard in
      Self.write(
        snapshot, shards[shard], calendar,
        to: targets.map { $0 + shards[shard].lowerBound })
    }
    columns = made.map(\.0)
  }

  /// Of a shard, on the calling thread.
  init(_ snapshot: PurchaseSnapshot, _ places: Range<Int>, _ calendar: DueCalendar) {
    let made = Self.names.map { _ in Buffer<Double>.uninitialized(count: places.count) }
    Self.write(snapshot, places, calendar, to: made.map { $0.1.baseAddress! })
    columns = made.map(\.0)
  }

  private static func write(
    _ snapshot: PurchaseSnapshot, _ places: Range<Int>, _ calendar: DueCalendar,
    to targets: [UnsafeMutablePointer<Double>]
  ) {
    let purchases = snapshot.purchases
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: purchases.words) { residual in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: calendar.length) { clear in
        for (index, place) in places.enumerated() {
          let payments = RecurringPayments(
            purchases, Int(snapshot.rows.base[place]), age: snapshot.age, calendar,
            residual: residual, clear: clear)
          let rate = payments.freeDays / (payments.known + priorDays)
          targets[0][index] = payments.dueDays
          targets[1][index] = rate * Double(payments.otherDays)
          targets[2][index] = rate
        }
      }
    }
  }
}
