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
  private var reasons: [QuarantineReason] = []
  private var values = TextDictionary()
  private var days: [Int32: Int32] = [:]
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
    reasons.append(contentsOf: rows.reasons[range])
    for row in range {
      let value = rows.values[row]
      if QuarantinedRows.hasDay(rows.reasons[row]) {
        if let code = days[value] {
          values.codes.append(code)
        } else {
          values.append(CivilDate(daysSinceEpoch: Int(value)).description)
          days[value] = values.codes.last
        }
      } else if value >= 0 {
        values.append(rows.texts[Int(value)])
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
    let reasonCodes = reasons.map { Self.position[$0]! }
    try sink.write([
      Column(.dictionary(codes: Buffer(fileCodes), Strings(files))),
      Column(.int64(Buffer(places))),
      Column(
        .dictionary(
          codes: Buffer(reasonCodes), Strings(QuarantineReason.allCases.map(\.rawValue)))),
      columnNames.column(reasonCodes.map { columnNames.codes[Int($0)] }),
      values.column(values.codes),
      ids,
    ])
    // The next rows may come from the same file; its name starts a new dictionary.
    files.removeAll()
    fileCodes.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    reasons.removeAll(keepingCapacity: true)
    values = TextDictionary()
    days.removeAll(keepingCapacity: true)
    integers.removeAll(keepingCapacity: true)
    textBytes.removeAll(keepingCapacity: true)
    textOffsets = [0]
  }

  private static let position = Dictionary(
    uniqueKeysWithValues: QuarantineReason.allCases.enumerated().map { ($1, Int32($0)) })

  private var ids: Column {
    let validity = Validity(present: reasons.map(QuarantinedRows.hasID))
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
    for entry in entries {
      if let entry { append(entry) } else { codes.append(-1) }
    }
  }

  mutating func append(_ text: String) {
    if let code = known[text] {
      codes.append(code)
      return
    }
    let code = Int32(entries.count)
    entries.append(text)
    known[text] = code
    codes.append(code)
  }

  func column(_ codes: [Int32]) -> Column {
    // An entry to point at, even where nothing is present.
    Column(
      .dictionary(
        codes: Buffer(codes.map { max(0, $0) }), Strings(entries.isEmpty ? [""] : entries)),
      validity: Validity(present: codes.map { $0 >= 0 }))
  }
}
