/// From one layout of texts to another; only what is not already there is copied.
extension Strings {
  /// The texts with offsets into one run of bytes; spans are copied together.
  package func withOffsets() -> Strings {
    guard case .spans(let spans) = layout else { return self }
    return gathered(count: count) { row in Int(spans[row].length) }
  }

  /// As `withOffsets`, with 64-bit offsets.
  func withLargeOffsets() -> Strings {
    switch layout {
    case .offsets64: self
    case .offsets32(let offsets):
      Strings(layout: .offsets64(offsets.mapped { Int64($0) }), bytes: bytes)
    case .spans: withOffsets()
    }
  }

  /// The texts of `rows` (indices into this value; negative = empty), copied together.
  func taking(_ rows: Buffer<Int32>, missing: Validity?) -> Strings {
    func source(_ row: Int) -> Int? {
      missing.map { !$0[row] } ?? false ? nil : Int(rows[row])
    }
    return gathered(
      count: rows.count, length: { source($0).map { self[$0].count } ?? 0 }, source: source)
  }

  private func gathered(
    count: Int, length: (Int) -> Int, source: (Int) -> Int? = { $0 }
  ) -> Strings {
    var total: Int64 = 0
    let offsets = Buffer<Int64>(count: count + 1) { target in
      for row in 0..<count {
        target.initializeElement(at: row, to: total)
        total += Int64(length(row))
      }
      target.initializeElement(at: count, to: total)
    }
    let gathered = Buffer<UInt8>(count: Int(total)) { target in
      guard let start = target.baseAddress else { return }
      withExtendedLifetime(self) {
        for row in 0..<count {
          guard let place = source(row) else { continue }
          let text = self[place]
          guard let first = text.baseAddress, text.count > 0 else { continue }
          (start + Int(offsets[row])).initialize(from: first, count: text.count)
        }
      }
    }
    return Strings(layout: .offsets64(offsets), bytes: gathered)
  }

  /// Codes in order of first appearance, and the distinct texts. Missing rows get code 0.
  func encoded(missing: Validity?) -> (codes: Buffer<Int32>, entries: Strings) {
    var known: [[UInt8]: Int32] = [:]
    var entries: [Int32] = []
    let codes = Buffer<Int32>(count: count) { target in
      for row in 0..<count {
        var code: Int32 = 0
        if missing.map({ $0[row] }) ?? true {
          let text = Array(self[row])
          if let seen = known[text] {
            code = seen
          } else {
            code = Int32(entries.count)
            known[text] = code
            entries.append(Int32(row))
          }
        }
        target.initializeElement(at: row, to: code)
      }
    }
    return (codes, taking(Buffer(entries), missing: nil))
  }
}

extension Column {
  /// Text columns with the layout of `model`'s; other columns as they are.
  func withTextLayout(of model: Column) -> Column {
    switch (values, model.values) {
    case (.strings(let strings), .dictionary):
      let (codes, entries) = strings.encoded(missing: validity)
      return Column(.dictionary(codes: codes, entries), validity: validity)
        .withTextLayout(of: model)
    case (.dictionary(let codes, let entries), .strings(let texts)):
      return Column(.strings(entries.taking(codes, missing: validity)), validity: validity)
        .withTextLayout(of: Column(.strings(texts)))
    case (.dictionary(let codes, let entries), .dictionary(_, let texts)):
      return Column(.dictionary(codes: codes, entries.like(texts)), validity: validity)
    case (.strings(let strings), .strings(let texts)):
      return Column(.strings(strings.like(texts)), validity: validity)
    default: return self
    }
  }
}

extension Strings {
  /// Offsets as wide as `model`'s.
  fileprivate func like(_ model: Strings) -> Strings {
    guard case .offsets32 = model.layout else { return withLargeOffsets() }
    switch layout {
    case .offsets32: return self
    case .spans: return withOffsets().like(model)
    case .offsets64(let offsets):
      precondition(offsets[count] <= Int64(Int32.max), "texts past 2 GiB have 64-bit offsets")
      return Strings(layout: .offsets32(offsets.mapped { Int32($0) }), bytes: bytes)
    }
  }
}
