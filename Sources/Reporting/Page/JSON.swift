import Foundation

/// JSON that may stand in a `<script type="application/json">`: nothing in it can end the element.
enum JSON {
  case text(String)
  case number(Double)
  case bool(Bool)
  case base64([UInt8])
  case array([JSON])
  case object([(key: String, value: JSON)])

  func serialized() -> String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .text(let value): Self.write(value, to: &text)
    case .number(let value): text += value == value.rounded() ? "\(Int(value))" : "\(value)"
    case .bool(let value): text += value ? "true" : "false"
    case .base64(let bytes): text += "\"\(Data(bytes).base64EncodedString())\""
    case .array(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += "," }
        value.write(to: &text)
      }
      text += "]"
    case .object(let fields):
      text += "{"
      for (index, field) in fields.enumerated() {
        if index > 0 { text += "," }
        Self.write(field.key, to: &text)
        text += ":"
        field.value.write(to: &text)
      }
      text += "}"
    }
  }

  private static func write(_ value: String, to text: inout String) {
    text += "\""
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
    text += "\""
  }
}
