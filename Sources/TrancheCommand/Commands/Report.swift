import ArgumentParser
import Tranche

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the report of a finished run again, with other settings.",
    discussion: """
      Examples:
        tranche report 2025-12 --out report-tr.html --language tr
        tranche report 2025-12 --out public.html --ids none --age band
      """)

  @Argument(help: "Output folder of a rescore run.")
  var folder: String

  @Option(help: "File to write (default: report.html in the folder).")
  var out: String?

  @Option(help: "en, tr, ru or zh.")
  var language: String?

  @Option(help: "Customer ids in the report: raw, pseudonym or none.")
  var ids: String?

  @Option(help: "Ages in the report: exact, band or none.")
  var age: String?

  @Option(parsing: .upToNextOption, help: "Customer attributes, for ages.")
  var customers: [String] = []

  @Flag(help: "Replace a file that exists.")
  var force = false

  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { context in
      var run = ReportRun(folder: folder)
      run.out = out
      run.language = language
      run.ids = ids
      run.age = age
      run.customers = customers
      run.force = force
      return try run.run(common.configuration(), context)
    } summary: {
      ["\($0.bytes) bytes", $0.report]
    }
  }
}
