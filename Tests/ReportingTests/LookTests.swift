import Foundation
import Sharding
import Testing

@testable import Reporting

@Suite struct LookTests {
  @Test func write() throws {
    guard let out = ProcessInfo.processInfo.environment["REPORT_OUT"] else { return }
    let base = SyntheticBase(customers: 50_000)
    for language in Language.allCases {
      let bytes = try HTMLReport.render(base.fullContent, options: ReportOptions(language: language))
      try Data(bytes).write(to: URL(fileURLWithPath: out + "/page-\(language.rawValue).html"))
    }
    let many = SyntheticBase(customers: 20_000, segments: 50)
    try Data(HTMLReport.render(many.fullContent, options: ReportOptions())).write(
      to: URL(fileURLWithPath: out + "/page-50.html"))
  }
}
