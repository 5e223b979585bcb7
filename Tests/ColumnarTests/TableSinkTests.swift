import Columnar
import Foundation
import TestSupport
import Testing

/// What we write, as pyarrow, DuckDB and Polars read it.
@Suite struct TableSinkTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  static let schema = Schema(fields: [
    Field(name: "i", type: .int32), Field(name: "l", type: .int64),
    Field(name: "f", type: .float), Field(name: "d", type: .double),
    Field(name: "day", type: .date),
    Field(name: "at", type: .timestamp(.microsecond, hasZone: false)),
    Field(name: "utc", type: .timestamp(.millisecond, hasZone: true)),
    Field(name: "money", type: .decimal(precision: 18, scale: 2)),
    Field(name: "wide", type: .decimal(precision: 38, scale: 3)),
    Field(name: "text", type: .string), Field(name: "code", type: .string),
  ])

  /// Every type, every third value missing in some columns; texts need quotes in CSV.
  static func columns(_ rows: Range<Int>) -> [Column] {
    let present = Validity(present: rows.map { $0 % 3 != 1 })
    let texts = Strings(rows.map { $0 % 5 == 0 ? "a \"b\", \($0)\nğ" : "row \($0)" })
    let codes = Buffer(rows.map { Int32($0 % 4) })
    let entries = Strings(["branch", "web", "mobile", "müşteri"])
    return [
      Column(.int32(Buffer(rows.map { Int32($0) - 5 })), validity: present),
      Column(.int64(Buffer(rows.map { Int64($0) << 40 }))),
      Column(.float(Buffer(rows.map { Float($0) / 4 })), validity: present),
      Column(.double(Buffer(rows.map { -Double($0) / 3 }))),
      Column(.date(Buffer(rows.map { Int32($0) * 30 - 365 })), validity: present),
      Column(
        .timestamp(Buffer(rows.map { Int64($0) * 1_234_567_891 }), .microsecond, hasZone: false)),
      Column(
        .timestamp(Buffer(rows.map { Int64($0) * 1_234_567 }), .millisecond, hasZone: true),
        validity: present),
      Column(
        .decimal(Buffer(rows.map { Int64($0) * 1_000_003 - 7 }), precision: 18, scale: 2),
        validity: present),
      Column(.decimal(Buffer(rows.map { 5 - Int64($0) << 33 }), precision: 38, scale: 3)),
      Column(.strings(texts), validity: present),
      Column(.dictionary(codes: codes, entries), validity: present),
    ]
  }

  func write(
    _ name: String, batches: [Range<Int>], _ options: WriteOptions = WriteOptions()
  ) throws -> String {
    let path = folder.path(name)
    let sink = try TableSink(path: path, schema: Self.schema, options: options)
    for batch in batches { try sink.write(Self.columns(batch)) }
    try sink.close()
    #expect(sink.rows == Int64(batches.map(\.count).reduce(0, +)))
    return path
  }

  static func expected(_ rows: Range<Int>) -> [String] {
    let columns = columns(rows)
    return rows.indices.map { row in
      columns.map { rendered($0, row - rows.lowerBound) }.joined(separator: " ")
    }
  }

  @Test(arguments: [1, 3], [100, 7, 1_000_000])
  func pyarrowReadsParquet(threads: Int, rowGroupRows: Int) throws {
    var options = WriteOptions()
    options.threads = threads
    options.rowGroupRows = rowGroupRows
    let path = try write("t.parquet", batches: [0..<90, 90..<91, 91..<250], options)
    let output = try Shell.python(
      python + """

        file = pq.ParquetFile(sys.argv[1])
        assert file.metadata.row_group(0).column(0).compression == 'ZSTD'
        print(file.metadata.num_row_groups)
        print(file.schema_arrow.field('money').type, file.schema_arrow.field('utc').type)
        print(lines(file.read()))
        """, [path])
    let said = output.split(separator: "\n").map(String.init)
    #expect(said[0] == "\((250 + rowGroupRows - 1) / rowGroupRows)")
    #expect(said[1] == "decimal128(18, 2) timestamp[ms, tz=UTC]")
    #expect(Array(said.dropFirst(2)) == Self.expected(0..<250))
    #expect(try rows(of: ParquetSource([path])) == Self.expected(0..<250))
  }

  @Test func bytesDoNotDependOnThreads() throws {
    var bytes: [Data] = []
    for threads in [1, 2, 3, 8] {
      var options = WriteOptions()
      options.threads = threads
      options.rowGroupRows = 3000
      let path = try write(
        "t\(threads).parquet", batches: [0..<2500, 2500..<2501, 2501..<7000], options)
      bytes.append(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
    #expect(bytes.allSatisfy { $0 == bytes[0] })
  }

  @Test func duckDBAndPolarsReadParquet() throws {
    let path = try write("t.parquet", batches: [0..<500])
    let output = try Shell.python(
      python + """

        import duckdb, polars
        plain = pq.read_table(sys.argv[1])
        con = duckdb.connect()
        con.execute("set timezone = 'UTC'")
        duck = con.execute("select * from read_parquet(?)", [sys.argv[1]]).to_arrow_table()
        polar = polars.read_parquet(sys.argv[1]).to_arrow()
        def same(other):
            for name in plain.column_names:
                other_values = other[name].cast(plain[name].type)
                assert other_values.to_pylist() == plain[name].to_pylist(), name
        same(duck); same(polar)
        print('same')
        """, [path])
    #expect(output == "same\n")
  }

  @Test(arguments: ["t.csv", "t.csv.gz", "t.csv.zst", "t.tsv"])
  func duckDBReadsCSV(name: String) throws {
    var options = WriteOptions()
    if name.hasSuffix(".tsv") { options.delimiter = "\t" }
    let path = try write(name, batches: [0..<200, 200..<333], options)
    let output = try Shell.python(
      python + """

        import duckdb
        con = duckdb.connect()
        con.execute("set timezone = 'UTC'")
        types = {'i': 'INTEGER', 'l': 'BIGINT', 'f': 'FLOAT', 'd': 'DOUBLE', 'day': 'DATE',
                 'at': 'TIMESTAMP', 'utc': 'TIMESTAMPTZ', 'money': 'DECIMAL(18,2)',
                 'wide': 'DECIMAL(38,3)', 'text': 'VARCHAR', 'code': 'VARCHAR'}
        t = con.execute("select * from read_csv(?, header=true, columns=?, delim=?, quote='\\"', escape='\\"')",
                        [sys.argv[1], types, sys.argv[2]]).to_arrow_table()
        t = t.set_column(6, 'utc', t['utc'].cast(pa.timestamp('ms', 'UTC')))
        print(lines(t))
        """, [path, name.hasSuffix(".tsv") ? "\t" : ","])
    #expect(output.split(separator: "\n").map(String.init) == Self.expected(0..<333))
  }

  @Test(arguments: [WriteOptions.Compression.none, .zstd])
  func ipcGoesBothWays(compression: WriteOptions.Compression) throws {
    var options = WriteOptions()
    options.compression = compression
    let path = try write("t.arrow", batches: [0..<200, 200..<333], options)
    let output = try Shell.python(
      python + "\nprint(lines(pa.ipc.open_file(sys.argv[1]).read_all()))", [path])
    #expect(output.split(separator: "\n").map(String.init) == Self.expected(0..<333))
    #expect(try rows(of: Sources.open([path])) == Self.expected(0..<333))
  }

  @Test(arguments: ["e.parquet", "e.csv", "e.arrow"])
  func emptyTables(name: String) throws {
    let path = try write(name, batches: [])
    let output = try Shell.python(
      python + """

        import polars
        read = {'parquet': pq.read_table, 'csv': lambda p: polars.read_csv(p).to_arrow(),
                'arrow': lambda p: pa.ipc.open_file(p).read_all()}[sys.argv[1].split('.')[-1]]
        t = read(sys.argv[1])
        print(t.num_rows, ' '.join(t.column_names))
        """, [path])
    #expect(output == "0 i l f d day at utc money wide text code\n")
  }

  @Test func textLayoutFollowsTheFirstBatch() throws {
    let schema = Schema(fields: [Field(name: "s", type: .string)])
    let texts = Column(
      .strings(Strings(["x", "y", "x"])), validity: Validity(present: [true, false, true]))
    let coded = Column(
      .dictionary(codes: Buffer([1, 0, 1].map(Int32.init)), Strings(["y", "x"])),
      validity: Validity(present: [true, false, true]))
    let spans = Column(
      .strings(
        Strings(
          layout: .spans(
            Buffer([
              Strings.ByteSpan(start: 2, length: 1), Strings.ByteSpan(start: 0, length: 0),
              Strings.ByteSpan(start: 2, length: 1),
            ])), bytes: Buffer("abx".utf8))), validity: Validity(present: [true, false, true]))
    for order in [[texts, coded, spans], [coded, spans, texts], [spans, texts, coded]] {
      let path = folder.path("s.parquet")
      let sink = try TableSink(path: path, schema: schema)
      for column in order { try sink.write([column]) }
      try sink.close()
      #expect(
        try rows(of: ParquetSource([path]))
          == Array(repeating: ["x78", "missing", "x78"], count: 3).flatMap { $0 })
    }
  }

  @Test func failuresSayWhichKind() throws {
    func kind(_ path: String) -> InputError.Kind? {
      inputError {
        let sink = try TableSink(path: path, schema: Self.schema)
        try sink.write(Self.columns(0..<1000))
        try sink.close()
      }?.kind
    }
    #expect(kind(folder.path("missing/x.parquet")) == .cannotCreate)
    #expect(kind(folder.url.path + "/.parquet/../") == .usage)
    try FileManager.default.createDirectory(
      atPath: folder.path("folder.parquet"), withIntermediateDirectories: false)
    #expect(kind(folder.path("folder.parquet")) == .cannotCreate)
    #expect(kind(folder.path("noformat")) == .usage)
    for (name, format) in [("a", FileFormat.parquet), ("b", .csv), ("c", .ipc)] {
      let full = folder.path(name)
      try FileManager.default.createSymbolicLink(
        atPath: full, withDestinationPath: "/dev/full")
      var options = WriteOptions()
      options.format = format
      let error = inputError {
        let sink = try TableSink(path: full, schema: Self.schema, options: options)
        try sink.write(Self.columns(0..<1000))
        try sink.close()
      }
      #expect(error?.kind == .io, "\(format): \(error as Any)")
    }
  }

  @Test func abortRemovesThePartialFile() throws {
    let path = folder.path("t.parquet")
    let sink = try TableSink(path: path, schema: Self.schema)
    try sink.write(Self.columns(0..<10))
    sink.abort()
    #expect(!FileManager.default.fileExists(atPath: path))
    do {
      let dropped = try TableSink(path: path, schema: Self.schema)
      try dropped.write(Self.columns(0..<10))
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}
