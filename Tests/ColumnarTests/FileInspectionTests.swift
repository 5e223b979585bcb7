import Columnar
import Foundation
import TestSupport
import Testing

@Suite struct FileInspectionTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test func whitespaceAndCompactDates() throws {
    let path = Repository.data.appendingPathComponent("CDNOW_master.txt").path
    let found = try FileInspection(path)
    #expect(found.delimiter == "whitespace" && found.hasHeader == true)
    #expect(found.columns.map(\.name) == ["customer_id", "date", "number_of_cds", "dollar_value"])
    #expect(found.columns[1].dateFormats == ["yyyymmdd"])
    #expect(found.columns[3].content == "number")
    #expect(found.configuration.contains("delimiter = \"whitespace\""))
    #expect(found.configuration.contains("date_format = \"yyyymmdd\""))
    let json = try JSONEncoder().encode(found)
    #expect(try JSONDecoder().decode(FileInspection.self, from: json).columns.count == 4)
  }

  @Test func encodingDecimalCommaAndMissingShare() throws {
    try Shell.python(
      """
      import sys
      text = 'müşteri;tarih;tutar\\n1;21.11.2026;1.234,50\\n2;;12,00\\n'
      open(sys.argv[1], 'wb').write(text.encode('cp1254'))
      """, [folder.path("t.csv")])
    let found = try FileInspection(folder.path("t.csv"))
    #expect(found.encoding == "windows-1254" && found.delimiter == ";")
    #expect(found.columns.map(\.name) == ["müşteri", "tarih", "tutar"])
    #expect(found.columns[1].missingShare == 0.5)
    #expect(found.columns[1].dateFormats == ["dd.mm.yyyy", "d.m.yyyy"])
    #expect(found.columns[2].decimalMarks == [","])
    #expect(found.configuration.contains("decimal_mark = \",\""))
  }

  @Test func parquetMetadata() throws {
    let path = folder.path("t.parquet")
    try Shell.python(
      python + """

        pq.write_table(pa.table({'a': [1, None, 3], 'l': [[1], [2], []]}), sys.argv[1], row_group_size=2)
        """, [path])
    let found = try FileInspection(path)
    #expect(found.rows == 3 && found.rowGroups == 2 && found.delimiter == nil)
    #expect(found.columns[1].unreadable?.contains("list") == true)
    #expect(abs(found.columns[0].missingShare - 1.0 / 3) < 1e-12)
  }
}
