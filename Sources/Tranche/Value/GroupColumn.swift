import Columnar
import CustomerValue
import Features
import Foundation
import Sharding

/// One column of texts or whole numbers, by customer.
struct GroupColumn {
  let name: String
  /// What the groups say they are told apart by.
  let by: String
  let workers: Workers

  /// More different values are no groups.
  static let mostGroups = 1_000

  private struct Part: Sendable {
    /// Row of the base, −1 for ids that are not in it.
    let rows: [Int32]
    let codes: [Int32]
    let names: [String]
    let origin: RecordBatch.Origin
  }

  /// Values in the order they were first seen.
  private struct SeenNames {
    var names: [String] = []
    private var codes: [String: Int32] = [:]

    /// The code of each name of a part.
    mutating func codes(of part: Part) -> [Int32] {
      part.names.map { name in
        if let code = codes[name] { return code }
        codes[name] = Int32(names.count)
        names.append(name)
        return Int32(names.count - 1)
      }
    }
  }

  /// Of the customers `ids`, ascending; those that the source does not know, or knows no value of,
  /// have no group.
  func read(_ source: any Source, id: String, for ids: Column) throws -> CustomerGroups {
    // A column is asked for once, even where the ids are the groups.
    let columns =
      [try source.position(of: id)] + (id == name ? [] : [try source.position(of: name)])
    let lookup = try AscendingIDs(ids)
    var found = [Int32](repeating: -1, count: ids.count)
    var seen = SeenNames()
    try forEachPart(source, columns) { batch in
      let rows = try lookup.rows(of: batch.columns[0], batch, id)
      return try part(batch.columns[columns.count - 1], rows, batch.origin)
    } body: { part in
      let moved = seen.codes(of: part)
      try check(seen.names.count, part)
      for (place, row) in part.rows.enumerated() where row >= 0 && part.codes[place] >= 0 {
        let code = moved[Int(part.codes[place])]
        let known = found[Int(row)]
        if known >= 0, known != code {
          throw RunFailure(
            .badData,
            "a customer has two values, \"\(seen.names[Int(known)])\" and "
              + "\"\(seen.names[Int(code)])\"",
            hint: "group by a column that is constant per customer", file: part.origin.file,
            line: part.origin.place(of: place), column: name)
        }
        found[Int(row)] = code
      }
    }
    return groups(found, seen.names)
  }

  /// Of the rows of a table, in their order.
  func read(_ source: any Source, rows: Int) throws -> CustomerGroups {
    var found: [Int32] = []
    found.reserveCapacity(rows)
    var seen = SeenNames()
    try forEachPart(source, [try source.position(of: name)]) { batch in
      try part(batch.columns[0], [], batch.origin)
    } body: { part in
      let moved = seen.codes(of: part)
      try check(seen.names.count, part)
      found += part.codes.map { $0 < 0 ? -1 : moved[Int($0)] }
    }
    precondition(found.count == rows, "rows of the same table")
    return groups(found, seen.names)
  }

  private func forEachPart(
    _ source: any Source, _ columns: [Int], _ decode: @Sendable (RecordBatch) throws -> Part,
    body: (Part) throws -> Void
  ) throws {
    while true {
      var pieces: [Piece] = []
      while pieces.count < 4 * workers.threads, let piece = try source.next(columns: columns) {
        pieces.append(piece)
      }
      if pieces.isEmpty { return }
      let round = pieces
      for part in try workers.map(round.count, { try decode(round[$0].decode()) }) {
        try body(part)
      }
    }
  }

  private func check(_ count: Int, _ part: Part) throws {
    guard count <= Self.mostGroups else {
      throw RunFailure(
        .badData, "there are more than \(Self.mostGroups) different values, too many for groups",
        hint: "group by a column of segments, products or branches", file: part.origin.file,
        column: name)
    }
  }

  /// By name, so that neither the order of the rows nor the pieces decide it.
  private func groups(_ found: [Int32], _ names: [String]) -> CustomerGroups {
    let order = names.indices.sorted { names[$0] < names[$1] }
    var rank = [Int32](repeating: 0, count: names.count)
    for (place, index) in order.enumerated() { rank[index] = Int32(place) }
    return CustomerGroups(
      by: by, names: order.map { names[$0] },
      codes: Buffer(found.map { $0 < 0 ? -1 : rank[Int($0)] }))
  }

  private func part(
    _ column: Column, _ rows: [Int32], _ origin: RecordBatch.Origin
  ) throws -> Part {
    var names: [String] = []
    var known: [String: Int32] = [:]
    func code(_ text: String) -> Int32 {
      let trimmed = text.trimmingCharacters(in: .whitespaces)
      if trimmed.isEmpty { return -1 }
      if let code = known[trimmed] { return code }
      known[trimmed] = Int32(names.count)
      names.append(trimmed)
      return Int32(names.count - 1)
    }
    func all(_ value: (Int) -> Int32) -> [Int32] {
      (0..<column.count).map { column.isMissing($0) ? -1 : value($0) }
    }
    let codes: [Int32]
    switch column.values {
    case .dictionary(let values, let texts):
      // A text is made once, not once a row.
      let byCode = (0..<texts.count).map { code(texts.text($0)) }
      codes = all { byCode[Int(values[$0])] }
    case .strings(let texts): codes = all { code(texts.text($0)) }
    case .int32(let values): codes = all { code(String(values[$0])) }
    case .int64(let values): codes = all { code(String(values[$0])) }
    case .float, .double, .date, .timestamp, .decimal:
      throw RunFailure(
        .badData, "holds neither texts nor whole numbers, so it makes no groups",
        hint: "group by a column such as a segment or a branch", file: origin.file, column: name)
    }
    return Part(rows: rows, codes: codes, names: names, origin: origin)
  }
}

/// The customers of a base by their ascending ids.
private struct AscendingIDs: Sendable {
  private let ids: Column

  init(_ ids: Column) throws {
    switch ids.values {
    case .int64, .strings: self.ids = ids
    default: throw RunFailure(.bug, "a base's ids are whole numbers or texts")
    }
  }

  /// Row of the base of each value, −1 where it is not in it.
  func rows(of column: Column, _ batch: RecordBatch, _ name: String) throws -> [Int32] {
    switch (ids.values, column.values) {
    case (.int64(let known), .int64(let values)):
      return (0..<column.count).map { column.isMissing($0) ? -1 : find(known, values[$0]) }
    case (.int64(let known), .int32(let values)):
      return (0..<column.count).map { column.isMissing($0) ? -1 : find(known, Int64(values[$0])) }
    case (.int64(let known), .strings(let texts)):
      return (0..<column.count).map { row in
        column.isMissing(row) ? -1 : Int64(texts.text(row)).map { find(known, $0) } ?? -1
      }
    case (.int64(let known), .dictionary(let codes, let texts)):
      let rows = (0..<texts.count).map { Int64(texts.text($0)).map { find(known, $0) } ?? -1 }
      return (0..<column.count).map { column.isMissing($0) ? -1 : rows[Int(codes[$0])] }
    case (.strings(let known), .strings(let texts)):
      return (0..<column.count).map { column.isMissing($0) ? -1 : find(known, texts[$0]) }
    case (.strings(let known), .dictionary(let codes, let texts)):
      let rows = (0..<texts.count).map { find(known, texts[$0]) }
      return (0..<column.count).map { column.isMissing($0) ? -1 : rows[Int(codes[$0])] }
    default:
      throw RunFailure(
        .badData, "the ids are not of the ledger's kind",
        hint: "write them as texts where the ledger does, as whole numbers where it does",
        file: batch.origin.file, column: name)
    }
  }

  private func find(_ known: Buffer<Int64>, _ id: Int64) -> Int32 {
    var (low, high) = (0, known.count)
    while low < high {
      let middle = (low + high) >> 1
      if known.base[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low < known.count && known.base[low] == id ? Int32(low) : -1
  }

  private func find(_ known: Strings, _ id: UnsafeBufferPointer<UInt8>) -> Int32 {
    var (low, high) = (0, known.count)
    while low < high {
      let middle = (low + high) >> 1
      if known[middle].lexicographicallyPrecedes(id) { low = middle + 1 } else { high = middle }
    }
    return low < known.count && known[low].elementsEqual(id) ? Int32(low) : -1
  }
}
