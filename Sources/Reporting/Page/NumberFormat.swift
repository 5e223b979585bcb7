import Foundation

/// Numbers as the reader's language writes them, without asking the machine's locale.
struct NumberFormat {
  let language: Language

  func count(_ value: Int) -> String {
    grouped(String(value.magnitude), negative: value < 0)
  }

  /// A fixed number of decimals (at most 6).
  func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite else { return "–" }
    let scale = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000][places]
    let scaled = (abs(value) * Double(scale)).rounded()
    guard scaled < 1e18 else { return "\(value)" }
    let (whole, rest) = Int(scaled).quotientAndRemainder(dividingBy: scale)
    let text = grouped(String(whole), negative: value < 0 && scaled > 0)
    guard places > 0 else { return text }
    let digits = String(rest)
    return text + language.decimalSeparator
      + String(repeating: "0", count: places - digits.count) + digits
  }

  /// As many decimals as its size needs: 1,234 · 123.4 · 12.34 · 0.0123.
  func amount(_ value: Double) -> String {
    let size = abs(value)
    if value == value.rounded(), size < 1e15 { return decimal(value, 0) }
    if size >= 1_000 { return decimal(value, 0) }
    if size >= 100 { return decimal(value, 1) }
    if size >= 0.1 { return decimal(value, 2) }
    return size >= 0.001 ? decimal(value, 4) : decimal(value, 6)
  }

  /// Short, for the ends of an axis: 1.2M.
  func short(_ value: Double) -> String {
    let size = abs(value)
    for (unit, suffix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where size >= unit {
      let scaled = value / unit
      return decimal(scaled, scaled == scaled.rounded() || abs(scaled) >= 100 ? 0 : 1) + suffix
    }
    return amount(value)
  }

  /// 0.123 → "12.3 %" as the language sets it.
  func percent(_ share: Double, _ places: Int = 1) -> String {
    let number = decimal(share * 100, places)
    guard number.hasPrefix("−") else { return language.percent(number) }
    // "−%12", not "%−12".
    return "−" + language.percent(String(number.dropFirst()))
  }

  /// As `percent`, with its sign also when positive.
  func signedPercent(_ share: Double, _ places: Int = 1) -> String {
    let number = signed(share * 100, places)
    guard let sign = number.first, sign == "+" || sign == "−" else { return percent(share, places) }
    return String(sign) + language.percent(String(number.dropFirst()))
  }

  /// With its sign, also when positive.
  func signed(_ value: Double, _ places: Int) -> String {
    let text = decimal(value, places)
    return text.hasPrefix("−") || value.isNaN ? text : "+" + text
  }

  private func grouped(_ digits: String, negative: Bool) -> String {
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += language.groupSeparator }
      text.append(digit)
    }
    return (negative ? "−" : "") + text
  }
}
