import Columnar

/// The columns of a state's customers, in the order of the file: `customer_id`, `last_day`,
/// `first_day`, then numbers of the record, then `active_days` (see ``DayList``).
struct StateColumns {
  /// A number of a customer's record, 32 bits without a sign or 64 with one.
  struct Number {
    var name: String
    var offset: Int
    var isLong: Bool
  }

  let numbers: [Number]
  let hasText: Bool
  let hasDays: Bool

  /// - Parameter channelCodes: Codes of the channels in the order of their columns.
  init(_ needs: FoldNeeds, channelCodes: [Int], hasText: Bool) {
    let layout = StateLayout(ends: needs.boundaries, channels: channelCodes.count, words: 0)
    let buckets = [0] + needs.boundaries
    var numbers = buckets.enumerated().map { bucket, age in
      Number(
        name: "count_\(age)", offset: StateLayout.countsOffset + 4 * bucket, isLong: false)
    }
    if needs.amounts { numbers.append(Number(name: "refunds", offset: 16, isLong: false)) }
    for (number, code) in channelCodes.enumerated() {
      numbers.append(
        Number(
          name: "channel_\(number)", offset: layout.channelsOffset + 4 * code, isLong: false))
    }
    if needs.amounts {
      numbers += buckets.enumerated().map { bucket, age in
        Number(name: "amount_\(age)", offset: layout.amountsOffset + 8 * bucket, isLong: true)
      }
    }
    self.numbers = numbers
    self.hasText = hasText
    hasDays = needs.activeDays
  }

  /// Integer columns: the id where it is a number, both days, the record's numbers.
  var integerNames: [String] {
    (hasText ? [] : ["customer_id"]) + ["last_day", "first_day"] + numbers.map(\.name)
  }

  func fields(_ ranges: ValueRanges) -> [NarrowField] {
    (hasText ? [NarrowField("customer_id", .text)] : [])
      + zip(integerNames, ranges.widths).map { NarrowField($0, .integer(width: $1)) }
      + (hasDays ? [NarrowField("active_days", .binary)] : [])
  }

  var names: [String] {
    (hasText ? ["customer_id"] : []) + integerNames + (hasDays ? ["active_days"] : [])
  }
}

/// Smallest and largest value of some columns: how wide they have to be.
struct ValueRanges {
  var low: [Int64]
  var high: [Int64]

  init(count: Int) {
    low = Array(repeating: .max, count: count)
    high = Array(repeating: .min, count: count)
  }

  @inline(__always)
  mutating func add(_ value: Int64, to column: Int) {
    low[column] = min(low[column], value)
    high[column] = max(high[column], value)
  }

  mutating func add(_ other: ValueRanges) {
    for column in low.indices where other.low[column] <= other.high[column] {
      add(other.low[column], to: column)
      add(other.high[column], to: column)
    }
  }

  var widths: [Int] {
    zip(low, high).map { $0 > $1 ? 1 : NarrowColumn.width($0, $1) }
  }
}

extension NarrowColumn {
  /// Calls `body` with every number of a column, widened.
  @inline(__always)
  static func forEach(
    _ values: UnsafeRawPointer, width: Int, _ rows: Range<Int>, _ body: (Int, Int64) -> Void
  ) {
    switch width {
    case 1:
      let values = values.assumingMemoryBound(to: Int8.self)
      for row in rows { body(row, Int64(values[row])) }
    case 2:
      let values = values.assumingMemoryBound(to: Int16.self)
      for row in rows { body(row, Int64(values[row])) }
    case 4:
      let values = values.assumingMemoryBound(to: Int32.self)
      for row in rows { body(row, Int64(values[row])) }
    default:
      let values = values.assumingMemoryBound(to: Int64.self)
      for row in rows { body(row, values[row]) }
    }
  }

  @inline(__always)
  static func value(_ values: UnsafeRawPointer, width: Int, _ row: Int) -> Int64 {
    switch width {
    case 1: Int64(values.load(fromByteOffset: row, as: Int8.self))
    case 2: Int64(values.load(fromByteOffset: row * 2, as: Int16.self))
    case 4: Int64(values.load(fromByteOffset: row * 4, as: Int32.self))
    default: values.load(fromByteOffset: row * 8, as: Int64.self)
    }
  }

  /// Writes `count` numbers in `width` bytes each; all fit.
  @inline(__always)
  static func write(
    _ count: Int, width: Int, to target: UnsafeMutableRawPointer, _ value: (Int) -> Int64
  ) {
    switch width {
    case 1:
      let target = target.assumingMemoryBound(to: Int8.self)
      for row in 0..<count { target[row] = Int8(truncatingIfNeeded: value(row)) }
    case 2:
      let target = target.assumingMemoryBound(to: Int16.self)
      for row in 0..<count { target[row] = Int16(truncatingIfNeeded: value(row)) }
    case 4:
      let target = target.assumingMemoryBound(to: Int32.self)
      for row in 0..<count { target[row] = Int32(truncatingIfNeeded: value(row)) }
    default:
      let target = target.assumingMemoryBound(to: Int64.self)
      for row in 0..<count { target[row] = value(row) }
    }
  }
}
