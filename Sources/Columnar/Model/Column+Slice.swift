extension Column {
  /// The rows of `range`, sharing this column's memory.
  package func slice(_ range: Range<Int>) -> Column {
    let part: ColumnValues =
      switch values {
      case .int32(let buffer): .int32(buffer[range])
      case .int64(let buffer): .int64(buffer[range])
      case .float(let buffer): .float(buffer[range])
      case .double(let buffer): .double(buffer[range])
      case .date(let buffer): .date(buffer[range])
      case .timestamp(let buffer, let unit, let hasZone):
        .timestamp(buffer[range], unit, hasZone: hasZone)
      case .decimal(let buffer, let precision, let scale):
        .decimal(buffer[range], precision: precision, scale: scale)
      case .strings(let texts): .strings(texts.slice(range))
      case .dictionary(let codes, let texts): .dictionary(codes: codes[range], texts)
      }
    return Column(
      part,
      validity: validity.map {
        Validity(bytes: $0.bytes, offset: $0.offset + range.lowerBound, count: range.count)
      })
  }
}

extension Strings {
  /// The texts of `range`, sharing this value's memory.
  package func slice(_ range: Range<Int>) -> Strings {
    let part: Layout =
      switch layout {
      case .offsets32(let offsets): .offsets32(offsets[range.lowerBound..<range.upperBound + 1])
      case .offsets64(let offsets): .offsets64(offsets[range.lowerBound..<range.upperBound + 1])
      case .spans(let spans): .spans(spans[range])
      }
    return Strings(layout: part, bytes: bytes)
  }
}
