import ArgumentParser
import Foundation
import Tranche

/// Runs a command's work, prints its result or its failure, and chooses the exit code.
enum Execution {
  /// - Parameters:
  ///   - work: Does the work; told how to report progress and whether to stop.
  ///   - summary: The lines a person reads, at most ten or so.
  static func run<Result: Encodable>(
    _ options: CommonOptions, work: (RunContext) throws -> Result,
    summary: (Result) -> [String]
  ) throws {
    let meter = ProgressMeter(mode: options.quiet ? .never : options.progress)
    let context = RunContext.stoppedBySignals(progress: meter.update) { failure in
      tell(failure, json: options.json)
      fflush(nil)
      _exit(failure.code.exitCode)
    }
    do {
      let result = try work(context)
      meter.finish()
      if options.json {
        print(String(decoding: try JSONText.encode(result), as: UTF8.self))
      } else if !options.quiet {
        for line in summary(result) { print(line) }
      }
      guard fflush(nil) == 0 else {
        throw RunFailure(
          .io,
          "the result cannot be written to standard output: \(String(cString: strerror(errno)))",
          hint: "check where it goes")
      }
    } catch {
      meter.finish()
      try fail(RunFailure(error), json: options.json)
    }
  }

  /// Prints a failure and leaves with its code.
  static func fail(_ failure: RunFailure, json: Bool) throws -> Never {
    tell(failure, json: json)
    throw ExitCode(failure.code.exitCode)
  }

  private static func tell(_ failure: RunFailure, json: Bool) {
    if json, let report = try? JSONText.encode(FailureReport(failure)) {
      print(String(decoding: report, as: UTF8.self))
    }
    StandardError.write("tranche: \(failure.sentence)\n")
  }
}

/// `tranche.error.v1`.
private struct FailureReport: Encodable {
  struct Detail: Encodable {
    var code: String
    var message: String
    var hint: String?
    var file: String?
    var line: Int64?
    var column: String?
  }
  var schema = "tranche.error.v1"
  var error: Detail

  init(_ failure: RunFailure) {
    error = Detail(
      code: failure.code.rawValue, message: failure.message, hint: failure.hint,
      file: failure.file, line: failure.line, column: failure.column)
  }
}

enum StandardError {
  /// Nothing to do when stderr is closed.
  static func write(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
