import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import SyntheticBank

/// A month's rows as plain arrays.
struct Ledger: Equatable {
  var customers: [Int64] = []
  var days: [Int32] = []
  var amounts: [Int64] = []
  var channels: [Int32] = []

  mutating func append(_ batch: RecordBatch) {
    guard case .int64(let ids) = batch.columns[0].values,
      case .date(let days) = batch.columns[1].values,
      case .decimal(let amounts, precision: 18, scale: 2) = batch.columns[2].values,
      case .dictionary(let codes, _) = batch.columns[3].values
    else {
      Issue.record("unexpected columns \(batch.schema)")
      return
    }
    customers += ids.values
    self.days += days.values
    self.amounts += amounts.values
    channels += codes.values
  }

  init(
    _ bank: SyntheticBank, customers: Range<Int>? = nil, months: Range<Int>? = nil, threads: Int = 2
  )
    throws
  {
    for month in months ?? 0..<bank.configuration.months {
      append(
        try bank.transactions(
          ofCustomers: customers, month: month, workers: Workers(threads: threads)))
    }
  }

  func write(to folder: TemporaryFolder) throws {
    func save<Value>(_ name: String, _ values: [Value]) throws {
      try values.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: folder.path(name)))
    }
    try save("customers", customers)
    try save("days", days)
    try save("amounts", amounts)
    try save("channels", channels)
  }
}

@Suite struct SyntheticBankTests {
  @Test(arguments: [1, 3, 8]) func sameRowsForAnyThreadCount(threads: Int) throws {
    // More than one shard of 8,192 customers.
    let bank = SyntheticBank(try .init(customers: 9_001, months: 2, seed: 5))
    #expect(try Ledger(bank, threads: threads) == Ledger(bank, threads: 2))
  }

  @Test func anyCustomersRowsCanBeMadeAlone() throws {
    let bank = SyntheticBank(try .init(customers: 300, months: 3, seed: 9))
    let whole = try Ledger(bank)
    let some = try Ledger(bank, customers: 100..<130)
    let wanted = whole.customers.indices.filter {
      (1_000_100..<1_000_130).contains(whole.customers[$0])
    }
    #expect(some.customers == wanted.map { whole.customers[$0] })
    #expect(some.amounts == wanted.map { whole.amounts[$0] })
    #expect(some.days == wanted.map { whole.days[$0] })
  }

  @Test func anotherSeedIsAnotherBank() throws {
    let one = try Ledger(SyntheticBank(.init(customers: 100, months: 1, seed: 1)))
    let other = try Ledger(SyntheticBank(.init(customers: 100, months: 1, seed: 2)))
    #expect(one != other)
  }

  @Test func rowsLieInTheirMonthInDayOrderButNotByCustomer() throws {
    let bank = SyntheticBank(try .init(customers: 2_000, months: 14))
    #expect(bank.name(ofMonth: 0) == "2024-11")
    #expect(bank.name(ofMonth: 13) == "2025-12")
    #expect(bank.days(ofMonth: 13).upperBound == 20_453)
    for month in [0, 13] {
      let ledger = try Ledger(bank, months: month..<month + 1)
      #expect(ledger.days.allSatisfy(bank.days(ofMonth: month).contains))
      #expect(zip(ledger.days, ledger.days.dropFirst()).allSatisfy { $0 <= $1 })
      let ascents = zip(ledger.customers, ledger.customers.dropFirst()).filter { $0 < $1 }.count
      // Half of the steps of a shuffled sequence go up: ± 5 standard deviations of about √(n/12).
      let n = Double(ledger.customers.count)
      #expect(abs(Double(ascents) - n / 2) < 5 * (n / 12).squareRoot())
    }
  }

  @Test func theMeanNumberOfTransactionsIsTheConfiguredOne() throws {
    let customers = 20_000
    for (mean, months) in [(16.8, 12), (40.0, 6)] {
      let bank = SyntheticBank(
        try .init(customers: customers, months: months, meanTransactionsPerYear: mean))
      let ledger = try Ledger(bank)
      let perYear = Double(ledger.customers.count) / Double(customers) * 12 / Double(months)
      // Up to one row more for a customer whose draws are empty; noise about 1 %.
      #expect(abs(perYear / mean - 1) < 0.05, "\(perYear) for \(mean)")
      #expect(Set(ledger.customers).count == customers, "every customer is in the ledger")
    }
  }

  @Test func truthAgreesWithTheLedger() throws {
    let customers = 5_000
    let bank = SyntheticBank(try .init(customers: customers, months: 12, seed: 3))
    let ledger = try Ledger(bank)
    let truths = (0..<customers).map { bank.truth(ofCustomer: $0) }
    var last = [Int32](repeating: .min, count: customers)
    var first = [Int32](repeating: .max, count: customers)
    for row in ledger.customers.indices {
      let customer = Int(ledger.customers[row]) - 1_000_000
      last[customer] = max(last[customer], ledger.days[row])
      first[customer] = min(first[customer], ledger.days[row])
    }
    for (customer, truth) in truths.enumerated() {
      #expect(Int(last[customer]) < bank.firstDay + truth.left)
      #expect(Int(first[customer]) >= bank.firstDay + max(truth.joined, 0))
    }
    let batch = bank.truth(10..<20)
    guard case .dictionary(let codes, let names) = batch.columns[1].values,
      case .double(let rates) = batch.columns[2].values,
      case .date(let dropouts) = batch.columns[4].values,
      case .int32(let alive) = batch.columns[6].values
    else {
      Issue.record("unexpected columns")
      return
    }
    for row in 0..<10 {
      let truth = truths[row + 10]
      #expect(names.text(Int(codes[row])) == Archetype.retailBank[truth.archetype].name)
      #expect(rates[row] == truth.rate)
      #expect(batch.columns[4].isMissing(row) == (alive[row] == 1))
      #expect(alive[row] == 1 || Int(dropouts[row]) == bank.firstDay + truth.left)
    }
  }

  @Test func sharesFollowTheArchetypes() throws {
    let bank = SyntheticBank(try .init(customers: 30_000))
    let truths = (0..<30_000).map { bank.truth(ofCustomer: $0) }
    for (index, archetype) in Archetype.retailBank.enumerated() {
      let members = truths.filter { $0.archetype == index }
      let share = Double(members.count) / 30_000
      // ± 4 standard deviations.
      #expect(
        abs(share - archetype.weight)
          < 4 * (archetype.weight * (1 - archetype.weight) / 30_000).squareRoot())
      let medianTicket = members.map(\.meanTicket).sorted()[members.count / 2]
      #expect(abs(medianTicket / archetype.ticket - 1) < 0.08)
      #expect(members.allSatisfy { $0.age.map(archetype.ages.contains) ?? true })
    }
    let unknown = truths.filter { $0.age == nil }.count
    #expect((200...400).contains(unknown))
  }

  @Test func refundsChannelsAndWeekdays() throws {
    let bank = SyntheticBank(try .init(customers: 20_000, months: 3))
    let ledger = try Ledger(bank)
    let refunds = Double(ledger.amounts.filter { $0 < 0 }.count) / Double(ledger.amounts.count)
    #expect((0.010...0.025).contains(refunds))
    #expect(!ledger.amounts.contains(0))
    let atm = Int32(Channel.atm.rawValue)
    let branch = Int32(Channel.branch.rawValue)
    var weekdays = [Int](repeating: 0, count: 7)
    for row in ledger.days.indices {
      let weekday = CivilDate.weekday(ofDay: Int(ledger.days[row]))
      weekdays[weekday] += 1
      if ledger.channels[row] == atm { #expect(ledger.amounts[row] % 1_000 == 0) }
      if ledger.channels[row] == branch { #expect(weekday < 5) }
    }
    #expect(weekdays[4] > weekdays[1] && weekdays[1] > weekdays[6])
    #expect(Set(ledger.channels).count == Channel.allCases.count)
  }

  @Test func textIdentifiersKeepTheirZeros() throws {
    let bank = SyntheticBank(try .init(customers: 30, months: 1, identifierForm: .text))
    let batch = bank.customers(0..<30)
    guard case .strings(let ids) = batch.columns[0].values else {
      Issue.record("text expected")
      return
    }
    #expect(ids.text(7) == "000001000007")
    #expect(
      try bank.transactions(month: 0, workers: Workers(threads: 1)).columns[0].type == .string)
  }

  @Test func badConfigurationsSayWhatIsAllowed() {
    #expect(throws: SyntheticBankError.self) { try SyntheticBankConfiguration(customers: 0) }
    #expect(throws: SyntheticBankError.self) {
      try SyntheticBankConfiguration(customers: 1, months: 0)
    }
    #expect(throws: SyntheticBankError.self) {
      try SyntheticBankConfiguration(customers: 1, separation: .nan)
    }
    var twin = Archetype.retailBank[0]
    twin.weight = 0.1
    #expect(throws: SyntheticBankError.duplicateArchetype("salary account")) {
      try SyntheticBankConfiguration(customers: 1, archetypes: [Archetype.retailBank[0], twin])
    }
    twin.channels = [1]
    do {
      _ = try SyntheticBankConfiguration(customers: 1, archetypes: [twin])
      Issue.record("accepted one channel weight")
    } catch {
      #expect(error.description.contains("channel weights of 'salary account'"))
    }
  }
}

@Suite struct RecoveryTests {
  /// Well separated, the latent segments are there to be found: K-Means on what a bank can see of
  /// each customer agrees with the truth.
  @Test func kMeansFindsTheLatentSegments() throws {
    let bank = SyntheticBank(
      try .init(customers: 20_000, seed: 1, meanTransactionsPerYear: 48, separation: 4))
    let folder = try TemporaryFolder()
    try Ledger(bank).write(to: folder)
    let truth = (0..<20_000).map { Int32(bank.truth(ofCustomer: $0).archetype) }
    try truth.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: folder.path("truth")))
    let score = try Shell.python(
      """
      import sys, numpy as np
      from sklearn.cluster import KMeans
      from sklearn.metrics import adjusted_rand_score
      from sklearn.preprocessing import StandardScaler
      load = lambda name, kind: np.fromfile(f"{sys.argv[1]}/{name}", kind)
      ids = load("customers", np.int64) - 1_000_000
      amounts = load("amounts", np.int64) / 100
      truth = load("truth", np.int32)
      n = len(truth)
      frequency = np.bincount(ids, minlength=n)
      money = np.bincount(ids, np.abs(amounts), minlength=n)
      X = StandardScaler().fit_transform(
          np.column_stack([np.log1p(frequency), np.log1p(money / frequency)]))
      labels = KMeans(8, n_init=10, random_state=0).fit_predict(X)
      print(adjusted_rand_score(truth, labels))
      """, [folder.url.path])
    let adjustedRandIndex = try #require(
      Double(score.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(adjustedRandIndex >= 0.9)
  }

  /// Three kinds of ATM customers, found by K-Means in two standardised columns.
  @Test func kMeansFindsTheATMKinds() throws {
    let batch = try ATMExercise.customers(seed: 0)
    guard case .int32(let frequency) = batch.columns[1].values,
      case .double(let amount) = batch.columns[2].values,
      case .dictionary(let kinds, _) = batch.columns[4].values
    else {
      Issue.record("unexpected columns")
      return
    }
    let folder = try TemporaryFolder()
    let lines = (0..<1_000).map { "\(frequency[$0]),\(amount[$0]),\(kinds[$0])" }
    let score = try Shell.python(
      """
      import sys, numpy as np
      from sklearn.cluster import KMeans
      from sklearn.metrics import adjusted_rand_score
      from sklearn.preprocessing import StandardScaler
      data = np.loadtxt(sys.argv[1], delimiter=",")
      labels = KMeans(3, n_init=10, random_state=0).fit_predict(
          StandardScaler().fit_transform(data[:, :2]))
      print(adjusted_rand_score(data[:, 2], labels))
      """, [try folder.write("atm.csv", lines.joined(separator: "\n"))])
    let adjustedRandIndex = try #require(
      Double(score.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(adjustedRandIndex >= 0.9)
  }
}

@Suite struct DrawTests {
  @Test func quantilesOfTheNormalDistribution() throws {
    let ps = [1e-300, 1e-20, 1e-9, 0.001, 0.07, 0.0750001, 0.3, 0.5, 0.6, 0.93, 0.999999]
    let expected = try Shell.python(
      """
      import sys
      from scipy.stats import norm
      print(" ".join(repr(float(norm.ppf(float(p)))) for p in sys.argv[1:]))
      """, ps.map { "\($0)" }
    ).split(whereSeparator: \.isWhitespace).map { Double($0)! }
    for (p, value) in zip(ps, expected) {
      #expect(abs(normalQuantile(p) - value) <= 2e-14 * max(1, abs(value)), "p = \(p)")
    }
  }

  @Test(arguments: [0.3, 1, 4.5]) func momentsOfTheGammaDistribution(shape: Double) {
    let random = CounterBasedRandom(seed: 1, purpose: .init("gamma test"))
    let n = 20_000
    let draws = (0..<n).map { index in
      var stream = DrawStream(random, at: index)
      return stream.gamma(shape: shape)
    }
    let mean = draws.reduce(0, +) / Double(n)
    let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
    // Standard errors: √(shape/n) and √((2·shape² + 6·shape)/n).
    #expect(abs(mean - shape) < 4 * (shape / Double(n)).squareRoot())
    #expect(abs(variance - shape) < 4 * ((2 * shape * shape + 6 * shape) / Double(n)).squareRoot())
  }

  @Test(arguments: [0, 0.2, 5, 31.9, 100]) func momentsOfThePoissonDistribution(mean: Double) {
    let random = CounterBasedRandom(seed: 2, purpose: .init("poisson test"))
    let n = 20_000
    let draws = (0..<n).map { index in
      var stream = DrawStream(random, at: index)
      return Double(stream.poisson(mean: mean))
    }
    let average = draws.reduce(0, +) / Double(n)
    let variance = draws.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(n)
    #expect(abs(average - mean) <= 4 * (mean / Double(n)).squareRoot())
    #expect(abs(variance - mean) <= 4 * ((mean + 2 * mean * mean) / Double(n)).squareRoot())
  }

  @Test func calendar() {
    #expect(CivilDate(daysSinceEpoch: 20_453) == CivilDate(year: 2025, month: 12, day: 31))
    #expect(CivilDate(year: 2000, month: 2, day: 29).daysSinceEpoch == 11_016)
    #expect(CivilDate.weekday(ofDay: 20_453) == 2)  // a Wednesday
    for days in stride(from: -800_000, through: 3_000_000, by: 9_973) {
      #expect(CivilDate(daysSinceEpoch: days).daysSinceEpoch == days)
    }
    #expect(
      CivilDate(year: 2025, month: 1, day: 31).firstOfMonth(after: -1)
        == CivilDate(year: 2024, month: 12, day: 1))
  }
}

/// Speed, on request: `TRANCHE_MEASURE=1 swift test -c release -Xswiftc -enable-testing --filter SyntheticBankTests`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["TRANCHE_MEASURE"] != nil))
struct SyntheticBankMeasurements {
  @Test func aMillionCustomersForAYear() throws {
    let bank = SyntheticBank(try .init(customers: 1_000_000))
    for threads in [1, 2, 2] {
      let clock = ContinuousClock()
      var rows = 0
      let time = try clock.measure {
        for month in 0..<12 {
          rows += try bank.transactions(month: month, workers: Workers(threads: threads)).rows
        }
      }
      print("bank of 1,000,000 × 12 months: \(rows) rows in \(time) on \(threads) threads")
    }
  }
}
