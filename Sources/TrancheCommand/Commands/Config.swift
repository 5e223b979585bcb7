import ArgumentParser
import Foundation
import Tranche

struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look at the settings.", subcommands: [Show.self])

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print every setting in force.",
      discussion: """
        Example:
          tranche config show --origin --config bank.toml
        """)

    @Flag(help: "Say where each value comes from.")
    var origin = false

    @OptionGroup var common: CommonOptions

    func run() throws {
      try Execution.run(common) { _ in
        try common.configuration().listing
      } summary: { listing in
        listing.settings.map { setting in
          let line = "\(setting.key) = \(setting.value ?? "(none)")"
          return origin ? "\(line)  # \(setting.origin)" : "\(line)  # \(setting.help)"
        }
      }
    }
  }
}

struct Version: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the version of this program and of what it is made of.")

  @OptionGroup var common: CommonOptions

  func run() throws {
    try Execution.run(common) { _ in
      BuildInfo.listing
    } summary: { listing in
      listing.parts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    }
  }
}
