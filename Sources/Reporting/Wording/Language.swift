import enum CustomerValue.Language

/// The page's fixed texts exist in every language that names do.
package typealias Language = CustomerValue.Language

extension Language {
  var decimalSeparator: String {
    switch self {
    case .english, .chinese: "."
    case .turkish, .russian: ","
    }
  }

  var groupSeparator: String {
    switch self {
    case .english, .chinese: ","
    case .turkish: "."
    case .russian: "\u{a0}"
    }
  }

  func percent(_ number: String) -> String {
    switch self {
    case .english, .russian: number + "\u{a0}%"
    case .turkish: "%" + number
    case .chinese: number + "%"
    }
  }

  /// "2025-12" or "2025-12-31" as a month and a year; anything else as it is.
  func month(_ date: String) -> String {
    let parts = date.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 2, let year = Int(parts[0]), let month = Int(parts[1]),
      (1...12).contains(month)
    else { return date }
    let name = Self.months[self.rawValue]![month - 1]
    return self == .chinese ? "\(year)年\(name)" : "\(name) \(year)"
  }

  private static let months: [String: [String]] = [
    "en": [
      "January", "February", "March", "April", "May", "June", "July", "August", "September",
      "October", "November", "December",
    ],
    "tr": [
      "Ocak", "Şubat", "Mart", "Nisan", "Mayıs", "Haziran", "Temmuz", "Ağustos", "Eylül", "Ekim",
      "Kasım", "Aralık",
    ],
    "ru": [
      "январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь",
      "октябрь", "ноябрь", "декабрь",
    ],
    "zh": (1...12).map { "\($0)月" },
  ]
}

/// A fixed text in every language: leaving one out does not compile.
struct Phrase: Sendable {
  let en: String
  let tr: String
  let ru: String
  let zh: String

  /// The text with "{0}", "{1}" … replaced by `values`; what `values` contain is not looked at.
  func text(_ language: Language, _ values: [String] = []) -> String {
    let pattern =
      switch language {
      case .english: en
      case .turkish: tr
      case .russian: ru
      case .chinese: zh
      }
    guard pattern.contains("{") else { return pattern }
    var text = ""
    var rest = Substring(pattern)
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      text += rest[..<open]
      let index = Int(rest[rest.index(after: open)..<close])
      precondition(
        index.map(values.indices.contains) == true, "no value for a place in: \(pattern)")
      text += values[index!]
      rest = rest[rest.index(after: close)...]
    }
    return text + rest
  }
}
