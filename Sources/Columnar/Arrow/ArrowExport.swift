import CArrowBridge

/// Columns as one Arrow struct array. Nothing is copied except texts that lie as spans, validity
/// that does not start on a byte, and decimals of more than 18 digits.
enum ArrowExport {
  /// Fills `target`; the receiver must call its `release`.
  static func columns(
    _ columns: [Column], rows: Int, into target: UnsafeMutablePointer<ArrowArray>
  ) {
    fill(
      target, length: rows, buffers: [nil], nullCount: 0, owned: [],
      children: columns.map { column in { Self.column(column, into: $0) } })
  }

  /// The struct schema of `fields`; texts take the layout they have in `columns`.
  static func schema(
    _ fields: [Field], like columns: [Column], into target: UnsafeMutablePointer<ArrowSchema>
  ) {
    fill(
      target, format: "+s", name: "", nullable: false,
      children: zip(fields, columns).map { field, column in
        { child in
          guard case .dictionary(_, let entries) = column.values else {
            fill(
              child, format: format(of: column), name: field.name, nullable: !field.isRequired)
            return
          }
          fill(
            child, format: "i", name: field.name, nullable: !field.isRequired,
            dictionary: { fill($0, format: format(of: entries), name: "", nullable: true) })
        }
      })
  }

  private static func format(of strings: Strings) -> String {
    if case .offsets32 = strings.layout { return "u" }
    return "U"
  }

  private static func format(of column: Column) -> String {
    switch column.values {
    case .int32: return "i"
    case .int64: return "l"
    case .float: return "f"
    case .double: return "g"
    case .date: return "tdD"
    case .timestamp(_, let unit, let hasZone):
      return "ts\(["s", "m", "u", "n"][unit.rawValue]):\(hasZone ? "UTC" : "")"
    case .decimal(_, let precision, let scale):
      return precision <= 18 ? "d:\(precision),\(scale),64" : "d:\(precision),\(scale)"
    case .strings(let strings): return format(of: strings)
    case .dictionary: return "i"
    }
  }

  private static func column(_ column: Column, into target: UnsafeMutablePointer<ArrowArray>) {
    let validity = column.validity.map(byteAligned)
    let head: UnsafeRawPointer? = validity.map { UnsafeRawPointer($0.base) }
    func plain<Element>(_ buffer: Buffer<Element>, owned: [Any] = []) {
      fill(
        target, length: column.count, buffers: [head, UnsafeRawPointer(buffer.base)],
        nullCount: validity == nil ? 0 : -1, owned: [validity as Any, buffer] + owned)
    }
    switch column.values {
    case .int32(let buffer), .date(let buffer): plain(buffer)
    case .int64(let buffer), .timestamp(let buffer, _, _): plain(buffer)
    case .decimal(let units, let precision, _):
      if precision <= 18 { plain(units) } else { plain(signExtended(units)) }
    case .float(let buffer): plain(buffer)
    case .double(let buffer): plain(buffer)
    case .strings(let strings):
      Self.strings(strings, head: head, owner: validity as Any, into: target)
    case .dictionary(let codes, let entries):
      fill(
        target, length: column.count, buffers: [head, UnsafeRawPointer(codes.base)],
        nullCount: validity == nil ? 0 : -1, owned: [validity as Any, codes],
        dictionary: { Self.strings(entries, head: nil, owner: entries, into: $0) })
    }
  }

  private static func strings(
    _ strings: Strings, head: UnsafeRawPointer?, owner: Any,
    into target: UnsafeMutablePointer<ArrowArray>
  ) {
    let strings = strings.withOffsets()
    let offsets: UnsafeRawPointer
    switch strings.layout {
    case .offsets32(let buffer): offsets = UnsafeRawPointer(buffer.base)
    case .offsets64(let buffer): offsets = UnsafeRawPointer(buffer.base)
    case .spans: preconditionFailure("withOffsets leaves no spans")
    }
    fill(
      target, length: strings.count,
      buffers: [head, offsets, UnsafeRawPointer(strings.bytes.base)],
      nullCount: head == nil ? 0 : -1, owned: [owner, strings])
  }

  private static func byteAligned(_ validity: Validity) -> Buffer<UInt8> {
    let bytes = (validity.count + 7) / 8
    if validity.offset & 7 == 0 {
      let first = validity.offset >> 3
      return validity.bytes[first..<first + bytes]
    }
    return Buffer(count: bytes) { target in
      target.initialize(repeating: 0)
      for row in 0..<validity.count where validity[row] {
        target[row >> 3] |= 1 << UInt8(row & 7)
      }
    }
  }

  /// Little-endian 128-bit integers of the same values.
  private static func signExtended(_ units: Buffer<Int64>) -> Buffer<Int64> {
    Buffer(count: units.count * 2) { target in
      for row in 0..<units.count {
        target.initializeElement(at: 2 * row, to: units[row])
        target.initializeElement(at: 2 * row + 1, to: units[row] >> 63)
      }
    }
  }

  // MARK: - The C structs

  /// What an exported array keeps alive until its release.
  private final class Holder {
    let owned: [Any]
    let buffers: UnsafeMutablePointer<UnsafeRawPointer?>
    let children: UnsafeMutablePointer<UnsafeMutablePointer<ArrowArray>?>
    let childCount: Int
    var dictionary: UnsafeMutablePointer<ArrowArray>?

    init(owned: [Any], buffers: [UnsafeRawPointer?], childCount: Int) {
      self.owned = owned
      self.buffers = .allocate(capacity: max(buffers.count, 1))
      self.buffers.initialize(from: buffers, count: buffers.count)
      self.childCount = childCount
      children = .allocate(capacity: max(childCount, 1))
      for index in 0..<childCount {
        let child = UnsafeMutablePointer<ArrowArray>.allocate(capacity: 1)
        child.initialize(to: ArrowArray())
        (children + index).initialize(to: child)
      }
    }

    deinit {
      for index in 0..<childCount { Self.free(children[index]) }
      Self.free(dictionary)
      children.deallocate()
      buffers.deallocate()
    }

    private static func free(_ array: UnsafeMutablePointer<ArrowArray>?) {
      guard let array else { return }
      if let release = array.pointee.release { release(array) }
      array.deallocate()
    }
  }

  static func fill(
    _ target: UnsafeMutablePointer<ArrowArray>, length: Int, buffers: [UnsafeRawPointer?],
    nullCount: Int64, owned: [Any], children: [(UnsafeMutablePointer<ArrowArray>) -> Void] = [],
    dictionary: ((UnsafeMutablePointer<ArrowArray>) -> Void)? = nil
  ) {
    let holder = Holder(owned: owned, buffers: buffers, childCount: children.count)
    for (index, fillChild) in children.enumerated() {
      if let child = holder.children[index] { fillChild(child) }
    }
    if let dictionary {
      let entries = UnsafeMutablePointer<ArrowArray>.allocate(capacity: 1)
      entries.initialize(to: ArrowArray())
      dictionary(entries)
      holder.dictionary = entries
    }
    target.pointee = ArrowArray(
      length: Int64(length), null_count: nullCount, offset: 0, n_buffers: Int64(buffers.count),
      n_children: Int64(children.count), buffers: holder.buffers,
      children: children.isEmpty ? nil : holder.children, dictionary: holder.dictionary,
      release: { array in
        guard let array, let owner = array.pointee.private_data else { return }
        array.pointee.release = nil
        Unmanaged<Holder>.fromOpaque(owner).release()
      },
      private_data: Unmanaged.passRetained(holder).toOpaque())
  }

  private final class SchemaHolder {
    let format: UnsafeMutablePointer<CChar>?
    let name: UnsafeMutablePointer<CChar>?
    let children: UnsafeMutablePointer<UnsafeMutablePointer<ArrowSchema>?>
    let childCount: Int
    var dictionary: UnsafeMutablePointer<ArrowSchema>?

    init(format: String, name: String, childCount: Int) {
      self.format = Self.copy(format)
      self.name = Self.copy(name)
      self.childCount = childCount
      children = .allocate(capacity: max(childCount, 1))
      for index in 0..<childCount {
        let child = UnsafeMutablePointer<ArrowSchema>.allocate(capacity: 1)
        child.initialize(to: ArrowSchema())
        (children + index).initialize(to: child)
      }
    }

    deinit {
      for index in 0..<childCount { Self.free(children[index]) }
      Self.free(dictionary)
      children.deallocate()
      format?.deallocate()
      name?.deallocate()
    }

    private static func copy(_ text: String) -> UnsafeMutablePointer<CChar> {
      let bytes = text.utf8CString
      let target = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
      target.initialize(from: Array(bytes), count: bytes.count)
      return target
    }

    private static func free(_ schema: UnsafeMutablePointer<ArrowSchema>?) {
      guard let schema else { return }
      if let release = schema.pointee.release { release(schema) }
      schema.deallocate()
    }
  }

  static func fill(
    _ target: UnsafeMutablePointer<ArrowSchema>, format: String, name: String, nullable: Bool,
    children: [(UnsafeMutablePointer<ArrowSchema>) -> Void] = [],
    dictionary: ((UnsafeMutablePointer<ArrowSchema>) -> Void)? = nil
  ) {
    let holder = SchemaHolder(format: format, name: name, childCount: children.count)
    for (index, fillChild) in children.enumerated() {
      if let child = holder.children[index] { fillChild(child) }
    }
    if let dictionary {
      let entries = UnsafeMutablePointer<ArrowSchema>.allocate(capacity: 1)
      entries.initialize(to: ArrowSchema())
      dictionary(entries)
      holder.dictionary = entries
    }
    target.pointee = ArrowSchema(
      format: UnsafePointer(holder.format), name: UnsafePointer(holder.name), metadata: nil,
      flags: nullable ? Int64(ARROW_FLAG_NULLABLE) : 0, n_children: Int64(children.count),
      children: children.isEmpty ? nil : holder.children, dictionary: holder.dictionary,
      release: { schema in
        guard let schema, let owner = schema.pointee.private_data else { return }
        schema.pointee.release = nil
        Unmanaged<SchemaHolder>.fromOpaque(owner).release()
      },
      private_data: Unmanaged.passRetained(holder).toOpaque())
  }
}
