import Columnar
import Foundation
import Sharding

/// Rows of a table as a scan hands them over: always the same rows, however they lie in files.
package struct TableBlock: Sendable {
  /// Rows of a block; the last one may have fewer. A multiple of a matrix's tiles.
  package static let size = 16_384

  package let index: Int
  /// Of the whole table.
  package let rows: Range<Int>
  /// One per feature asked for, NaN where missing; memory that is used again once the block's
  /// closure returns.
  package let columns: [Buffer<Double>]
  /// The identifiers' parts in row order; empty unless asked for.
  package let ids: [Column]
  private let origins: [(firstRow: Int, batchRow: Int, origin: RecordBatch.Origin)]

  fileprivate init(
    index: Int, rows: Range<Int>, columns: [Buffer<Double>], ids: [Column],
    origins: [(firstRow: Int, batchRow: Int, origin: RecordBatch.Origin)]
  ) {
    self.index = index
    self.rows = rows
    self.columns = columns
    self.ids = ids
    self.origins = origins
  }

  /// The file, and the line of a text file or the 1-based row of a binary one.
  package func place(of row: Int) -> (file: String, line: Int64) {
    let part = origins.last { $0.firstRow <= row } ?? origins[0]
    return (part.origin.file, part.origin.place(of: part.batchRow + row - part.firstRow))
  }
}

/// One pass over numeric columns of a table in blocks of ``TableBlock/size`` rows, whose memory does
/// not depend on the number of rows.
///
/// Each thread decodes its own piece of the files, batch by batch; rows are gathered into blocks by
/// their place in the table, and whichever thread completes a block hands it over. So blocks come in
/// no particular order, several at once, and what is in a block depends on the table only.
package final class TableScan: @unchecked Sendable {
  private typealias Part = (
    firstRow: Int, count: Int, id: Column?, batchRow: Int, RecordBatch.Origin
  )

  /// A block that is being filled.
  private final class OpenBlock {
    let columns: [UnsafeMutablePointer<Double>]
    var parts: [Part] = []
    var filled = 0

    init(columns count: Int) {
      columns = (0..<count).map { _ in LargeMemory.allocate(TableBlock.size) }
    }
    deinit { for column in columns { column.deallocate() } }
  }

  private let source: any Source
  private let asked: [Int]
  private let slots: [Int]
  private let readsIDs: Bool
  private let format: DecimalFormat
  private let workers: Workers
  private let progress: (Int) -> Void

  /// Guards the source: one caller at a time.
  private let taking = NSLock()
  /// Guards everything below.
  private let state = NSCondition()
  /// First row of each piece, as far as it is known.
  private var starts = [0]
  private var open: [Int: OpenBlock] = [:]
  private var spare: [OpenBlock] = []
  /// The one that stands first in the table.
  private var failure: (row: Int, error: any Error)?
  /// Rows after this piece cannot be placed.
  private var firstFailedPiece = Int.max
  private var taken = 0
  private var delivered = 0

  /// - Parameters:
  ///   - id: Name of the identifying column to read beside the features; nil reads none.
  ///   - names: Features, each at most once.
  ///   - progress: Told how many rows have been read; called on any thread, one at a time.
  /// - Throws: `InputError` for a column that is not there.
  package init(
    _ source: any Source, id: String?, names: [String], format: DecimalFormat, workers: Workers,
    progress: @escaping (Int) -> Void = { _ in }
  ) throws {
    self.source = source
    let features = try names.map { try source.position(of: $0) }
    let idColumn = try id.map { try source.position(of: $0) }
    // A column may be both the id and a feature; it is decoded once.
    asked = (idColumn.map { [$0] } ?? []) + features.filter { $0 != idColumn }
    let positions = asked
    slots = features.map { feature in positions.firstIndex(of: feature)! }
    readsIDs = idColumn != nil
    self.format = format
    self.workers = workers
    self.progress = progress
  }

  /// Runs the pass; once for a source.
  ///
  /// - Returns: The number of rows.
  /// - Throws: The error of the first row, in table order, that has one; `InputError` when there are
  ///   no rows.
  @discardableResult
  package func forEachBlock(_ body: @Sendable (TableBlock) throws -> Void) throws -> Int {
    try workers.forEach(workers.threads) { _ in
      while let (index, piece) = take() { process(piece, index, body) }
    }
    try workers.cancellation.check()
    if let failure { throw failure.error }
    let rows = starts[starts.count - 1]
    guard rows > 0 else {
      throw InputError(
        .badData, "there are no rows", file: source.files.first, hint: "check the input")
    }
    if let (index, last) = open.first { try body(finished(index, last)) }
    return rows
  }

  private func take() -> (Int, Piece)? {
    taking.lock()
    defer { taking.unlock() }
    let index = state.withLock { failure == nil ? taken : nil }
    guard let index, !workers.cancellation.isCancelled else { return nil }
    do {
      guard let piece = try source.next(columns: asked) else { return nil }
      state.withLock {
        taken += 1
        if let rows = piece.rows, starts.count == index + 1 { starts.append(starts[index] + rows) }
      }
      return (index, piece)
    } catch {
      fail(piece: index, error)
      return nil
    }
  }

  private func fail(row: Int, _ error: any Error) {
    state.withLock { if failure == nil || row < failure!.row { failure = (row, error) } }
  }

  /// An error before the piece's first row is known to be placed.
  private func fail(piece index: Int, _ error: any Error) {
    state.withLock {
      while starts.count <= index, firstFailedPiece > index { state.wait() }
      if starts.count > index, failure == nil || starts[index] < failure!.row {
        failure = (starts[index], error)
      }
      firstFailedPiece = min(firstFailedPiece, index)
      state.broadcast()
    }
  }

  /// Pieces are taken in order, and those taken are finished whatever becomes of later ones: so the
  /// first failing row is found by any number of threads.
  private func process(_ piece: Piece, _ index: Int, _ body: (TableBlock) throws -> Void) {
    let known = state.withLock { starts.count > index + 1 ? starts[index] : nil }
    var row = known ?? 0
    do {
      if known != nil {
        try piece.forEachBatch(rows: TableBlock.size) { batch in
          deliver(batch, at: row, body)
          row += batch.rows
        }
        return
      }
      let batch = try piece.decode()
      if let start = awaitStart(of: index, rows: batch.rows) { deliver(batch, at: start, body) }
    } catch {
      if known != nil { fail(row: row, error) } else { fail(piece: index, error) }
    }
  }

  /// Where a piece begins whose predecessors are still being decoded; nil when one of them failed.
  private func awaitStart(of index: Int, rows: Int) -> Int? {
    state.withLock {
      while starts.count <= index {
        if firstFailedPiece < index { return nil }
        state.wait()
      }
      if starts.count == index + 1 { starts.append(starts[index] + rows) }
      state.broadcast()
      return starts[index]
    }
  }

  /// Gathers a batch's rows into blocks and hands over those that it completes.
  private func deliver(_ batch: RecordBatch, at start: Int, _ body: (TableBlock) throws -> Void) {
    let columns: [Buffer<Double>]
    do {
      try workers.cancellation.check()
      columns = try slots.map { slot in
        let parsed = batch.columns[slot].doubles(format)
        if let failure = parsed.failures.first(where: { !$0.isNotFinite }) {
          throw failure.error(in: batch, column: batch.schema.fields[slot].name)
        }
        // What is not finite counts as missing, and the transforms say what becomes of that.
        return parsed.values
      }
    } catch {
      return fail(row: start, error)
    }
    var row = 0
    while row < batch.rows {
      let (index, offset) = (start + row).quotientAndRemainder(dividingBy: TableBlock.size)
      let count = min(batch.rows - row, TableBlock.size - offset)
      let target = block(index)
      for (column, values) in columns.enumerated() {
        withExtendedLifetime(values) {
          (target.columns[column] + offset).update(from: values.base + row, count: count)
        }
      }
      let part: Part = (
        start + row, count, readsIDs ? batch.columns[0].slice(row..<row + count) : nil, row,
        batch.origin
      )
      if add(part, to: target, index) {
        do {
          try body(finished(index, target))
        } catch {
          fail(row: index * TableBlock.size, error)
        }
        target.parts = []
        target.filled = 0
        state.withLock { spare.append(target) }
      }
      row += count
    }
  }

  private func block(_ index: Int) -> OpenBlock {
    state.withLock {
      if let block = open[index] { return block }
      let block = spare.popLast() ?? OpenBlock(columns: slots.count)
      open[index] = block
      return block
    }
  }

  /// Whether the part completes the block.
  private func add(_ part: Part, to block: OpenBlock, _ index: Int) -> Bool {
    state.withLock {
      block.parts.append(part)
      block.filled += part.count
      delivered += part.count
      progress(delivered)
      guard block.filled == TableBlock.size else { return false }
      open[index] = nil
      return true
    }
  }

  private func finished(_ index: Int, _ open: OpenBlock) -> TableBlock {
    let parts = open.parts.sorted { $0.firstRow < $1.firstRow }
    let first = index * TableBlock.size
    return TableBlock(
      index: index, rows: first..<first + open.filled,
      columns: open.columns.map { Buffer(base: $0, count: open.filled, owner: open) },
      ids: parts.compactMap(\.id),
      origins: parts.map { ($0.firstRow, $0.batchRow, $0.4) })
  }
}

extension Source {
  /// Where a column stands in the schema.
  ///
  /// - Throws: `InputError` that names the columns there are.
  package func position(of name: String) throws -> Int {
    if let index = schema.index(of: name) { return index }
    let known = schema.fields.map(\.name)
    guard !known.isEmpty else { throw InputError(.badData, "has no columns", file: files.first) }
    throw InputError(
      .badData, "there is no column \"\(name)\" among \(known.joined(separator: ", "))",
      file: files.first, column: name, hint: "check the names after --features and --id")
  }
}
