import Foundation
import TestSupport
import Testing

/// `--customers`: ages beside the scores, one row a customer.
@Suite struct CustomerFileTests {
  private static let ledger = "customer_id,date,amount\n"
    + ["a", "b", "c", "d"].enumerated().map { "\($1),2025-0\($0 + 1)-01,\($0 * 3 + 1)\n" }.joined()

  private func rescore(
    _ customers: String, settings: String = "", folder: TemporaryFolder
  ) throws -> ProcessResult {
    _ = try folder.write("ledger.csv", Self.ledger)
    _ = try folder.write("customers.csv", customers)
    _ = try folder.write("settings.toml", settings + "\n")
    return try Tranche.run(
      [
        "rescore", "--ledger", "ledger.csv", "--customers", "customers.csv", "--as-of",
        "2025-12-31", "--clusters", "2", "--out", "out", "--config", "settings.toml",
      ], in: folder)
  }

  /// Ages in the page's data, which the scatter's tooltips show.
  private func ages(_ folder: TemporaryFolder) throws -> [String: Any] {
    let quality = try folder.object("out/quality.json")
    return try #require(quality["customers"] as? [String: Any])
  }

  @Test(arguments: ["first", "last"]) func duplicatesFollowThePolicy(policy: String) throws {
    let folder = try TemporaryFolder()
    // The first row's age is plausible, the last one's is not.
    let result = try rescore(
      "customer_id,age\na,30\nb,40\na,200\nz,50\na,300\n",
      settings: "[customers]\nduplicates = \"\(policy)\"", folder: folder)
    #expect(result.status == 0, "\(result.errors)")
    let customers = try ages(folder)
    #expect(customers["in_customers_file"] as? Int == 5)
    #expect(customers["duplicates"] as? Int == 2)
    #expect(customers["without_transactions"] as? Int == 1)
    #expect(customers["implausible_ages"] as? Int == (policy == "first" ? 0 : 1))
  }

  @Test func duplicatesAreRefusedByDefault() throws {
    let folder = try TemporaryFolder()
    let result = try rescore("customer_id,age\na,30\nb,40\na,31\n", folder: folder)
    expectSentence(
      result, status: 65,
      says: ["customers.csv:4", "customer_id", "\"a\"", "customers.csv:2", "customers.duplicates"])
    #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
  }

  @Test func implausibleAgesAreCountedAndShownAsUnknown() throws {
    let folder = try TemporaryFolder()
    let result = try rescore("customer_id,age\na,-1\nb,0\nc,200\nd,\n", folder: folder)
    #expect(result.status == 0, "\(result.errors)")
    let customers = try ages(folder)
    #expect(customers["implausible_ages"] as? Int == 2)
    #expect(customers["duplicates"] as? Int == 0)
    #expect(customers["scored"] as? Int == 4)
  }

  @Test func refusesFilesItCannotJoin() throws {
    let folder = try TemporaryFolder()
    expectSentence(
      try rescore("id,age\na,1\n", folder: folder), status: 65,
      says: ["customers.csv", "\"customer_id\"", "id, age", "customers.customer_id"])
    expectSentence(
      try rescore("customer_id,age\na,1\n,2\n", folder: folder), status: 65,
      says: ["customers.csv:3", "missing"])
    expectSentence(
      try rescore("customer_id,age\na,old\n", folder: folder), status: 65,
      says: ["customers.csv:2", "\"age\"", "old"])
    #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
  }
}
