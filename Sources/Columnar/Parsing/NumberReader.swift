/// Reads a number as people write it around the world: signs, accounting parentheses, currency
/// signs, grouping, any of three digit scripts, an exponent.
struct NumberReader {
  private enum Token: Equatable {
    case digit(UInt8)
    case point, comma
    /// Spaces and apostrophes between digits: grouping under any declaration.
    case group
    /// U+066B, which is a decimal mark and nothing else.
    case arabicMark
    case minus, plus, open, close, exponent, currency
  }

  private var tokens: [Token] = []
  private var isUnknown = false
  private var isInfinity = false
  private static let infinities: Set = [
    "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "∞", "+∞", "-∞",
  ]

  init(_ text: UnsafeBufferPointer<UInt8>) {
    let text = String(decoding: text, as: UTF8.self)
    for scalar in text.unicodeScalars {
      guard let token = Self.token(scalar) else {
        isUnknown = true
        isInfinity = Self.infinities.contains(text.lowercased())
        return
      }
      tokens.append(token)
    }
    while tokens.first == .group { tokens.removeFirst() }
    while tokens.last == .group { tokens.removeLast() }
  }

  private static func token(_ scalar: Unicode.Scalar) -> Token? {
    switch scalar.value {
    case 0x30...0x39: .digit(UInt8(scalar.value))
    // Arabic-Indic, extended Arabic-Indic, fullwidth.
    case 0x660...0x669: .digit(UInt8(scalar.value - 0x660 + 0x30))
    case 0x6F0...0x6F9: .digit(UInt8(scalar.value - 0x6F0 + 0x30))
    case 0xFF10...0xFF19: .digit(UInt8(scalar.value - 0xFF10 + 0x30))
    case 0x2E, 0xFF0E: .point
    case 0x2C, 0xFF0C: .comma
    case 0x66B: .arabicMark
    // Space, tab, no-break, thin, narrow no-break; apostrophes; Arabic thousands separator.
    case 0x20, 0x09, 0xA0, 0x2009, 0x202F, 0x27, 0x2019, 0x66C: .group
    case 0x2D, 0x2212, 0xFF0D: .minus
    case 0x2B, 0xFF0B: .plus
    case 0x28, 0xFF08: .open
    case 0x29, 0xFF09: .close
    case 0x65, 0x45: .exponent
    default: scalar.properties.generalCategory == .currencySymbol ? .currency : nil
    }
  }

  mutating func canonical(_ mark: DecimalFormat.Mark) throws(ParseError) -> [UInt8] {
    guard !isInfinity else { throw ParseError("is not a finite number", isNotFinite: true) }
    guard !isUnknown else { throw DecimalFormat.notANumber }
    let isNegative = try removeSign()
    let exponent = try removeExponent()
    let (whole, decimals) = try split(mark)
    guard !whole.isEmpty || !decimals.isEmpty else { throw DecimalFormat.notANumber }
    var text = isNegative ? [UInt8(ascii: "-")] : []
    text += whole.isEmpty ? [UInt8(ascii: "0")] : whole
    if !decimals.isEmpty { text += [UInt8(ascii: ".")] + decimals }
    if let exponent { text += Array("e\(exponent)".utf8) }
    return text
  }

  /// Takes currency signs, one sign in front or behind, or parentheses off; whether it is negative.
  private mutating func removeSign() throws(ParseError) -> Bool {
    var isNegative = false
    var signs = 0
    var currencies = 0
    strip: while true {
      switch (tokens.first, tokens.last) {
      case (.group, _): tokens.removeFirst()
      case (_, .group): tokens.removeLast()
      case (.currency, _):
        currencies += 1
        tokens.removeFirst()
      case (_, .currency):
        currencies += 1
        tokens.removeLast()
      case (.open, .close) where tokens.count > 2:
        (isNegative, signs) = (true, signs + 1)
        tokens = Array(tokens.dropFirst().dropLast())
      case (.minus, _), (.plus, _):
        if tokens.first == .minus { isNegative = true }
        signs += 1
        tokens.removeFirst()
      case (_, .minus):
        (isNegative, signs) = (true, signs + 1)
        tokens.removeLast()
      default: break strip
      }
    }
    guard signs <= 1, currencies <= 1 else { throw DecimalFormat.notANumber }
    return isNegative
  }

  private mutating func removeExponent() throws(ParseError) -> Int? {
    guard let place = tokens.firstIndex(of: .exponent) else { return nil }
    var digits = tokens[(place + 1)...]
    var isNegative = false
    if digits.first == .minus || digits.first == .plus {
      isNegative = digits.first == .minus
      digits.removeFirst()
    }
    guard place > 0, !digits.isEmpty, digits.count <= 4 else { throw DecimalFormat.notANumber }
    var exponent = 0
    for token in digits {
      guard case .digit(let digit) = token else { throw DecimalFormat.notANumber }
      exponent = exponent * 10 + Int(digit - 0x30)
    }
    tokens.removeSubrange(place...)
    return isNegative ? -exponent : exponent
  }

  /// The digits before and behind the decimal mark.
  private func split(_ mark: DecimalFormat.Mark) throws(ParseError) -> ([UInt8], [UInt8]) {
    let place = try decimalPlace(mark)
    let whole = place.map { tokens[..<$0] } ?? tokens[...]
    let decimals = place.map { tokens[($0 + 1)...] } ?? []
    var behind: [UInt8] = []
    for token in decimals {
      guard case .digit(let digit) = token else { throw DecimalFormat.notANumber }
      behind.append(digit)
    }
    return (try ungrouped(whole), behind)
  }

  /// Where the decimal mark stands, nil for a whole number.
  private func decimalPlace(_ mark: DecimalFormat.Mark) throws(ParseError) -> Int? {
    func last(_ token: Token) -> Int? { tokens.lastIndex(of: token) }
    func times(_ token: Token) -> Int { tokens.count { $0 == token } }
    if let arabic = last(.arabicMark) { return arabic }
    switch mark {
    case .point: return last(.point)
    case .comma: return last(.comma)
    case .undeclared: break
    }
    switch (last(.point), last(.comma)) {
    case (nil, nil): return nil
    case (let point?, let comma?):
      // `1.234,56`: the one that stands last; it must stand once.
      let place = max(point, comma)
      return place
    case (let place?, nil), (nil, let place?):
      if times(tokens[place]) > 1 { return nil }
      if tokens.contains(.group) { return place }
      let decimals = tokens.count - place - 1
      let startsWithZero = tokens[0] == .digit(0x30)
      guard decimals == 3, (1...3).contains(place), !startsWithZero else { return place }
      throw ParseError(
        "may mean thousands or decimals", hint: "declare decimal_mark as \".\" or \",\"",
        isAmbiguous: true)
    }
  }

  /// Digits without their grouping, which must be right: one kind of separator, three digits in the
  /// last group, two or three in those between (12,34,567 in India).
  private func ungrouped(_ whole: ArraySlice<Token>) throws(ParseError) -> [UInt8] {
    var digits: [UInt8] = []
    var groups = [0]
    var separator: Token?
    for token in whole {
      switch token {
      case .digit(let digit):
        digits.append(digit)
        groups[groups.count - 1] += 1
      case .group, .point, .comma:
        guard separator == nil || separator == token else { throw DecimalFormat.notANumber }
        separator = token
        groups.append(0)
      default: throw DecimalFormat.notANumber
      }
    }
    guard groups.count > 1 else { return digits }
    guard (1...3).contains(groups[0]), groups.last == 3,
      groups.dropFirst().dropLast().allSatisfy({ $0 == 2 || $0 == 3 })
    else { throw DecimalFormat.notANumber }
    return digits
  }
}
