/// How a transaction is made.
package enum Channel: Int, CaseIterable, Sendable, Hashable {
  case card, online, atm, transfer, branch, mobile

  package var name: String { String(describing: self) }
}

/// One kind of customer: the latent segment that a clustering ought to find again.
package struct Archetype: Sendable, Hashable {
  package var name: String
  /// Share among the bank's customers, relative to the other archetypes' weights.
  package var weight: Double
  /// Transactions a month while active, relative to the other archetypes' rates: the configured
  /// mean of the whole bank sets the scale.
  package var rate: Double
  /// Shape of the gamma distribution of the customers' rates: 1 is heavy-tailed, 25 is narrow. Its
  /// coefficient of variation is 1/√shape.
  package var rateShape: Double
  /// Median over customers of the mean ticket, in major units.
  package var ticket: Double
  /// Standard deviation of the logarithm of the mean ticket between customers.
  package var ticketSpread: Double
  /// Standard deviation of the logarithm of the tickets of one customer.
  package var ticketDeviation: Double
  /// Hazard of leaving for good, a year.
  package var dropout: Double
  /// Weights of the channels, in the order of `Channel.allCases`.
  package var channels: [Double]
  /// Share of transactions that are refunds.
  package var refunds: Double
  /// Ages are uniform in this range.
  package var ages: ClosedRange<Int>
  /// Evenly spaced payments instead of a Poisson process.
  package var isClockwork: Bool
  /// Income and standing orders on fixed days, with the transactions above as spending around them.
  package var recurring: RecurringPayments?

  package init(
    name: String, weight: Double, rate: Double, rateShape: Double, ticket: Double,
    ticketSpread: Double, ticketDeviation: Double, dropout: Double, channels: [Double],
    refunds: Double, ages: ClosedRange<Int>, isClockwork: Bool = false,
    recurring: RecurringPayments? = nil
  ) {
    self.name = name
    self.weight = weight
    self.rate = rate
    self.rateShape = rateShape
    self.ticket = ticket
    self.ticketSpread = ticketSpread
    self.ticketDeviation = ticketDeviation
    self.dropout = dropout
    self.channels = channels
    self.refunds = refunds
    self.ages = ages
    self.isClockwork = isClockwork
    self.recurring = recurring
  }

  /// A retail bank in eight archetypes. Weights sum to 1; rates span a factor of 120 and tickets one
  /// of 40, because real ledgers do.
  package static let retailBank: [Archetype] = [
    Archetype(
      name: "salary account", weight: 0.30, rate: 1.6, rateShape: 4, ticket: 70,
      ticketSpread: 0.35, ticketDeviation: 0.7, dropout: 0.06,
      channels: [0.45, 0.20, 0.08, 0.17, 0.02, 0.08], refunds: 0.012, ages: 22...62,
      isClockwork: true),
    Archetype(
      name: "student", weight: 0.12, rate: 1.9, rateShape: 2, ticket: 12,
      ticketSpread: 0.35, ticketDeviation: 0.7, dropout: 0.15,
      channels: [0.35, 0.25, 0.08, 0.04, 0.01, 0.27], refunds: 0.020, ages: 18...26),
    Archetype(
      name: "pensioner", weight: 0.15, rate: 1.0, rateShape: 4, ticket: 160,
      ticketSpread: 0.30, ticketDeviation: 0.5, dropout: 0.05,
      channels: [0.10, 0.03, 0.25, 0.22, 0.38, 0.02], refunds: 0.006, ages: 60...92,
      isClockwork: true),
    Archetype(
      name: "affluent", weight: 0.06, rate: 2.4, rateShape: 2, ticket: 480,
      ticketSpread: 0.50, ticketDeviation: 1.0, dropout: 0.05,
      channels: [0.35, 0.25, 0.03, 0.25, 0.04, 0.08], refunds: 0.015, ages: 35...75),
    Archetype(
      name: "small business", weight: 0.05, rate: 8.0, rateShape: 1.5, ticket: 220,
      ticketSpread: 0.50, ticketDeviation: 1.1, dropout: 0.10,
      channels: [0.15, 0.25, 0.03, 0.45, 0.07, 0.05], refunds: 0.020, ages: 25...68),
    Archetype(
      name: "ATM only", weight: 0.12, rate: 0.8, rateShape: 2, ticket: 90,
      ticketSpread: 0.30, ticketDeviation: 0.4, dropout: 0.12,
      channels: [0.02, 0.00, 0.95, 0.01, 0.02, 0.00], refunds: 0.000, ages: 20...85),
    Archetype(
      name: "card heavy", weight: 0.10, rate: 4.5, rateShape: 2.5, ticket: 24,
      ticketSpread: 0.30, ticketDeviation: 0.7, dropout: 0.08,
      channels: [0.80, 0.10, 0.02, 0.02, 0.00, 0.06], refunds: 0.025, ages: 20...60),
    Archetype(
      name: "dormant", weight: 0.10, rate: 0.07, rateShape: 1, ticket: 40,
      ticketSpread: 0.50, ticketDeviation: 0.8, dropout: 0.60,
      channels: [0.30, 0.10, 0.25, 0.20, 0.10, 0.05], refunds: 0.010, ages: 18...90),
  ]
}
