extension Column {
  /// The given rows, copied; texts of a dictionary become plain texts.
  package func gathered(_ rows: [Int]) -> Column {
    func take<Element>(_ buffer: Buffer<Element>) -> Buffer<Element> {
      Buffer(count: rows.count) { target in
        withExtendedLifetime(buffer) {
          for (position, row) in rows.enumerated() {
            target.initializeElement(at: position, to: buffer.base[row])
          }
        }
      }
    }
    let part: ColumnValues =
      switch values {
      case .int32(let buffer): .int32(take(buffer))
      case .int64(let buffer): .int64(take(buffer))
      case .float(let buffer): .float(take(buffer))
      case .double(let buffer): .double(take(buffer))
      case .date(let buffer): .date(take(buffer))
      case .timestamp(let buffer, let unit, let hasZone):
        .timestamp(take(buffer), unit, hasZone: hasZone)
      case .decimal(let buffer, let precision, let scale):
        .decimal(take(buffer), precision: precision, scale: scale)
      case .strings(let texts): .strings(texts.gathered(rows, validity))
      case .dictionary(let codes, let texts):
        .strings(
          texts.gathered(rows.map { isMissing($0) ? -1 : Int(codes[$0]) }, nil))
      }
    return Column(part, validity: Validity(present: rows.map { !isMissing($0) }))
  }
}

extension Strings {
  /// Copies of the given texts; an index below 0 or a missing row gives an empty one.
  fileprivate func gathered(_ indices: [Int], _ validity: Validity?) -> Strings {
    var bytes: [UInt8] = []
    var offsets: [Int64] = [0]
    offsets.reserveCapacity(indices.count + 1)
    for index in indices {
      if index >= 0, validity.map({ $0[index] }) ?? true { bytes.append(contentsOf: self[index]) }
      offsets.append(Int64(bytes.count))
    }
    return Strings(layout: .offsets64(Buffer(offsets)), bytes: Buffer(bytes))
  }
}
