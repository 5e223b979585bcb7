import Sharding

extension Column {
  /// Rows of text chunks as numbers of their texts, for columns of few different texts.
  ///
  /// - Returns: Per row an index into `texts`, −1 where it is missing; `texts` are those that occur,
  ///   ascending.
  package static func coding(
    _ chunks: [Column], workers: Workers
  ) throws -> (codes: Buffer<Int32>, texts: [String])? {
    guard chunks.allSatisfy({ $0.type == .string }) else { return nil }
    let local = try workers.map(chunks.count) { ChunkCodes(chunks[$0]) }
    let texts = Set(local.flatMap(\.texts)).sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    let places = Dictionary(uniqueKeysWithValues: zip(texts, texts.indices))
    var starts = [0]
    for chunk in chunks { starts.append(starts.last! + chunk.count) }
    let first = starts
    let codes = try Buffer<Int32>(count: first[chunks.count]) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(chunks.count) { chunk in
        let place = local[chunk].texts.map { Int32(places[$0] ?? -1) }
        let codes = local[chunk].codes.values
        place.withUnsafeBufferPointer { place in
          for row in codes.indices {
            let code = Int(codes[row])
            target.initializeElement(at: first[chunk] + row, to: code < 0 ? -1 : place[code])
          }
        }
      }
    }
    return (codes, texts)
  }

  /// A chunk's rows as numbers of its texts in the order they were met.
  private struct ChunkCodes: Sendable {
    let codes: Buffer<Int32>
    let texts: [String]

    init(_ chunk: Column) {
      var known: [[UInt8]] = []
      var places: [[UInt8]: Int32] = [:]
      func place(_ text: UnsafeBufferPointer<UInt8>) -> Int32 {
        let bytes = Array(text)
        if let place = places[bytes] { return place }
        places[bytes] = Int32(known.count)
        known.append(bytes)
        return Int32(known.count - 1)
      }
      let validity = chunk.validity
      codes = Buffer(count: chunk.count) { target in
        switch chunk.values {
        case .dictionary(let codes, let texts):
          // Each entry is looked at once, when it is met.
          var entries = [Int32](repeating: -1, count: texts.count)
          for (row, code) in codes.values.enumerated() {
            if validity.map({ !$0[row] }) ?? false {
              target.initializeElement(at: row, to: -1)
              continue
            }
            let entry = Int(code)
            if entries[entry] < 0 { entries[entry] = place(texts[entry]) }
            target.initializeElement(at: row, to: entries[entry])
          }
          withExtendedLifetime(codes) {}
        case .strings(let texts):
          // Short texts as a word: a few compares a row instead of a hash.
          var words: [(word: UInt64, code: Int32)] = []
          texts.forEach { row, text in
            if validity.map({ !$0[row] }) ?? false {
              target.initializeElement(at: row, to: -1)
              return
            }
            guard text.count <= 7 else {
              target.initializeElement(at: row, to: place(text))
              return
            }
            var word = UInt64(text.count)
            for byte in text { word = word << 8 | UInt64(byte) }
            var code: Int32 = -1
            for entry in words where entry.word == word {
              code = entry.code
              break
            }
            if code < 0 {
              code = place(text)
              if words.count < 64 { words.append((word, code)) }
            }
            target.initializeElement(at: row, to: code)
          }
        default: preconditionFailure("only texts are coded")
        }
      }
      texts = known.map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
