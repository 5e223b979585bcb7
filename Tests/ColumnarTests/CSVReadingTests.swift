import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@Suite struct CSVReadingTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  func write(_ bytes: [UInt8], _ name: String = "t.csv") throws -> String {
    let path = folder.path(name)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  /// Accepted and rejected rows of a file together, in line order, as the twin lists them.
  func rows(_ path: String, _ options: CSVOptions) throws -> [CSVTwin.Row] {
    let source = try CSVSource([path], options: options)
    var rows: [CSVTwin.Row] = []
    for batch in try batches(of: source, columns: Array(source.schema.fields.indices)) {
      for row in 0..<batch.rows {
        let fields = batch.columns.map { column -> String in
          guard case .strings(let strings) = column.values else { return "?" }
          return strings.text(row)
        }
        rows.append(CSVTwin.Row(line: batch.origin.place(of: row), fields: fields))
      }
      rows += batch.rejected.map { CSVTwin.Row(line: $0.line, fields: nil) }
    }
    return rows.sorted { $0.line < $1.line }
  }

  static let blockSizes = Array(1...40) + [47, 64, 1000]

  func compare(
    _ body: [UInt8], comment: UInt8? = nil, longest: Int = 1 << 20, sizes: [Int] = blockSizes
  ) throws {
    let path = try write(Array("x,y,z\n".utf8) + body)
    var twin = CSVTwin(columns: 3)
    twin.comment = comment
    twin.longest = longest
    let expected = twin.rows(body, firstLine: 2)
    for size in sizes {
      var options = CSVOptions()
      options.delimiter = .byte(UInt8(ascii: ","))
      options.header = .present
      options.rowErrors = .collect
      options.blockBytes = size
      options.comment = comment
      options.maximumFieldBytes = longest
      let actual = try rows(path, options)
      #expect(
        actual == expected,
        "block size \(size): \(String(decoding: body, as: UTF8.self).debugDescription)")
    }
  }

  /// Each has its own way to go wrong at a block's edge.
  static let bodies = [
    "", "\n", "\r\n\r\n", "1,2,3", "1,2,3\n", "1,2,3\r\n4,5,6\r\n", "1,2,3\r4,5,6\r",
    "1,2,3\n\r4,5,6",
    "1,2,3\n4,5,6\r\n7,8,9\r10,11,12", "\"a,b\",\"c\"\"d\",\"\"\n", "\"a\nb\r\nc\rd\",2,3\n4,5,6\n",
    "\"\"\"\"\"\",2,\"\"\"\"\n", "1,2\n1,2,3,4\n1,2,3\n", "a\"b,2,3\n4,5,6\n",
    "\"a\"b,2,3\n4,5,6\n",
    "\"a\" ,2,3\n4,5,6\n", "1,\"open,3\n4,5,6\n7,8,9\n", "1,2,\"", "1,2,\"\"", "1,2,\"x\"\r\n",
    "1,2,\"x\"\r",
    ",,\n,,\n", ",\n", "\"\",\"\",\"\"", "1,2,3\n\n\n4,5,6\n\n", " ,\t, \n", "ğ,ü,ş\n\"ö\n\",ç,ı\n",
    "1,\"2\"\"\n\"\"\",3\n4,5,6", "\"1\"\"2\",x,y,\"extra\"\"\"\n",
    "1,\"\",3\r\n\"\",\"\r\n\",\"\n\r\"\r\n",
  ]

  @Test(arguments: bodies)
  func blocksNeverChangeTheRows(body: String) throws { try compare(Array(body.utf8)) }

  @Test func randomTextIsReadAsTheTwinReadsIt() throws {
    var random = SequentialRandom(seed: 7, purpose: .init("csv"))
    let alphabet = Array("aa,,\"\"\n\n\r,b".utf8)
    for _ in 0..<150 {
      let body = (0..<Int.random(in: 0...60, using: &random)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
      }
      try compare(body, sizes: [1, 2, 3, 7, 8, 9, 16, 31, 100])
    }
  }

  @Test func randomTextWithCommentsAndShortFields() throws {
    var random = SequentialRandom(seed: 8, purpose: .init("csv"))
    let alphabet = Array("a#,,\"\"\n\n\r#".utf8)
    for _ in 0..<150 {
      let body = (0..<Int.random(in: 0...60, using: &random)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
      }
      try compare(body, comment: UInt8(ascii: "#"), longest: 6, sizes: [1, 2, 5, 8, 13, 50])
    }
  }
}
