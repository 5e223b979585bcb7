import ArgumentParser
import Foundation
import Tranche

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(help: "Threads to use; the result does not depend on it (default: all cores).")
  var threads: Int?

  @Option(help: "Same data and seed, same bytes (default: 0).")
  var seed: UInt64?

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  @Flag(name: [.short, .long], help: "Print no summary, only errors.")
  var quiet = false

  @Option(help: "Show progress: auto (a terminal and more than 2 s), always, never.")
  var progress = ProgressMode.auto

  @Option(help: "Settings in TOML; flags and TRANCHE_… variables win over it.")
  var config: String?

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads): give 1 to 1024.")
    }
  }

  /// File and environment, then these flags.
  func configuration() throws -> Configuration {
    var configuration = try Configuration(
      file: config, environment: ProcessInfo.processInfo.environment)
    if let threads { configuration.set("run.threads", .integer(threads), flag: "--threads") }
    if let seed {
      guard let number = Int(exactly: seed) else {
        throw RunFailure(.usage, "--seed \(seed) is too large", hint: "give at most \(Int.max)")
      }
      configuration.set("run.seed", .integer(number), flag: "--seed")
    }
    return configuration
  }
}

enum ProgressMode: String, ExpressibleByArgument, CaseIterable {
  case auto, always, never
}

/// How text files are read; every command with an INPUT takes these.
struct ReadingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Between fields: a character, tab or whitespace (default: found).", valueName: "char"))
  var delimiter: String?

  @Flag(help: "The first line of text files is data.")
  var noHeader = false

  @Option(help: ArgumentHelp("Column names of files without a header.", valueName: "a,b,…"))
  var columnNames: String?

  @Option(
    help: ArgumentHelp(
      "Encoding of text files, such as windows-1254 (default: UTF-8).", valueName: "name"))
  var encoding: String?

  func apply(to configuration: inout Configuration) {
    if let delimiter { configuration.set("read.delimiter", .text(delimiter), flag: "--delimiter") }
    if noHeader { configuration.set("read.header", .flag(false), flag: "--no-header") }
    if let columnNames {
      configuration.set("read.columns", .list(commaSeparated(columnNames)), flag: "--column-names")
    }
    if let encoding { configuration.set("read.encoding", .text(encoding), flag: "--encoding") }
  }
}

/// Where a command that makes a table writes it.
struct TableOutput: ParsableArguments {
  @Option(
    name: .customLong("out"),
    help: ArgumentHelp(
      "File to write: .parquet, .csv, .csv.gz, .csv.zst or .arrow.", valueName: "out"))
  var file: String

  @Flag(help: "Replace a file that exists.")
  var force = false
}

/// `--memory` of the commands that can work out of core.
enum MemoryOption {
  static var help: ArgumentHelp {
    ArgumentHelp(
      "Memory to use at most, such as 512MiB or 4GiB (default: as much as it takes).",
      valueName: "size")
  }

  static func apply(_ memory: String?, to configuration: inout Configuration) {
    if let memory { configuration.set("run.memory", .text(memory), flag: "--memory") }
  }
}

func commaSeparated(_ text: String) -> [String] {
  text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
}
