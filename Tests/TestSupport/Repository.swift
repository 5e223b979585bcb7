import Foundation

/// Where tests find the checkout, its data and the tools `scripts/setup tests` installs.
public enum Repository {
  public static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  public static let data = root.appendingPathComponent("Tests/Data")
  public static let golden = root.appendingPathComponent("Tests/Golden")
  /// Python with pyarrow, DuckDB, Polars and scikit-learn.
  public static let python = root.appendingPathComponent(".deps/python/bin/python")
}

/// A folder that is gone when the last reference is.
public final class TemporaryFolder: Sendable {
  public let url: URL

  public init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent(
      "tranche-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  public func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Writes a file and returns its path.
  public func write(_ name: String, _ text: String) throws -> String {
    try Data(text.utf8).write(to: url.appendingPathComponent(name))
    return path(name)
  }
}

/// A finished process: its exit code and everything it said.
public struct ProcessResult: Sendable {
  public let status: Int32
  public let output: String
  public let errors: String
}

public enum Shell {
  /// Runs a program to its end; both streams are read while it runs, so neither can block it.
  public static func run(
    _ executable: URL, _ arguments: [String], environment: [String: String] = [:],
    input: Data? = nil, folder: URL? = nil
  ) throws -> ProcessResult {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.currentDirectoryURL = folder
    let files = try TemporaryFolder()
    let (out, err, inn) = (files.path("out"), files.path("err"), files.path("in"))
    for path in [out, err] { FileManager.default.createFile(atPath: path, contents: nil) }
    try (input ?? Data()).write(to: URL(fileURLWithPath: inn))
    process.standardOutput = FileHandle(forWritingAtPath: out)
    process.standardError = FileHandle(forWritingAtPath: err)
    process.standardInput = FileHandle(forReadingAtPath: inn)
    try process.run()
    process.waitUntilExit()
    func text(_ path: String) throws -> String {
      String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }
    return ProcessResult(
      status: process.terminationStatus, output: try text(out), errors: try text(err))
  }

  /// Runs a Python script with the test environment's interpreter; a failing script throws.
  @discardableResult
  public static func python(_ script: String, _ arguments: [String] = []) throws -> String {
    let result = try run(Repository.python, ["-c", script] + arguments)
    guard result.status == 0 else { throw ScriptFailed(errors: result.errors) }
    return result.output
  }

  public struct ScriptFailed: Error, CustomStringConvertible {
    let errors: String
    public var description: String { errors }
  }
}
