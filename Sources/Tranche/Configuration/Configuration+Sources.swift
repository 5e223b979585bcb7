import Columnar
import Foundation
import TOMLKit

/// `[sources.NAME]`: databases by name, for `source:NAME` where an input is asked for.
extension Configuration {
  private static let sourceKeys = ["driver", "entry", "uri", "query", "table", "options"]

  static func sources(
    _ table: TOMLTable, _ file: String
  ) throws -> [String: DatabaseSettings.NamedSource] {
    var sources: [String: DatabaseSettings.NamedSource] = [:]
    for name in table.keys.sorted() {
      let place = "sources.\(name)"
      guard let content = table[name]?.table else {
        throw RunFailure(
          .configuration, "\(place) must be a table",
          hint: "write [\(place)] with driver, uri and query", file: file)
      }
      var source = DatabaseSettings.NamedSource()
      for key in content.keys.sorted() {
        guard sourceKeys.contains(key) else {
          throw RunFailure(
            .configuration, "there is no setting \(place).\(key)",
            hint: NearestName.of(key, among: sourceKeys).map { "did you mean \($0)?" }
              ?? "there are \(sourceKeys.joined(separator: ", "))", file: file)
        }
        if key == "options" {
          source.options = try options(content[key]?.table, "\(place).options", file)
          continue
        }
        let text = try resolved(scalar(content[key], "\(place).\(key)", file), "\(place).\(key)")
        switch key {
        case "driver": source.driver = text
        case "entry": source.entry = text
        case "uri": source.uri = text
        case "query": source.query = text
        default: source.table = text
        }
      }
      sources[name] = source
    }
    return sources
  }

  private static func options(
    _ table: TOMLTable?, _ place: String, _ file: String
  ) throws -> [DatabaseAddress.Option] {
    guard let table else {
      throw RunFailure(
        .configuration, "\(place) must be a table",
        hint: "write [\(place)] and the driver's options by name", file: file)
    }
    return try table.keys.sorted().map { key in
      // A dotted key without quotes is a table to TOML.
      guard table[key]?.table == nil else {
        throw RunFailure(
          .configuration, "\(place).\(key) must be a text",
          hint: "write option names with dots in quotes", file: file)
      }
      let text = try scalar(table[key], "\(place).\(key)", file)
      return DatabaseAddress.Option(key, try resolved(text, "\(place).\(key)"))
    }
  }

  /// `env:NAME` is the environment's NAME: secrets need not stand in files.
  private static func resolved(_ text: String, _ place: String) throws -> String {
    guard text.hasPrefix("env:") else { return text }
    let name = String(text.dropFirst(4))
    guard let value = ProcessInfo.processInfo.environment[name] else {
      throw RunFailure(
        .configuration, "\(place) is taken from \(name), which is not in the environment",
        hint: "export \(name)")
    }
    return value
  }

  func databaseSettings() -> DatabaseSettings {
    var settings = DatabaseSettings()
    settings.sources = sources?.named ?? [:]
    settings.driverFolder = text("adbc.drivers")
    return settings
  }
}
