/// A piece of markup. Only a literal in our source is markup: whatever is interpolated is text and
/// is escaped, unless it is `HTML` itself. So no value of the data can become a tag, an attribute
/// or an entity, in a text or in a quoted attribute.
struct HTML: ExpressibleByStringInterpolation, Sendable {
  private(set) var text: String

  init(stringLiteral literal: String) { text = literal }
  init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }
  private init(unescaped text: String) { self.text = text }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity * 2)
    }
    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ html: HTML) { text += html.text }
    mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { text += part.text } }
    mutating func appendInterpolation(_ part: HTML?) { if let part { text += part.text } }
    mutating func appendInterpolation(_ data: String) { text += HTML.escaped(data) }
    mutating func appendInterpolation(_ number: Int) { text += String(number) }
    /// A length or coordinate of a picture.
    mutating func appendInterpolation(_ coordinate: Double) { text += HTML.coordinate(coordinate) }
  }

  static func += (html: inout HTML, more: HTML) { html.text += more.text }

  /// The body of a `<script>` or `<style>`: ours, or JSON that was escaped as JSON.
  static func verbatim(_ text: String) -> HTML { HTML(unescaped: text) }

  /// A number for scripts to read, exact; 0 for what is none.
  static func value(_ number: Double) -> HTML {
    HTML(unescaped: number.isFinite ? "\(number)" : "0")
  }

  private static func escaped(_ data: String) -> String {
    var text = ""
    text.reserveCapacity(data.utf8.count)
    for scalar in data.unicodeScalars {
      switch scalar {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&#39;"
      // No control character but tab and line ends belongs in a page.
      case "\u{0}"..."\u{8}", "\u{b}", "\u{c}", "\u{e}"..."\u{1f}", "\u{7f}"..."\u{9f}":
        text += "\u{fffd}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// Two decimals, trailing zeros dropped: enough for a screen, the same on any machine.
  private static func coordinate(_ value: Double) -> String {
    precondition(value.isFinite && abs(value) < 1e9, "pictures have finite coordinates")
    let hundredths = Int((value * 100).rounded())
    let (whole, rest) = hundredths.magnitude.quotientAndRemainder(dividingBy: 100)
    let sign = hundredths < 0 ? "-" : ""
    if rest == 0 { return "\(sign)\(whole)" }
    let digits = rest % 10 == 0 ? "\(rest / 10)" : (rest < 10 ? "0\(rest)" : "\(rest)")
    return "\(sign)\(whole).\(digits)"
  }
}
