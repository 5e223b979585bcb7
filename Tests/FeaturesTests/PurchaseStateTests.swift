import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

/// Purchases out of a state against those of a fold over all rows, to the bit.
@Suite struct PurchaseStateTests {
  private static let start = Int32.day("2024-01-01")
  private typealias State = (folder: String, index: LedgerStateIndex)

  /// Mostly a month's rows, some late, some ahead, some from before what day sets reach; busy and
  /// quiet customers, days met again by later files.
  private static func month(_ number: Int, rows: Int) -> PlainLedger {
    let random = CounterBasedRandom(seed: UInt64(number) + 77, purpose: .init("purchase months"))
    var ledger = PlainLedger()
    for row in 0..<rows {
      func unit(_ k: Int) -> Double { random.unit(at: row * 8 + k) }
      var day = start + Int32(number * 30) + Int32(unit(0) * 30)
      if unit(1) < 0.15 { day -= Int32(unit(2) * 500) }
      if unit(1) > 0.95 { day += Int32(unit(2) * 70) }
      if unit(3) < 0.02 { day -= 3_990 + Int32(unit(2) * 400) }
      // Of every length that an amount may take.
      let size = [2e2, 2e4, 4e6, 2e9, 9e12][Int(unit(4) * unit(4) * 5)]
      ledger.rows.append(
        PlainLedger.Row(
          id: Int64(unit(5) * unit(5) * 500) * 7 - 90, day: day,
          amount: Int64((unit(6) - 0.2) * size), channel: nil))
    }
    return ledger
  }

  private static func fold(
    _ ledger: PlainLedger?, asOf: Int32, _ windows: PurchaseWindows?, form: PlainLedger.IDForm,
    features: [String] = ["frequency", "active_days"], state: LedgerStateExchange? = nil,
    threads: Int = 2
  ) throws -> FoldedLedger {
    var fold = LedgerFold(
      format: LedgerFormat(), asOf: asOf, features: FeatureSelection.parse(features).selection,
      workers: Workers(threads: threads))
    fold.purchases = windows
    return try fold.features(
      of: ledger.map { MemorySource($0.batches(sizes: [97, 300], form: form)) }, state: state
    ) { _ in }
  }

  private static func step(
    _ ledger: PlainLedger?, asOf: Int32, _ windows: PurchaseWindows?,
    form: PlainLedger.IDForm = .int64, features: [String] = ["frequency", "active_days"],
    after previous: State?, in folder: String, threads: Int = 2
  ) throws -> (folded: FoldedLedger, state: State) {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let folded = try fold(
      ledger, asOf: asOf, windows, form: form, features: features,
      state: LedgerStateExchange(previous: previous, target: folder), threads: threads)
    let index = try #require(folded.state)
    for file in previous?.index.dayFiles ?? []
    where index.dayFiles.contains(where: { $0.name == file.name }) {
      try FileManager.default.copyItem(
        atPath: previous!.folder + "/" + file.name, toPath: folder + "/" + file.name)
    }
    let text = try JSONEncoder().encode(index)
    return (folded, (folder, try JSONDecoder().decode(LedgerStateIndex.self, from: text)))
  }

  /// Words of days that no purchase lies in may be there or not.
  private static func days(_ purchases: CustomerPurchases, words: Int) -> [UInt64] {
    (0..<purchases.customers).flatMap { row in
      (0..<words).map { $0 < purchases.words ? purchases.days[row * purchases.words + $0] : 0 }
    }
  }

  private static func expectEqual(
    _ folded: FoldedLedger, _ whole: FoldedLedger, _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let (a, b) = (try #require(folded.purchases), try #require(whole.purchases))
    let words = max(a.words, b.words)
    let same =
      a.customers == b.customers && a.oldestAge == b.oldestAge && a.windows == b.windows
      && days(a, words: words) == days(b, words: words)
      && a.amounts.values.map(\.bitPattern) == b.amounts.values.map(\.bitPattern)
      && a.firstAmounts.values.map(\.bitPattern) == b.firstAmounts.values.map(\.bitPattern)
      && Array(a.firstAges.values) == Array(b.firstAges.values)
    #expect(same, "\(comment)", sourceLocation: sourceLocation)
    #expect(b.customers > 0 && b.oldestAge >= 0)
  }

  private static func joined(_ months: ArraySlice<PlainLedger>) -> PlainLedger {
    var all = PlainLedger()
    for month in months { all.rows += month.rows }
    return all
  }

  @Test(arguments: PurchaseWindows.Kind.allCases, [PlainLedger.IDForm.int64, .text])
  func monthByMonthGivesWhatTheWholeLedgerGives(
    kind: PurchaseWindows.Kind, form: PlainLedger.IDForm
  ) throws {
    let folder = try TemporaryFolder()
    let months = (0..<9).map { Self.month($0, rows: 900) }
    var asOf = Self.start + 25
    var state: State?
    // Windows may be others every month: days are kept, not windows.
    func windows(_ number: Int) -> PurchaseWindows {
      PurchaseWindows(kind: kind, edges: (0..<(3 + 2 * (number % 4))).map { $0 * (17 + number) })
    }
    for number in months.indices {
      asOf += 17 + Int32(number % 3) * 15
      // Now and then a run that asks for no purchases.
      let asked = number % 4 == 2 ? nil : windows(number)
      let (folded, next) = try Self.step(
        months[number], asOf: asOf, asked, form: form, after: state,
        in: folder.path("state-\(number)"), threads: 1 + number % 3)
      state = next
      if asked == nil {
        #expect(folded.purchases == nil)
        continue
      }
      let whole = try Self.fold(
        Self.joined(months[...number]), asOf: asOf, asked, form: form)
      try Self.expectEqual(folded, whole, "month \(number)")
    }
    // Time goes on without rows, past what day sets reach.
    for (number, days) in [1, 29, 400, 3_700].enumerated() {
      asOf += Int32(days)
      let (folded, next) = try Self.step(
        nil, asOf: asOf, windows(number), form: form, after: state,
        in: folder.path("later-\(number)"))
      state = next
      let whole = try Self.fold(Self.joined(months[...]), asOf: asOf, windows(number), form: form)
      try Self.expectEqual(folded, whole, "\(days) days later")
    }
  }

  /// So many rows that they are brought into the lists several times, and customers in many groups,
  /// which a later month cuts.
  @Test(arguments: [PlainLedger.IDForm.int64, .text])
  func manyGroupsGoOnExactly(form: PlainLedger.IDForm) throws {
    let folder = try TemporaryFolder()
    let random = CounterBasedRandom(seed: 3, purpose: .init("many purchases"))
    let windows = PurchaseWindows(kind: .positive, edges: [0, 30, 90])
    let months = (0..<2).map { month in
      var ledger = PlainLedger()
      for row in 0..<(month == 0 ? 40_000 : 70_000) {
        func unit(_ k: Int) -> Double { random.unit(at: (month * 70_000 + row) * 4 + k) }
        ledger.rows.append(
          PlainLedger.Row(
            id: month == 0 ? Int64(row) * 2 : Int64(unit(0) * 90_000),
            day: Self.start + Int32(month * 30) + Int32(unit(1) * 30),
            amount: Int64((unit(2) - 0.2) * 1e5), channel: nil))
      }
      return ledger
    }
    var state: State?
    for number in months.indices {
      let asOf = Self.start + Int32(number + 1) * 30
      let (folded, next) = try Self.step(
        months[number], asOf: asOf, windows, form: form, features: ["tenure_days"], after: state,
        in: folder.path("state-\(number)"))
      state = next
      let whole = try Self.fold(
        Self.joined(months[...number]), asOf: asOf, windows, form: form, features: ["tenure_days"])
      try Self.expectEqual(folded, whole, "month \(number)")
    }
    let batches = try #require(state?.index.purchases).files.flatMap(\.batches)
    #expect(
      batches.map(\.rows) == state?.index.customerFiles.flatMap(\.batches).map(\.rows)
        && batches.count > 2)
  }

  /// Enough rows of few customers that waiting rows are brought in before the end.
  @Test func waitingRowsAreBroughtInOnTheWay() throws {
    let folder = try TemporaryFolder()
    let random = CounterBasedRandom(seed: 8, purpose: .init("busy customers"))
    var ledger = PlainLedger()
    for row in 0..<150_000 {
      ledger.rows.append(
        PlainLedger.Row(
          id: 5, day: Self.start + Int32(random.unit(at: 2 * row) * 700),
          amount: Int64(random.unit(at: 2 * row + 1) * 1e6), channel: nil))
    }
    let windows = PurchaseWindows(kind: .all, edges: [0, 30, 90, 570])
    let (folded, state) = try Self.step(
      ledger, asOf: Self.start + 730, windows, after: nil, in: folder.path("state"))
    try Self.expectEqual(
      folded, try Self.fold(ledger, asOf: Self.start + 730, windows, form: .int64), "busy")
    #expect(state.index.customers == 1)
  }

  @Test func sumsBeyondTheirRangeAreRefused() throws {
    let folder = try TemporaryFolder()
    func month(_ amount: Int64, day: Int32) -> PlainLedger {
      var ledger = PlainLedger()
      ledger.rows = [PlainLedger.Row(id: 1, day: day, amount: amount, channel: nil)]
      return ledger
    }
    let windows = PurchaseWindows(kind: .all, edges: [0, 30])
    var half = month(.max / 2, day: Self.start)
    half.rows += month(-(.max / 2), day: Self.start).rows
    let (_, state) = try Self.step(
      half, asOf: Self.start + 1, windows, after: nil, in: folder.path("first"))
    // The features' sums are 0; the sizes of purchases do not fit.
    for (number, day) in [Self.start, Self.start + 1].enumerated() {
      #expect(throws: InputError.self) {
        _ = try Self.step(
          month(2, day: day), asOf: Self.start + 1, windows, after: state,
          in: folder.path("second-\(number)"))
      }
    }
  }

  @Test func refusesWhatTheStateDoesNotKeep() throws {
    let folder = try TemporaryFolder()
    let asOf = Self.start + 40
    let month = Self.month(0, rows: 200)
    let windows = PurchaseWindows(kind: .positive, edges: [0, 30])
    func refusal(_ kind: PurchaseWindows.Kind, after state: State, _ name: String) throws -> String
    {
      let error = try #require(throws: InputError.self) {
        _ = try Self.step(
          month, asOf: asOf, PurchaseWindows(kind: kind, edges: [0, 30]), after: state,
          in: folder.path(name))
      }
      return error.message + (error.hint ?? "")
    }
    let (_, without) = try Self.step(
      month, asOf: asOf, nil, features: ["frequency", "active_days", "monetary"], after: nil,
      in: folder.path("without"))
    let sentence = try refusal(.positive, after: without, "a")
    #expect(sentence.contains("without the purchases") && sentence.contains("--refold"))
    let (_, state) = try Self.step(month, asOf: asOf, windows, after: nil, in: folder.path("with"))
    #expect(try refusal(.all, after: state, "b").contains("value.purchases"))
    #expect(without.index.purchases == nil && state.index.purchases != nil)
  }

  /// Every file of purchases cut short, or with a byte changed, is found out or changes nothing.
  @Test func damagedFilesAreFoundOut() throws {
    let folder = try TemporaryFolder()
    let windows = PurchaseWindows(kind: .positive, edges: [0, 30, 90])
    let (_, state) = try Self.step(
      Self.month(0, rows: 600), asOf: Self.start + 20, windows, after: nil,
      in: folder.path("first"))
    let (sound, _) = try Self.step(
      nil, asOf: Self.start + 60, windows, after: state, in: folder.path("sound"))
    let path = URL(fileURLWithPath: state.folder + "/purchases-0.arrow")
    let content = try Data(contentsOf: path)
    var damaged = [content.prefix(content.count / 2), Data()]
    for place in stride(from: 8, to: content.count - 8, by: max(1, content.count / 40)) {
      var copy = content
      copy[place] ^= 0x10
      damaged.append(copy)
    }
    var refused = 0
    for (number, bytes) in damaged.enumerated() {
      try Data(bytes).write(to: path)
      do {
        let (folded, _) = try Self.step(
          nil, asOf: Self.start + 60, windows, after: state, in: folder.path("damaged-\(number)"))
        try Self.expectEqual(folded, sound, "byte \(number)")
      } catch is InputError {
        refused += 1
      }
    }
    #expect(refused > damaged.count / 2)
    try FileManager.default.removeItem(at: path)
    #expect(throws: InputError.self) {
      _ = try Self.step(
        nil, asOf: Self.start + 60, windows, after: state, in: folder.path("missing"))
    }
  }

  /// Gaps around the escape's 63 days and amounts around every length.
  @Test func listsKeepEveryDayAndAmount() {
    let gaps = [0, 1, 62, 63, 64, 125, 126, 127, 4_000]
    let amounts: [Int64] = [
      0, 1, 65_535, 65_536, 16_777_215, 16_777_216, 4_294_967_295, 4_294_967_296, .max,
    ]
    var bytes = GrowingBlock<UInt8>()
    var expected: [(Int, Int64)] = []
    var day = -700
    for (number, amount) in (amounts + amounts.reversed()).enumerated() {
      let gap = gaps[number % gaps.count]
      day += gap
      PurchaseList.append(gap: gap, amount: amount, to: &bytes)
      expected.append((day, amount))
    }
    let length = bytes.count
    bytes.reserve(length + 8)
    var found: [(Int, Int64)] = []
    PurchaseList.forEach(
      UnsafeBufferPointer(start: bytes.base, count: length), first: -700
    ) { found.append(($0, $1)) }
    #expect(found.map(\.0) == expected.map(\.0) && found.map(\.1) == expected.map(\.1))
  }
}
