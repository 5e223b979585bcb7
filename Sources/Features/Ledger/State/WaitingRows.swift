import Columnar
import Sharding

/// The rows of a block that wait until all rows are decoded, in half the memory where their ids lie
/// close together and their amounts are usual: memory met for the first time is what costs.
final class WaitingRows<Amount: LedgerAmount>: @unchecked Sendable {
  private struct Packed: BitwiseCopyable {
    /// Distance from the smallest key of the group's rows.
    var key: UInt32
    var amount: Int32
    var age: UInt16
    var channel: UInt8
    var isRefund: UInt8
  }

  private enum Content {
    case packed(UnsafeMutablePointer<Packed>, lowest: [UInt64])
    /// Texts, and what does not fit.
    case whole(RowBlock<Amount>)
  }

  let count: Int
  private let starts: [Int]
  private let content: Content
  /// Blocks of less get small pages.
  private static var leastBytes: Int { 4 << 20 }

  /// Packs the rows of a block; the block is free then, unless it is kept.
  ///
  /// - Parameter give: Takes the block back.
  init(_ block: RowBlock<Amount>, give: (RowBlock<Amount>) -> Void) {
    starts = block.starts
    count = block.starts.last ?? 0
    guard let packed = Self.packed(block) else {
      content = .whole(block)
      return
    }
    content = .packed(packed.rows, lowest: packed.lowest)
    give(block)
  }

  deinit {
    if case .packed(let rows, _) = content { rows.deallocate() }
  }

  private static func packed(
    _ block: RowBlock<Amount>
  ) -> (rows: UnsafeMutablePointer<Packed>, lowest: [UInt64])? {
    guard Amount.isExact, block.ids == nil else { return nil }
    let groups = block.starts.count - 1
    let rows = block.rows
    var lowest = [UInt64](repeating: 0, count: groups)
    for group in 0..<groups {
      // Ids sort as signed numbers.
      var (low, high) = (Int64.max, Int64.min)
      for row in block.starts[group]..<block.starts[group + 1] {
        let key = Int64(bitPattern: rows[row].key)
        (low, high) = (min(low, key), max(high, key))
        let amount = rows[row].amount.minorUnits
        if amount != Int64(Int32(truncatingIfNeeded: amount)) || rows[row].channel > 255 {
          return nil
        }
      }
      if low <= high {
        let (span, overflow) = high.subtractingReportingOverflow(low)
        if overflow || span > Int64(UInt32.max) { return nil }
        lowest[group] = UInt64(bitPattern: low)
      }
    }
    let bytes = max(leastBytes, block.starts[groups] * MemoryLayout<Packed>.stride)
    let target = LargeMemory.allocate(bytes: bytes).bindMemory(
      to: Packed.self, capacity: bytes / MemoryLayout<Packed>.stride)
    for group in 0..<groups {
      let low = lowest[group]
      for row in block.starts[group]..<block.starts[group + 1] {
        let source = rows[row]
        target[row] = Packed(
          key: UInt32(truncatingIfNeeded: source.key &- low),
          amount: Int32(truncatingIfNeeded: source.amount.minorUnits),
          age: UInt16(truncatingIfNeeded: source.age),
          channel: UInt8(truncatingIfNeeded: source.channel),
          isRefund: UInt8(truncatingIfNeeded: source.isRefund))
      }
    }
    return (target, lowest)
  }

  /// Calls `body` with a group's rows, and their texts beside them.
  func withRows(
    of group: Int, _ scratch: inout GrowingBlock<LedgerRow<Amount>>,
    _ body: (UnsafeBufferPointer<LedgerRow<Amount>>, UnsafePointer<TextReference>?) -> Void
  ) {
    let (start, end) = (starts[group], starts[group + 1])
    guard start < end else { return }
    switch content {
    case .whole(let block):
      body(
        UnsafeBufferPointer(start: block.rows + start, count: end - start),
        block.ids.map { UnsafePointer($0 + start) })
    case .packed(let packed, let lowest):
      scratch.resize(to: end - start)
      let target = scratch.base
      let low = lowest[group]
      for row in start..<end {
        let source = packed[row]
        target[row - start] = LedgerRow(
          key: low &+ UInt64(source.key), amount: Amount(minorUnits: Int64(source.amount)),
          age: Int32(source.age), channel: UInt16(source.channel), isRefund: UInt16(source.isRefund)
        )
      }
      body(UnsafeBufferPointer(start: target, count: end - start), nil)
    }
  }
}
