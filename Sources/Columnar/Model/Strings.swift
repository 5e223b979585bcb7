/// Texts as bytes (UTF-8 unless the file lied), in one of the layouts they arrive in.
package struct Strings: Sendable {
  package enum Layout: Sendable {
    /// Arrow utf8: count + 1 offsets into `bytes`.
    case offsets32(Buffer<Int32>)
    /// Arrow large_utf8.
    case offsets64(Buffer<Int64>)
    /// Fields of a CSV block, left where they lie.
    case spans(Buffer<ByteSpan>)
  }

  /// Where a text lies in `bytes`.
  package struct ByteSpan: BitwiseCopyable, Sendable {
    package var start: Int32
    package var length: Int32
    package init(start: Int32, length: Int32) {
      self.start = start
      self.length = length
    }
  }

  package let layout: Layout
  package let bytes: Buffer<UInt8>
  package let count: Int

  package init(layout: Layout, bytes: Buffer<UInt8>) {
    self.layout = layout
    self.bytes = bytes
    switch layout {
    case .offsets32(let offsets): count = offsets.count - 1
    case .offsets64(let offsets): count = offsets.count - 1
    case .spans(let spans): count = spans.count
    }
  }

  package init(_ texts: [String]) {
    let bytes = Buffer(texts.flatMap(\.utf8))
    var end: Int64 = 0
    var offsets: [Int64] = [0]
    for text in texts {
      end += Int64(text.utf8.count)
      offsets.append(end)
    }
    self.init(layout: .offsets64(Buffer(offsets)), bytes: bytes)
  }

  /// The bytes of one text; valid while this value lives.
  @inline(__always)
  package subscript(row: Int) -> UnsafeBufferPointer<UInt8> {
    let start: Int
    let length: Int
    switch layout {
    case .offsets32(let offsets):
      start = Int(offsets[row])
      length = Int(offsets[row + 1]) - start
    case .offsets64(let offsets):
      start = Int(offsets[row])
      length = Int(offsets[row + 1]) - start
    case .spans(let spans):
      start = Int(spans[row].start)
      length = Int(spans[row].length)
    }
    return UnsafeBufferPointer(start: bytes.base + start, count: length)
  }

  /// A Swift string; broken UTF-8 is repaired, for messages and names only.
  package func text(_ row: Int) -> String { String(decoding: self[row], as: UTF8.self) }
}

extension Strings {
  /// Calls `body` with every row's bytes; the layout is looked at once.
  @inline(__always)
  package func forEach(_ body: (Int, UnsafeBufferPointer<UInt8>) -> Void) {
    let bytes = bytes.base
    withExtendedLifetime(self) {
      switch layout {
      case .offsets32(let offsets):
        let offsets = offsets.base
        for row in 0..<count {
          let start = Int(offsets[row])
          body(
            row,
            UnsafeBufferPointer(start: bytes + start, count: Int(offsets[row + 1]) - start))
        }
      case .offsets64(let offsets):
        let offsets = offsets.base
        for row in 0..<count {
          let start = Int(offsets[row])
          body(
            row,
            UnsafeBufferPointer(start: bytes + start, count: Int(offsets[row + 1]) - start))
        }
      case .spans(let spans):
        let spans = spans.base
        for row in 0..<count {
          let span = spans[row]
          body(
            row, UnsafeBufferPointer(start: bytes + Int(span.start), count: Int(span.length)))
        }
      }
    }
  }
}
