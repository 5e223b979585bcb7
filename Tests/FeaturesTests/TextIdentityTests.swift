import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

/// Text ids of all lengths around the eight bytes that are compared and sorted as one number.
@Suite struct TextIdentityTests {
  /// Two letters only, so that most ids begin as many others do; some hold a NUL.
  private static func ids(_ count: Int) -> [[UInt8]] {
    let random = CounterBasedRandom(seed: 5, purpose: .init("text identities"))
    return (0..<count).map { row in
      let length = 1 + Int(random.unit(at: 32 * row) * 20)
      return (0..<length).map { place in
        let letter = random.unit(at: 32 * row + 1 + place)
        return letter < 0.02 ? 0 : letter < 0.5 ? UInt8(ascii: "a") : UInt8(ascii: "b")
      }
    }
  }

  @Test(arguments: [40, 6_000]) func idsAreKeptApartAndInOrder(rows: Int) throws {
    let ids = Self.ids(rows)
    var ends: [Int64] = [0]
    for id in ids { ends.append(ends[ends.count - 1] + Int64(id.count)) }
    let texts = Strings(
      layout: .offsets64(Buffer(ends)),
      bytes: Buffer(ids.flatMap { $0 } + [UInt8](repeating: 1, count: 8)))
    let batch = RecordBatch(
      schema: Schema(fields: [
        Field(name: "customer_id", type: .string), Field(name: "date", type: .date),
      ]),
      columns: [
        Column(.strings(texts)), Column(.date(Buffer([Int32](repeating: 20_000, count: rows)))),
      ], rows: rows, origin: .init(file: "ledger", firstRow: 0))
    let folded = try LedgerFold(
      format: LedgerFormat(), asOf: 20_000,
      features: FeatureSelection(features: [.frequency], channels: nil),
      workers: Workers(threads: 2)
    ).features(of: MemorySource([batch])) { _ in }
    var counts: [[UInt8]: Int] = [:]
    for id in ids { counts[id, default: 0] += 1 }
    let order = counts.keys.sorted { $0.lexicographicallyPrecedes($1) }
    guard case .strings(let found) = folded.table.ids.values else {
      Issue.record("ids are texts")
      return
    }
    #expect((0..<found.count).map { Array(found[$0]) } == order)
    #expect(array(folded.table.columns[0]) == order.map { Double(counts[$0] ?? 0) })
  }

  @Test func wordsAndHashesReadEveryByteOnce() {
    let bytes = (0..<40).map { UInt8($0 * 37 % 251 + 1) }
    bytes.withUnsafeBufferPointer { bytes in
      for count in 0...8 {
        var expected: UInt64 = 0
        for place in 0..<count { expected |= UInt64(bytes[place]) << UInt64(8 * place) }
        #expect(IdentityBytes.word(bytes.baseAddress!, count) == expected)
      }
      for count in 0...24 {
        // As IdentityHash is defined: words of eight, then the rest with its first byte highest.
        var z: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(count)
        for start in stride(from: 0, to: count / 8 * 8, by: 8) {
          z = IdentityHash.hash(
            z ^ UnsafeRawPointer(bytes.baseAddress! + start).loadUnaligned(as: UInt64.self))
        }
        let rest = bytes[(count / 8 * 8)..<count].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let text = UnsafeBufferPointer(start: bytes.baseAddress!, count: count)
        #expect(IdentityHash.hash(text) == IdentityHash.hash(z ^ rest), "\(count) bytes")
      }
    }
  }
}
