import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

/// Files of odd shape, broken files, and many readers at once.
@Suite struct ParquetFaultTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  func kind(_ paths: [String], columns: [Int]? = nil) -> InputError? {
    inputError { _ = try rows(of: Sources.open(paths), columns: columns) }
  }

  @Test func brokenFilesAreErrorsNeverCrashes() throws {
    let path = folder.path("good.parquet")
    try Shell.python(
      python + "\n" + ParquetReadingTests.everyType
        + "\npq.write_table(table, sys.argv[1], row_group_size=400)", [path])
    let good = try Data(contentsOf: URL(fileURLWithPath: path))
    let broken = folder.path("broken.parquet")
    func read(_ data: Data) throws -> InputError? {
      try data.write(to: URL(fileURLWithPath: broken))
      return kind([broken])
    }
    for length in [0, 3, 4, 8, good.count / 2, good.count - 1, good.count - 8, good.count - 4] {
      #expect(try read(good.prefix(length))?.kind == .badData, "length \(length)")
    }
    var huge = good
    huge.replaceSubrange((good.count - 8)..<(good.count - 4), with: [0xff, 0xff, 0xff, 0x7f])
    #expect(try read(huge)?.kind == .badData)
    // Wherever a byte is flipped: read wrong, read right or refused, but never a crash.
    var random = SequentialRandom(seed: 5, purpose: .init("flips"))
    for _ in 0..<60 {
      var flipped = good
      for _ in 0..<3 {
        flipped[Int.random(in: 0..<good.count, using: &random)] ^= UInt8(1 << (random.next() % 8))
      }
      if let error = try read(flipped) { #expect(error.kind == .badData || error.kind == .io) }
    }
    #expect(kind([folder.path("none.parquet")])?.kind == .noInput)
  }

  @Test func manyTinyRowGroupsAndOneHuge() throws {
    let path = folder.path("tiny.parquet")
    let output = try Shell.python(
      python + """

        table = pa.table({'i': pa.array(range(20000)), 's': pa.array([f'v{i % 7}' for i in range(20000)])})
        pq.write_table(table, sys.argv[1], row_group_size=2)
        print(lines(table))
        """, [path])
    let expected = output.split(separator: "\n").map(String.init)
    #expect(try rows(of: ParquetSource([path])) == expected)
    #expect(try rows(of: ParquetSource([path], dictionaryColumns: ["s"])) == expected)
    // Every way of cutting gives the same rows.
    let sink = folder.path("huge.parquet")
    try Shell.python(
      python + "\npq.write_table(pq.read_table(sys.argv[1]), sys.argv[2])", [path, sink])
    var limits = ParquetSource.Limits()
    limits.wholeGroupRows = 1000
    limits.streamedRows = 777
    let source = try ParquetSource([sink], limits: limits)
    let parts = try batches(of: source, columns: [0, 1])
    #expect(parts.count == 26 && parts.map(\.origin.firstRow) == (0..<26).map { $0 * 777 })
    #expect(try rows(of: ParquetSource([sink], limits: limits)) == expected)
    limits.mergedRows = 5
    #expect(try rows(of: ParquetSource([path], limits: limits)) == expected)
  }

  @Test func piecesDecodeOnManyThreads() throws {
    let path = folder.path("t.parquet")
    let output = try Shell.python(
      python + "\n" + ParquetReadingTests.everyType
        + "\npq.write_table(table, sys.argv[1], row_group_size=50)\nprint(lines(pq.read_table(sys.argv[1])))",
      [path])
    var limits = ParquetSource.Limits()
    limits.mergedRows = 50
    let source = try ParquetSource([path], dictionaryColumns: ["string"], limits: limits)
    let columns = Array(source.schema.fields.indices)
    var pieces: [Piece] = []
    while let piece = try source.next(columns: columns) { pieces.append(piece) }
    let decoded = pieces
    let lines = try Workers(threads: 8).map(decoded.count) { index -> [String] in
      let batch = try decoded[index].decode()
      return (0..<batch.rows).map { row in
        batch.columns.map { rendered($0, row) }.joined(separator: " ")
      }
    }
    #expect(lines.flatMap { $0 } == output.split(separator: "\n").map(String.init))
  }

  @Test func filesOfOneShape() throws {
    try Shell.python(
      python + """

        folder = sys.argv[1]
        def write(name, **columns): pq.write_table(pa.table(columns), folder + '/' + name)
        write('a.parquet', id=pa.array([1, 2], pa.int32()), x=pa.array([0.5, 1.5], pa.float32()), n=pa.nulls(2))
        write('b.parquet', x=pa.array([2.5], pa.float64()), id=pa.array([2**40], pa.int64()), n=pa.array(['q']))
        write('c.parquet', id=pa.array(['text']), n=pa.nulls(1))
        write('l.parquet', id=pa.array([1]), l=pa.array([[1]]))
        write('u.parquet', u=pa.array([1, 2**63], pa.uint64()))
        from decimal import Decimal as D
        write('d.parquet', d=pa.array([D(1), None, D(10)**30], pa.decimal128(38, 2)))
        open(folder + '/notes.md', 'w').write('x')
        """, [folder.url.path])
    func path(_ name: String) -> String { folder.path(name) }
    let both = try Sources.open([path("a.parquet"), path("b.parquet")])
    #expect(both.schema.fields.map(\.type) == [.int64, .double, .string])
    let half = 0.5.bitPattern
    #expect(
      try rows(of: both)[0...2] == [
        "1 \(half) missing", "2 \(1.5.bitPattern) missing", "1099511627776 \(2.5.bitPattern) x71",
      ])
    let clash = kind([path("a.parquet"), path("c.parquet")], columns: [0])
    #expect(clash?.kind == .badData && clash?.column == "id" && clash?.file == path("c.parquet"))
    #expect(kind([path("a.parquet"), path("c.parquet")], columns: [1])?.column == "x")
    #expect(kind([path("l.parquet")], columns: [0]) == nil)
    let nested = kind([path("l.parquet")], columns: [1])
    #expect(nested?.column == "l" && nested?.message.contains("list") == true)
    #expect(kind([path("u.parquet")])?.line == 2)
    let overflow = kind([path("d.parquet")])
    #expect(overflow?.column == "d" && overflow?.line == 3 && overflow?.kind == .badData)
    #expect(
      try Sources.expand([folder.url.path + "/[ab].parquet"]) == [
        path("a.parquet"), path("b.parquet"),
      ])
    #expect(try Sources.expand([folder.url.path]).count == 6)
    #expect(kind([path("z*.parquet")])?.kind == .noInput)
    #expect(kind([path("notes.md")])?.kind == .usage)
    _ = try folder.write("m.csv", "a\n1\n")
    #expect(kind([path("a.parquet"), path("m.csv")])?.kind == .usage)
  }

  @Test func ipcFilesStreamsAndBrokenOnes() throws {
    let output = try Shell.python(
      python + "\n" + ParquetReadingTests.everyType + """

        import polars, pyarrow.feather as feather
        folder = sys.argv[1]
        with pa.ipc.new_file(folder + '/f.arrow', table.schema) as w:
            for b in table.to_batches(300): w.write_batch(b)
        with pa.ipc.new_stream(folder + '/s.arrows', table.schema) as w:
            for b in table.to_batches(300): w.write_batch(b)
        feather.write_feather(table.drop_columns(['view']), folder + '/z.feather', compression='zstd')
        polars.from_arrow(table.select(['int64', 'string', 'date32'])).write_ipc(folder + '/p.ipc', compression='lz4')
        print(lines(table))
        """, [folder.url.path])
    let expected = output.split(separator: "\n").map(String.init)
    #expect(try rows(of: Sources.open([folder.path("f.arrow")])) == expected)
    #expect(try rows(of: Sources.open([folder.path("s.arrows")])) == expected)
    #expect(
      try rows(of: Sources.open([folder.path("f.arrow"), folder.path("s.arrows")])).count == 2000)
    #expect(try rows(of: Sources.open([folder.path("z.feather")])).count == 1000)
    let polars = try Sources.open([folder.path("p.ipc")])
    #expect(polars.schema.fields.map(\.type) == [.int64, .string, .date])
    #expect(try rows(of: polars, columns: [2, 0]).count == 1000)
    let file = try Data(contentsOf: URL(fileURLWithPath: folder.path("f.arrow")))
    var random = SequentialRandom(seed: 6, purpose: .init("flips"))
    for _ in 0..<40 {
      var flipped = file
      flipped[Int.random(in: 0..<file.count, using: &random)] ^= UInt8(1 << (random.next() % 8))
      try flipped.write(to: URL(fileURLWithPath: folder.path("x.arrow")))
      if let error = kind([folder.path("x.arrow")]) {
        #expect(error.kind == .badData || error.kind == .io)
      }
    }
    try file.prefix(file.count / 2).write(to: URL(fileURLWithPath: folder.path("x.arrow")))
    #expect(kind([folder.path("x.arrow")])?.kind == .badData)
  }

  @Test func duckDBAndPolarsFiles() throws {
    let output = try Shell.python(
      python + """

        import duckdb, polars, datetime
        folder = sys.argv[1]
        duckdb.sql(f\"\"\"copy (select range::integer as i, range * 1.25::decimal(12,2) as money,
            date '2024-01-01' + range::integer as day, 'c' || (range % 3) as channel,
            timestamp '2024-02-29 12:00:00' + to_seconds(range) as at,
            case when range % 4 = 0 then null else range / 3.0 end as d,
            range::utinyint as u from range(200)) to '{folder}/duck.parquet' (compression zstd)\"\"\")
        t = pq.read_table(folder + '/duck.parquet')
        print(lines(t))
        polars.from_arrow(t).with_columns(polars.col('channel').cast(polars.Categorical)).write_parquet(folder + '/polars.parquet')
        """, [folder.url.path])
    let expected = output.split(separator: "\n").map(String.init)
    #expect(try rows(of: Sources.open([folder.path("duck.parquet")])) == expected)
    #expect(try rows(of: Sources.open([folder.path("polars.parquet")])) == expected)
  }
}
