import Columnar
import Sharding
import Testing

@testable import Features

/// The fold against a plain twin: a dictionary of rows by customer and the features' definitions
/// written down again, the slow way.
private enum Twin {
  static func features(
    of ledger: PlainLedger, asOf: Int32, ids: (Int64) -> String, ascending: ([Int64]) -> [Int64]
  ) -> (ids: [String], columns: [String: [Double]]) {
    var byCustomer: [Int64: [PlainLedger.Row]] = [:]
    for row in ledger.rows { byCustomer[row.id, default: []].append(row) }
    let order = ascending(Array(byCustomer.keys))
    var columns: [String: [Double]] = [:]
    let channels = Set(ledger.rows.map { $0.channel ?? "unknown" })
    for id in order {
      let rows = byCustomer[id]!
      let ages = rows.map { Int(asOf) - Int($0.day) }
      func sum(_ range: Range<Int>) -> Double {
        Double(zip(ages, rows).reduce(0) { range.contains($1.0) ? $0 + $1.1.amount : $0 }) / 100
      }
      func count(_ range: Range<Int>) -> Double { Double(ages.count { range.contains($0) }) }
      let days = Set(ages).sorted()
      let gaps = zip(days, days.dropFirst()).map { Double($1 - $0) }
      let meanGap = gaps.isEmpty ? Double.nan : gaps.reduce(0, +) / Double(gaps.count)
      let variance = gaps.reduce(0) { $0 + ($1 - meanGap) * ($1 - meanGap) } / Double(gaps.count)
      let (now, before) = (sum(0..<90), sum(90..<180))
      let size = abs(now) + abs(before)
      let values: [String: Double] = [
        "recency_days": Double(ages.min()!), "tenure_days": Double(ages.max()!),
        "frequency": Double(rows.count), "monetary": sum(0..<40_000),
        "average_amount": sum(0..<40_000) / Double(rows.count),
        "active_days": Double(days.count), "refund_count": Double(rows.count { $0.amount < 0 }),
        "amount_30d": sum(0..<30), "count_30d": count(0..<30), "amount_90d": sum(0..<90),
        "count_90d": count(0..<90), "amount_365d": sum(0..<365), "count_365d": count(0..<365),
        "trend": size == 0 ? 0 : (now - before) / size, "mean_gap_days": meanGap,
        "gap_regularity": gaps.count < 2 ? .nan : variance.squareRoot() / meanGap,
      ]
      for (name, value) in values { columns[name, default: []].append(value) }
      for channel in channels {
        columns["share_" + channel, default: []].append(
          Double(rows.count { ($0.channel ?? "unknown") == channel }) / Double(rows.count))
      }
    }
    return (order.map(ids), columns)
  }
}

@Suite struct FoldTwinTests {
  static let asOf = Int32.day("2025-12-31")

  /// Rows whose customers, days and channels come in waves: later batches bring channels and days
  /// that earlier ones have not, and some days lie beyond the 4,096 a bit set reaches.
  static func ledger(rows: Int, customers: Int, span: Double, seed: UInt64) -> PlainLedger {
    let random = CounterBasedRandom(seed: seed, purpose: .init("ledger twin"))
    var ledger = PlainLedger()
    for row in 0..<rows {
      func unit(_ k: Int) -> Double { random.unit(at: row * 8 + k) }
      let progress = Double(row + 1) / Double(rows)
      let far = unit(0) < 0.02 * progress
      let age = far ? 4_000 + unit(1) * 32_000 : unit(1) * unit(1) * span * progress
      let reach = 1 + Int(6 * progress)
      let channel = Int(unit(2) * Double(reach))
      ledger.rows.append(
        PlainLedger.Row(
          // Skewed: a few customers have most rows; ids of both signs.
          id: Int64(unit(3) * unit(3) * Double(customers)) * 1_001 - 40_000,
          day: asOf - Int32(age),
          amount: Int64((unit(4) - 0.1) * 1e5),
          channel: channel == 3 ? nil : "channel \(channel)"))
    }
    return ledger
  }

  @Test(arguments: [
    (1, 1, 10.0), (2, 1, 400), (63, 7, 70), (64, 64, 365), (1_000, 300, 5_000),
    (20_011, 4_999, 800),
  ])
  func agrees(rows: Int, customers: Int, span: Double) throws {
    let ledger = Self.ledger(rows: rows, customers: customers, span: span, seed: UInt64(rows))
    for form in PlainLedger.IDForm.allCases {
      let isText = form == .text || form == .dictionary
      let twin = Twin.features(
        of: ledger, asOf: Self.asOf, ids: { isText ? PlainLedger.text($0) : String($0) },
        ascending: {
          isText
            ? $0.sorted {
              PlainLedger.text($0).utf8.lexicographicallyPrecedes(PlainLedger.text($1).utf8)
            } : $0.sorted()
        })
      let source = MemorySource(
        ledger.batches(sizes: [1, rows / 7, 0, rows / 3, 5], form: form))
      let found = try fold(source, asOf: Self.asOf)
      #expect(found.ids == twin.ids)
      #expect(Set(found.names) == Set(twin.columns.keys))
      for name in found.names {
        let (own, expected) = (found.column(name), twin.columns[name] ?? [])
        let tolerance = name == "gap_regularity" ? 1e-9 : 0
        let differences = zip(own, expected).count {
          !($0 == $1 || abs($0 - $1) <= tolerance || ($0.isNaN && $1.isNaN))
        }
        #expect(differences == 0 && own.count == expected.count, "\(name) of \(form)")
      }
    }
  }

  /// Every sum, bit set and count is the same however the rows lie in batches and files; so is the
  /// order of the channels, whoever came first.
  @Test func orderOfFilesDoesNotMatter() throws {
    var ledger = Self.ledger(rows: 3_001, customers: 500, span: 5_000, seed: 3)
    let expected = try fold(MemorySource(ledger.batches(sizes: [])), asOf: Self.asOf)
    ledger.rows.reverse()
    let reversed = try fold(
      MemorySource(ledger.batches(sizes: [17, 1_000, 3], separateFiles: true)), asOf: Self.asOf)
    #expect(reversed == expected)
  }

  @Test(arguments: [1, 3, 8]) func threadCountDoesNotMatter(threads: Int) throws {
    let ledger = Self.ledger(rows: 9_001, customers: 900, span: 5_000, seed: 4)
    let sizes = (0..<40).map { 100 + $0 * 7 }
    for form in [PlainLedger.IDForm.int64, .text] {
      let few = try fold(
        MemorySource(ledger.batches(sizes: sizes, form: form)), asOf: Self.asOf, threads: 2)
      let many = try fold(
        MemorySource(ledger.batches(sizes: sizes, form: form)), asOf: Self.asOf, threads: threads)
      #expect(few == many)
    }
  }

  /// Only what is asked for is computed, and it is the same as among all.
  @Test func selectionsAgreeWithAll() throws {
    let ledger = Self.ledger(rows: 2_000, customers: 300, span: 900, seed: 5)
    let all = try fold(MemorySource(ledger.batches(sizes: [700])), asOf: Self.asOf)
    for feature in LedgerFeature.allCases {
      let one = try fold(
        MemorySource(ledger.batches(sizes: [700])), asOf: Self.asOf,
        FeatureSelection(features: [feature], channels: nil))
      #expect(one.names == [feature.rawValue])
      #expect(one.bits[0] == all.bits[all.names.firstIndex(of: feature.rawValue)!])
    }
    let share = try fold(
      MemorySource(ledger.batches(sizes: [700])), asOf: Self.asOf,
      FeatureSelection.parse(["share_channel 2", "TransactionFrequency"]).selection)
    #expect(share.names == ["frequency", "share_channel 2"])
    #expect(share.column("share_channel 2") == all.column("share_channel 2"))
  }

  /// Two texts of one hash are two customers: the table compares the texts themselves.
  @Test func equalHashesAreNotEqualIDs() {
    let table = PartitionTable<Int64>(
      layout: StateLayout(ends: [30, 90, 180, 365], channels: 0, words: 0), hasText: true)
    let texts = (0..<1_000).map { Array("customer \($0 % 500)".utf8) }
    let bytes = texts.flatMap { $0 }
    bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      var ids: [TextReference] = []
      for text in texts {
        ids.append(TextReference(start: bytes.baseAddress! + start, length: text.count))
        start += text.count
      }
      let rows = texts.indices.map {
        LedgerRow<Int64>(
          key: 42, amount: Int64($0), age: Int32($0 % 300), channel: 0, isRefund: 0)
      }
      ids.withUnsafeBufferPointer { ids in
        rows.withUnsafeBufferPointer { rows in
          table.fold(rows, ids: ids.baseAddress!, channels: 0, words: 0)
        }
      }
    }
    #expect(table.count == 500)
    for state in 0..<table.count {
      #expect(String(decoding: table.text(of: state), as: UTF8.self) == "customer \(state)")
      let count = (table.states + state * table.layout.stride + StateLayout.countsOffset)
        .assumingMemoryBound(to: UInt32.self)
      #expect((0..<5).reduce(0) { $0 + count[$1] } == 2)
    }
  }
}
