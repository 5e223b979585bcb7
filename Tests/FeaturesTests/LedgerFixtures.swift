import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

/// Batches held in memory, cut wherever a test wants them cut.
final class MemorySource: Source {
  let schema: Schema
  let files: [String]
  var rowCount: Int64?
  /// What it says of its first column.
  var idRange: ClosedRange<Int64>?
  private var batches: [RecordBatch]

  init(_ batches: [RecordBatch]) {
    schema = batches[0].schema
    files = batches.map(\.origin.file)
    rowCount = Int64(batches.reduce(0) { $0 + $1.rows })
    self.batches = batches
  }

  func integerRange(of column: Int) -> ClosedRange<Int64>? { column == 0 ? idRange : nil }

  func next(columns: [Int]) throws -> Piece? {
    guard !batches.isEmpty else { return nil }
    let batch = batches.removeFirst()
    return Piece {
      RecordBatch(
        schema: Schema(fields: columns.map { batch.schema.fields[$0] }),
        columns: columns.map { batch.columns[$0] }, rows: batch.rows, origin: batch.origin,
        rejected: batch.rejected)
    }
  }
}

/// A ledger as plain rows.
struct PlainLedger {
  struct Row {
    var id: Int64
    var day: Int32
    var amount: Int64
    var channel: String?
  }
  var rows: [Row] = []

  enum IDForm: CaseIterable { case int64, int32, text, dictionary }

  /// The id's text has as many digits as it happens to have, so that order by bytes is not order by
  /// number.
  static func text(_ id: Int64) -> String { "customer-\(id)" }

  /// Batches of the given sizes (the last one takes the rest), in one file or one file a batch.
  func batches(
    sizes: [Int], form: IDForm = .int64, separateFiles: Bool = false
  ) -> [RecordBatch] {
    var batches: [RecordBatch] = []
    var start = 0
    for (index, size) in (sizes + [rows.count]).enumerated() {
      let end = min(rows.count, start + size)
      if start == end && !batches.isEmpty { continue }
      let part = Array(rows[start..<end])
      batches.append(
        Self.batch(
          part, form: form,
          origin: .init(
            file: separateFiles ? "part-\(index)" : "ledger",
            firstRow: separateFiles ? 0 : Int64(start))))
      start = end
    }
    return batches
  }

  private static func batch(
    _ rows: [Row], form: IDForm, origin: RecordBatch.Origin
  ) -> RecordBatch {
    let ids: Column =
      switch form {
      case .int64: Column(.int64(Buffer(rows.map(\.id))))
      case .int32: Column(.int32(Buffer(rows.map { Int32($0.id) })))
      case .text: Column(.strings(Strings(rows.map { text($0.id) })))
      case .dictionary: coded(rows.map { text($0.id) })
      }
    return RecordBatch(
      schema: Schema(fields: [
        Field(name: "customer_id", type: ids.type), Field(name: "date", type: .date),
        Field(name: "amount", type: .decimal(precision: 18, scale: 2)),
        Field(name: "channel", type: .string),
      ]),
      columns: [
        ids, Column(.date(Buffer(rows.map(\.day)))),
        Column(.decimal(Buffer(rows.map(\.amount)), precision: 18, scale: 2)),
        Column(
          .strings(Strings(rows.map { $0.channel ?? "" })),
          validity: Validity(present: rows.map { $0.channel != nil })),
      ], rows: rows.count, origin: origin)
  }

  static func coded(_ texts: [String]) -> Column {
    let entries = Array(Set(texts)).sorted()
    let codes = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1, Int32($0)) })
    return Column(.dictionary(codes: Buffer(texts.map { codes[$0]! }), Strings(entries)))
  }
}

/// A fold's outcome in plain values.
struct PlainFeatures: Equatable {
  var ids: [String]
  var names: [String]
  /// By feature; bit patterns, so that NaN equals itself and −0 differs from 0.
  var bits: [[UInt64]]
  var counts: LedgerCounts
  var quarantined: [QuarantinedRow]

  func column(_ name: String) -> [Double] {
    bits[names.firstIndex(of: name)!].map { Double(bitPattern: $0) }
  }
}

func fold(
  _ source: any Source, _ format: LedgerFormat = LedgerFormat(), asOf: Int32,
  _ selection: FeatureSelection = .all, threads: Int = 2
) throws -> PlainFeatures {
  var quarantined: [QuarantinedRow] = []
  let folded = try LedgerFold(
    format: format, asOf: asOf, features: selection, workers: Workers(threads: threads)
  ).features(of: source) { quarantined += $0.rows(format) }
  let counts = folded.counts
  #expect(counts.read == counts.folded + counts.quarantinedTotal + counts.excludedTotal)
  #expect(counts.quarantinedTotal == quarantined.count)
  for reason in QuarantineReason.allCases {
    #expect(counts.quarantined[reason] ?? 0 == quarantined.count { $0.reason == reason })
  }
  let table = folded.table
  let ids = (0..<table.rows).map { row -> String in
    switch table.ids.values {
    case .int64(let ids): String(ids[row])
    case .strings(let texts): texts.text(row)
    default: "unexpected"
    }
  }
  return PlainFeatures(
    ids: ids, names: table.names, bits: table.columns.map { array($0).map(\.bitPattern) },
    counts: counts, quarantined: quarantined)
}

/// CSV as `rescore` opens it: broken rows are collected.
func openCSV(_ paths: [String]) throws -> any Source {
  var options = ReadOptions()
  options.csv.rowErrors = .collect
  return try Sources.open(paths, options: options)
}

extension Int32 {
  /// Days since 1970-01-01 of an ISO date.
  static func day(_ iso: String) -> Int32 { Int32(CivilDate(iso: iso)!.daysSinceEpoch) }
}
