import Columnar

/// Integer ids that lie close together, as the running numbers of a bank do: a customer's slot is the
/// distance of its id from the smallest one. No id is hashed, none is searched for, and the slots are
/// in id order already.
struct DenseIdentities: Sendable, Equatable {
  /// The smallest id.
  let first: Int64
  /// Ids are `first..<first + span`.
  let span: Int
  /// Partition p has the ids at distances `p << shift ..< (p + 1) << shift`.
  let shift: Int

  /// A fourth of a bank's year: ids of which most have no rows are hashed.
  static let rowsPerNumber: Int64 = 4

  /// - Parameters:
  ///   - range: Of the ids.
  ///   - rows: Of the ledger. With fewer than ``rowsPerNumber`` of them for each number of the range,
  ///     slots would take more memory and more of a core's cache than a hash table.
  ///   - partitionBits: 2 to its power partitions.
  /// - Returns: Nil where the ids lie too far apart.
  init?(_ range: ClosedRange<Int64>, rows: Int64, partitionBits: Int) {
    let (distance, overflow) = range.upperBound.subtractingReportingOverflow(range.lowerBound)
    guard !overflow, distance < rows / Self.rowsPerNumber else { return nil }
    first = range.lowerBound
    span = Int(distance) + 1
    shift = max(0, 64 - (UInt64(distance)).leadingZeroBitCount - partitionBits)
    // As many as a slot can tell apart.
    guard shift < 24 else { return nil }
  }

  var slots: Int { 1 << shift }

  @inline(__always)
  func partition(_ key: UInt64) -> Int { Int((key &- UInt64(bitPattern: first)) >> UInt64(shift)) }

  /// Writes each row's partition into the leading `bits` bits of `target`.
  ///
  /// - Throws: `InputError` for an id outside the range that the file declares.
  func place(
    _ batch: RecordBatch, _ column: Column, to target: UnsafeMutablePointer<UInt64>, bits: Int,
    name: String
  ) throws {
    let outside =
      switch column.values {
      case .int64(let ids):
        withExtendedLifetime(ids) { place(ids.count, to: target, bits) { ids.base[$0] } }
      case .int32(let ids):
        withExtendedLifetime(ids) { place(ids.count, to: target, bits) { Int64(ids.base[$0]) } }
      default: preconditionFailure("only integer ids are dense")
      }
    guard outside else { return }
    // A missing id is any number.
    let row = (0..<batch.rows).first { row in
      !column.isMissing(row) && target[row] == .max
    }
    guard let row else { return }
    throw InputError(
      .badData,
      "a customer id lies outside of the range \(first) to \(first + Int64(span) - 1) that the "
        + "file's own statistics give",
      file: batch.origin.file, line: batch.origin.place(of: row), column: name,
      hint: "the file is damaged, write it again")
  }

  @inline(__always)
  private func place(
    _ count: Int, to target: UnsafeMutablePointer<UInt64>, _ bits: Int, _ id: (Int) -> Int64
  ) -> Bool {
    let (low, span) = (UInt64(bitPattern: first), UInt64(span))
    let (right, left) = (UInt64(shift), UInt64(64 - bits))
    var outside = false
    for row in 0..<count {
      let distance = UInt64(bitPattern: id(row)) &- low
      let isInside = distance < span
      outside = outside || !isInside
      target[row] = isInside ? (distance &>> right) &<< left : .max
    }
    return outside
  }
}
