import Columnar
import Foundation
import TestSupport
import Testing

/// Whole files: compression, encodings, headers, dialects, and what is refused with which words.
@Suite struct CSVFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  func texts(_ path: String, _ options: CSVOptions = CSVOptions()) throws -> [[String]] {
    let source = try CSVSource([path], options: options)
    return try batches(of: source, columns: Array(source.schema.fields.indices)).flatMap { batch in
      (0..<batch.rows).map { row in
        batch.columns.map { column in
          guard case .strings(let strings) = column.values else { return "?" }
          return column.isMissing(row) ? "∅" : strings.text(row)
        }
      }
    }
  }

  func failure(_ bytes: [UInt8], _ options: CSVOptions = CSVOptions()) throws -> InputError? {
    let path = folder.path("bad.csv")
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return inputError { _ = try texts(path, options) }
  }

  @Test func compressedFilesFromElsewhere() throws {
    let output = try Shell.python(
      python + """

        import gzip, os
        import duckdb
        folder = sys.argv[1]
        text = 'id,name\\n' + ''.join(f'{i},"n, {i}"\\n' for i in range(50000))
        half = text.index('\\n', len(text) // 2) + 1
        with open(folder + '/two.csv.gz', 'wb') as f:
            f.write(gzip.compress(text[:half].encode())); f.write(gzip.compress(text[half:].encode()))
        with pa.CompressedOutputStream(folder + '/arrow.csv.zst', 'zstd') as f: f.write(text.encode())
        duckdb.sql("copy (select range as id, 'n, ' || range as name from range(50000)) to '" + folder + "/duck.csv.zst' (compression zstd)")
        duckdb.sql("copy (select range as id, 'n, ' || range as name from range(50000)) to '" + folder + "/duck.csv.gz' (compression gzip)")
        whole = open(folder + '/two.csv.gz', 'rb').read()
        open(folder + '/hidden.csv', 'wb').write(whole)
        open(folder + '/cut.csv.gz', 'wb').write(whole[:-1000])
        open(folder + '/tail.csv.gz', 'wb').write(whole + b'garbage behind')
        z = open(folder + '/arrow.csv.zst', 'rb').read()
        open(folder + '/cut.csv.zst', 'wb').write(z[:-100])
        open(folder + '/tail.csv.zst', 'wb').write(z + b'garbage behind')
        open(folder + '/plain.csv.gz', 'wb').write(text.encode())
        open(folder + '/zip.csv', 'wb').write(b'PK\\x03\\x04rest')
        """, [folder.url.path])
    #expect(output.isEmpty)
    let expected = (0..<50_000).map { ["\($0)", "n, \($0)"] }
    for name in ["two.csv.gz", "arrow.csv.zst", "duck.csv.zst", "duck.csv.gz", "hidden.csv"] {
      #expect(try texts(folder.path(name)) == expected, "\(name)")
    }
    for name in [
      "cut.csv.gz", "tail.csv.gz", "cut.csv.zst", "tail.csv.zst", "plain.csv.gz", "zip.csv",
    ] {
      let error = inputError { _ = try texts(folder.path(name)) }
      #expect(error?.kind == .badData, "\(name): \(error as Any)")
    }
    var options = CSVOptions()
    options.decompressedLimit = 100_000
    #expect(inputError { _ = try texts(folder.path("two.csv.gz"), options) }?.kind == .badData)
  }

  @Test func encodings() throws {
    let names = "name,city\nÇağrı Şimşek,İzmir\n"
    try Shell.python(
      """
      import sys
      text = sys.argv[2]
      for codec in ['utf-8-sig', 'utf-16', 'utf-16-be', 'cp1254']:
          mark = b'\\xfe\\xff' if codec == 'utf-16-be' else b''
          open(sys.argv[1] + '/' + codec + '.csv', 'wb').write(mark + text.encode(codec))
      open(sys.argv[1] + '/cp1251.csv', 'wb').write('name,city\\nИван,Москва\\n'.encode('cp1251'))
      open(sys.argv[1] + '/gbk.csv', 'wb').write(('name,city\\n' + '李雷,北京\\n' * 300000).encode('gbk'))
      """, [folder.url.path, names])
    let expected = [["Çağrı Şimşek", "İzmir"]]
    for name in ["utf-8-sig", "utf-16", "utf-16-be"] {
      #expect(try texts(folder.path(name + ".csv")) == expected, "\(name)")
    }
    var options = CSVOptions()
    options.encoding = "windows-1254"
    #expect(try texts(folder.path("cp1254.csv"), options) == expected)
    options.encoding = "cp1251"
    #expect(try texts(folder.path("cp1251.csv"), options) == [["Иван", "Москва"]])
    options.encoding = "gbk"
    let chinese = try texts(folder.path("gbk.csv"), options)
    #expect(chinese.count == 300_000 && chinese.allSatisfy { $0 == ["李雷", "北京"] })
    options.encoding = "klingon"
    #expect(inputError { _ = try texts(folder.path("gbk.csv"), options) }?.kind == .usage)

    let error = inputError { _ = try texts(folder.path("cp1254.csv")) }
    #expect(error?.kind == .badData && error?.line == 2)
    #expect(error?.message == "the text is not UTF-8 at byte 10")
    #expect(error?.hint?.contains("windows-1254") == true)
  }

  @Test func dialectsAreSniffed() throws {
    for delimiter in [",", ";", "\t", "|"] {
      let path = try folder.write(
        "d.csv", "id\(delimiter)name\(delimiter)amount\n1\(delimiter)a\(delimiter)1.5\n")
      #expect(try texts(path) == [["1", "a", "1.5"]])
    }
    let decimalComma = try folder.write("d.csv", "id;amount\n1;1,5\n2;2,5\n3;3,5\n")
    #expect(try texts(decimalComma) == [["1", "1,5"], ["2", "2,5"], ["3", "3,5"]])
    let quoted = try folder.write("d.csv", "id;note\n1;\"a,b,c\"\n2;\"d,e,f\"\n")
    #expect(try texts(quoted) == [["1", "a,b,c"], ["2", "d,e,f"]])
  }

  @Test func headersAreSniffed() throws {
    func names(_ text: String, _ options: CSVOptions = CSVOptions()) throws -> [String] {
      try CSVSource([try folder.write("h.csv", text)], options: options).schema.fields.map(\.name)
    }
    #expect(try names("id,date\n1,2\n") == ["id", "date"])
    #expect(try names("1,2026-01-02\n2,2026-01-03\n") == ["column_1", "column_2"])
    #expect(try names("a,b\nc,d\n") == ["a", "b"])
    var options = CSVOptions()
    options.columnNames = ["x", "y"]
    #expect(try names("1,2\n", options) == ["x", "y"])
    options.header = .present
    #expect(try texts(try folder.write("h.csv", "1,2\n3,4\n"), options) == [["3", "4"]])
    options.columnNames = ["x"]
    #expect(inputError { _ = try names("1,2\n", options) }?.kind == .badData)
  }

  @Test func preamblesCommentsAndMissingMarkers() throws {
    var options = CSVOptions()
    options.skippedLines = 2
    options.comment = UInt8(ascii: "#")
    let path = try folder.write(
      "p.csv", "Report \"of\nthe bank,,,\n# a \"comment\n\nid,amount\n1,NULL\n#2,3\n3,  \n-,\\N\n\n"
    )
    #expect(try texts(path, options) == [["1", "∅"], ["3", "∅"], ["∅", "∅"]])
    let source = try CSVSource([path], options: options)
    let batch = try #require(try source.next(columns: [1, 1])).decode()
    #expect((0..<3).map { batch.origin.place(of: $0) } == [6, 8, 9])
    #expect(batch.columns.count == 2)
  }

  @Test func runsOfSpaces() throws {
    var options = CSVOptions()
    options.delimiter = .whitespace
    let path = try folder.write(
      "w.txt", " id  date\tn   \r\n 00001 19970101  1\r\n\r\n\t00002   19970112 \"5 6\" \n00003 1\n"
    )
    options.rowErrors = .collect
    #expect(
      try texts(path, options) == [["00001", "19970101", "1"], ["00002", "19970112", "5 6"]])
    let source = try CSVSource([path], options: options)
    let rejected = try #require(try source.next(columns: [0])).decode().rejected
    #expect(rejected.map(\.line) == [5] && rejected[0].text == "00003 1")
  }

  @Test func realTransactions() throws {
    var options = CSVOptions()
    options.delimiter = .whitespace
    let path = Repository.data.appendingPathComponent("CDNOW_master.txt").path
    for blockBytes in [10_000, 8 << 20] {
      options.blockBytes = blockBytes
      let source = try CSVSource([path], options: options)
      #expect(
        source.schema.fields.map(\.name) == [
          "customer_id", "date", "number_of_cds", "dollar_value",
        ])
      var rows = 0
      var cents: Int64 = 0
      for batch in try batches(of: source, columns: [3]) {
        var failures: [ConversionFailure] = []
        let amounts = batch.columns[0].minorUnits(scale: 2, failures: &failures)
        #expect(failures.isEmpty)
        guard case .decimal(let units, _, _) = amounts.values else { return }
        cents += units.values.reduce(0, +)
        rows += batch.rows
      }
      #expect(rows == 69_659)
      // awk 'NR > 1 { s += int($4 * 100 + 0.5) } END { print s }'
      #expect(cents == 250_031_563)
    }
  }

  @Test func everyRefusalNamesItsPlace() throws {
    func check(
      _ text: String, line: Int64?, _ message: String, column: String? = nil,
      _ sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let error = try failure(Array(text.utf8))
      #expect(error?.kind == .badData, sourceLocation: sourceLocation)
      #expect(error?.line == line, sourceLocation: sourceLocation)
      #expect(
        error?.message.contains(message) == true, "\(error as Any)", sourceLocation: sourceLocation)
      #expect(error?.column == column, sourceLocation: sourceLocation)
      #expect(error?.file?.hasSuffix("bad.csv") == true, sourceLocation: sourceLocation)
    }
    try check("", line: nil, "empty")
    try check("\n\n", line: nil, "neither a header nor a row")
    try check("a,b\n1,2\n3\n", line: 3, "1 field instead of 2")
    try check("a,b\n1,2,3\n", line: 2, "3 fields instead of 2")
    try check("a,b\n\n1,\"x\n\ny\n2,3\n", line: 3, "never closed", column: "b")
    try check("a,b\n1,x\"y\n", line: 2, "a quote stands inside", column: "b")
    try check("a,b\n\"1\"x,y\n", line: 2, "text follows the closing quote", column: "a")
    try check("a,,c\n1,2,3\n", line: 1, "no name for column 2", column: "2")
    try check("a,b,a\nx,y,z\n", line: 1, "two columns “a”", column: "a")
    try check("a,b\n1,\u{0}2\n", line: 2, "NUL byte stands at byte 6")
    var options = CSVOptions()
    options.maximumFieldBytes = 10
    let error = try failure(Array("a,b\n1,12345678901\n".utf8), options)
    #expect(error?.message == "a field is longer than 10 bytes" && error?.column == "b")
    #expect(inputError { _ = try CSVSource([folder.path("none.csv")]) }?.kind == .noInput)
  }

  @Test func columnsAreFoundByNameInEveryFile() throws {
    let first = try folder.write("1.csv", "a,b\n1,2\n")
    let second = try folder.write("2.csv", "b;extra;a\n4;x;3\n")
    let third = try folder.write("3.csv", "a\n5\n")
    let source = try CSVSource([first, second])
    #expect(try rows(of: source, columns: [0, 1]) == ["x31 x32", "x33 x34"])
    let lacking = try CSVSource([first, third])
    let error = inputError { _ = try rows(of: lacking, columns: [1]) }
    #expect(error?.kind == .badData && error?.column == "b" && error?.file == third)
    #expect(try rows(of: CSVSource([first, third]), columns: [0]) == ["x31", "x35"])
  }
}
