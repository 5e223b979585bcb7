import Columnar

/// Cuts ids into ranges of customers that lie together in a state, so that a month's rows are grouped
/// as the state's groups are.
struct IdentityRanges: Sendable {
  private enum Bounds: Sendable {
    case integers([Int64], table: [UInt32], shift: Int64)
    case texts([[UInt8]])
  }
  private let bounds: Bounds
  let count: Int

  /// Bits of a range's number.
  var bits: Int { count <= 1 ? 1 : 64 - (count - 1).leadingZeroBitCount }

  /// - Parameter firsts: Of each range but the first the smallest id, ascending.
  init(integers firsts: [Int64]) {
    count = firsts.count + 1
    // A look-up by the leading bits of the distance from the first bound leaves a step or two.
    let slots: Int64 = 16_384
    var shift: Int64 = 0
    let (span, overflow) = (firsts.last ?? 0).subtractingReportingOverflow(firsts.first ?? 0)
    // So far apart that the difference overflows: found by halving.
    if firsts.isEmpty || overflow {
      bounds = .integers(firsts, table: [], shift: 0)
      return
    }
    while span >> shift >= slots { shift += 1 }
    var table: [UInt32] = []
    var range = 0
    for slot in 0...(span >> shift) {
      // The last range that begins at or before the slot's first id.
      while range + 1 < firsts.count, firsts[range + 1] - firsts[0] <= slot << shift { range += 1 }
      table.append(UInt32(range))
    }
    bounds = .integers(firsts, table: table, shift: shift)
  }

  init(texts firsts: [[UInt8]]) {
    count = firsts.count + 1
    bounds = .texts(firsts)
  }

  /// Writes each row's range, shifted up by `shift`, to `target`. Rows without an id hold anything.
  func place(_ column: Column, to target: UnsafeMutablePointer<UInt64>, shift: UInt64) {
    switch (bounds, column.values) {
    case (.integers(let firsts, let table, let step), .int64(let ids)):
      withExtendedLifetime(ids) {
        Self.place(ids.count, firsts, table, step, target, shift) { ids.base[$0] }
      }
    case (.integers(let firsts, let table, let step), .int32(let ids)):
      withExtendedLifetime(ids) {
        Self.place(ids.count, firsts, table, step, target, shift) { Int64(ids.base[$0]) }
      }
    case (.texts(let firsts), .dictionary(let codes, let texts)):
      let known = (0..<texts.count).map { UInt64(Self.range(of: texts[$0], firsts)) << shift }
      for row in 0..<column.count where !column.isMissing(row) {
        target[row] = known[Int(codes.base[row])]
      }
    case (.texts(let firsts), .strings(let texts)):
      texts.forEach { row, id in target[row] = UInt64(Self.range(of: id, firsts)) << shift }
    default: preconditionFailure("a state's ids are of the ledger's kind")
    }
  }

  @inline(__always)
  private static func place(
    _ count: Int, _ firsts: [Int64], _ table: [UInt32], _ step: Int64,
    _ target: UnsafeMutablePointer<UInt64>, _ shift: UInt64, _ id: (Int) -> Int64
  ) {
    firsts.withUnsafeBufferPointer { firsts in
      table.withUnsafeBufferPointer { table in
        guard let first = firsts.first else {
          for row in 0..<count { target[row] = 0 }
          return
        }
        for row in 0..<count {
          let id = id(row)
          guard id >= first else {
            target[row] = 0
            continue
          }
          var range = 0
          if table.isEmpty {
            var high = firsts.count
            while high - range > 1 {
              let middle = (range + high) / 2
              if firsts[middle] <= id { range = middle } else { high = middle }
            }
          } else {
            // Beyond the last bound the difference may overflow; the last slot leads there too.
            let (distance, overflow) = id.subtractingReportingOverflow(first)
            let slot = overflow ? table.count - 1 : min(Int(distance >> step), table.count - 1)
            range = Int(table[slot])
            while range + 1 < firsts.count, firsts[range + 1] <= id { range += 1 }
          }
          target[row] = UInt64(range + 1) << shift
        }
      }
    }
  }

  private static func range(of id: UnsafeBufferPointer<UInt8>, _ firsts: [[UInt8]]) -> Int {
    var (low, high) = (0, firsts.count)
    while low < high {
      let middle = (low + high) / 2
      let precedes = firsts[middle].withUnsafeBufferPointer {
        IdentityOrder.compare(id, $0) < 0
      }
      if precedes { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

enum IdentityOrder {
  /// Negative, zero or positive, as the bytes of `a` come before, are, or come after those of `b`.
  @inline(__always)
  static func compare(
    _ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>
  ) -> Int {
    let shared = min(a.count, b.count)
    if let x = UnsafeRawPointer(a.baseAddress), let y = UnsafeRawPointer(b.baseAddress) {
      var offset = 0
      while offset + 8 <= shared {
        let p = UInt64(bigEndian: x.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        let q = UInt64(bigEndian: y.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        if p != q { return p < q ? -1 : 1 }
        offset += 8
      }
      while offset < shared {
        if a[offset] != b[offset] { return a[offset] < b[offset] ? -1 : 1 }
        offset += 1
      }
    }
    return a.count - b.count
  }
}
