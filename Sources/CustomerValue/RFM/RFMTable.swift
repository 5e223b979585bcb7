/// Names for the cells of recency × frequency, or of recency × frequency × monetary: every cell has
/// exactly one, or the table does not exist.
///
/// A pattern has a place for each score: a digit 1 to 5, or digits in brackets: `[12]5` is recency 1
/// or 2 with frequency 5.
package struct RFMTable: Sendable, Equatable {
  /// One name with the cells it covers.
  package struct Entry: Sendable, Codable, Equatable {
    package var name: String
    package var patterns: [String]
    package init(name: String, patterns: [String]) {
      self.name = name
      self.patterns = patterns
    }
  }

  package let entries: [Entry]
  /// 2 (recency, frequency) or 3 (with monetary).
  package let digits: Int
  /// Index into `entries` of each cell; cell = ((r − 1) · 5 + f − 1) [· 5 + m − 1].
  package let cells: [Int]

  package var names: [String] { entries.map(\.name) }

  package init(entries: [Entry]) throws(RFMError) {
    guard let first = entries.first(where: { !$0.patterns.isEmpty }) else { throw .emptyTable }
    if entries.contains(where: { $0.name.allSatisfy(\.isWhitespace) }) { throw .emptyName }
    let digits = try Self.places(of: first.patterns[0], name: first.name).count
    var owners = [[Int]](repeating: [], count: digits == 2 ? 25 : 125)
    for (index, entry) in entries.enumerated() {
      for pattern in entry.patterns {
        let places = try Self.places(of: pattern, name: entry.name)
        guard places.count == digits else { throw .mixedDigits(pattern: pattern) }
        for cell in Self.cells(places) { owners[cell].append(index) }
      }
    }
    let missing = owners.indices.filter { owners[$0].isEmpty }
    if !missing.isEmpty {
      throw .cellsWithoutName(missing.map { Self.label($0, digits: digits) })
    }
    let doubled = owners.indices.filter { owners[$0].count > 1 }
    if !doubled.isEmpty {
      throw .cellsWithSeveralNames(
        doubled.map { cell in
          let names = owners[cell].map { "'\(entries[$0].name)'" }.joined(separator: " and ")
          return "\(Self.label(cell, digits: digits)) (\(names))"
        })
    }
    self.entries = entries
    self.digits = digits
    cells = owners.map { $0[0] }
  }

  /// The scores each place of a pattern allows.
  private static func places(of pattern: String, name: String) throws(RFMError) -> [[Int]] {
    func bad(_ reason: String) -> RFMError {
      .badPattern(name: name, pattern: pattern, reason: reason)
    }
    var places: [[Int]] = []
    var group: [Int]?
    for character in pattern {
      switch character {
      case "[":
        guard group == nil else { throw bad("a bracket is opened inside a bracket") }
        group = []
      case "]":
        guard let scores = group, !scores.isEmpty else {
          throw bad("a bracket closes without scores")
        }
        places.append(scores)
        group = nil
      case "1", "2", "3", "4", "5":
        let score = character.wholeNumberValue!
        if group == nil {
          places.append([score])
        } else if group!.contains(score) {
          throw bad("the score \(score) stands twice in a bracket")
        } else {
          group!.append(score)
        }
      default:
        throw bad("'\(character)' is neither a score from 1 to 5 nor a bracket")
      }
    }
    guard group == nil else { throw bad("a bracket is not closed") }
    guard places.count == 2 || places.count == 3 else {
      throw bad("it has \(places.count) places instead of two (R, F) or three (R, F, M)")
    }
    return places
  }

  private static func cells(_ places: [[Int]]) -> [Int] {
    places.reduce([0]) { cells, scores in
      cells.flatMap { cell in scores.map { cell * 5 + $0 - 1 } }
    }
  }

  /// "35", "351".
  private static func label(_ cell: Int, digits: Int) -> String {
    var rest = cell
    var label = ""
    for _ in 0..<digits {
      label = "\(rest % 5 + 1)" + label
      rest /= 5
    }
    return label
  }

  /// Index of the entry for scores 1 to 5.
  @inline(__always)
  package func entry(recency: Int, frequency: Int, monetary: Int) -> Int {
    let cell = (recency - 1) * 5 + frequency - 1
    return cells[digits == 2 ? cell : cell * 5 + monetary - 1]
  }
}

extension RFMTable: Codable {
  package init(from decoder: any Decoder) throws {
    try self.init(entries: [Entry](from: decoder))
  }

  package func encode(to encoder: any Encoder) throws { try entries.encode(to: encoder) }
}

extension RFMTable {
  /// The customary two-digit map with ten names.
  package static func standard(_ language: Language = .english) -> RFMTable {
    let column = Language.allCases.firstIndex(of: language)!
    let entries = standardNames.map { Entry(name: $0.names[column], patterns: [$0.pattern]) }
    guard let table = try? RFMTable(entries: entries) else {
      preconditionFailure("the standard table names each cell once")
    }
    return table
  }

  /// Names in the order of `Language.allCases`.
  private static let standardNames: [(pattern: String, names: [String])] = [
    ("[12][12]", ["hibernating", "uykuda", "спящие", "沉睡客户"]),
    ("[12][34]", ["at risk", "risk altında", "в зоне риска", "流失风险客户"]),
    ("[12]5", ["can't lose", "kaybedilmemeli", "нельзя потерять", "不可流失客户"]),
    ("3[12]", ["about to sleep", "uykuya dalmak üzere", "засыпающие", "即将沉睡客户"]),
    ("33", ["needs attention", "ilgi bekleyen", "требуют внимания", "需要关注客户"]),
    ("[34][45]", ["loyal", "sadık", "лояльные", "忠诚客户"]),
    ("41", ["promising", "umut vadeden", "перспективные", "有前景客户"]),
    ("51", ["new", "yeni", "новые", "新客户"]),
    ("[45][23]", ["potential loyalist", "sadık adayı", "потенциально лояльные", "潜在忠诚客户"]),
    ("5[45]", ["champions", "şampiyonlar", "чемпионы", "冠军客户"]),
  ]
}
