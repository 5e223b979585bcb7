import Columnar
import Crypto
import Segments

/// What the page's script is given: typed arrays in base64, and everything it says in words.
///
/// Per point: x and y as Float32 (little endian), label, tier and age as a byte (labels as two past
/// 255 segments), ids as lengths (LEB128) and bytes. Density: per segment, runs of empty cells and
/// counts (LEB128). 50 000 points are about 1 MB.
struct ScatterData {
  let json: String

  init(
    _ layers: ScatterLayers, _ customers: CustomerColumns, profile: BaseProfile,
    offers: [String], options: ReportOptions, axisNames: (x: String, y: String),
    texts: [(key: String, text: String)]
  ) throws {
    let rows = layers.sample
    let wide = profile.segments.count > 256
    var fields: [(String, JSON)] = [
      ("n", .count(rows.count)),
      ("x", .base64(Self.floats(rows, customers.x.values))),
      ("y", .base64(Self.floats(rows, customers.y.values))),
      ("wide", .bool(wide)),
      (
        "label",
        .base64(
          rows.flatMap { row in
            let label = UInt16(customers.labels[row])
            return wide ? [UInt8(label & 255), UInt8(label >> 8)] : [UInt8(label)]
          })
      ),
    ]
    if let ages = customers.ages, options.ages != .none {
      fields.append(("age", .base64(rows.map { Self.age(ages[$0], options.ages) })))
      fields.append(("ageBand", .bool(options.ages == .band)))
    }
    if let tiers = customers.tiers, tiers.names.count < 255 {
      fields.append(("tier", .base64(rows.map { UInt8(clamping: tiers.codes[$0] & 255) })))
      fields.append(("tiers", .array(tiers.names.map(JSON.text))))
    }
    if let identifiers = try Self.identifiers(rows, customers.identifiers, options.identifiers) {
      fields.append(("idLengths", .base64(identifiers.lengths)))
      fields.append(("ids", .base64(identifiers.bytes)))
    }
    fields.append(
      (
        "axes",
        .array([
          Self.axis(layers.x, axisNames.x), Self.axis(layers.y, axisNames.y),
        ])
      ))
    fields.append(("density", .array(layers.density.map { .base64(Self.runs($0)) })))
    fields.append(
      (
        "segments",
        .array(
          zip(profile.segments, offers).map { segment, offer in
            .object([
              ("id", .text(segment.id)), ("name", .text(segment.name)), ("offer", .text(offer)),
            ])
          })
      ))
    fields.append(("text", .object(texts.map { ($0.key, .text($0.text)) })))
    fields.append(("decimal", .text(options.language.decimalSeparator)))
    fields.append(("group", .text(options.language.groupSeparator)))
    json = JSON.object(fields).serialized
  }

  private static func axis(_ cells: AxisCells, _ name: String) -> JSON {
    var bytes: [UInt8] = []
    for edge in cells.edges { append(edge.bitPattern, to: &bytes) }
    return .object([
      ("name", .text(name)), ("log", .bool(cells.isLogarithmic)), ("edges", .base64(bytes)),
    ])
  }

  private static func floats(_ rows: [Int], _ values: Buffer<Double>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rows.count * 4)
    for row in rows { append(Float(values[row]).bitPattern, to: &bytes) }
    return bytes
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// 255 is unknown.
  private static func age(_ years: Double, _ ages: ReportOptions.Ages) -> UInt8 {
    guard years >= 0, years <= 120 else { return 255 }
    let whole = UInt8(years)
    return ages == .band ? whole / 5 * 5 : whole
  }

  private static func identifiers(
    _ rows: [Int], _ column: Column, _ shown: ReportOptions.Identifiers
  ) throws -> (lengths: [UInt8], bytes: [UInt8])? {
    if case .none = shown { return nil }
    let texts = try IdentifierTexts(column)
    let digits = IdentifierTexts.Digits()
    var lengths: [UInt8] = []
    var bytes: [UInt8] = []
    for row in rows {
      let text = texts.text(row, digits)
      if case .pseudonym(let key) = shown {
        appendVariable(16, to: &lengths)
        bytes += pseudonym(of: text, key)
      } else {
        appendVariable(UInt64(text.count), to: &lengths)
        bytes.append(contentsOf: text)
      }
    }
    return (lengths, bytes)
  }

  static func pseudonym(of text: UnsafeBufferPointer<UInt8>, _ key: PseudonymKey) -> [UInt8] {
    let code = HMAC<SHA256>.authenticationCode(
      for: Array(text), using: SymmetricKey(data: key.bytes))
    return hexadecimal(Array(code.prefix(8)))
  }

  /// LEB128.
  private static func appendVariable(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// Pairs of (empty cells before, customers).
  private static func runs(_ cells: [UInt32]) -> [UInt8] {
    var bytes: [UInt8] = []
    var empty: UInt64 = 0
    for customers in cells {
      if customers == 0 {
        empty += 1
      } else {
        appendVariable(empty, to: &bytes)
        appendVariable(UInt64(customers), to: &bytes)
        empty = 0
      }
    }
    return bytes
  }
}

/// Lowercase.
func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
  let digits = Array("0123456789abcdef".utf8)
  return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
}
