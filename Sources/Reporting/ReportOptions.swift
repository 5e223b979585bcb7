/// How a report is written.
package struct ReportOptions: Sendable {
  /// What the scatter says about who a point is.
  package enum Identifiers: Sendable {
    /// Customer ids as they are in the data.
    case raw
    /// The first 16 hexadecimal digits of HMAC-SHA-256 of the id: the same in every report made
    /// with the same key, and not to be turned back without it.
    case pseudonym(PseudonymKey)
    case none
  }

  package enum Ages: String, Sendable, CaseIterable {
    case exact
    /// Of five years.
    case band
    case none
  }

  package var language: Language
  /// Nil: "Customer segments, December 2025".
  package var title: String?
  /// Raw by default: an analyst wants to look customers up. The page says which it is.
  package var identifiers: Identifiers
  package var ages: Ages
  /// Points with a tooltip; density always covers every customer.
  package var scatterPoints: Int
  /// Points and density in cells of the scatter with fewer customers than this are left out.
  package var smallestCell: Int
  /// Of the sample: the same seed shows the same customers month after month.
  package var seed: UInt64

  package init(
    language: Language = .english, title: String? = nil, identifiers: Identifiers = .raw,
    ages: Ages = .exact, scatterPoints: Int = 50_000, smallestCell: Int = 0, seed: UInt64 = 0
  ) throws(ReportError) {
    guard (0...2_000_000).contains(scatterPoints) else {
      throw .scatterPointsOutOfRange(scatterPoints)
    }
    guard smallestCell >= 0 else { throw .smallestCellNegative(smallestCell) }
    self.language = language
    self.title = title
    self.identifiers = identifiers
    self.ages = ages
    self.scatterPoints = scatterPoints
    self.smallestCell = smallestCell
    self.seed = seed
  }
}

/// Key of the pseudonyms: at least 16 bytes, never printed.
package struct PseudonymKey: Sendable, CustomStringConvertible, CustomReflectable {
  let bytes: [UInt8]

  package init(_ bytes: [UInt8]) throws(ReportError) {
    guard bytes.count >= 16 else { throw .pseudonymKeyTooShort(bytes.count) }
    self.bytes = bytes
  }

  package var description: String { "PseudonymKey(hidden)" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Why a report cannot be made, one sentence each.
package enum ReportError: Error, Hashable, CustomStringConvertible {
  case scatterPointsOutOfRange(Int)
  case smallestCellNegative(Int)
  case pseudonymKeyTooShort(Int)
  case identifiersOfWrongType(String)
  case labelOutOfRange(label: Int, row: Int, segments: Int)

  package var description: String {
    switch self {
    case .scatterPointsOutOfRange(let points):
      "The report's scatter cannot show \(points) points: give 0 to 2000000."
    case .smallestCellNegative(let cell):
      "The smallest cell of the scatter cannot be \(cell): give 0 or more customers."
    case .pseudonymKeyTooShort(let bytes):
      "The key for pseudonyms has \(bytes) bytes: give at least 16, 32 are better."
    case .identifiersOfWrongType(let type):
      "Customer ids of type \(type) cannot be shown: give integers or text."
    case .labelOutOfRange(let label, let row, let segments):
      "Customer \(row + 1) has segment \(label), but the profile has segments 0 to \(segments - 1)."
    }
  }
}
