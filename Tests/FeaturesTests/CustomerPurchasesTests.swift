import Columnar
import Sharding
import Testing

@testable import Features

/// The purchase history of the fold against a plain twin: days and sums taken from the rows again.
@Suite struct CustomerPurchasesTests {
  private static let asOf = Int32.day("2025-12-31")
  private static let edges = [0, 30, 90, 365, 700]

  private static func fold(
    _ ledger: PlainLedger, _ kind: PurchaseWindows.Kind, form: PlainLedger.IDForm, sizes: [Int],
    threads: Int, edges: [Int] = edges
  ) throws -> (ids: [String], purchases: CustomerPurchases) {
    var fold = LedgerFold(
      format: LedgerFormat(), asOf: asOf,
      features: FeatureSelection(features: [.recencyDays], channels: nil),
      workers: Workers(threads: threads))
    fold.purchases = PurchaseWindows(kind: kind, edges: edges)
    let folded = try fold.features(of: MemorySource(ledger.batches(sizes: sizes, form: form))) {
      _ in
    }
    let table = folded.table
    let ids = (0..<table.rows).map { row -> String in
      switch table.ids.values {
      case .int64(let ids): String(ids[row])
      case .strings(let texts): texts.text(row)
      default: "unexpected"
      }
    }
    return (ids, try #require(folded.purchases))
  }

  @Test(arguments: PurchaseWindows.Kind.allCases, PlainLedger.IDForm.allCases)
  func agreesWithThePlainRows(kind: PurchaseWindows.Kind, form: PlainLedger.IDForm) throws {
    let ledger = FoldTwinTests.ledger(rows: 4_000, customers: 300, span: 1_200, seed: 11)
    let (ids, purchases) = try Self.fold(
      ledger, kind, form: form, sizes: [100, 1, 900], threads: 2)
    let isText = form == .text || form == .dictionary
    var rowsByID: [String: [PlainLedger.Row]] = [:]
    for row in ledger.rows {
      rowsByID[isText ? PlainLedger.text(row.id) : String(row.id), default: []].append(row)
    }
    #expect(purchases.customers == rowsByID.count && ids.count == rowsByID.count)
    var oldest = -1
    for (place, id) in ids.enumerated() {
      let rows = try #require(rowsByID[id]).filter { kind == .all || $0.amount >= 0 }
      let ages = rows.map { min(Int(Self.asOf - $0.day), 4_095) }
      let days = Set(ages).sorted()
      #expect(Int(purchases.firstAges[place]) == days.last ?? -1)
      oldest = max(oldest, days.last ?? -1)
      func sum(_ range: Range<Int>) -> Double {
        Double(zip(ages, rows).reduce(0) { range.contains($1.0) ? $0 + abs($1.1.amount) : $0 })
          / 100
      }
      for (from, to) in [(0, 1), (0, 30), (17, 64), (63, 65), (64, 128), (90, 365), (0, 5_000)] {
        #expect(
          purchases.dayCount(place, from: from, to: to) == days.count { (from..<to).contains($0) })
        #expect(purchases.youngest(place, from: from) == days.first { $0 >= from })
      }
      var met: [Int] = []
      purchases.forEachDay(place, from: 64) { met.append($0) }
      #expect(met == days.filter { $0 >= 64 })
      #expect(abs(purchases.amount(place, from: 0, to: 90) - sum(0..<90)) < 1e-9)
      #expect(abs(purchases.amount(place, from: 30, to: 365) - sum(30..<365)) < 1e-9)
      #expect(abs(purchases.amount(place, from: 90) - sum(90..<5_000)) < 1e-9)
      let first = days.last.map { sum($0..<$0 + 1) } ?? 0
      #expect(purchases.firstAmounts[place] == first)
    }
    #expect(purchases.oldestAge == oldest)
  }

  /// So many customers that every partition's table grows, with rows old and new in between.
  @Test(arguments: [PlainLedger.IDForm.int64, .text])
  func tablesGrow(form: PlainLedger.IDForm) throws {
    let random = CounterBasedRandom(seed: 2, purpose: .init("tables grow"))
    var ledger = PlainLedger()
    var sums: [String: Int64] = [:]
    for row in 0..<40_000 {
      let id = Int64(random.unit(at: 3 * row) * 20_000)
      let amount = Int64(random.unit(at: 3 * row + 1) * 1e4)
      let day = Self.asOf - Int32(random.unit(at: 3 * row + 2) * 1_000)
      ledger.rows.append(PlainLedger.Row(id: id, day: day, amount: amount, channel: nil))
      sums[form == .text ? PlainLedger.text(id) : String(id), default: 0] += amount
    }
    let (ids, purchases) = try Self.fold(
      ledger, .positive, form: form, sizes: [5_000, 9_000, 1], threads: 2)
    #expect(ids.count == sums.count)
    let wrong = ids.enumerated().count { place, id in
      abs(purchases.amount(place, from: 0) - Double(sums[id] ?? -1) / 100) > 1e-9
    }
    #expect(wrong == 0)
  }

  /// A frozen model's scores are those of its fit, which cuts at many more ages.
  @Test func finerWindowsChangeNoBitOfASum() throws {
    let ledger = FoldTwinTests.ledger(rows: 6_000, customers: 300, span: 1_200, seed: 12)
    let fine = try Self.fold(
      ledger, .all, form: .int64, sizes: [6_000], threads: 2, edges: Array(0..<40).map { 30 * $0 }
    ).purchases
    let coarse = try Self.fold(
      ledger, .all, form: .int64, sizes: [6_000], threads: 2, edges: [0, 90, 360]
    ).purchases
    for row in 0..<fine.customers {
      for (from, to) in [(0, 90), (90, 360), (0, 360), (0, nil)] as [(Int, Int?)] {
        #expect(fine.amount(row, from: from, to: to) == coarse.amount(row, from: from, to: to))
      }
    }
  }

  @Test func neitherBatchesNorThreadsChangeABit() throws {
    let ledger = FoldTwinTests.ledger(rows: 3_000, customers: 200, span: 500, seed: 5)
    let one = try Self.fold(ledger, .all, form: .text, sizes: [3_000], threads: 1).purchases
    let many = try Self.fold(
      ledger, .all, form: .text, sizes: Array(repeating: 37, count: 70), threads: 4
    ).purchases
    #expect(one.words == many.words)
    #expect(Array(one.days.values) == Array(many.days.values))
    #expect(Array(one.amounts.values) == Array(many.amounts.values))
    #expect(Array(one.firstAmounts.values) == Array(many.firstAmounts.values))
  }
}
