import Foundation

/// What a file holds, found from its metadata and its first rows, and the configuration that reads it.
package struct FileInspection: Sendable, Codable {
  package struct ColumnSummary: Sendable, Codable {
    package let name: String
    /// The type in the file; "string" for all columns of text files.
    package let type: String
    /// Why the column cannot be read, nil when it can.
    package let unreadable: String?
    /// Share of missing values among the sampled rows.
    package let missingShare: Double
    /// Of text columns: "number", "date" or "text".
    package let content: String?
    /// Date formats under which every sampled value is a day between 1900 and 2100.
    package let dateFormats: [String]
    /// Decimal marks under which every sampled value is a number; both: declare one.
    package let decimalMarks: [String]
    package let examples: [String]

    /// Numbers by the file's own types.
    fileprivate var isNumber: Bool {
      ["int32", "int64", "float", "double"].contains(type) || type.hasPrefix("decimal")
    }
  }

  package let path: String
  /// Nil for a database.
  package let format: FileFormat?
  package let bytes: Int64
  /// Nil where the format does not say.
  package let rows: Int64?
  package let rowGroups: Int?
  package let sampledRows: Int
  /// Sampled rows of a wrong shape.
  package let rejectedRows: Int
  package let columns: [ColumnSummary]
  /// Text files: as in the configuration ("," "tab" "whitespace").
  package let delimiter: String?
  package let hasHeader: Bool?
  package let encoding: String?
  /// Lines of a configuration file that read this file.
  package let configuration: [String]

  /// Looks at up to `sampleRows` rows.
  ///
  /// - Throws: ``InputError`` as opening and reading the file does.
  package init(
    _ path: String, options: ReadOptions = ReadOptions(), sampleRows: Int = 10_000
  ) throws {
    var options = options
    options.csv.rowErrors = .collect
    let isDatabase = DatabaseAddress.isDatabase(path)
    let format: FileFormat? =
      isDatabase
      ? nil : try options.format ?? FileFormat.named(path)?.format ?? Self.unknown(path)
    if let format { options.format = format }
    let text = format == .csv ? try TextShape(path, &options.csv) : nil
    let source = try Sources.open([path], options: options)
    let readable = source.schema.fields.indices.filter {
      source.schema.fields[$0].unreadable == nil
    }
    let batch = try source.next(columns: readable)?.decode()
    let sampled = min(batch?.rows ?? 0, sampleRows)
    self.path = isDatabase ? source.files[0] : path
    self.format = format
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    bytes = (attributes?[.size] as? NSNumber)?.int64Value ?? 0
    rows = source.rowCount
    rowGroups = (source as? ParquetSource)?.rowGroupCount
    sampledRows = sampled
    rejectedRows = batch?.rejected.count ?? 0
    let summaries = source.schema.fields.enumerated().map { index, field in
      let place = readable.firstIndex(of: index)
      let column = place.flatMap { place in batch.map { $0.columns[place] } }
      return ColumnSummary(field, column, rows: sampled)
    }
    columns = summaries
    delimiter = text?.delimiterName
    hasHeader = text?.hasHeader
    encoding = text.map { $0.encoding ?? "UTF-8" }
    configuration = Self.configuration(text, summaries)
  }

  private static func unknown(_ path: String) throws -> FileFormat {
    throw InputError(
      .usage, "the name does not say which format it is", file: path,
      hint: "end it in \(FileFormat.extensionList), or declare the format")
  }

  private static func configuration(_ text: TextShape?, _ columns: [ColumnSummary]) -> [String] {
    var lines: [String] = []
    if let text {
      lines = ["[read]", "delimiter = \(quoted(text.delimiterName))", "header = \(text.hasHeader)"]
      if !text.hasHeader {
        lines.append("columns = [\(text.columnNames.map(quoted).joined(separator: ", "))]")
      }
      if let encoding = text.encoding { lines.append("encoding = \(quoted(encoding))") }
    }
    let ledger = ledger(columns)
    if !ledger.isEmpty { lines += ["[ledger]"] + ledger }
    return lines
  }

  /// Which columns a ledger's would be, where there is a date.
  private static func ledger(_ columns: [ColumnSummary]) -> [String] {
    // Ids may look like numbers, but amounts have a decimal mark, or come behind the ids.
    let numbers = columns.filter { $0.content == "number" || $0.isNumber }
    let amount =
      numbers.first { $0.decimalMarks.count == 1 }
      ?? numbers.first { $0.type == "double" || $0.type == "float" || $0.type.hasPrefix("decimal") }
      ?? numbers.dropFirst().first
    let mark = amount.flatMap { $0.decimalMarks.count == 1 ? $0.decimalMarks[0] : nil }
    let markLines = mark.map { ["decimal_mark = \(quoted($0))"] } ?? []
    guard let date = columns.first(where: { !$0.dateFormats.isEmpty || $0.type == "date" }) else {
      // No ledger, but tables are read with the same mark; a point needs no declaration.
      return mark == "," ? markLines : []
    }
    var lines: [String] = []
    if let amount,
      let id = columns.first(where: { $0.name != amount.name && $0.name != date.name })
    {
      lines.append("customer_id = \(quoted(id.name))")
    }
    lines.append("date = \(quoted(date.name))")
    lines += date.dateFormats.prefix(1).map { "date_format = \(quoted($0))" }
    if date.dateFormats.count > 1 {
      lines.append("# also possible: \(date.dateFormats.dropFirst().joined(separator: ", "))")
    }
    if let amount { lines.append("amount = \(quoted(amount.name))") }
    return lines + markLines
  }

  /// A TOML string.
  private static func quoted(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    return "\"\(escaped)\""
  }
}

/// How a text file is cut, with what the options left open found out.
private struct TextShape {
  let delimiterName: String
  let hasHeader: Bool
  let encoding: String?
  let columnNames: [String]

  /// Fills in `options`: the delimiter, and a guessed encoding where the bytes are not UTF-8.
  init(_ path: String, _ options: inout CSVOptions) throws {
    var open: OpenText
    do {
      open = try Self.checked(path, options)
    } catch let error as InputError where error.message.hasPrefix("the text is not UTF-8") {
      // Turkish is where such files come from; a person confirms or declares another.
      options.encoding = "windows-1254"
      open = try Self.checked(path, options)
    }
    if options.delimiter == .automatic {
      if open.columnNames.count == 1 {
        var runs = options
        runs.delimiter = .whitespace
        if let other = try? OpenText(path: path, options: runs), other.columnNames.count > 1 {
          (options, open) = (runs, other)
        }
      }
      if case .byte(let byte) = open.dialect.delimiter { options.delimiter = .byte(byte) }
    }
    switch open.dialect.delimiter {
    case .whitespace: delimiterName = "whitespace"
    case .byte(UInt8(ascii: "\t")): delimiterName = "tab"
    case .byte(let byte): delimiterName = String(UnicodeScalar(byte))
    }
    hasHeader = open.hasHeader
    encoding = open.encoding
    columnNames = open.columnNames
  }

  /// Opens the file and looks at its first block.
  private static func checked(_ path: String, _ options: CSVOptions) throws -> OpenText {
    let open = try OpenText(path: path, options: options)
    try open.nextBlock()?.checkText(file: path)
    return open
  }
}

extension FileInspection.ColumnSummary {
  fileprivate static let dateFormats = [
    "iso", "yyyymmdd", "dd.mm.yyyy", "d.m.yyyy", "dd/mm/yyyy", "mm/dd/yyyy", "d/m/yyyy", "m/d/yyyy",
    "yyyy/mm/dd", "dd-mm-yyyy", "mm-dd-yyyy", "epoch_s", "epoch_ms", "epoch_us",
  ]

  fileprivate init(_ field: Field, _ column: Column?, rows: Int) {
    name = field.name
    type = field.type.name
    unreadable = field.unreadable
    let present = column.map { column in (0..<rows).filter { !column.isMissing($0) } } ?? []
    missingShare = rows == 0 || column == nil ? 0 : 1 - Double(present.count) / Double(rows)
    guard let column, field.type == .string, !present.isEmpty else {
      (content, dateFormats, decimalMarks, examples) = (nil, [], [], [])
      return
    }
    let texts = present.map { column.bytesOfText($0) }
    examples = Array(texts.prefix(3)).map { String(decoding: $0.prefix(60), as: UTF8.self) }
    dateFormats = Self.dateFormats.filter { name in
      guard let format = try? DateFormat(name) else { return false }
      return texts.allSatisfy { Self.isPlausibleDay($0, format) }
    }
    let marks: [(String, DecimalFormat.Mark)] = [(".", .point), (",", .comma)]
    decimalMarks = marks.filter { _, mark in
      texts.allSatisfy { text in
        text.withUnsafeBufferPointer {
          (try? DecimalFormat(decimalMark: mark).double($0)) != nil
        }
      }
    }.map(\.0)
    content = !dateFormats.isEmpty ? "date" : !decimalMarks.isEmpty ? "number" : "text"
  }

  /// A day people have accounts on. Seconds since 1970 need nine digits to be told from numbers.
  private static func isPlausibleDay(_ text: [UInt8], _ format: DateFormat) -> Bool {
    if case .epoch = format, text.count < 9 { return false }
    guard let days = text.withUnsafeBufferPointer({ try? format.days($0) }) else { return false }
    let earliest: Int32 = { if case .epoch = format { 7305 } else { -25_567 } }()
    return days >= earliest && days < 47_482
  }
}

extension Column {
  /// The text of a row of a text column.
  fileprivate func bytesOfText(_ row: Int) -> [UInt8] {
    switch values {
    case .strings(let strings): Array(strings[row])
    case .dictionary(let codes, let entries): Array(entries[Int(codes[row])])
    default: []
    }
  }
}
