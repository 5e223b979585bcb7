import Foundation

/// JSON that may stand in a `<script type="application/json">`: nothing in it can end the element.
struct JSON: Sendable {
  let serialized: String

  static func text(_ value: String) -> JSON { JSON(serialized: quoted(value)) }
  static func count(_ value: Int) -> JSON { JSON(serialized: String(value)) }
  static func bool(_ value: Bool) -> JSON { JSON(serialized: value ? "true" : "false") }

  static func base64(_ bytes: [UInt8]) -> JSON {
    JSON(serialized: "\"\(Data(bytes).base64EncodedString())\"")
  }

  static func array(_ values: [JSON]) -> JSON {
    JSON(serialized: "[\(values.map(\.serialized).joined(separator: ","))]")
  }

  /// Members stay in their order.
  static func object(_ members: [(key: String, value: JSON)]) -> JSON {
    let texts = members.map { "\(quoted($0.key)):\($0.value.serialized)" }
    return JSON(serialized: "{\(texts.joined(separator: ","))}")
  }

  private static func quoted(_ value: String) -> String {
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "<", ">", "&", "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
