import Columnar
import Foundation
import Sharding

/// A bank whose truth is known: who belongs to which archetype, how often each customer really pays,
/// and who has left for good.
///
/// A customer draws an archetype, a transaction rate (gamma), a mean ticket (log-normal), perhaps a
/// joining day inside the window, and a lifetime (exponential). While active, transactions follow a
/// Poisson process, or evenly spaced payments for clockwork archetypes, whose intensity breathes with
/// the week and the year. Archetypes with ``RecurringPayments`` have income and standing orders on
/// fixed days besides. Every number is keyed by (seed, purpose, customer, month), so any
/// customer's rows can be made on any thread, in any order, and are the same.
///
/// Every customer has at least one transaction in the window: one whose draws are all empty gets one
/// on a random active day, since a ledger cannot show a customer without rows.
package struct SyntheticBank: Sendable {
  package let configuration: SyntheticBankConfiguration
  /// Day of the window (0 = first) on which each month starts, and the window's length at the end.
  let monthStarts: [Int]
  /// The first day of the window, in days since 1970-01-01.
  package let firstDay: Int
  /// Expected transactions before each day of the window at one transaction a month, seasonality
  /// included; one more entry than days.
  let intensity: [Double]
  /// Running sums of the archetypes' weights, the last one exactly 1.
  private let archetypeThresholds: [Double]
  /// In the order of the archetypes.
  let laws: [ArchetypeLaw]
  /// Probability of joining inside the window.
  private let newShare: Double
  /// Where fixed days of the month fall.
  let calendar: PaymentCalendar
  private let customerDraws: CounterBasedRandom
  let monthDraws: CounterBasedRandom
  let planDraws: CounterBasedRandom
  let orderDraws: CounterBasedRandom

  package init(_ configuration: SyntheticBankConfiguration) {
    self.configuration = configuration
    let end = Int(configuration.endDate)
    let lastMonth = CivilDate(daysSinceEpoch: end)
    let starts = (0..<configuration.months).map {
      lastMonth.firstOfMonth(after: $0 + 1 - configuration.months).daysSinceEpoch
    }
    let first = starts[0]
    firstDay = first
    monthStarts = starts.map { $0 - first } + [end + 1 - first]
    intensity = Seasonality.intensity(days: first...end)
    archetypeThresholds = Self.thresholds(configuration.archetypes.map(\.weight))
    newShare = configuration.newShare / (configuration.separation * configuration.separation)
    let rates = Self.rates(configuration, window: intensity[intensity.count - 1])
    laws = zip(configuration.archetypes, rates).map {
      ArchetypeLaw(
        $0, rate: $1, separation: configuration.separation, channels: Self.thresholds($0.channels))
    }
    customerDraws = CounterBasedRandom(seed: configuration.seed, purpose: .init("bank customer"))
    monthDraws = CounterBasedRandom(seed: configuration.seed, purpose: .init("bank month"))
    planDraws = CounterBasedRandom(seed: configuration.seed, purpose: .init("bank payment plan"))
    orderDraws = CounterBasedRandom(seed: configuration.seed, purpose: .init("standing order"))
    calendar = PaymentCalendar(
      first: CivilDate(daysSinceEpoch: first), months: configuration.months)
  }

  /// Whether any customer has recurring payments: then ledgers have a `type` column, and the
  /// customers a `kind`.
  package var hasRecurringPayments: Bool {
    configuration.archetypes.contains { $0.recurring != nil }
  }

  /// First and last day of each month, in days since 1970-01-01.
  package func days(ofMonth month: Int) -> ClosedRange<Int32> {
    Int32(firstDay + monthStarts[month])...Int32(firstDay + monthStarts[month + 1] - 1)
  }

  /// "2025-07": what a month's file is called after.
  package func name(ofMonth month: Int) -> String {
    let date = CivilDate(daysSinceEpoch: firstDay + monthStarts[month])
    let digits = String(date.month)
    return "\(date.year)-\(digits.count == 1 ? "0" : "")\(digits)"
  }

  private static func thresholds(_ weights: [Double]) -> [Double] {
    let total = weights.reduce(0, +)
    var running = 0.0
    var thresholds = weights.map { weight in
      running += weight / total
      return running
    }
    thresholds[thresholds.count - 1] = 1
    return thresholds
  }

  /// Scales the archetypes' relative rates so that the bank's mean is the configured one, with the
  /// exposure lost before joining and after leaving taken into account.
  private static func rates(
    _ configuration: SyntheticBankConfiguration, window: Double
  ) -> [Double] {
    let newShare = configuration.newShare / (configuration.separation * configuration.separation)
    var mean = 0.0
    var weights = 0.0
    for archetype in configuration.archetypes {
      // Hazard over the whole window; the fraction of the window a customer is active for is
      // (1 − e^−h)/h from its start, and the average of that over the joining day otherwise.
      let hazard =
        archetype.dropout / (configuration.separation * configuration.separation) * window / 12
      let existing = hazard > 1e-6 ? (1 - exp(-hazard)) / hazard : 1
      let joining = hazard > 1e-6 ? (1 - existing) / hazard : 0.5
      mean +=
        archetype.weight * archetype.rate * ((1 - newShare) * existing + newShare * joining)
      weights += archetype.weight
    }
    let scale = configuration.meanTransactionsPerYear / 12 / (mean / weights)
    return configuration.archetypes.map { $0.rate * scale }
  }
}

/// How busy each day is.
enum Seasonality {
  /// Monday … Sunday; the mean is 1.
  static let week = [0.98, 0.94, 0.95, 1.02, 1.28, 1.17, 0.66]

  /// Mean 1 over a year: quiet in late winter, a peak before the year's end.
  static func year(day: Int) -> Double {
    let date = CivilDate(daysSinceEpoch: day)
    let dayOfYear =
      day - CivilDate(year: date.year, month: 1, day: 1).daysSinceEpoch
    let wave = 1 + 0.10 * cos(2 * .pi * (Double(dayOfYear) - 340) / 365.25)
    let holidays = date.month == 12 && date.day <= 24 ? 1.25 : 1.0
    // 24 days at a quarter more, where the wave is near its top: 1.0178 on average over a year.
    return wave * holidays / 1.0178
  }

  /// Running sums of the days' weights in months (30.4375 days), starting at 0.
  static func intensity(days: ClosedRange<Int>) -> [Double] {
    var sums = [0.0]
    for day in days {
      let weight = week[CivilDate.weekday(ofDay: day)] * year(day: day) / 30.4375
      sums.append(sums[sums.count - 1] + weight)
    }
    return sums
  }
}

/// An archetype with the configuration applied, in a form that hot loops copy without counting
/// references.
struct ArchetypeLaw: BitwiseCopyable {
  /// Transactions a month of the average customer while active.
  let rate: Double
  let rateShape: Double
  let ticket: Double
  let ticketSpread: Double
  let ticketDeviation: Double
  let refunds: Double
  /// In days.
  let meanLifetime: Double
  let youngest: Int
  let ageCount: Int
  let isClockwork: Bool
  let recurring: RecurringLaw?
  /// Running sums of the channels' weights; unused places are 1.
  private var channelThresholds: SIMD8<Double>

  init(_ archetype: Archetype, rate: Double, separation: Double, channels: [Double]) {
    self.rate = rate
    rateShape = archetype.rateShape * separation * separation
    ticket = archetype.ticket
    ticketSpread = archetype.ticketSpread / separation
    ticketDeviation = archetype.ticketDeviation / separation
    refunds = archetype.refunds
    meanLifetime = 365.25 * separation * separation / max(archetype.dropout, 1e-9)
    youngest = archetype.ages.lowerBound
    ageCount = archetype.ages.count
    isClockwork = archetype.isClockwork
    recurring = archetype.recurring.map { RecurringLaw($0, separation: separation) }
    channelThresholds = SIMD8(repeating: 1)
    for (index, threshold) in channels.enumerated() { channelThresholds[index] = threshold }
  }

  /// The lowest channel whose threshold is above `u` in [0, 1).
  @inline(__always)
  func channel(at u: Double) -> Int {
    var index = 0
    while u >= channelThresholds[index] { index += 1 }
    return index
  }
}

/// What is true about one customer.
struct CustomerTruth {
  var archetype: Int
  /// Nil where the bank does not know it.
  var age: Int?
  /// Day of the window on which the customer joined; negative before the window.
  var joined: Int
  /// Day of the window on which the customer has left: the first day without activity. May lie
  /// behind the window's end.
  var left: Int
  /// Transactions a month while active, recurring payments not counted.
  var rate: Double
  /// Mean of the tickets, in major units, before rounding.
  var meanTicket: Double
  /// Where a clockwork customer stands between two payments, in [0, 1).
  var phase: Double
  /// The day of the only transaction, should the draws bring none.
  var anchorDay: Int
}

extension SyntheticBank {
  var days: Int { intensity.count - 1 }

  func truth(ofCustomer customer: Int) -> CustomerTruth {
    var stream = DrawStream(customerDraws, at: customer)
    let index = Self.pick(stream.unit(), archetypeThresholds)
    let law = laws[index]
    let age = law.youngest + Int(stream.unit() * Double(law.ageCount))
    let isAgeKnown = stream.unit() >= 0.01

    let isNew = stream.unit() < newShare
    let joiningDraw = stream.unit()
    // Earlier customers joined up to fifteen years before the window.
    let joined = isNew ? Int(joiningDraw * Double(days)) : -1 - Int(joiningDraw * 5_478)
    let lifetime = stream.exponential() * law.meanLifetime
    let start = max(joined, 0)
    let left = start + 1 + Int(min(lifetime, 1e8))

    let rate = law.rate * stream.gamma(shape: law.rateShape) / law.rateShape
    let meanTicket = law.ticket * exp(law.ticketSpread * stream.normal())
    let phase = stream.unit()
    let anchorDay = day(at: stream.unit(), from: start, to: min(left, days))
    return CustomerTruth(
      archetype: index, age: isAgeKnown ? age : nil, joined: joined, left: left, rate: rate,
      meanTicket: meanTicket, phase: phase, anchorDay: anchorDay)
  }

  /// The lowest index whose threshold is above `u`.
  @inline(__always)
  static func pick(_ u: Double, _ thresholds: [Double]) -> Int {
    var index = 0
    while u >= thresholds[index] { index += 1 }
    return index
  }

  /// The day in `start..<end` at the fraction `u` of that span's intensity.
  @inline(__always)
  func day(at u: Double, from start: Int, to end: Int) -> Int {
    let target = intensity[start] + u * (intensity[end] - intensity[start])
    var day = start + Int(u * Double(end - start))
    while day > start && intensity[day] > target { day -= 1 }
    while day < end - 1 && intensity[day + 1] <= target { day += 1 }
    return day
  }

  // MARK: Side files

  /// What the bank knows of its customers: `customer_id`, `age` (missing for one in a hundred), and
  /// with recurring payments `kind`.
  ///
  /// - Parameter range: Customers by index, inside `0..<configuration.customers`.
  package func customers(_ range: Range<Int>) -> RecordBatch {
    let truths = range.map { truth(ofCustomer: $0) }
    var columns: [(String, Column)] = [
      ("customer_id", identifiers(range)),
      (
        "age",
        Column(
          .int32(Buffer(truths.map { Int32($0.age ?? 0) })),
          validity: Validity(present: truths.map { $0.age != nil }))
      ),
    ]
    if hasRecurringPayments { columns.append(("kind", kinds(truths))) }
    return batch(columns, file: "customers", range)
  }

  /// The kinds that customers of this bank can be, each once.
  package var kindNames: [String] {
    configuration.archetypes.reduce(into: []) { names, archetype in
      let name = archetype.recurring?.kind.rawValue ?? RecurringPayments.retailKind
      if !names.contains(name) { names.append(name) }
    }
  }

  private func kinds(_ truths: [CustomerTruth]) -> Column {
    let names = kindNames
    let codes = configuration.archetypes.map {
      Int32(names.firstIndex(of: $0.recurring?.kind.rawValue ?? RecurringPayments.retailKind) ?? 0)
    }
    return Column(
      .dictionary(codes: Buffer(truths.map { codes[$0.archetype] }), Strings(names)))
  }

  /// What only the generator knows: `customer_id`, `segment` (the archetype's name), `rate`
  /// (transactions a month while active), `joined` and `dropout` (first day without activity; missing
  /// when it lies behind the window), `mean_ticket`, `alive` (1 or 0 at the end of the window). With
  /// recurring payments also `kind`, `pay_day` (of the month) and `income` (a month, in the window's
  /// first year; both missing for customers without), `standing_orders` (how many).
  package func truth(_ range: Range<Int>) -> RecordBatch {
    let truths = range.map { truth(ofCustomer: $0) }
    let alive = truths.map { $0.left >= days }
    let columns: [(String, Column)] = [
      ("customer_id", identifiers(range)),
      (
        "segment",
        Column(
          .dictionary(
            codes: Buffer(truths.map { Int32($0.archetype) }),
            Strings(configuration.archetypes.map(\.name))))
      ),
      ("rate", Column(.double(Buffer(truths.map(\.rate))))),
      ("joined", Column(.date(Buffer(truths.map { Int32(firstDay + $0.joined) })))),
      (
        "dropout",
        Column(
          .date(Buffer(truths.map { Int32(firstDay + min($0.left, days)) })),
          validity: Validity(present: alive.map { !$0 }))
      ),
      ("mean_ticket", Column(.double(Buffer(truths.map(\.meanTicket))))),
      ("alive", Column(.int32(Buffer(alive.map { $0 ? 1 : 0 })))),
    ]
    return batch(
      columns + (hasRecurringPayments ? payments(range, truths) : []), file: "truth", range)
  }

  private func payments(
    _ range: Range<Int>, _ truths: [CustomerTruth]
  ) -> [(String, Column)] {
    let plans = zip(range, truths).map { customer, truth in
      laws[truth.archetype].recurring.map { plan(ofCustomer: customer, $0) }
    }
    let hasIncome = plans.map { $0.map { $0.income > 0 } ?? false }
    return [
      ("kind", kinds(truths)),
      (
        "pay_day",
        Column(
          .int32(Buffer(plans.map { Int32($0?.payDay ?? 0) })),
          validity: Validity(present: hasIncome))
      ),
      (
        "income",
        Column(
          .decimal(Buffer(plans.map { $0?.income ?? 0 }), precision: 18, scale: 2),
          validity: Validity(present: hasIncome))
      ),
      ("standing_orders", Column(.int32(Buffer(plans.map { Int32($0?.orders ?? 0) })))),
    ]
  }

  private func batch(
    _ columns: [(name: String, column: Column)], file: String, _ range: Range<Int>
  ) -> RecordBatch {
    RecordBatch(
      schema: Schema(fields: columns.map { Field(name: $0.name, type: $0.column.type) }),
      columns: columns.map(\.column), rows: range.count,
      origin: .init(file: file, firstRow: Int64(range.lowerBound)))
  }

  private func identifiers(_ range: Range<Int>) -> Column {
    identifiers(count: range.count) { range.lowerBound + $0 }
  }

  /// The id column of `count` rows, row `i` being customer `customer(i)`.
  func identifiers(count: Int, customer: (Int) -> Int) -> Column {
    let first = SyntheticBankConfiguration.firstIdentifier
    switch configuration.identifierForm {
    case .number:
      return Column(
        .int64(
          Buffer(count: count) { target in
            for row in 0..<count {
              target.initializeElement(at: row, to: Int64(first + customer(row)))
            }
          }))
    case .text:
      let digits = 12
      let bytes = Buffer<UInt8>(count: count * digits) { target in
        for row in 0..<count {
          var rest = first + customer(row)
          for place in stride(from: digits - 1, through: 0, by: -1) {
            target.initializeElement(
              at: row * digits + place, to: UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
          }
        }
      }
      let offsets = Buffer<Int64>(count: count + 1) { target in
        for row in 0...count { target.initializeElement(at: row, to: Int64(row * digits)) }
      }
      return Column(.strings(Strings(layout: .offsets64(offsets), bytes: bytes)))
    }
  }
}
