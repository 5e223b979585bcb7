extension ColumnType {
  /// The type that holds the values of both without loss, nil when there is none.
  func widened(with other: ColumnType) -> ColumnType? {
    switch (self, other) {
    case _ where self == other: self
    case (.int32, .int64), (.int64, .int32): .int64
    case (.float, .double), (.double, .float): .double
    case (.decimal(let left, let scale), .decimal(let right, let otherScale))
    where scale == otherScale:
      .decimal(precision: max(left, right), scale: scale)
    default: nil
    }
  }
}

extension Column {
  /// All values missing.
  package static func missing(_ type: ColumnType, count: Int) -> Column {
    let validity = Validity(present: Array(repeating: false, count: count))
    func zeros<Element: FixedWidthInteger & BitwiseCopyable>() -> Buffer<Element> {
      Buffer(count: count) { $0.initialize(repeating: 0) }
    }
    let values: ColumnValues =
      switch type {
      case .int32: .int32(zeros())
      case .int64: .int64(zeros())
      case .float: .float(Buffer(count: count) { $0.initialize(repeating: 0) })
      case .double: .double(Buffer(count: count) { $0.initialize(repeating: 0) })
      case .date: .date(zeros())
      case .timestamp(let unit, let hasZone): .timestamp(zeros(), unit, hasZone: hasZone)
      case .decimal(let precision, let scale):
        .decimal(zeros(), precision: precision, scale: scale)
      case .string:
        .strings(
          Strings(
            layout: .offsets32(Buffer(count: count + 1) { $0.initialize(repeating: 0) }),
            bytes: Buffer(EmptyCollection())))
      }
    return Column(values, validity: validity)
  }

  /// The same values as `type`, which ``ColumnType/widened(with:)`` allows.
  func widened(to target: ColumnType) -> Column {
    if type == target { return self }
    switch (values, target) {
    case (.int32(let narrow), .int64):
      return Column(.int64(narrow.mapped { Int64($0) }), validity: validity)
    case (.float(let narrow), .double):
      return Column(.double(narrow.mapped { Double($0) }), validity: validity)
    case (.decimal(let units, _, let scale), .decimal(let precision, let same)) where scale == same:
      return Column(.decimal(units, precision: precision, scale: scale), validity: validity)
    default:
      preconditionFailure("\(type) does not widen to \(target)")
    }
  }
}

extension Buffer {
  /// A new buffer of `transform` applied to each element.
  package func mapped<Target: BitwiseCopyable>(
    _ transform: (Element) -> Target
  ) -> Buffer<Target> {
    Buffer<Target>(count: count) { target in
      withExtendedLifetime(self) {
        for index in 0..<count { target.initializeElement(at: index, to: transform(base[index])) }
      }
    }
  }
}
