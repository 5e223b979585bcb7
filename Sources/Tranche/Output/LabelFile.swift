import Columnar
import Features
import Foundation
import Sharding

/// A label file whose rows are computed block by block, in any order and on any thread, and written
/// in table order.
///
/// Whoever completes the next row group writes it while others wait for their turn, so that no more
/// rows are held than the threads have in work.
final class LabelFile: @unchecked Sendable {
  /// One block's part.
  struct Rows {
    var ids: [Column]
    var labels: [Int32]
    var distances: [Float]
  }

  private static let blocksPerGroup = ScoreTable.chunk / TableBlock.size

  private let sink: TableSink
  private let lock = NSLock()
  private var waiting: [Int: Rows] = [:]
  private var written = 0
  /// Rows of each label from −1 on.
  private var counts: [Int] = []
  private(set) var rows = 0
  /// Σ distance², in the order of the rows.
  private(set) var inertia = 0.0

  init(_ path: String, id: Field, workers: Workers) throws {
    var options = WriteOptions()
    options.threads = workers.threads
    options.rowGroupRows = ScoreTable.chunk
    options.dictionaries = false
    sink = try TableSink(
      path: path,
      schema: Schema(fields: [
        id, Field(name: "label", type: .int32, isRequired: true),
        Field(name: "distance", type: .float),
      ]), options: options)
  }

  func add(_ rows: Rows, block: Int) throws {
    // Blocks that wait for their turn must not hold on to the features they were read with.
    var rows = rows
    rows.ids = rows.ids.map { $0.detached() }
    lock.lock()
    defer { lock.unlock() }
    waiting[block] = rows
    while let group = take(Self.blocksPerGroup) { try write(group) }
  }

  /// The next blocks in table order, when that many are there.
  private func take(_ count: Int) -> [Rows]? {
    let wanted = written..<written + count
    guard wanted.allSatisfy({ waiting[$0] != nil }) else { return nil }
    written = wanted.upperBound
    return wanted.map { waiting.removeValue(forKey: $0)! }
  }

  private func write(_ group: [Rows]) throws {
    let labels = group.flatMap(\.labels)
    let distances = group.flatMap(\.distances)
    for label in labels {
      let slot = Int(label) + 1
      while slot >= counts.count { counts.append(0) }
      counts[slot] += 1
    }
    for distance in distances { inertia += Double(distance) * Double(distance) }
    rows += labels.count
    let columns: [OutputColumn] = [
      .integer("label", Buffer(labels)), .float("distance", Buffer(distances)),
    ]
    try sink.write(
      [.concatenating(group.flatMap(\.ids))] + columns.map { $0.slice(0..<labels.count) })
  }

  /// Writes what is left.
  func close() throws {
    if let rest = take(waiting.count), !rest.isEmpty { try write(rest) }
    precondition(waiting.isEmpty, "every block of a table was added")
    try sink.close()
  }

  /// Rows of the labels 0, 1, ….
  func sizes(_ k: Int) -> [Int] { (1...k).map { $0 < counts.count ? counts[$0] : 0 } }

  /// Rows of no cluster.
  var noise: Int { counts.first ?? 0 }
}
