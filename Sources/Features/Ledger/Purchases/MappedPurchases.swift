import Columnar
import Sharding

/// A state's purchases where they lie in the page cache, group by group as its customers.
struct MappedPurchases: @unchecked Sendable {
  private let files: [MappedTable]
  private let groups: [(batch: NarrowBatch, checksum: UInt64, file: Int)]
  /// No purchase is older; nil without any.
  let firstDay: Int32?

  /// - Parameter rows: Of the groups of customers.
  init(
    folder: String, _ index: LedgerStateIndex.Purchases, rows: [Int], workers: Workers
  ) throws {
    let files = try workers.map(index.files.count) {
      try MappedTable(path: folder + "/" + index.files[$0].name)
    }
    var groups: [(batch: NarrowBatch, checksum: UInt64, file: Int)] = []
    for (number, (file, known)) in zip(files, index.files).enumerated() {
      guard file.fields.map(\.name) == PurchaseGroup.names,
        file.batches.map(\.rows) == known.batches.map(\.rows),
        file.fields[2].kind == .binary,
        file.fields.dropLast().allSatisfy({ $0.kind != .binary && $0.kind != .text })
      else { throw InputError.damagedState(file.path) }
      for (batch, described) in zip(file.batches, known.batches) where batch.rows > 0 {
        groups.append((batch, described.checksum, number))
      }
    }
    guard groups.map(\.batch.rows) == rows.filter({ $0 > 0 }) else {
      throw InputError.damagedState(folder)
    }
    self.files = files
    self.groups = groups
    firstDay = index.firstDay
  }

  /// A group's customers, nil for the group of a state without any; valid while this value is.
  ///
  /// - Throws: `InputError` when a byte of the group is not what was written.
  func rows(_ group: Int) throws -> PurchaseRows? {
    guard group < groups.count else { return nil }
    let (batch, checksum, file) = groups[group]
    guard batch.checksum == checksum, case .bytes(let lists, let offsets) = batch.columns[2] else {
      throw InputError.damagedState(files[file].path)
    }
    return PurchaseRows(
      count: batch.rows, firstDays: batch.columns[0], lastDays: batch.columns[1], lists: lists,
      offsets: offsets)
  }
}

extension LedgerStateIndex {
  /// Files of purchases, batch by batch the customers of the files of those.
  package struct Purchases: Codable, Sendable {
    package var files: [CustomerFile]
    /// Of the oldest purchase, since 1970-01-01; nil without any.
    package var firstDay: Int32?
  }
}

/// Writes the purchases of a state's groups, and puts down what the index has to know.
enum PurchaseSheet {
  /// - Parameter batches: Rows of the batches that the groups' customers lie in.
  static func write(
    _ groups: [PurchaseGroup], batches: [[Range<Int>]], to folder: String, number: Int
  ) throws -> LedgerStateIndex.CustomerFile {
    var ranges = ValueRanges(count: 2)
    for group in groups { ranges.add(group.ranges) }
    let name = StateFiles.purchases(number)
    let all = zip(groups, batches).flatMap { $0.batches($1, ranges) }
    try MappedTable.write(all, fields: PurchaseGroup.fields(ranges), to: folder + "/" + name)
    return LedgerStateIndex.CustomerFile(
      name: name,
      batches: all.map { LedgerStateIndex.Batch(rows: $0.rows, checksum: $0.checksum) })
  }

  static func firstDay(_ days: [Int32?]) -> Int32? { days.compactMap { $0 }.min() }
}
