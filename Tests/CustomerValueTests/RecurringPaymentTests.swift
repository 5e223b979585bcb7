import Columnar
import Sharding
import Testing

@testable import CustomerValue
@testable import Features

/// Monthly payments found by their days.
@Suite struct RecurringPaymentTests {
  /// A Tuesday.
  private static let asOf = CivilDate(year: 2025, month: 9, day: 30).daysSinceEpoch

  @Test(arguments: [0, 1, 29, 30, 31, 90, 183, 365])
  func everyDueDayIsThatOfACalendarReadDayByDay(age: Int) {
    let length = 100
    for end in Self.asOf..<Self.asOf + 4 {
      let calendar = DueCalendar(asOf: end, age: age, length: length)
      let known = end - age
      for weekend in DueCalendar.Weekend.allCases {
        for day in 1...31 {
          let booked = Self.booked(day, weekend, from: known - 430, to: known + length + 5)
          let slot = weekend.rawValue * 31 + day - 1
          let past = booked.filter { $0 <= known }.reversed().prefix(DueCalendar.months)
          let own = calendar.past[slot * DueCalendar.months..<(slot + 1) * DueCalendar.months]
          #expect(own.map { end - Int($0) } == Array(past), "\(weekend) \(day) \(end)")
          let ahead = booked.filter { $0 > known && $0 <= known + length }
          let next = calendar.ahead[calendar.starts[slot]..<calendar.starts[slot + 1]]
          #expect(next.map { known + 1 + Int($0) } == ahead, "\(weekend) \(day) \(end)")
        }
      }
    }
  }

  /// Looks at every date: is it the day of the month, or the last of a shorter one?
  private static func booked(
    _ day: Int, _ weekend: DueCalendar.Weekend, from start: Int, to end: Int
  ) -> [Int] {
    (start...end).filter { date in
      let own = CivilDate(daysSinceEpoch: date).day
      let isLast = CivilDate(daysSinceEpoch: date + 1).day == 1
      return own == day || (isLast && own < day)
    }.map { date in
      var date = date
      while weekend != .stays, CivilDate.weekday(ofDay: date) > 4 {
        date += weekend == .before ? -1 : 1
      }
      return date
    }
  }

  @Test(arguments: DueCalendar.Weekend.allCases, [1, 14, 25, 31])
  fileprivate func aPaymentIsFoundAndForecastOnItsDays(
    weekend: DueCalendar.Weekend, day: Int
  ) {
    let dates = Self.booked(day, weekend, from: Self.asOf - 330, to: Self.asOf)
    let due = Self.booked(day, weekend, from: Self.asOf + 1, to: Self.asOf + 95)
      .filter { $0 <= Self.asOf + 90 }.count
    let found = Self.payments([dates])[0]
    #expect(found.otherDays == 0)
    #expect(abs(found.dueDays - Double(due)) < 0.01 * Double(due), "\(found)")
    #expect(abs(found.dueDays + found.freeDays - 90) < 1e-9)
    // Other purchases stay what they are.
    let noise = (0..<12).map { Self.asOf - 5 - 29 * $0 - $0 * $0 }.filter { !dates.contains($0) }
    let both = Self.payments([dates + noise])[0]
    #expect(abs(both.dueDays - Double(due)) < 0.05 * Double(due), "\(both)")
    #expect(abs(both.otherDays - noise.count) <= 1)
  }

  @Test func paymentsThatEndedAreNotForecast() {
    let dates = Self.booked(10, .stays, from: Self.asOf - 330, to: Self.asOf - 75)
    let found = Self.payments([dates])[0]
    #expect(found.dueDays == 0 && found.otherDays == dates.count)
  }

  @Test func purchasesByChanceAreNoPayments() {
    let random = CounterBasedRandom(seed: 3, purpose: .init("chance"))
    var customers: [[Int]] = (0..<400).map { customer in
      let ages = (0..<360).filter { random.unit(at: customer * 360 + $0) < 0.1 }
      return ages.map { Self.asOf - $0 }
    }
    customers += [[Self.asOf], [Self.asOf - 300], [Self.asOf, Self.asOf - 30]]
    let found = Self.payments(customers)
    // 9 days in 90 are by chance; what is taken for payments by mistake is a small part of them.
    #expect(found.reduce(0) { $0 + $1.dueDays } / Double(found.count) < 0.25)
    for (payments, dates) in zip(found, customers) {
      #expect(payments.dueDays.isFinite && payments.dueDays >= 0 && payments.dueDays < 10)
      #expect(payments.otherDays <= dates.count && payments.freeDays > 80)
    }
  }

  /// What is known later changes nothing.
  @Test func onlyDaysUpToTheSnapshotAreLookedAt() {
    let dates = Self.booked(15, .after, from: Self.asOf - 400, to: Self.asOf)
    let all = Self.payments([dates], age: 60)[0]
    let known = Self.payments([dates.filter { $0 <= Self.asOf - 60 }], age: 60)[0]
    #expect(all.dueDays == known.dueDays && all.otherDays == known.otherDays)
    #expect(all.dueDays > 2.9)
  }

  private static func payments(_ customers: [[Int]], age: Int = 0) -> [RecurringPayments] {
    let ages = customers.map { dates in dates.map { asOf - $0 } }
    let oldest = ages.map { $0.max() ?? -1 }
    let words = (oldest.max() ?? 0) / 64 + 1
    var bits = [UInt64](repeating: 0, count: customers.count * words)
    for (row, own) in ages.enumerated() {
      for age in own { bits[row * words + (age >> 6)] |= 1 << UInt64(age & 63) }
    }
    let windows = PurchaseWindows(kind: .all, edges: [0])
    let purchases = CustomerPurchases(
      windows: windows, words: words, oldestAge: oldest.max() ?? -1, days: Buffer(bits),
      amounts: Buffer(
        [Double](repeating: 0, count: customers.count * windows.edges.count)),
      firstAmounts: Buffer([Double](repeating: 0, count: customers.count)),
      firstAges: Buffer(oldest.map { Int32($0) }))
    let calendar = DueCalendar(asOf: asOf, age: age, length: 90)
    return customers.indices.map { row in
      withUnsafeTemporaryAllocation(of: UInt64.self, capacity: words) { residual in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 90) { clear in
          RecurringPayments(
            purchases, row, age: age, calendar, residual: residual, clear: clear)
        }
      }
    }
  }
}
