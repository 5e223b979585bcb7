import Foundation
import TestSupport
import Testing

/// The built release binary, run as users run it.
enum Tranche {
  static let binary = Repository.root.appendingPathComponent(".build/release/tranche")

  struct NotBuilt: Error, CustomStringConvertible {
    var description: String {
      "\(Tranche.binary.path) is missing: run `swift build -c release --product tranche` first"
    }
  }

  static func run(
    _ arguments: [String], in folder: TemporaryFolder? = nil,
    environment: [String: String] = [:], input: Data? = nil
  ) throws -> ProcessResult {
    guard FileManager.default.isExecutableFile(atPath: binary.path) else { throw NotBuilt() }
    return try Shell.run(
      binary, arguments, environment: environment, input: input, folder: folder?.url)
  }

  /// A run that must succeed; its result as an object.
  @discardableResult
  static func json(
    _ arguments: [String], in folder: TemporaryFolder? = nil,
    environment: [String: String] = [:], input: Data? = nil
  ) throws -> [String: Any] {
    let result = try run(
      arguments + ["--json"], in: folder, environment: environment, input: input)
    guard result.status == 0 else { throw Failed(arguments: arguments, result: result) }
    return try object(result.output)
  }

  static func object(_ text: String) throws -> [String: Any] {
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
    return try #require(value as? [String: Any])
  }

  struct Failed: Error, CustomStringConvertible {
    let arguments: [String]
    let result: ProcessResult
    var description: String {
      "tranche \(arguments.joined(separator: " ")) left with \(result.status): \(result.errors)"
    }
  }

  /// Starts a run and returns at once.
  static func start(_ arguments: [String], in folder: TemporaryFolder) throws -> Process {
    guard FileManager.default.isExecutableFile(atPath: binary.path) else { throw NotBuilt() }
    let process = Process()
    process.executableURL = binary
    process.arguments = arguments
    process.currentDirectoryURL = folder.url
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return process
  }
}

extension TemporaryFolder {
  /// Everything below, by relative path; folders end in a slash. Hidden names too.
  func listing() throws -> Set<String> {
    let root = url.resolvingSymlinksInPath().path + "/"
    var names: Set<String> = []
    let entries = FileManager.default.enumerator(
      at: url.resolvingSymlinksInPath(), includingPropertiesForKeys: [.isDirectoryKey])
    while let entry = entries?.nextObject() as? URL {
      let isFolder = try entry.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true
      names.insert(String(entry.path.dropFirst(root.count)) + (isFolder ? "/" : ""))
    }
    return names
  }

  func data(_ name: String) throws -> Data {
    try Data(contentsOf: url.appendingPathComponent(name))
  }

  /// A JSON file that a run wrote.
  func object(_ name: String) throws -> [String: Any] {
    try Tranche.object(String(decoding: try data(name), as: UTF8.self))
  }

  @discardableResult
  func write(_ name: String, bytes: Data) throws -> String {
    try bytes.write(to: url.appendingPathComponent(name))
    return path(name)
  }
}

/// What a failed command must say: one sentence on stderr, nothing on stdout.
func expectSentence(
  _ result: ProcessResult, status: Int32, says parts: [String],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let text = result.errors
  #expect(result.status == status, "\(text)", sourceLocation: sourceLocation)
  #expect(result.output.isEmpty, "\(result.output)", sourceLocation: sourceLocation)
  #expect(text.hasPrefix("tranche: "), "\(text)", sourceLocation: sourceLocation)
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
  #expect(lines.count == 2 && lines[1].isEmpty, "one line: \(text)", sourceLocation: sourceLocation)
  let last = lines[0].suffix(2)
  #expect(
    (last.hasSuffix(".") && last != "..") || last.hasSuffix("?"), "\(text)",
    sourceLocation: sourceLocation)
  // What is wrong; how to mend it.
  #expect(text.contains("; "), "a way out: \(text)", sourceLocation: sourceLocation)
  for part in parts {
    #expect(text.contains(part), "\"\(part)\" in: \(text)", sourceLocation: sourceLocation)
  }
}
