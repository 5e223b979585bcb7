import Foundation
import TestSupport
import Testing

/// `quality.json` for people who may not see the data.
@Suite struct QualityTests {
  @Test func examplesAreMaskedAndMissingSharesCounted() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(
      "ledger.csv",
      """
      customer_id,date,amount,type
      ann-17,2025-01-05,10.00,sale
      bob,,5.00,
      ,2025-02-01,5.00,sale
      cem9,31.02.2025,7.00,sale
      cem9,2025-03-01,12 TL,
      cem9,2026-05-01,1.00,sale
      cem9,2025-04-01,2.50,sale
      cem9,2025-04-02,3.50,sale
      d1,,1.00,
      d2,,1.00,
      d3,,1.00,

      """)
    try Tranche.json(
      [
        "rescore", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--out", "out",
        "--clusters", "2", "--features", "frequency", "--columns", "segment,frequency,monetary",
        "--no-report",
      ], in: folder, environment: ["TRANCHE_CLUSTERING_WINSORIZE": "0"])
    let quality = try folder.object("out/quality.json")
    #expect(quality["read"] as? Int == 11)
    let examples = try #require(quality["examples"] as? [[String: Any]])
    func example(_ reason: String) -> [[String: Any]] {
      examples.filter { $0["reason"] as? String == reason }
    }
    // Four rows miss their date, three are shown.
    #expect(example("missing_date").map { $0["line"] as? Int } == [3, 10, 11])
    let date = try #require(example("unreadable_date").first)
    #expect(date["value"] as? String == "99.99.9999" && date["line"] as? Int == 5)
    #expect(date["customer_id"] as? String == "xxx9" && date["column"] as? String == "date")
    #expect(example("unreadable_amount").first?["value"] as? String == "99 xx")
    #expect(example("future_date").first?["value"] as? String == "9999-99-99")
    #expect(example("missing_customer_id").first?["customer_id"] == nil)
    let text = String(decoding: try folder.data("out/quality.json"), as: UTF8.self)
    #expect(!text.contains("cem") && !text.contains("31.02"))

    let columns = try #require(quality["columns"] as? [[String: Any]])
    var missing: [String: Int] = [:]
    for column in columns {
      let name = try #require(column["name"] as? String)
      missing[name] = column["missing"] as? Int
      let share = try #require(column["missing_share"] as? Double)
      #expect(abs(share - Double(missing[name] ?? -1) / 11) < 1e-12)
    }
    // `type` is not needed, so it was not read.
    #expect(missing == ["customer_id": 1, "date": 4, "amount": 0])
  }
}
