import Columnar
import Foundation
import TestSupport
import Testing

/// Files that pyarrow, DuckDB and Polars wrote, against the values Python says are in them.
@Suite struct ParquetReadingTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// A table of every type a column can have, with missing values.
  static let everyType = """
    from decimal import Decimal as D
    n = 1000
    def some(f): return [None if i % 7 == 3 else f(i) for i in range(n)]
    utc = datetime.timezone.utc
    moment = lambda i: datetime.datetime(2024, 2, 29, 23, 59, 58) + datetime.timedelta(microseconds=i * 1001)
    def stamp(unit, zone=None): return pa.array(some(lambda i: 1_700_000_000 + i - 2_000_000_000 * (i % 2)), pa.int64()).cast(pa.timestamp(unit, zone))
    table = pa.table({
      'int8': pa.array(some(lambda i: i % 256 - 128), pa.int8()),
      'int16': pa.array(some(lambda i: i * 60 - 30000), pa.int16()),
      'int32': pa.array(some(lambda i: i * 2_000_000 - 2**30), pa.int32()),
      'int64': pa.array(some(lambda i: 2**53 + i), pa.int64()),
      'uint8': pa.array(some(lambda i: i % 256), pa.uint8()),
      'uint16': pa.array(some(lambda i: i * 65), pa.uint16()),
      'uint32': pa.array(some(lambda i: 2**32 - 1 - i), pa.uint32()),
      'uint64': pa.array(some(lambda i: 2**63 - 1 - i), pa.uint64()),
      'bool': pa.array(some(lambda i: i % 3 == 0), pa.bool_()),
      'half': pa.array([None if i % 7 == 3 else (i - 500) / 4 for i in range(n)], pa.float32()).cast(pa.float16()),
      'float': pa.array(some(lambda i: i / 3), pa.float32()),
      'double': pa.array(some(lambda i: float('nan') if i % 50 == 0 else -i / 7), pa.float64()),
      'date32': pa.array(some(lambda i: datetime.date(1969, 1, 1) + datetime.timedelta(days=i)), pa.date32()),
      'date64': pa.array(some(lambda i: datetime.date(1969, 1, 1) + datetime.timedelta(days=i)), pa.date64()),
      'decimal5': pa.array(some(lambda i: D(i - 500).scaleb(-2)), pa.decimal128(5, 2)),
      'decimal18': pa.array(some(lambda i: D(i * 10**12 - 5).scaleb(-4)), pa.decimal128(18, 4)),
      'decimal38': pa.array(some(lambda i: D(-i * 10**12 + 7).scaleb(-2)), pa.decimal128(38, 2)),
      'decimal76': pa.array(some(lambda i: D(i * 10**15 - 10**17).scaleb(-3)), pa.decimal256(60, 3)),
      's': stamp('s'), 'ms': stamp('ms'), 'us': stamp('us'), 'ns': stamp('ns'),
      'us_utc': stamp('us', 'UTC'), 'ns_istanbul': stamp('ns', 'Europe/Istanbul'),
      'string': pa.array(some(lambda i: 'müşteri ' * (i % 4) + str(i))),
      'large': pa.array(some(lambda i: str(i)), pa.large_string()),
      'view': pa.array(some(lambda i: 'a longer text than twelve bytes ' + str(i) if i % 2 else str(i)), pa.string_view()),
      'binary': pa.array(some(lambda i: bytes([i % 256, 0, 255])), pa.binary()),
      'fixed': pa.array(some(lambda i: b'%04d' % i), pa.binary(4)),
      'dictionary': pa.array(some(lambda i: 'channel %d' % (i % 5))).dictionary_encode(),
      'nothing': pa.nulls(n),
    })
    def plain(t):
        # What the type becomes here: text for bytes, strings for dictionaries.
        return t
    """

  @Test(arguments: ["NONE", "snappy", "zstd", "gzip"], ["1.0", "2.6"])
  func pyarrowTypes(compression: String, version: String) throws {
    let path = folder.path("types.parquet")
    let expected = try Shell.python(
      python + "\n" + Self.everyType + """

        table = table.drop_columns(['view']) if sys.argv[3] == '1.0' else table
        table = table.drop_columns(['ns', 'ns_istanbul', 's', 'uint32']) if sys.argv[3] == '1.0' else table
        pq.write_table(table, sys.argv[1], compression=sys.argv[2], version=sys.argv[3], row_group_size=300)
        print(lines(pq.read_table(sys.argv[1])))
        """, [path, compression, version])
    let source = try ParquetSource([path])
    #expect(source.rowCount == 1000)
    let actual = try rows(of: source)
    #expect(actual == expected.split(separator: "\n").map(String.init))
  }

  @Test func typesHaveTheirNames() throws {
    let path = folder.path("types.parquet")
    try Shell.python(
      python + "\n" + Self.everyType + "\npq.write_table(table, sys.argv[1])", [path])
    let source = try Sources.open([path])
    let names = Dictionary(
      uniqueKeysWithValues: source.schema.fields.map { ($0.name, $0.type.name) })
    #expect(names["uint16"] == "int32")
    #expect(names["uint32"] == "int64")
    #expect(names["half"] == "float")
    #expect(names["date64"] == "date")
    #expect(names["decimal5"] == "decimal(5, 2)")
    #expect(names["decimal76"] == "decimal(60, 3)")
    #expect(names["us_utc"] == "timestamp[us, UTC]")
    #expect(names["ms"] == "timestamp[ms]")
    #expect(names["dictionary"] == "string")
  }
}
