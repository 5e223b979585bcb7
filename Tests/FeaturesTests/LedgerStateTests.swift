import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

/// A ledger folded month by month, with a state in between, against the whole of it folded at once.
@Suite struct LedgerStateTests {
  private static let start = Int32.day("2024-01-01")

  /// One month's file: mostly that month's rows, some late by up to 500 days, some dated ahead.
  private static func month(
    _ number: Int, rows: Int, seed: UInt64 = 1, farDays: Bool = false
  ) -> PlainLedger {
    let random = CounterBasedRandom(
      seed: seed &* 1_000 &+ UInt64(number), purpose: .init("state month"))
    var ledger = PlainLedger()
    for row in 0..<rows {
      func unit(_ k: Int) -> Double { random.unit(at: row * 8 + k) }
      var day = start + Int32(number * 30) + Int32(unit(0) * 30)
      if unit(1) < 0.1 { day -= Int32(unit(2) * 500) }
      if unit(1) > 0.95 { day += Int32(unit(2) * 70) }
      if farDays, unit(3) < 0.05 { day -= 4_000 + Int32(unit(2) * 400) }
      let channel = Int(unit(4) * Double(2 + number / 3))
      ledger.rows.append(
        PlainLedger.Row(
          id: Int64(unit(5) * unit(5) * 400) * 7 - 90, day: day,
          amount: Int64((unit(6) - 0.2) * 1e5),
          channel: channel == 1 ? nil : "channel \(channel)"))
    }
    return ledger
  }

  /// Folds some rows on top of a state; the new state is in `folder`.
  private static func step(
    _ ledger: PlainLedger?, asOf: Int32, form: PlainLedger.IDForm = .int64,
    _ format: LedgerFormat = LedgerFormat(), _ selection: FeatureSelection = .all,
    after previous: (folder: String, index: LedgerStateIndex)?, in folder: String, threads: Int = 2
  ) throws -> (features: FoldedLedger, state: (folder: String, index: LedgerStateIndex)) {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: false)
    let source = ledger.map { MemorySource($0.batches(sizes: [97, 300], form: form)) }
    let folded = try LedgerFold(
      format: format, asOf: asOf, features: selection, workers: Workers(threads: threads)
    ).features(
      of: source, state: LedgerStateExchange(previous: previous, target: folder)
    ) { _ in }
    let index = try #require(folded.state)
    for file in previous?.index.dayFiles ?? []
    where index.dayFiles.contains(where: { $0.name == file.name }) {
      try FileManager.default.copyItem(
        atPath: previous!.folder + "/" + file.name, toPath: folder + "/" + file.name)
    }
    // What is written down must be all there is to know.
    let text = try JSONEncoder().encode(index)
    return (folded, (folder, try JSONDecoder().decode(LedgerStateIndex.self, from: text)))
  }

  private static func expectEqual(
    _ folded: FoldedLedger, _ whole: PlainFeatures, _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let table = folded.table
    #expect(table.names == whole.names, "\(comment)", sourceLocation: sourceLocation)
    let ids = (0..<table.rows).map { row -> String in
      switch table.ids.values {
      case .int64(let ids): String(ids[row])
      case .strings(let texts): texts.text(row)
      default: "unexpected"
      }
    }
    #expect(ids == whole.ids, "\(comment)", sourceLocation: sourceLocation)
    for (name, column) in zip(table.names, table.columns) {
      let expected = whole.bits[whole.names.firstIndex(of: name)!]
      #expect(
        array(column).map(\.bitPattern) == expected, "\(comment): \(name)",
        sourceLocation: sourceLocation)
    }
    func plain(_ counts: LedgerCounts) -> [String: Int] {
      var all = ["read": counts.read, "folded": counts.folded]
      for (reason, count) in counts.quarantined where count != 0 { all[reason.rawValue] = count }
      for (reason, count) in counts.excluded where count != 0 { all[reason.rawValue] = count }
      return all
    }
    #expect(
      plain(folded.counts) == plain(whole.counts), "\(comment)", sourceLocation: sourceLocation)
  }

  private static func joined(_ months: [PlainLedger]) -> PlainLedger {
    var all = PlainLedger()
    for month in months { all.rows += month.rows }
    return all
  }

  /// Every feature, a month of 17 to 47 days, files in any order, late and early rows, days older
  /// than the bit sets reach.
  @Test(arguments: [PlainLedger.IDForm.int64, .text], [1, 3])
  func monthByMonthGivesWhatTheWholeLedgerGives(form: PlainLedger.IDForm, threads: Int) throws {
    let folder = try TemporaryFolder()
    var months = (0..<12).map { Self.month($0, rows: 900, farDays: true) }
    if threads == 3 { months.swapAt(2, 7); months.swapAt(4, 5) }
    var asOf = Self.start + 25
    var state: (folder: String, index: LedgerStateIndex)?
    for number in months.indices {
      asOf += 17 + Int32(number % 3) * 15
      let (folded, next) = try Self.step(
        months[number], asOf: asOf, form: form, after: state, in: folder.path("state-\(number)"),
        threads: threads)
      state = next
      let whole = try fold(
        MemorySource(Self.joined(Array(months[...number])).batches(sizes: [1_000], form: form)),
        asOf: asOf)
      Self.expectEqual(folded, whole, "month \(number)")
    }
    // Time goes on without new rows: by a day, past every window, past the bit sets.
    for (number, days) in [1, 29, 400, 3_900].enumerated() {
      asOf += Int32(days)
      let (folded, next) = try Self.step(
        nil, asOf: asOf, form: form, after: state, in: folder.path("later-\(number)"))
      state = next
      let whole = try fold(
        MemorySource(Self.joined(months).batches(sizes: [1_000], form: form)), asOf: asOf)
      Self.expectEqual(folded, whole, "\(days) days later")
    }
    #expect(state?.index.dayFiles.isEmpty == true, "nothing moves any more")
  }

  /// More customers than go through a merge together, new ones in between and so many behind that
  /// their group is cut; ids and amounts too far apart for the packed form of waiting rows.
  @Test(arguments: [PlainLedger.IDForm.int64, .text], [Int64(1), 1 << 42])
  func manyGroupsGoOnExactly(form: PlainLedger.IDForm, step: Int64) throws {
    let folder = try TemporaryFolder()
    let random = CounterBasedRandom(seed: 11, purpose: .init("state groups"))
    let months = (0..<3).map { month in
      var ledger = PlainLedger()
      for row in 0..<(month == 0 ? 40_000 : 60_000) {
        func unit(_ k: Int) -> Double { random.unit(at: (month * 60_000 + row) * 4 + k) }
        // The first month knows even numbers up to 80,000.
        let number = month == 0 ? Int64(row) * 2 : Int64(unit(0) * Double(month) * 90_000)
        ledger.rows.append(
          PlainLedger.Row(
            id: (number - 20_000) * step, day: Self.start + Int32(month * 30) + Int32(unit(1) * 30),
            amount: Int64((unit(2) - 0.2) * (step > 1 ? 1e13 : 1e5)), channel: nil))
      }
      return ledger
    }
    let selection = FeatureSelection.parse(
      ["monetary", "count_30d", "amount_90d", "active_days", "tenure_days"]
    ).selection
    var state: (folder: String, index: LedgerStateIndex)?
    for number in months.indices {
      let asOf = Self.start + Int32(number + 1) * 30
      let (folded, next) = try Self.step(
        months[number], asOf: asOf, form: form, LedgerFormat(), selection, after: state,
        in: folder.path("state-\(number)"))
      state = next
      let whole = try fold(
        MemorySource(Self.joined(Array(months[...number])).batches(sizes: [], form: form)),
        asOf: asOf, selection)
      Self.expectEqual(folded, whole, "month \(number)")
    }
    let batches = try #require(state).index.customerFiles.flatMap(\.batches)
    #expect(batches.count > 2 && batches.allSatisfy { $0.rows < 65_536 })
  }

  /// Only what the features need is kept: some windows, no days, no amounts.
  @Test(arguments: [
    ["amount_90d", "count_90d", "frequency"], ["trend", "recency_days"],
    ["active_days", "gap_regularity"], ["count_30d", "count_365d", "share_channel 0"],
    ["tenure_days"],
  ])
  func keepsWhatTheFeaturesNeed(names: [String]) throws {
    let folder = try TemporaryFolder()
    let selection = FeatureSelection.parse(names).selection
    let months = (0..<6).map { Self.month($0, rows: 500, seed: 7) }
    var state: (folder: String, index: LedgerStateIndex)?
    for number in months.indices {
      let asOf = Self.start + Int32(number + 1) * 41
      let (folded, next) = try Self.step(
        months[number], asOf: asOf, LedgerFormat(), selection, after: state,
        in: folder.path("state-\(number)"))
      state = next
      let whole = try fold(
        MemorySource(Self.joined(Array(months[...number])).batches(sizes: [])), asOf: asOf,
        selection)
      Self.expectEqual(folded, whole, "\(names), month \(number)")
    }
    let asOf = try #require(state).index.asOf + 1
    let error = try #require(throws: InputError.self) {
      _ = try Self.step(
        months[0], asOf: asOf, after: state, in: folder.path("all"))
    }
    #expect(error.message.contains("other features"))
  }

  /// Rows ahead of as-of wait in the state; what is done with them is decided when they are due.
  @Test func rowsAheadAreJudgedWhenTheyAreDue() throws {
    let folder = try TemporaryFolder()
    var format = LedgerFormat()
    format.refunds = .drop
    let months = (0..<3).map { Self.month($0 * 4, rows: 400, seed: 3) }
    let all = Self.joined(months)
    var state: (folder: String, index: LedgerStateIndex)?
    for number in 0..<8 {
      // All rows are given at first, most of them dated ahead.
      let asOf = Self.start + 20 + Int32(number) * 50
      let (folded, next) = try Self.step(
        number == 0 ? all : nil, asOf: asOf, format, after: state,
        in: folder.path("state-\(number)"))
      state = next
      let whole = try fold(MemorySource(all.batches(sizes: [])), format, asOf: asOf)
      Self.expectEqual(folded, whole, "after \(number) steps")
    }
    #expect(state?.index.pendingRows == 0)
  }

  @Test func refusesWhatItCannotGoOnFrom() throws {
    let folder = try TemporaryFolder()
    let month = Self.month(0, rows: 200)
    let asOf = Self.start + 40
    let (_, state) = try Self.step(month, asOf: asOf, after: nil, in: folder.path("first"))
    func refusal(
      _ format: LedgerFormat, asOf: Int32, form: PlainLedger.IDForm = .int64, _ name: String
    ) throws -> String {
      let error = try #require(throws: InputError.self) {
        _ = try Self.step(
          month, asOf: asOf, form: form, format, after: state, in: folder.path(name))
      }
      return error.message
    }
    #expect(try refusal(LedgerFormat(), asOf: asOf - 1, "back").contains("cannot go back"))
    var debits = LedgerFormat()
    debits.negative = .debit
    #expect(try refusal(debits, asOf: asOf, "debits").contains("negative"))
    #expect(
      try refusal(LedgerFormat(), asOf: asOf, form: .text, "texts").contains("customer_id"))
    var duplicates = LedgerFormat()
    duplicates.duplicates = .drop
    #expect(try refusal(duplicates, asOf: asOf, "copies").contains("duplicates"))
  }

  /// Every file of a state cut short, or with a byte changed, is found out or changes nothing.
  @Test func damagedFilesAreFoundOut() throws {
    let folder = try TemporaryFolder()
    let (_, state) = try Self.step(
      Self.month(0, rows: 600, farDays: true), asOf: Self.start + 20, after: nil,
      in: folder.path("first"))
    let names = try FileManager.default.contentsOfDirectory(atPath: state.folder).sorted()
    #expect(
      names == ["customers-0.arrow", "days-0-0.arrow", "pending.parquet"])
    let (sound, _) = try Self.step(
      nil, asOf: Self.start + 60, after: state, in: folder.path("sound"))
    var number = 0
    for name in names {
      let path = URL(fileURLWithPath: state.folder + "/" + name)
      let content = try Data(contentsOf: path)
      var damaged = [content.prefix(content.count / 2)]
      for place in stride(from: 8, to: content.count - 8, by: max(1, content.count / 12)) {
        var copy = content
        copy[place] ^= 0x10
        damaged.append(copy)
      }
      for bytes in damaged {
        try Data(bytes).write(to: path)
        number += 1
        do {
          let (folded, _) = try Self.step(
            nil, asOf: Self.start + 60, after: state, in: folder.path("damaged-\(number)"))
          for (column, expected) in zip(folded.table.columns, sound.table.columns) {
            #expect(
              array(column).map(\.bitPattern) == array(expected).map(\.bitPattern), "\(name)")
          }
        } catch is InputError {}
      }
      try content.write(to: path)
    }
  }
}
