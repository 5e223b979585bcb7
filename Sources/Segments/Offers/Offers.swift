/// One offer code for each segment, from the configuration.
///
/// Codes only: what an offer contains, and whether a customer may get it, is for the campaign system.
package struct Offers: Sendable, Equatable {
  /// A segment, by its stable id or its name, and its offer.
  package struct Entry: Sendable, Codable, Equatable {
    package var segment: String
    package var offer: String
    package init(segment: String, offer: String) {
      self.segment = segment
      self.offer = offer
    }
  }

  package let entries: [Entry]
  /// For segments without an entry; nil leaves them without an offer.
  package let defaultOffer: String?

  /// - Throws: ``OfferError`` for a code that is empty, longer than 64 characters or has other
  ///   characters than letters, digits, `-`, `_`, `.` and `:`; for an empty segment or one named twice.
  package init(entries: [Entry], defaultOffer: String? = nil) throws(OfferError) {
    var seen: Set<String> = []
    for entry in entries {
      guard !entry.segment.allSatisfy(\.isWhitespace) else {
        throw .emptySegment(offer: entry.offer)
      }
      try Self.validate(entry.offer, of: "the segment '\(entry.segment)'")
      guard seen.insert(entry.segment).inserted else { throw .duplicateSegment(entry.segment) }
    }
    if let code = defaultOffer { try Self.validate(code, of: "all other segments") }
    self.entries = entries
    self.defaultOffer = defaultOffer
  }

  private static func validate(_ code: String, of target: String) throws(OfferError) {
    let isPlain = code.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || $0.properties.numericType != nil
        || "-_.:".unicodeScalars.contains($0)
    }
    guard !code.isEmpty, code.count <= 64, isPlain else {
      throw .badCode(code, target: target)
    }
  }

  /// A profile with its offers.
  package struct Outcome: Sendable {
    package let profile: BaseProfile
    /// Entries whose segment is not in the profile: retired, renamed or mistyped. Worth a warning.
    package let unusedSegments: [String]
  }

  /// Gives each segment the offer of its id, else of its name, else the default.
  package func applied(to profile: BaseProfile) -> Outcome {
    var copy = profile
    for index in copy.segments.indices {
      let segment = copy.segments[index]
      let entry =
        entries.first { $0.segment == segment.id } ?? entries.first { $0.segment == segment.name }
      copy.segments[index].offer = entry?.offer ?? defaultOffer
    }
    let unused = entries.map(\.segment).filter { name in
      !profile.segments.contains { $0.id == name || $0.name == name }
    }
    return Outcome(profile: copy, unusedSegments: unused)
  }
}

package enum OfferError: Error, Sendable, Hashable, CustomStringConvertible {
  case badCode(String, target: String)
  case emptySegment(offer: String)
  case duplicateSegment(String)

  package var description: String {
    switch self {
    case .badCode(let code, let target):
      "The offer code '\(code)' of \(target) is not usable: give 1 to 64 letters, digits or - _ . :"
    case .emptySegment(let offer):
      "The offer '\(offer)' names no segment: give its id (such as S01) or its name."
    case .duplicateSegment(let segment):
      "The segment '\(segment)' has two offers: leave one."
    }
  }
}
