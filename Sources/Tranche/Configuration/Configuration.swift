import Columnar
import Foundation
import TOMLKit

/// Settings and where each came from: flag, environment, file or default, in this order.
public struct Configuration: Sendable {
  package enum Origin: Sendable, Equatable {
    case flag(String)
    case environment(String)
    case file(String)
    case fallback

    package var description: String {
      switch self {
      case .flag(let name): "flag \(name)"
      case .environment(let name): "environment \(name)"
      case .file(let path): "file \(path)"
      case .fallback: "default"
      }
    }
  }

  private var values: [String: (value: ConfigurationValue, origin: Origin)] = [:]
  /// `[sources.NAME]`, and the file they are written in.
  package private(set) var sources: (named: [String: DatabaseSettings.NamedSource], file: String)?

  /// Defaults only.
  public init() {
    for key in ConfigurationKey.all {
      if let fallback = key.fallback { values[key.path] = (fallback, .fallback) }
    }
  }

  /// Defaults, then the file, then the environment.
  ///
  /// - Throws: ``RunFailure`` `.configuration` for an unknown key (with the nearest known one), a
  ///   value of the wrong kind, or text that is no TOML; `.noInput` when the file is not there.
  public init(file: String?, environment: [String: String]) throws {
    self.init()
    if let file { try read(file) }
    for key in ConfigurationKey.all {
      guard let text = environment[key.environmentName] else { continue }
      values[key.path] = (
        try Self.parse(text, key, place: "environment \(key.environmentName)"),
        .environment(key.environmentName)
      )
    }
  }

  /// What the command line said; wins over everything else.
  package mutating func set(_ path: String, _ value: ConfigurationValue, flag: String) {
    precondition(ConfigurationKey.all.contains { $0.path == path }, "no setting \(path)")
    values[path] = (value, .flag(flag))
  }

  /// As `set` for a setting that takes one of some words.
  package mutating func setChoice(_ path: String, _ value: String, flag: String) throws {
    guard let key = ConfigurationKey.all.first(where: { $0.path == path }),
      case .choice(let words) = key.kind, words.contains(value)
    else {
      let words = ConfigurationKey.all.first { $0.path == path }?.kind.words ?? []
      throw RunFailure(
        .usage, "\(flag) \(value) is unknown", hint: "use one of \(words.joined(separator: ", "))")
    }
    set(path, .text(value), flag: flag)
  }

  /// Every setting that has a value, in the order of the table.
  package var entries: [(key: ConfigurationKey, value: ConfigurationValue, origin: Origin)] {
    ConfigurationKey.all.compactMap { key in
      values[key.path].map { (key, $0.value, $0.origin) }
    }
  }

  package func isDefault(_ path: String) -> Bool {
    values[path].map { $0.origin == .fallback } ?? true
  }

  // MARK: - Typed access

  package func text(_ path: String) -> String? {
    if case .text(let text)? = values[path]?.value { return text.isEmpty ? nil : text }
    return nil
  }

  package func integer(_ path: String) -> Int? {
    if case .integer(let number)? = values[path]?.value { return number }
    return nil
  }

  package func number(_ path: String) -> Double? {
    switch values[path]?.value {
    case .number(let number)?: number
    case .integer(let number)?: Double(number)
    default: nil
    }
  }

  package func flag(_ path: String) -> Bool? {
    if case .flag(let flag)? = values[path]?.value { return flag }
    return nil
  }

  package func list(_ path: String) -> [String]? {
    if case .list(let items)? = values[path]?.value { return items }
    return nil
  }

  package func table(_ path: String) -> [String: String]? {
    if case .table(let entries)? = values[path]?.value { return entries }
    return nil
  }

  /// A value was read but makes no sense.
  package func refuse(_ path: String, _ problem: String, hint: String) -> RunFailure {
    let origin = values[path]?.origin ?? .fallback
    if case .flag(let flag) = origin { return RunFailure(.usage, "\(flag) \(problem)", hint: hint) }
    return RunFailure(
      .configuration, "\(path) \(problem) (set by \(origin.description))", hint: hint)
  }

  // MARK: - Reading

  private mutating func read(_ file: String) throws {
    let text: String
    do {
      text = try String(contentsOfFile: file, encoding: .utf8)
    } catch {
      let exists = FileManager.default.fileExists(atPath: file)
      throw RunFailure(
        exists ? .configuration : .noInput,
        exists ? "cannot be read as UTF-8 text" : "there is no such configuration file",
        hint: "check the path given to --config", file: file)
    }
    let table: TOMLTable
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      throw RunFailure(
        .configuration, "is not TOML: \(error.description)", hint: "see toml.io for the syntax",
        file: file, line: Int64(error.source.begin.line))
    }
    let tables = Set(ConfigurationKey.all.filter { $0.kind == .table }.map(\.path))
    for section in table.keys.sorted() {
      guard let content = table[section]?.table else {
        throw unknown(section, file)
      }
      if section == "sources" {
        sources = (try Self.sources(content, file), file)
        continue
      }
      for name in content.keys.sorted() {
        let path = "\(section).\(name)"
        guard let key = ConfigurationKey.all.first(where: { $0.path == path }) else {
          throw unknown(path, file)
        }
        if tables.contains(path) {
          guard let entries = content[name]?.table else {
            throw RunFailure(
              .configuration, "\(path) must be a table",
              hint: "write [\(path)] and a line an entry",
              file: file)
          }
          var pairs: [String: String] = [:]
          for entry in entries.keys.sorted() {
            pairs[entry] = try Self.scalar(entries[entry], "\(path).\(entry)", file)
          }
          values[path] = (.table(pairs), .file(file))
        } else {
          values[path] = (try Self.convert(content[name], key, file), .file(file))
        }
      }
    }
  }

  static func scalar(
    _ value: (any TOMLValueConvertible)?, _ path: String, _ file: String
  ) throws -> String {
    if let text = value?.string { return text }
    if let number = value?.int { return String(number) }
    if let number = value?.double { return String(number) }
    throw RunFailure(.configuration, "\(path) must be a text or a number", file: file)
  }

  private static func convert(
    _ value: (any TOMLValueConvertible)?, _ key: ConfigurationKey, _ file: String
  ) throws -> ConfigurationValue {
    func wrong(_ wanted: String) -> RunFailure {
      RunFailure(
        .configuration, "\(key.path) must be \(wanted)", hint: "it means: \(key.help)", file: file)
    }
    switch key.kind {
    case .text:
      if let text = value?.string { return .text(text) }
      // A bare number where a word or a number may stand.
      if let number = value?.int { return .text(String(number)) }
      if let number = value?.double { return .text(String(number)) }
      throw wrong("a text")
    case .choice(let words):
      guard let text = value?.string, words.contains(text) else {
        throw wrong("one of \(words.joined(separator: ", "))")
      }
      return .text(text)
    case .integer:
      guard let number = value?.int else { throw wrong("a whole number") }
      return .integer(number)
    case .number:
      if let number = value?.double { return .number(number) }
      guard let number = value?.int else { throw wrong("a number") }
      return .number(Double(number))
    case .flag:
      guard let flag = value?.bool else { throw wrong("true or false") }
      return .flag(flag)
    case .list:
      guard let array = value?.array else { throw wrong("a list of texts") }
      return .list(
        try array.map { item in
          guard let text = item.string else { throw wrong("a list of texts") }
          return text
        })
    case .table: throw wrong("a table")
    }
  }

  /// From one word of the environment.
  private static func parse(
    _ text: String, _ key: ConfigurationKey, place: String
  ) throws -> ConfigurationValue {
    func wrong(_ wanted: String) -> RunFailure {
      RunFailure(
        .configuration, "\(place) must be \(wanted), not \"\(text)\"",
        hint: "it means: \(key.help)")
    }
    switch key.kind {
    case .text: return .text(text)
    case .choice(let words):
      guard words.contains(text) else { throw wrong("one of \(words.joined(separator: ", "))") }
      return .text(text)
    case .integer:
      guard let number = Int(text) else { throw wrong("a whole number") }
      return .integer(number)
    case .number:
      guard let number = Double(text), number.isFinite else { throw wrong("a number") }
      return .number(number)
    case .flag:
      guard let flag = Bool(text) else { throw wrong("true or false") }
      return .flag(flag)
    case .list:
      return .list(text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
    case .table: throw wrong("set in the configuration file")
    }
  }

  private func unknown(_ path: String, _ file: String) -> RunFailure {
    let known = ConfigurationKey.all.map(\.path)
    let candidates =
      path.contains(".")
      ? known : Set(known.map { String($0.prefix { $0 != "." }) } + ["sources"]).sorted()
    let nearest = NearestName.of(path, among: candidates)
    return RunFailure(
      .configuration, "there is no setting \(path)",
      hint: nearest.map { "did you mean \($0)?" } ?? "`tranche config show` lists all of them",
      file: file)
  }
}

/// The known name that a mistyped one most likely meant.
package enum NearestName {
  /// Nil when nothing is near: more than a third of the letters differ.
  package static func of(_ name: String, among names: [String]) -> String? {
    // A beginning says more than letters in common.
    if name.count >= 3, let longer = names.filter({ $0.hasPrefix(name) }).min() { return longer }
    let best = names.map { (name: $0, distance: distance($0, name)) }
      .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let best, best.distance * 3 <= max(name.count, best.name.count) else { return nil }
    return best.name
  }

  /// Edit distance with swaps of neighbours (Damerau 1964, restricted).
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
    var rows = [Array(0...b.count)]
    for i in 1...a.count {
      var row = [i]
      for j in 1...b.count {
        var cost = min(
          rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          cost = min(cost, rows[i - 2][j - 2] + 1)
        }
        row.append(cost)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
