import Columnar
import Sharding

/// Rows of one partition in a temporary file, column after column, each as narrow as its values
/// allow: 11 bytes a row for ids and amounts of 32 bits, where a row in memory takes 24.
struct SpilledRows: Sendable {
  let extent: SpillFile.Extent
  let count: Int
  /// 4 or 8; 0 for text ids, whose keys are made of their texts.
  let keyWidth: Int
  /// 4 or 8.
  let amountWidth: Int
  /// Of text ids' lengths, 1 or 4; 0 for integers.
  let lengthWidth: Int

  /// Rows of one extent: what a thread unpacks at once.
  static var most: Int { 131_072 }
}

/// Packs rows into a file and unpacks them again; its memory is reused, one thread at a time.
final class RowPacker<Amount: LedgerAmount> {
  /// Some rows of a block.
  struct Run {
    let rows: UnsafePointer<LedgerRow<Amount>>
    let ids: UnsafePointer<TextReference>?
    let count: Int
  }

  private var packed = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var rows = UnsafeMutableBufferPointer<LedgerRow<Amount>>(start: nil, count: 0)
  private var ids = UnsafeMutableBufferPointer<TextReference>(start: nil, count: 0)

  deinit {
    packed.deallocate()
    rows.deallocate()
    ids.deallocate()
  }

  /// Appends rows to `file` in their order.
  func pack(_ runs: [Run], into file: SpillFile) throws -> SpilledRows {
    var (count, textBytes, longest) = (0, 0, 0)
    var (keys, isNarrow) = (UInt64(0), true)
    for run in runs {
      count += run.count
      for row in 0..<run.count {
        keys |= run.rows[row].key
        let bits = run.rows[row].amount.bits
        isNarrow = isNarrow && Int64(Int32(truncatingIfNeeded: bits)) == bits
      }
      guard let ids = run.ids else { continue }
      for row in 0..<run.count {
        textBytes += ids[row].length
        longest = max(longest, ids[row].length)
      }
    }
    let hasText = runs.contains { $0.ids != nil }
    let layout = Layout(
      count: count, keyWidth: hasText ? 0 : keys >> 32 == 0 ? 4 : 8,
      amountWidth: isNarrow ? 4 : 8, lengthWidth: hasText ? longest < 256 ? 1 : 4 : 0)
    let bytes = layout.texts + textBytes
    if packed.count < bytes {
      packed.deallocate()
      packed = .allocate(byteCount: bytes + bytes / 4, alignment: 64)
    }
    var (place, text) = (0, layout.texts)
    let base = packed.baseAddress!
    for run in runs {
      for row in 0..<run.count {
        let value = run.rows[row]
        layout.write(value, at: place, to: base)
        if let ids = run.ids {
          let id = ids[row]
          layout.writeLength(id.length, at: place, to: base)
          (base + text).copyMemory(from: id.start, byteCount: id.length)
          text += id.length
        }
        place += 1
      }
    }
    return SpilledRows(
      extent: try file.append(UnsafeRawBufferPointer(rebasing: packed[..<bytes])), count: count,
      keyWidth: layout.keyWidth, amountWidth: layout.amountWidth,
      lengthWidth: layout.lengthWidth)
  }

  /// Calls `body` with the rows, and their ids where those are texts; both are good until it returns.
  func unpack(
    _ spilled: SpilledRows, from file: SpillFile,
    _ body: (UnsafeBufferPointer<LedgerRow<Amount>>, UnsafePointer<TextReference>?) -> Void
  ) throws {
    if packed.count < spilled.extent.bytes {
      packed.deallocate()
      packed = .allocate(byteCount: spilled.extent.bytes, alignment: 64)
    }
    if rows.count < spilled.count {
      rows.deallocate()
      rows = .allocate(capacity: max(spilled.count, SpilledRows.most))
    }
    let hasText = spilled.lengthWidth > 0
    if hasText, ids.count < spilled.count {
      ids.deallocate()
      ids = .allocate(capacity: max(spilled.count, SpilledRows.most))
    }
    try file.read(
      at: spilled.extent.offset,
      into: UnsafeMutableRawBufferPointer(rebasing: packed[..<spilled.extent.bytes]))
    let layout = Layout(
      count: spilled.count, keyWidth: spilled.keyWidth, amountWidth: spilled.amountWidth,
      lengthWidth: spilled.lengthWidth)
    let base = UnsafeRawPointer(packed.baseAddress!)
    var text = base + layout.texts
    for place in 0..<spilled.count {
      var key: UInt64 = 0
      if hasText {
        let length = layout.length(at: place, of: base)
        let id = TextReference(start: text.assumingMemoryBound(to: UInt8.self), length: length)
        ids.initializeElement(at: place, to: id)
        key = IdentityHash.hash(id.bytes)
        text += length
      } else {
        key = layout.key(at: place, of: base)
      }
      rows.initializeElement(at: place, to: layout.row(key: key, at: place, of: base))
    }
    body(
      UnsafeBufferPointer(rebasing: rows[..<spilled.count]),
      hasText ? UnsafePointer(ids.baseAddress!) : nil)
  }

  /// Where the columns lie.
  private struct Layout {
    let keyWidth: Int
    let amountWidth: Int
    let lengthWidth: Int
    let amounts: Int
    let ages: Int
    let marks: Int
    let lengths: Int
    let texts: Int

    init(count: Int, keyWidth: Int, amountWidth: Int, lengthWidth: Int) {
      (self.keyWidth, self.amountWidth, self.lengthWidth) = (keyWidth, amountWidth, lengthWidth)
      amounts = count * keyWidth
      ages = amounts + count * amountWidth
      marks = ages + count * 2
      lengths = marks + count
      texts = lengths + count * lengthWidth
    }

    @inline(__always)
    func write(_ row: LedgerRow<Amount>, at place: Int, to base: UnsafeMutableRawPointer) {
      if keyWidth == 8 {
        base.storeBytes(of: row.key, toByteOffset: place * 8, as: UInt64.self)
      } else if keyWidth == 4 {
        base.storeBytes(
          of: UInt32(truncatingIfNeeded: row.key), toByteOffset: place * 4, as: UInt32.self)
      }
      let bits = row.amount.bits
      if amountWidth == 8 {
        base.storeBytes(of: bits, toByteOffset: amounts + place * 8, as: Int64.self)
      } else {
        base.storeBytes(
          of: Int32(truncatingIfNeeded: bits), toByteOffset: amounts + place * 4, as: Int32.self)
      }
      // Ages are a century at most, channels 64.
      base.storeBytes(
        of: UInt16(truncatingIfNeeded: row.age), toByteOffset: ages + place * 2, as: UInt16.self)
      base.storeBytes(
        of: UInt8(truncatingIfNeeded: row.channel << 1 | row.isRefund), toByteOffset: marks + place,
        as: UInt8.self)
    }

    @inline(__always)
    func row(key: UInt64, at place: Int, of base: UnsafeRawPointer) -> LedgerRow<Amount> {
      let bits =
        amountWidth == 8
        ? base.loadUnaligned(fromByteOffset: amounts + place * 8, as: Int64.self)
        : Int64(base.loadUnaligned(fromByteOffset: amounts + place * 4, as: Int32.self))
      let mark = UInt16(base.load(fromByteOffset: marks + place, as: UInt8.self))
      return LedgerRow(
        key: key, amount: Amount(bits: bits),
        age: Int32(base.loadUnaligned(fromByteOffset: ages + place * 2, as: UInt16.self)),
        channel: mark >> 1, isRefund: mark & 1)
    }

    @inline(__always)
    func key(at place: Int, of base: UnsafeRawPointer) -> UInt64 {
      keyWidth == 8
        ? base.loadUnaligned(fromByteOffset: place * 8, as: UInt64.self)
        : UInt64(base.loadUnaligned(fromByteOffset: place * 4, as: UInt32.self))
    }

    @inline(__always)
    func writeLength(_ length: Int, at place: Int, to base: UnsafeMutableRawPointer) {
      if lengthWidth == 1 {
        base.storeBytes(
          of: UInt8(truncatingIfNeeded: length), toByteOffset: lengths + place, as: UInt8.self)
      } else {
        base.storeBytes(
          of: UInt32(truncatingIfNeeded: length), toByteOffset: lengths + place * 4,
          as: UInt32.self)
      }
    }

    @inline(__always)
    func length(at place: Int, of base: UnsafeRawPointer) -> Int {
      lengthWidth == 1
        ? Int(base.load(fromByteOffset: lengths + place, as: UInt8.self))
        : Int(base.loadUnaligned(fromByteOffset: lengths + place * 4, as: UInt32.self))
    }
  }
}
