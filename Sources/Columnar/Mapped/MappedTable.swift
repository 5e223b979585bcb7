import CArrowBridge

/// A column of integers in as few bytes as its values need, or of bytes.
package enum NarrowColumn {
  /// Signed, of 1, 2, 4 or 8 bytes.
  case integers(UnsafeRawPointer, width: Int)
  /// Row i holds bytes `offsets[i]..<offsets[i + 1]`; the first offset is 0.
  case bytes(UnsafePointer<UInt8>, offsets: UnsafePointer<Int32>)

  /// Fewest bytes that hold all of `low...high`.
  package static func width(_ low: Int64, _ high: Int64) -> Int {
    if low >= Int64(Int8.min), high <= Int64(Int8.max) { return 1 }
    if low >= Int64(Int16.min), high <= Int64(Int16.max) { return 2 }
    return low >= Int64(Int32.min) && high <= Int64(Int32.max) ? 4 : 8
  }
}

/// What a column of a ``MappedTable`` holds.
package struct NarrowField: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    /// Bytes of a number.
    case integer(width: Int)
    case binary, text
  }
  package var name: String
  package var kind: Kind

  package init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// Rows of narrow columns; whoever made it keeps the memory.
package struct NarrowBatch {
  package var rows: Int
  package var columns: [NarrowColumn]

  package init(rows: Int, columns: [NarrowColumn]) {
    self.rows = rows
    self.columns = columns
  }

  /// A 64-bit sum that differs, but for a chance of 2⁻⁶⁴, when a bit of any column differs.
  package var checksum: UInt64 {
    var sum = UInt64(rows) &* Self.prime
    for column in columns {
      switch column {
      case .integers(let values, let width):
        sum = Self.mix(values, bytes: rows * width, sum &+ UInt64(width))
      case .bytes(let values, let offsets):
        sum = Self.mix(UnsafeRawPointer(offsets), bytes: rows == 0 ? 0 : (rows + 1) * 4, sum)
        sum = Self.mix(UnsafeRawPointer(values), bytes: rows == 0 ? 0 : Int(offsets[rows]), sum)
      }
    }
    return sum
  }

  private static let prime: UInt64 = 0x9e37_79b9_7f4a_7c15

  /// Four lanes of multiply and rotate, so that a core overlaps them: about as fast as memory.
  private static func mix(_ start: UnsafeRawPointer, bytes: Int, _ seed: UInt64) -> UInt64 {
    @inline(__always)
    func round(_ sum: UInt64, _ word: UInt64) -> UInt64 {
      let product = (sum ^ word) &* 0xff51_afd7_ed55_8ccd
      return product ^ (product >> 32)
    }
    var (a, b, c, d) = (seed, seed ^ prime, seed &+ prime, ~seed)
    var offset = 0
    while offset + 32 <= bytes {
      a = round(a, start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      b = round(b, start.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
      c = round(c, start.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self))
      d = round(d, start.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self))
      offset += 32
    }
    while offset < bytes {
      a = round(a, UInt64(start.load(fromByteOffset: offset, as: UInt8.self)))
      offset += 1
    }
    return round(round(round(a, b), c), d ^ UInt64(bytes))
  }
}

/// An Arrow IPC file of narrow columns, uncompressed, read where it lies in the page cache: nothing is
/// decoded and nothing copied. Any Arrow reader reads it.
package final class MappedTable: @unchecked Sendable {
  package let path: String
  package let fields: [NarrowField]
  /// Valid while this object is.
  package let batches: [NarrowBatch]
  private let map: OpaquePointer

  /// - Throws: ``InputError`` for a file that is none, or that has other columns.
  package init(path: String) throws {
    self.path = path
    let opened = try BridgeContext(file: path, format: "Arrow IPC").call {
      arrow_bridge_map_open(path, $0)
    }
    guard let opened else { preconditionFailure("the bridge maps a file or says why not") }
    map = opened
    let count = arrow_bridge_map_fields(opened)
    var kinds: [NarrowField.Kind?] = Array(repeating: nil, count: Int(count))
    batches = (0..<arrow_bridge_map_batches(opened)).map { batch in
      let columns = (0..<count).map { field -> NarrowColumn in
        let column = arrow_bridge_map_column(opened, batch, field)
        let values = column.values ?? Self.nothing
        guard column.width == 0 else {
          kinds[Int(field)] = .integer(width: Int(column.width))
          return .integers(values, width: Int(column.width))
        }
        kinds[Int(field)] = column.is_text ? .text : .binary
        return .bytes(
          values.assumingMemoryBound(to: UInt8.self),
          offsets: column.offsets ?? Self.nothing.assumingMemoryBound(to: Int32.self))
      }
      return NarrowBatch(rows: Int(arrow_bridge_map_rows(opened, batch)), columns: columns)
    }
    fields = (0..<Int(count)).map { field in
      NarrowField(
        String(cString: arrow_bridge_map_name(opened, Int64(field))), kinds[field] ?? .binary)
    }
  }

  deinit { arrow_bridge_map_close(map) }

  /// Where columns without rows lie.
  private nonisolated(unsafe) static let nothing: UnsafeRawPointer = {
    let block = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    block.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    return UnsafeRawPointer(block)
  }()

  /// Writes a file, and lets the system begin to bring it to the disk.
  ///
  /// - Parameter batches: Columns of the fields' kinds.
  package static func write(
    _ batches: [NarrowBatch], fields: [NarrowField], to path: String
  ) throws {
    let context = BridgeContext(file: path, format: "Arrow IPC")
    let options = ArrowBridgeWriterOptions(
      output: Int32(ARROW_BRIDGE_WRITE_IPC.rawValue),
      compression: Int32(ARROW_BRIDGE_PLAIN.rawValue), level: Int32.min, row_group_rows: 0,
      threads: 1, delimiter: 0, header: false, synchronize: false, dictionaries: false)
    var schema = ArrowSchema()
    ArrowExport.fill(
      &schema, format: "+s", name: "", nullable: false,
      children: fields.map { field in
        { ArrowExport.fill($0, format: format(field.kind), name: field.name, nullable: false) }
      })
    let writer = try context.call { arrow_bridge_writer_open(path, options, &schema, $0) }
    defer { arrow_bridge_writer_free(writer) }
    for batch in batches {
      var array = ArrowArray()
      ArrowExport.fill(
        &array, length: batch.rows, buffers: [nil], nullCount: 0, owned: [],
        children: batch.columns.map { column in
          { child in
            let buffers: [UnsafeRawPointer?] =
              switch column {
              case .integers(let values, _): [nil, values]
              case .bytes(let values, let offsets):
                [nil, UnsafeRawPointer(offsets), UnsafeRawPointer(values)]
              }
            ArrowExport.fill(
              child, length: batch.rows, buffers: buffers, nullCount: 0, owned: [])
          }
        })
      _ = try context.call { arrow_bridge_writer_write(writer, &array, $0) }
    }
    _ = try context.call { arrow_bridge_writer_close(writer, $0) }
    arrow_bridge_start_flush(path)
  }

  private static func format(_ kind: NarrowField.Kind) -> String {
    switch kind {
    case .integer(1): "c"
    case .integer(2): "s"
    case .integer(4): "i"
    case .integer: "l"
    case .binary: "z"
    case .text: "u"
    }
  }
}
