/// The types a column can have. Narrower integers are widened when they are read.
package enum ColumnType: Hashable, Sendable {
  case int32, int64, float, double
  /// Days since 1970-01-01 (Int32).
  case date
  /// Ticks since 1970-01-01T00:00 (Int64); in UTC when the file names a zone, else local time.
  case timestamp(TimeUnit, hasZone: Bool)
  /// Exact: Int64 counts of 10^-scale (minor units).
  case decimal(precision: Int, scale: Int)
  /// Text, or a dictionary of texts with codes.
  case string
}

package enum TimeUnit: Int, Hashable, Sendable {
  case second, millisecond, microsecond, nanosecond

  package var ticksPerDay: Int64 {
    switch self {
    case .second: 86_400
    case .millisecond: 86_400_000
    case .microsecond: 86_400_000_000
    case .nanosecond: 86_400_000_000_000
    }
  }
}

package struct Field: Hashable, Sendable {
  package let name: String
  package let type: ColumnType
  /// Why the column cannot be read, such as "columns of type list<element: int32>"; nil when it
  /// can. Asking for such a column throws; `type` then means nothing.
  package let unreadable: String?
  /// Written: no value is ever missing, and the file says so; then nobody looks for gaps. Columns
  /// that were read never say it.
  package let isRequired: Bool

  package init(
    name: String, type: ColumnType, unreadable: String? = nil, isRequired: Bool = false
  ) {
    self.name = name
    self.type = type
    self.unreadable = unreadable
    self.isRequired = isRequired
  }
}

package struct Schema: Hashable, Sendable {
  package let fields: [Field]
  package init(fields: [Field]) { self.fields = fields }
  package func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }
}

/// Values without their validity. Slots of missing values hold anything.
package enum ColumnValues: Sendable {
  case int32(Buffer<Int32>)
  case int64(Buffer<Int64>)
  case float(Buffer<Float>)
  case double(Buffer<Double>)
  case date(Buffer<Int32>)
  case timestamp(Buffer<Int64>, TimeUnit, hasZone: Bool)
  case decimal(Buffer<Int64>, precision: Int, scale: Int)
  case strings(Strings)
  case dictionary(codes: Buffer<Int32>, Strings)
}

package struct Column: Sendable {
  package let values: ColumnValues
  /// Nil when no value is missing.
  package let validity: Validity?
  package let count: Int

  package init(_ values: ColumnValues, validity: Validity? = nil) {
    self.values = values
    self.validity = validity
    switch values {
    case .int32(let buffer), .date(let buffer): count = buffer.count
    case .int64(let buffer), .decimal(let buffer, _, _), .timestamp(let buffer, _, _):
      count = buffer.count
    case .float(let buffer): count = buffer.count
    case .double(let buffer): count = buffer.count
    case .strings(let strings): count = strings.count
    case .dictionary(let codes, _): count = codes.count
    }
    precondition(validity.map { $0.count == count } ?? true)
  }

  package var type: ColumnType {
    switch values {
    case .int32: .int32
    case .int64: .int64
    case .float: .float
    case .double: .double
    case .date: .date
    case .timestamp(_, let unit, let hasZone): .timestamp(unit, hasZone: hasZone)
    case .decimal(_, let precision, let scale): .decimal(precision: precision, scale: scale)
    case .strings, .dictionary: .string
    }
  }

  @inline(__always)
  package func isMissing(_ row: Int) -> Bool { validity.map { !$0[row] } ?? false }
}

/// One bit a row, least significant first, as Arrow stores it: 1 = present.
package struct Validity: Sendable {
  package let bytes: Buffer<UInt8>
  /// Bit of the first row inside `bytes`: imported slices need not start on a byte.
  package let offset: Int
  package let count: Int

  package init(bytes: Buffer<UInt8>, offset: Int, count: Int) {
    precondition(bytes.count * 8 >= offset + count)
    self.bytes = bytes
    self.offset = offset
    self.count = count
  }

  /// From one flag a row; nil when all are present.
  package init?(present: [Bool]) {
    self.init(Buffer(present)) { $0 }
  }

  /// From one value a row; nil when all are present.
  @inline(__always)
  package init?<Value>(_ values: Buffer<Value>, isPresent: (Value) -> Bool) {
    let (base, count) = (values.base, values.count)
    var missing = 0
    for row in 0..<count { missing += isPresent(base[row]) ? 0 : 1 }
    guard missing > 0 else { return nil }
    let bytes = Buffer<UInt8>(count: (count + 7) / 8) { target in
      for byte in target.indices {
        var bits: UInt8 = 0
        for row in 8 * byte..<min(8 * byte + 8, count) {
          bits |= (isPresent(base[row]) ? 1 : 0) << UInt8(row & 7)
        }
        target.initializeElement(at: byte, to: bits)
      }
    }
    withExtendedLifetime(values) {}
    self.init(bytes: bytes, offset: 0, count: count)
  }

  @inline(__always)
  package subscript(row: Int) -> Bool {
    let bit = offset + row
    return bytes[bit >> 3] & (1 << UInt8(bit & 7)) != 0
  }

  package var missingCount: Int {
    var present = 0
    var row = 0
    while row < count, (offset + row) & 7 != 0 {
      present += self[row] ? 1 : 0
      row += 1
    }
    while row + 8 <= count {
      present += bytes[(offset + row) >> 3].nonzeroBitCount
      row += 8
    }
    while row < count {
      present += self[row] ? 1 : 0
      row += 1
    }
    return count - present
  }
}
