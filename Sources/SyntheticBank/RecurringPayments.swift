import Columnar
import Foundation
import Sharding

/// What a transaction is: the ledger's `type` column in a bank with recurring payments.
package enum TransactionType: Int, CaseIterable, Sendable, Hashable {
  case salary, pension, standingOrder, spending

  package var name: String { self == .standingOrder ? "standing order" : String(describing: self) }
}

/// Payments that come every month on a fixed day: what makes a current account clockwork.
///
/// Income that falls on a weekend is paid on the Friday before, a standing order on the Monday
/// after; a day that a month does not have is its last. Public holidays are not known. Gaps between
/// two payments of one kind then stay within a few days of a month, which in the terms of Wheat &
/// Morrison ("Estimating Purchase Regularity with Two Interpurchase Times", Journal of Marketing
/// Research 27, 1990) is a regularity k above 100, where a Poisson process has 1.
package struct RecurringPayments: Sendable, Hashable {
  /// Kinds of customers, the `kind` column of customers.parquet; customers without recurring
  /// payments are ``retailKind``.
  package enum Kind: String, Sendable, Hashable, BitwiseCopyable {
    case salary, pension
    /// Outgoing payments only: a household or savings account.
    case standingOrders = "standing orders"

    var income: TransactionType? {
      switch self {
      case .salary: .salary
      case .pension: .pension
      case .standingOrders: nil
      }
    }
  }

  package static let retailKind = "retail"

  package var kind: Kind
  /// Median income a month, in major units; means nothing for standing orders only.
  package var income: Double
  /// Standard deviation of the logarithm of the income between customers.
  package var incomeSpread: Double
  /// Days of the month, each as likely as the others; at most 8.
  package var payDays: [Int]
  /// How many standing orders a customer has, at most 8.
  package var orders: ClosedRange<Int>
  /// Median amount of a standing order, in major units.
  package var orderAmount: Double
  /// Standard deviation of the logarithm of the orders' amounts.
  package var orderSpread: Double
  /// What income gains every January, as a share.
  package var raises: ClosedRange<Double>

  package init(
    kind: Kind, income: Double, incomeSpread: Double, payDays: [Int], orders: ClosedRange<Int>,
    orderAmount: Double, orderSpread: Double, raises: ClosedRange<Double>
  ) {
    self.kind = kind
    self.income = income
    self.incomeSpread = incomeSpread
    self.payDays = payDays
    self.orders = orders
    self.orderAmount = orderAmount
    self.orderSpread = orderSpread
    self.raises = raises
  }
}

extension Archetype {
  /// A bank of current accounts: salaries, pensions and standing orders on their days, and card
  /// spending around them. Hardly anyone leaves. Weights sum to 1.
  package static let currentAccounts: [Archetype] = [
    Archetype(
      name: "salary", weight: 0.55, rate: 1.3, rateShape: 3, ticket: 38,
      ticketSpread: 0.35, ticketDeviation: 0.8, dropout: 0.01,
      channels: [0.55, 0.20, 0.08, 0.05, 0.00, 0.12], refunds: 0.012, ages: 20...64,
      recurring: RecurringPayments(
        kind: .salary, income: 2_400, incomeSpread: 0.4, payDays: [1, 10, 15, 20, 25, 28, 31],
        orders: 1...6, orderAmount: 90, orderSpread: 1.0, raises: 0...0.06)),
    Archetype(
      name: "pension", weight: 0.27, rate: 0.7, rateShape: 3, ticket: 45,
      ticketSpread: 0.30, ticketDeviation: 0.6, dropout: 0.02,
      channels: [0.30, 0.03, 0.35, 0.05, 0.26, 0.01], refunds: 0.006, ages: 60...92,
      recurring: RecurringPayments(
        kind: .pension, income: 1_150, incomeSpread: 0.25, payDays: [1, 15, 31],
        orders: 1...4, orderAmount: 60, orderSpread: 0.8, raises: 0.02...0.02)),
    Archetype(
      name: "standing orders", weight: 0.18, rate: 0.5, rateShape: 2, ticket: 60,
      ticketSpread: 0.40, ticketDeviation: 0.8, dropout: 0.02,
      channels: [0.45, 0.25, 0.10, 0.10, 0.00, 0.10], refunds: 0.010, ages: 20...80,
      recurring: RecurringPayments(
        kind: .standingOrders, income: 0.01, incomeSpread: 0, payDays: [1],
        orders: 2...8, orderAmount: 150, orderSpread: 1.0, raises: 0...0)),
  ]

  /// Half a retail bank, half a bank of current accounts.
  package static let mixedBank: [Archetype] = retailBank + currentAccounts
}

/// ``RecurringPayments`` in a form that hot loops copy without counting references.
struct RecurringLaw: BitwiseCopyable {
  let kind: RecurringPayments.Kind
  let income: Double
  let incomeSpread: Double
  let payDays: SIMD8<UInt8>
  let payDayCount: Int
  let fewestOrders: Int
  let orderCounts: Int
  let orderAmount: Double
  let orderSpread: Double
  let smallestRaise: Double
  let raiseRange: Double

  init(_ payments: RecurringPayments, separation: Double) {
    kind = payments.kind
    income = payments.income
    incomeSpread = payments.incomeSpread / separation
    var days = SIMD8<UInt8>(repeating: 1)
    for (index, day) in payments.payDays.enumerated() { days[index] = UInt8(day) }
    payDays = days
    payDayCount = payments.payDays.count
    fewestOrders = payments.orders.lowerBound
    orderCounts = payments.orders.count
    orderAmount = payments.orderAmount
    orderSpread = payments.orderSpread / separation
    smallestRaise = payments.raises.lowerBound
    raiseRange = payments.raises.upperBound - payments.raises.lowerBound
  }
}

/// The recurring payments of one customer.
struct PaymentPlan {
  /// Day of the month.
  var payDay: Int
  /// In minor units, in the window's first year; 0 without income.
  var income: Int64
  /// Share gained every January.
  var raise: Double
  var orders: Int
}

/// Where days of the month fall in the window, weekends taken into account.
struct PaymentCalendar: Sendable {
  /// Month −1 (the one before the window) is at 0; 31 days each.
  private let previousWorkingDays: [Int32]
  private let nextWorkingDays: [Int32]
  /// Calendar years since the window's first month, by month from −1 on.
  private let years: [Int]

  /// - Parameter first: The first month of the window.
  init(first: CivilDate, months: Int) {
    let firstDay = first.daysSinceEpoch
    var before: [Int32] = []
    var after: [Int32] = []
    var years: [Int] = []
    for month in -1...months {
      let start = first.firstOfMonth(after: month)
      let length = first.firstOfMonth(after: month + 1).daysSinceEpoch - start.daysSinceEpoch
      years.append(start.year - first.year)
      for day in 1...31 {
        let date = start.daysSinceEpoch + min(day, length) - 1
        // 5 = Saturday.
        let weekday = CivilDate.weekday(ofDay: date)
        before.append(Int32(date - max(0, weekday - 4) - firstDay))
        after.append(Int32(date + (weekday >= 5 ? 7 - weekday : 0) - firstDay))
      }
    }
    previousWorkingDays = before
    nextWorkingDays = after
    self.years = years
  }

  /// Day of the window on which income of a nominal day of month `month` (−1 or later) arrives.
  @inline(__always)
  func incomeDay(_ day: Int, month: Int) -> Int {
    Int(previousWorkingDays[(month + 1) * 31 + day - 1])
  }

  /// As `incomeDay`, for a standing order.
  @inline(__always)
  func orderDay(_ day: Int, month: Int) -> Int { Int(nextWorkingDays[(month + 1) * 31 + day - 1]) }

  func year(ofMonth month: Int) -> Int { years[month + 1] }
}

extension SyntheticBank {
  /// Most standing orders of a customer: how their draws are counted.
  static let mostOrders = 8
  /// Share of a customer's spending that follows the pay day.
  private static let spendingAfterPayDay = 0.4
  /// Days after pay day, on average, of that spending.
  private static let meanDaysAfterPayDay = 4.0

  func plan(ofCustomer customer: Int, _ law: RecurringLaw) -> PaymentPlan {
    var stream = DrawStream(planDraws, at: customer)
    let payDay = Int(law.payDays[Int(stream.unit() * Double(law.payDayCount))])
    let income = law.income * exp(law.incomeSpread * stream.normal())
    let raise = law.smallestRaise + stream.unit() * law.raiseRange
    let orders = law.fewestOrders + Int(stream.unit() * Double(law.orderCounts))
    return PaymentPlan(
      payDay: payDay,
      income: law.kind.income == nil ? 0 : max(1, Int64((min(income, 1e12) * 100).rounded())),
      raise: raise, orders: orders)
  }

  /// Calls `body` with each payment that falls into `days` (of the window), inside month `month`.
  @inline(__always)
  func forEachPayment(
    _ customer: Int, _ law: RecurringLaw, _ plan: PaymentPlan, month: Int, in days: Range<Int>,
    _ body: (_ day: Int, _ amount: Int64, TransactionType) -> Void
  ) {
    if let type = law.kind.income {
      // The next month's may come on this month's last days.
      for nominal in month...month + 1 {
        let day = calendar.incomeDay(plan.payDay, month: nominal)
        guard days.contains(day) else { continue }
        let raises = pow(1 + plan.raise, Double(calendar.year(ofMonth: nominal)))
        body(day, Int64((Double(plan.income) * raises).rounded()), type)
      }
    }
    for order in 0..<plan.orders {
      var stream = DrawStream(orderDraws, at: customer * Self.mostOrders + order)
      // Not past the 28th, which every month has.
      let nominalDay = 1 + Int(stream.unit() * 28)
      let amount = law.orderAmount * exp(law.orderSpread * stream.normal())
      // The month before's may come on this month's first days.
      for nominal in month - 1...month {
        let day = calendar.orderDay(nominalDay, month: nominal)
        guard days.contains(day) else { continue }
        body(day, max(1, Int64((min(amount, 1e12) * 100).rounded())), .standingOrder)
      }
    }
  }

  /// The day of one spending: some follows the pay day, the rest the week and the year.
  func spendingDay(
    _ law: RecurringLaw, _ plan: PaymentPlan, month: Int, from start: Int, to end: Int,
    _ stream: inout DrawStream
  ) -> Int {
    let u = stream.unit()
    if law.kind.income != nil, stream.unit() < Self.spendingAfterPayDay {
      let payDay = calendar.incomeDay(plan.payDay, month: month)
      let day = payDay + Int(min(stream.exponential() * Self.meanDaysAfterPayDay, 1e6))
      if day >= start, day < end { return day }
    }
    return day(at: u, from: start, to: end)
  }
}
