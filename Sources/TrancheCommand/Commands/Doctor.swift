import ArgumentParser
import Tranche

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check that this machine is fit for a run.")

  @Option(help: "Folder that outputs go to.")
  var folder = "."

  @OptionGroup var common: CommonOptions

  func run() throws {
    var healthy = true
    try Execution.run(common) { _ in
      let result = DoctorRun(folder: folder).run()
      healthy = result.healthy
      return result
    } summary: { result in
      result.checks.map { "\($0.ok ? "ok  " : "BAD ") \($0.name): \($0.finding)" }
    }
    if !healthy { throw ExitCode(RunFailure.Code.unavailable.exitCode) }
  }
}
