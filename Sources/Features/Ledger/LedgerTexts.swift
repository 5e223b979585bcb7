import Columnar
import Synchronization

/// Channel names met so far; codes depend on who came first, so nothing downstream may show them.
final class ChannelCodes: Sendable {
  private struct Known {
    /// By bytes, see `CodedTexts`.
    var codes: [[UInt8]: UInt16] = [:]
    var names: [String] = []
  }
  private let known: Mutex<Known>

  /// Each channel is a column and four bytes a customer: beyond this many, the column is no channel.
  static let limit = 64

  /// The name that rows without a channel get.
  static let missingName = "unknown"

  /// - Parameter names: Of channels met before, by code.
  init(_ names: [String] = []) {
    var known = Known()
    for (code, name) in names.enumerated() { known.codes[Array(name.utf8)] = UInt16(code) }
    known.names = names
    self.known = Mutex(known)
  }

  var names: [String] { known.withLock { $0.names } }

  func code(of text: String) throws -> UInt16 {
    let name = text.isEmpty ? Self.missingName : text
    let key = Array(name.utf8)
    return try known.withLock { known in
      if let code = known.codes[key] { return code }
      guard known.names.count < Self.limit else {
        throw InputError(
          .badData,
          "more than \(Self.limit) different channels, among them \"\(known.names[0])\" and \"\(name)\"",
          hint: "map another column to `channel`, or none with channel = \"\"")
      }
      let code = UInt16(known.names.count)
      known.codes[key] = code
      known.names.append(name)
      return code
    }
  }
}

/// Refuses to add money of different currencies, and knows the rates that make them one.
final class CurrencyCheck: Sendable {
  private let first: Mutex<String?>

  /// - Parameter currency: Met before.
  init(_ currency: String? = nil) { first = Mutex(currency) }

  /// The one that was met.
  var currency: String? { first.withLock { $0 } }

  /// The factor to the reporting currency: 1 without rates.
  ///
  /// - Throws: `InputError` for a currency without a rate, or a second currency without rates.
  func rate(
    of code: String, _ origin: RecordBatch.Origin, row: Int, _ format: LedgerFormat
  ) throws -> CurrencyRate {
    if let rates = format.rates {
      if let rate = rates[code] {
        if let exact = CurrencyRate(rate) { return exact }
        throw InputError(
          .badData, "the rate \(rate) of \(code) has more than 18 digits", column: format.currency,
          hint: "shorten it under [ledger.rates]")
      }
      throw InputError(
        .badData, "currency \"\(code)\" has no rate", file: origin.file,
        line: origin.place(of: row), column: format.currency, hint: "add it under [ledger.rates]")
    }
    let other = first.withLock { known in
      if known == nil { known = code }
      return known ?? code
    }
    if other == code, let same = CurrencyRate(1) { return same }
    throw InputError(
      .badData,
      "amounts in \(min(code, other)) and \(max(code, other)) cannot be added",
      file: origin.file, line: origin.place(of: row), column: format.currency,
      hint: "give rates to one currency under [ledger.rates]")
  }
}
