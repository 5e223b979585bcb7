import CArrowBridge

/// A struct array handed over by the bridge; its memory lives until the last ``Buffer`` over it is
/// gone.
final class ImportedBatch: @unchecked Sendable {
  private let array: UnsafeMutablePointer<ArrowArray>
  private let schema: UnsafeMutablePointer<ArrowSchema>

  /// - Parameter fill: Moves a struct array and its schema into the two places.
  init(
    _ fill: (UnsafeMutablePointer<ArrowArray>, UnsafeMutablePointer<ArrowSchema>) throws -> Void
  ) throws {
    array = .allocate(capacity: 1)
    array.initialize(to: ArrowArray())
    schema = .allocate(capacity: 1)
    schema.initialize(to: ArrowSchema())
    try fill(array, schema)
  }

  deinit {
    if let release = array.pointee.release { release(array) }
    if let release = schema.pointee.release { release(schema) }
    array.deallocate()
    schema.deallocate()
  }

  var rows: Int { Int(array.pointee.length) }

  /// The child `index`, which the bridge has normalised to `type`; nothing is copied.
  func column(_ index: Int, as type: ColumnType) -> Column {
    guard let child = array.pointee.children[index]?.pointee,
      let childSchema = schema.pointee.children[index]?.pointee
    else { preconditionFailure("the bridge hands over every column it was asked for") }
    let count = Int(child.length)
    let validity = validity(of: child)
    if case .string = type {
      guard let codes = child.dictionary?.pointee, let entries = childSchema.dictionary?.pointee
      else { return Column(.strings(strings(child, childSchema)), validity: validity) }
      return Column(
        .dictionary(codes: values(child, count), strings(codes, entries)), validity: validity)
    }
    let columnValues: ColumnValues =
      switch type {
      case .int32: .int32(values(child, count))
      case .int64: .int64(values(child, count))
      case .float: .float(values(child, count))
      case .double: .double(values(child, count))
      case .date: .date(values(child, count))
      case .timestamp(let unit, let hasZone):
        .timestamp(values(child, count), unit, hasZone: hasZone)
      case .decimal(let precision, let scale):
        .decimal(values(child, count), precision: precision, scale: scale)
      case .string: preconditionFailure("strings are handled above")
      }
    return Column(columnValues, validity: validity)
  }

  private func values<Element>(_ child: ArrowArray, _ count: Int) -> Buffer<Element> {
    buffer(child, 1, from: Int(child.offset), count: count)
  }

  private func buffer<Element>(
    _ child: ArrowArray, _ index: Int, from offset: Int, count: Int
  ) -> Buffer<Element> {
    // Empty arrays may come without memory.
    guard count > 0, let start = child.buffers[index] else {
      precondition(count == 0, "the bridge hands over the values of every row")
      return Buffer(EmptyCollection())
    }
    let base = start.assumingMemoryBound(to: Element.self) + offset
    return Buffer(base: base, count: count, owner: self)
  }

  private func validity(of child: ArrowArray) -> Validity? {
    guard child.null_count != 0, child.length > 0, child.buffers[0] != nil else { return nil }
    let (offset, count) = (Int(child.offset), Int(child.length))
    let bytes: Buffer<UInt8> = buffer(
      child, 0, from: offset >> 3, count: (offset & 7 + count + 7) >> 3)
    return Validity(bytes: bytes, offset: offset & 7, count: count)
  }

  private func strings(_ child: ArrowArray, _ schema: ArrowSchema) -> Strings {
    let (offset, count) = (Int(child.offset), Int(child.length))
    let isLarge = schema.format[0] == UInt8(ascii: "U")
    guard count > 0 else {
      return Strings(
        layout: .offsets32(Buffer(CollectionOfOne(0))), bytes: Buffer(EmptyCollection()))
    }
    if isLarge {
      let offsets: Buffer<Int64> = buffer(child, 1, from: offset, count: count + 1)
      return Strings(
        layout: .offsets64(offsets), bytes: buffer(child, 2, from: 0, count: Int(offsets[count])))
    }
    let offsets: Buffer<Int32> = buffer(child, 1, from: offset, count: count + 1)
    return Strings(
      layout: .offsets32(offsets), bytes: buffer(child, 2, from: 0, count: Int(offsets[count])))
  }
}
