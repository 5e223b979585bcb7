import Columnar
import Features
import Sharding

/// `quarantine.parquet`: every row set aside, why, and where to find it, in the order of the files.
///
/// Rows are gathered to whole row groups, so that the file's bytes do not depend on how they came.
final class QuarantineFile {
  private let sink: TableSink
  private let format: LedgerFormat
  private let hasText: Bool
  private static let groupRows = 1_048_576

  private var files: [String] = []
  private var fileCodes: [Int32] = []
  private var places: [Int64] = []
  /// Positions in `QuarantineReason.allCases`.
  private var reasons: [Int32] = []
  private var values = TextDictionary()
  private var days = DayCodes()
  private var integers: [Int64] = []
  private var textBytes: [UInt8] = []
  private var textOffsets: [Int64] = [0]

  init(path: String, format: LedgerFormat, hasText: Bool, workers: Workers) throws {
    self.format = format
    self.hasText = hasText
    var options = WriteOptions()
    options.threads = workers.threads
    options.rowGroupRows = Self.groupRows
    sink = try TableSink(
      path: path,
      schema: Schema(fields: [
        Field(name: "file", type: .string), Field(name: "row", type: .int64),
        Field(name: "reason", type: .string), Field(name: "column", type: .string),
        Field(name: "value", type: .string),
        Field(name: "customer_id", type: hasText ? .string : .int64),
      ]), options: options)
  }

  func write(_ rows: QuarantinedRows) throws {
    var next = 0
    while next < rows.count {
      let end = min(rows.count, next + Self.groupRows - places.count)
      gather(rows, next..<end)
      next = end
      if places.count == Self.groupRows { try flush() }
    }
  }

  func close() throws {
    try flush()
    try sink.close()
  }

  private func gather(_ rows: QuarantinedRows, _ range: Range<Int>) {
    if files.last != rows.file { files.append(rows.file) }
    fileCodes.append(contentsOf: repeatElement(Int32(files.count - 1), count: range.count))
    places.append(contentsOf: rows.places[range])
    var (reason, code, hasDay) = (QuarantineReason.duplicate, Int32(-1), false)
    for row in range {
      if code < 0 || rows.reasons[row] != reason {
        reason = rows.reasons[row]
        code = Int32(QuarantineReason.allCases.firstIndex(of: reason) ?? 0)
        hasDay = QuarantinedRows.hasDay(reason)
      }
      reasons.append(code)
      let value = rows.values[row]
      if hasDay {
        values.codes.append(days.code(of: value, in: &values))
      } else if value >= 0 {
        values.codes.append(values.code(of: rows.texts[Int(value)]))
      } else {
        values.codes.append(-1)
      }
    }
    switch rows.ids {
    case .integers(let ids): integers.append(contentsOf: ids[range])
    case .texts(let bytes, let ends):
      let start = range.lowerBound == 0 ? 0 : ends[range.lowerBound - 1]
      let shift = textBytes.count - start
      textBytes.append(contentsOf: bytes[start..<ends[range.upperBound - 1]])
      for end in ends[range] { textOffsets.append(Int64(end + shift)) }
    }
  }

  private func flush() throws {
    guard !places.isEmpty else { return }
    let columns = QuarantineReason.allCases.map { format.column(of: $0) }
    let columnNames = TextDictionary(entries: columns)
    try sink.write([
      Column(.dictionary(codes: Buffer(fileCodes), Strings(files))),
      Column(.int64(Buffer(places))),
      Column(
        .dictionary(
          codes: Buffer(reasons), Strings(QuarantineReason.allCases.map(\.rawValue)))),
      columnNames.column(reasons.map { columnNames.codes[Int($0)] }),
      values.column(values.codes),
      ids,
    ])
    // The next rows may come from the same file; its name starts a new dictionary.
    files.removeAll()
    fileCodes.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    reasons.removeAll(keepingCapacity: true)
    values = TextDictionary()
    days = DayCodes()
    integers.removeAll(keepingCapacity: true)
    textBytes.removeAll(keepingCapacity: true)
    textOffsets = [0]
  }

  private var ids: Column {
    let hasID = QuarantineReason.allCases.map(QuarantinedRows.hasID)
    let validity = Validity(present: reasons.map { hasID[Int($0)] })
    if hasText {
      return Column(
        .strings(Strings(layout: .offsets64(Buffer(textOffsets)), bytes: Buffer(textBytes))),
        validity: validity)
    }
    return Column(.int64(Buffer(integers)), validity: validity)
  }
}

/// Texts met once each, by code; −1 is a missing one.
private struct TextDictionary {
  private(set) var entries: [String] = []
  private var known: [String: Int32] = [:]
  var codes: [Int32] = []

  init(entries: [String?] = []) {
    for entry in entries { codes.append(entry.map { code(of: $0) } ?? -1) }
  }

  mutating func code(of text: String) -> Int32 {
    if let code = known[text] { return code }
    let code = Int32(entries.count)
    entries.append(text)
    known[text] = code
    return code
  }

  func column(_ codes: [Int32]) -> Column {
    // An entry to point at, even where nothing is present.
    Column(
      .dictionary(
        codes: Buffer(codes.map { max(0, $0) }), Strings(entries.isEmpty ? [""] : entries)),
      validity: Validity(present: codes.map { $0 >= 0 }))
  }
}

/// Codes of days' texts; days near the first one met, which are nearly all, cost a look at an array.
private struct DayCodes {
  private var first: Int?
  private var near = [Int32](repeating: -1, count: 8_192)

  mutating func code(of day: Int32, in texts: inout TextDictionary) -> Int32 {
    let start = first ?? Int(day) - near.count / 2
    first = start
    let slot = Int(day) - start
    guard near.indices.contains(slot) else { return texts.code(of: Self.text(day)) }
    if near[slot] < 0 { near[slot] = texts.code(of: Self.text(day)) }
    return near[slot]
  }

  private static func text(_ day: Int32) -> String {
    CivilDate(daysSinceEpoch: Int(day)).description
  }
}
