import Crypto

/// SHA-256 of rows in their order, whatever batches they came in.
///
/// Every column has three running hashes: its values (missing ones as zeros), the lengths of its
/// texts, and the numbers of its missing rows. The digest is that of all of them, with names and
/// types.
struct ContentDigest {
  private struct ColumnHash {
    var values = SHA256()
    var lengths = SHA256()
    var missing = SHA256()
  }

  private let fields: [Field]
  private var columns: [ColumnHash]
  private(set) var rows: Int64 = 0

  init(_ fields: [Field]) {
    self.fields = fields
    columns = fields.map { _ in ColumnHash() }
  }

  mutating func add(_ batch: [Column], rows count: Int) {
    for (index, column) in batch.enumerated() {
      if column.validity != nil {
        for row in 0..<count where column.isMissing(row) {
          withUnsafeBytes(of: (rows + Int64(row)).littleEndian) {
            columns[index].missing.update(bufferPointer: $0)
          }
        }
      }
      switch column.values {
      case .int32(let buffer), .date(let buffer): add(buffer, column, zero: 0, index)
      case .int64(let buffer), .timestamp(let buffer, _, _), .decimal(let buffer, _, _):
        add(buffer, column, zero: 0, index)
      case .float(let buffer): add(buffer, column, zero: 0, index)
      case .double(let buffer): add(buffer, column, zero: 0, index)
      case .strings(let texts):
        switch texts.layout {
        case .offsets32(let offsets): add(offsets, texts.bytes, column, index)
        case .offsets64(let offsets): add(offsets, texts.bytes, column, index)
        case .spans: add(count, column, index) { texts[$0] }
        }
      case .dictionary(let codes, let texts):
        add(count, column, index) { texts[Int(codes[$0])] }
      }
    }
    rows += Int64(count)
  }

  /// 64 hexadecimal digits.
  func finalize() -> String {
    var whole = SHA256()
    func text(_ text: String) {
      withUnsafeBytes(of: Int64(text.utf8.count).littleEndian) { whole.update(bufferPointer: $0) }
      for byte in text.utf8 { withUnsafeBytes(of: byte) { whole.update(bufferPointer: $0) } }
    }
    withUnsafeBytes(of: rows.littleEndian) { whole.update(bufferPointer: $0) }
    for (field, hashes) in zip(fields, columns) {
      text(field.name)
      text(field.type.name)
      for hash in [hashes.values, hashes.lengths, hashes.missing] {
        hash.finalize().withUnsafeBytes { whole.update(bufferPointer: $0) }
      }
    }
    let digits = Array("0123456789abcdef")
    return String(whole.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  private mutating func add<Element: BitwiseCopyable>(
    _ buffer: Buffer<Element>, _ column: Column, zero: Element, _ index: Int
  ) {
    withExtendedLifetime(buffer) {
      guard column.validity != nil else {
        columns[index].values.update(bufferPointer: UnsafeRawBufferPointer(buffer.values))
        return
      }
      let filled = (0..<column.count).map { column.isMissing($0) ? zero : buffer.base[$0] }
      filled.withUnsafeBytes { columns[index].values.update(bufferPointer: $0) }
    }
  }

  /// Texts that lie side by side are hashed in one call.
  private mutating func add<Offset: FixedWidthInteger & BitwiseCopyable>(
    _ offsets: Buffer<Offset>, _ bytes: Buffer<UInt8>, _ column: Column, _ index: Int
  ) {
    withExtendedLifetime((offsets, bytes)) {
      let (starts, texts) = (offsets.base, UnsafeRawPointer(bytes.base))
      var lengths = [UInt32](repeating: 0, count: column.count)
      var run = Int(starts[0])
      for row in lengths.indices {
        let (start, end) = (Int(starts[row]), Int(starts[row + 1]))
        if column.validity != nil, column.isMissing(row) {
          let before = UnsafeRawBufferPointer(start: texts + run, count: start - run)
          columns[index].values.update(bufferPointer: before)
          run = end
        } else {
          lengths[row] = UInt32(truncatingIfNeeded: end - start).littleEndian
        }
      }
      let last = UnsafeRawBufferPointer(
        start: texts + run, count: Int(starts[column.count]) - run)
      columns[index].values.update(bufferPointer: last)
      lengths.withUnsafeBytes { columns[index].lengths.update(bufferPointer: $0) }
    }
  }

  private mutating func add(
    _ count: Int, _ column: Column, _ index: Int, text: (Int) -> UnsafeBufferPointer<UInt8>
  ) {
    withExtendedLifetime(column) {
      var lengths: [UInt32] = []
      lengths.reserveCapacity(count)
      var bytes: [UInt8] = []
      for row in 0..<count {
        guard !column.isMissing(row) else {
          lengths.append(0)
          continue
        }
        let text = text(row)
        lengths.append(UInt32(truncatingIfNeeded: text.count).littleEndian)
        bytes.append(contentsOf: text)
      }
      lengths.withUnsafeBytes { columns[index].lengths.update(bufferPointer: $0) }
      bytes.withUnsafeBytes { columns[index].values.update(bufferPointer: $0) }
    }
  }
}
