import Columnar
import Sharding

/// Customer ids as bytes of text, whatever type they are stored in: 123 and "123" are one customer.
///
/// Holds plain pointers so that threads share no reference counts; valid while the column lives.
struct IdentifierTexts: @unchecked Sendable {
  private enum Layout {
    case int32(UnsafePointer<Int32>)
    case int64(UnsafePointer<Int64>)
    case texts(Texts)
    case coded(UnsafePointer<Int32>, Texts)
  }

  private enum Texts {
    case offsets32(UnsafePointer<Int32>, UnsafePointer<UInt8>)
    case offsets64(UnsafePointer<Int64>, UnsafePointer<UInt8>)
    case spans(UnsafePointer<Strings.ByteSpan>, UnsafePointer<UInt8>)

    init(_ strings: Strings) {
      let bytes = strings.bytes.base
      switch strings.layout {
      case .offsets32(let offsets): self = .offsets32(offsets.base, bytes)
      case .offsets64(let offsets): self = .offsets64(offsets.base, bytes)
      case .spans(let spans): self = .spans(spans.base, bytes)
      }
    }

    @inline(__always)
    subscript(row: Int) -> UnsafeBufferPointer<UInt8> {
      switch self {
      case .offsets32(let offsets, let bytes):
        let start = Int(offsets[row])
        return .init(start: bytes + start, count: Int(offsets[row + 1]) - start)
      case .offsets64(let offsets, let bytes):
        let start = Int(offsets[row])
        return .init(start: bytes + start, count: Int(offsets[row + 1]) - start)
      case .spans(let spans, let bytes):
        let span = spans[row]
        return .init(start: bytes + Int(span.start), count: Int(span.length))
      }
    }
  }

  private let layout: Layout
  private let column: Column

  init(_ column: Column) throws(ReportError) {
    self.column = column
    switch column.values {
    case .int32(let values): layout = .int32(values.base)
    case .int64(let values): layout = .int64(values.base)
    case .strings(let strings): layout = .texts(Texts(strings))
    case .dictionary(let codes, let strings): layout = .coded(codes.base, Texts(strings))
    case .float, .double, .date, .timestamp, .decimal:
      throw .identifiersOfWrongType("\(column.type)")
    }
  }

  /// Room for the digits of any Int64, one per thread.
  final class Digits {
    let room = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 20)
    deinit { room.deallocate() }
  }

  /// The text of a row's id: valid until `digits` is used again. A missing id is the empty text.
  @inline(__always)
  func text(_ row: Int, _ digits: Digits) -> UnsafeBufferPointer<UInt8> {
    switch layout {
    case .int32(let values): Self.decimal(Int64(values[row]), digits.room)
    case .int64(let values): Self.decimal(values[row], digits.room)
    case .texts(let texts): texts[row]
    case .coded(let codes, let texts):
      codes[row] < 0 ? .init(start: nil, count: 0) : texts[Int(codes[row])]
    }
  }

  private static func decimal(
    _ value: Int64, _ room: UnsafeMutableBufferPointer<UInt8>
  ) -> UnsafeBufferPointer<UInt8> {
    var position = room.count
    var rest = value.magnitude
    repeat {
      position -= 1
      room[position] = UInt8(truncatingIfNeeded: 48 &+ rest % 10)
      rest /= 10
    } while rest > 0
    if value < 0 {
      position -= 1
      room[position] = 45
    }
    return UnsafeBufferPointer(rebasing: room[position...])
  }
}

/// 64 bits of a text under a key, well mixed: who is in the sample depends on id and seed alone.
///
/// Not meant to hide the text; pseudonyms are HMAC.
struct IdentifierHash: Sendable {
  private let key: UInt64

  init(seed: UInt64) {
    key = CounterBasedRandom(seed: seed, purpose: .init("report sample")).bits(at: 0)
  }

  @inline(__always)
  func callAsFunction(_ text: UnsafeBufferPointer<UInt8>) -> UInt64 {
    let mix = CounterBasedRandom.mix
    var hash = key &+ UInt64(text.count)
    var position = 0
    if let start = text.baseAddress {
      while position + 8 <= text.count {
        let word = UnsafeRawPointer(start + position).loadUnaligned(as: UInt64.self)
        hash = mix(hash ^ UInt64(littleEndian: word)) &+ key
        position += 8
      }
    }
    var tail: UInt64 = 0
    for index in stride(from: text.count - 1, through: position, by: -1) {
      tail = tail << 8 | UInt64(text[index])
    }
    return mix(mix(hash ^ tail) &+ key)
  }
}
