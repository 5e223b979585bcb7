import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import SyntheticBank

/// The days of one stream of payments, in order.
private struct Streams {
  /// By type, then by customer and amount.
  var days: [Int32: [[Int64]: [Int]]] = [:]

  init(_ bank: SyntheticBank) throws {
    for month in 0..<bank.configuration.months {
      let batch = try bank.transactions(month: month, workers: Workers(threads: 2))
      guard case .int64(let ids) = batch.columns[0].values,
        case .date(let days) = batch.columns[1].values,
        case .decimal(let amounts, precision: 18, scale: 2) = batch.columns[2].values,
        case .dictionary(let types, _) = batch.columns[4].values
      else {
        Issue.record("unexpected columns \(batch.schema)")
        return
      }
      for row in 0..<batch.rows {
        // Two orders of one customer are told apart by their amounts, which never change.
        let isOrder = types[row] == Int32(TransactionType.standingOrder.rawValue)
        self.days[types[row], default: [:]][[ids[row], isOrder ? amounts[row] : 0], default: []]
          .append(Int(days[row]))
      }
    }
  }

  /// k of Wheat & Morrison: with M the share of the first of the last two gaps in their sum, over
  /// streams with two gaps above 0, k = (1 − 4·Var M) / (8·Var M).
  func regularity(_ type: TransactionType) -> Double {
    var shares: [Double] = []
    for days in (days[Int32(type.rawValue)] ?? [:]).values where days.count >= 3 {
      let last = days.suffix(3).map(Double.init)
      guard last[2] > last[0] else { continue }
      shares.append((last[1] - last[0]) / (last[2] - last[0]))
    }
    #expect(shares.count > 200, "\(type) in too few streams")
    let mean = shares.reduce(0, +) / Double(shares.count)
    let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(shares.count - 1)
    return (1 - 4 * variance) / (8 * variance)
  }
}

@Suite struct RecurringPaymentTests {
  private static func bank(
    _ archetypes: [Archetype], customers: Int = 4_000, months: Int = 12
  ) throws -> SyntheticBank {
    SyntheticBank(
      try .init(customers: customers, months: months, seed: 2, archetypes: archetypes))
  }

  /// Salaries, pensions and standing orders are clockwork (k above 100), spending is not: its days
  /// bunch after the pay day, so k is about 1 or less.
  @Test func recurringPaymentsAreClockworkAndSpendingIsNot() throws {
    let streams = try Streams(Self.bank(Archetype.currentAccounts))
    for type in [TransactionType.salary, .pension, .standingOrder] {
      #expect(streams.regularity(type) > 100, "\(type)")
    }
    #expect((0.3...1.5).contains(streams.regularity(.spending)))
  }

  /// Each customer's rows against the truth: a payment a month and order while the account lives,
  /// on a working day, near its nominal day, of the amount that the plan says.
  @Test func paymentsFollowThePlan() throws {
    let bank = try Self.bank(Archetype.currentAccounts, customers: 600, months: 14)
    let streams = try Streams(bank)
    var seen = 0
    for customer in 0..<600 {
      let truth = bank.truth(ofCustomer: customer)
      let law = try #require(bank.laws[truth.archetype].recurring)
      let plan = bank.plan(ofCustomer: customer, law)
      guard truth.joined < 0, truth.left >= bank.days else { continue }
      seen += 1
      if let type = law.kind.income {
        let days = streams.days[Int32(type.rawValue)]?[[Int64(1_000_000 + customer), 0]] ?? []
        // The first month's may have come before the window, the next one's may come inside it.
        #expect((13...15).contains(days.count))
        for day in days {
          #expect(CivilDate.weekday(ofDay: day) < 5)
          let date = CivilDate(daysSinceEpoch: day)
          // Up to two days early, over the month's end too.
          let near = (0...2).contains { early in
            let nominal = CivilDate(daysSinceEpoch: day + early)
            let length =
              nominal.firstOfMonth(after: 1).daysSinceEpoch
              - nominal.firstOfMonth(after: 0).daysSinceEpoch
            return nominal.day == min(plan.payDay, length)
          }
          #expect(near, "paid on \(date) for day \(plan.payDay)")
        }
      }
      let id = Int64(1_000_000 + customer)
      let orders = (streams.days[Int32(TransactionType.standingOrder.rawValue)] ?? [:])
        .filter { $0.key[0] == id }
      #expect(orders.values.reduce(0) { $0 + $1.count } >= plan.orders * 13)
      #expect(orders.values.joined().allSatisfy { CivilDate.weekday(ofDay: $0) < 5 })
      #expect(orders.count <= plan.orders)
    }
    #expect(seen > 400)
  }

  /// Payments that working days move over a month's border are made once, wherever months are cut.
  @Test func noPaymentIsLostOrDoubledAtAMonthsBorder() throws {
    let bank = try Self.bank(Archetype.currentAccounts, customers: 300, months: 24)
    for customer in 0..<300 {
      let truth = bank.truth(ofCustomer: customer)
      let law = try #require(bank.laws[truth.archetype].recurring)
      let plan = bank.plan(ofCustomer: customer, law)
      var days: [Int] = []
      for month in 0..<24 {
        let range = bank.days(ofMonth: month)
        let window =
          Int(range.lowerBound) - bank.firstDay..<Int(range.upperBound) + 1 - bank.firstDay
        bank.forEachPayment(customer, law, plan, month: month, in: window) { day, _, type in
          if type != .standingOrder { days.append(day) }
        }
      }
      guard law.kind.income != nil else { continue }
      #expect(zip(days, days.dropFirst()).allSatisfy { (26...35).contains($1 - $0) }, "\(days)")
      #expect((23...25).contains(days.count))
    }
  }

  @Test func aMixedBankSaysWhoIsWhat() throws {
    let bank = try Self.bank(Archetype.mixedBank)
    #expect(bank.kindNames == ["retail", "salary", "pension", "standing orders"])
    let known = bank.customers(0..<4_000)
    let truth = bank.truth(0..<4_000)
    guard case .dictionary(let kinds, let names) = known.columns[2].values,
      case .dictionary(let segments, let segmentNames) = truth.columns[1].values,
      case .int32(let orders) = truth.columns[10].values
    else {
      Issue.record("unexpected columns \(known.schema) \(truth.schema)")
      return
    }
    #expect(
      truth.schema.fields.map(\.name).suffix(4) == ["kind", "pay_day", "income", "standing_orders"])
    var retail = 0
    for row in 0..<4_000 {
      let kind = names.text(Int(kinds[row]))
      let archetype = try #require(
        Archetype.mixedBank.first { $0.name == segmentNames.text(Int(segments[row])) })
      #expect(kind == archetype.recurring?.kind.rawValue ?? "retail")
      #expect((orders[row] > 0) == (kind != "retail"))
      #expect(truth.columns[8].isMissing(row) == (kind == "retail" || kind == "standing orders"))
      if kind == "retail" { retail += 1 }
    }
    // Half, ± 4 standard deviations.
    #expect(abs(retail - 2_000) < 4 * 32)
  }

  @Test(arguments: [1, 3]) func sameRowsForAnyThreadCount(threads: Int) throws {
    let bank = try Self.bank(Archetype.mixedBank, customers: 9_001, months: 2)
    #expect(try Ledger(bank, threads: threads) == Ledger(bank, threads: 2))
  }

  @Test func everyCustomerIsInTheLedgerAndNoneBeforeJoining() throws {
    let bank = try Self.bank(Archetype.currentAccounts, customers: 3_000, months: 6)
    let ledger = try Ledger(bank)
    #expect(Set(ledger.customers).count == 3_000)
    for row in ledger.customers.indices {
      let truth = bank.truth(ofCustomer: Int(ledger.customers[row]) - 1_000_000)
      let day = Int(ledger.days[row]) - bank.firstDay
      #expect(day >= max(truth.joined, 0) && day < truth.left)
    }
  }

  /// The retail bank is what it was before current accounts: benchmarks and examples rely on it.
  @Test func theRetailBankStaysAsItWas() throws {
    let bank = SyntheticBank(try .init(customers: 500, months: 3, seed: 5))
    let ledger = try Ledger(bank)
    var hash: UInt64 = 14_695_981_039_346_656_037  // FNV-1a
    for row in ledger.customers.indices {
      for value in [
        ledger.customers[row], Int64(ledger.days[row]), ledger.amounts[row],
        Int64(ledger.channels[row]),
      ] {
        hash = (hash ^ UInt64(bitPattern: value)) &* 1_099_511_628_211
      }
    }
    #expect(!bank.hasRecurringPayments)
    #expect(hash == 11_878_991_697_482_082_927)
  }

  @Test func badPaymentsSayWhatIsAllowed() throws {
    var archetype = Archetype.currentAccounts[0]
    archetype.recurring?.payDays = [32]
    do {
      _ = try SyntheticBankConfiguration(customers: 1, archetypes: [archetype])
      Issue.record("accepted day 32")
    } catch {
      #expect(error.description.contains("pay days of 'salary'"))
    }
    archetype.recurring?.payDays = [1]
    archetype.recurring?.orders = 0...9
    #expect(throws: SyntheticBankError.self) {
      try SyntheticBankConfiguration(customers: 1, archetypes: [archetype])
    }
  }
}
