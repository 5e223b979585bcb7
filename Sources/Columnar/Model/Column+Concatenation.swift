extension Column {
  /// One column out of chunks of one type, in order; texts come out as plain texts.
  ///
  /// - Precondition: At least one chunk.
  package static func concatenating(_ chunks: [Column]) -> Column {
    precondition(!chunks.isEmpty)
    return chunks.count == 1 ? chunks[0] : copying(chunks)
  }

  /// The same values in memory of their own: part of a decoded batch keeps all of the batch's columns.
  package func detached() -> Column { Self.copying([self]) }

  private static func copying(_ chunks: [Column]) -> Column {
    let count = chunks.reduce(0) { $0 + $1.count }
    var present: [Bool]?
    if chunks.contains(where: { $0.validity != nil }) {
      present = []
      present!.reserveCapacity(count)
      for chunk in chunks {
        for row in 0..<chunk.count { present!.append(!chunk.isMissing(row)) }
      }
    }
    return Column(joined(chunks, count), validity: present.flatMap { Validity(present: $0) })
  }

  private static func joined(_ chunks: [Column], _ count: Int) -> ColumnValues {
    func join<Element>(_ buffers: [Buffer<Element>]) -> Buffer<Element> {
      Buffer(count: count) { target in
        var start = 0
        for buffer in buffers {
          _ = UnsafeMutableBufferPointer(rebasing: target[start..<start + buffer.count])
            .initialize(from: buffer.values)
          start += buffer.count
        }
      }
    }
    switch chunks[0].values {
    case .int32:
      return .int32(join(chunks.map { if case .int32(let b) = $0.values { b } else { mixed() } }))
    case .int64:
      return .int64(join(chunks.map { if case .int64(let b) = $0.values { b } else { mixed() } }))
    case .float:
      return .float(join(chunks.map { if case .float(let b) = $0.values { b } else { mixed() } }))
    case .double:
      return .double(join(chunks.map { if case .double(let b) = $0.values { b } else { mixed() } }))
    case .date:
      return .date(join(chunks.map { if case .date(let b) = $0.values { b } else { mixed() } }))
    case .timestamp(_, let unit, let hasZone):
      return .timestamp(
        join(chunks.map { if case .timestamp(let b, _, _) = $0.values { b } else { mixed() } }),
        unit,
        hasZone: hasZone)
    case .decimal(_, let precision, let scale):
      return .decimal(
        join(chunks.map { if case .decimal(let b, _, _) = $0.values { b } else { mixed() } }),
        precision: precision, scale: scale)
    case .strings, .dictionary: return .strings(joinTexts(chunks, count))
    }
  }

  private static func mixed() -> Never {
    preconditionFailure("the batches of one source have one type a column")
  }

  private static func joinTexts(_ chunks: [Column], _ count: Int) -> Strings {
    var total = 0
    let offsets = Buffer<Int64>(count: count + 1) { target in
      target[0] = 0
      var next = 1
      for chunk in chunks {
        forEachText(chunk) { text in
          total += text.count
          target[next] = Int64(total)
          next += 1
        }
      }
    }
    let joined = Buffer<UInt8>(count: total) { target in
      var start = 0
      for chunk in chunks {
        forEachText(chunk) { text in
          _ = UnsafeMutableBufferPointer(rebasing: target[start..<start + text.count])
            .initialize(from: text)
          start += text.count
        }
      }
    }
    return Strings(layout: .offsets64(offsets), bytes: joined)
  }

  /// Calls `body` with the bytes of every row, none for a missing one; the layout is looked at once.
  @inline(__always)
  private static func forEachText(_ chunk: Column, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    let validity = chunk.validity
    func isMissing(_ row: Int) -> Bool { validity.map { !$0[row] } ?? false }
    switch chunk.values {
    case .strings(let texts):
      texts.forEach { row, text in body(isMissing(row) ? nothing : text) }
    case .dictionary(let codes, let texts):
      withExtendedLifetime((codes, texts)) {
        let entries = (0..<texts.count).map { texts[$0] }
        for row in 0..<codes.count {
          body(isMissing(row) ? nothing : entries[Int(codes.base[row])])
        }
      }
    default: mixed()
    }
  }
}
