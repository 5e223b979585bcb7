import CustomerValue

/// Readable names from a profile: "frequent, high amounts", "dormant, low amounts".
///
/// A segment's traits are the features in which it stands out. How far is measured twice: by the
/// difference of means in standard deviations, and by the difference of medians in normal-equivalent
/// quartile ranges, because one heavy tail makes a standard deviation that hides everyone else. A
/// trait is named only where both point the same way and the greater reaches ±0.35, so a name never
/// says what the profile does not show.
///
/// A name has the two strongest traits of different families (activity, amounts, …); a segment that
/// stands out nowhere is "typical". Names that coincide get their next trait, and at last a number.
/// The same profile always gives the same names, each name once.
package enum SegmentNames {
  /// Least difference that is worth a word.
  static let threshold = 0.35

  /// A name for each segment, in label order.
  package static func names(_ profile: BaseProfile, language: Language) -> [String] {
    let vocabulary = profile.featureNames.map { SegmentVocabulary.concept(of: $0) }
    let traits = profile.segments.map { Self.traits(of: $0, profile, vocabulary, language) }
    var lengths = traits.map { list in min(2, list.filter(\.opensFamily).count) }
    var names: [String] = []
    while true {
      names = zip(traits, lengths).map { name($0, length: $1, language) }
      let counts = names.reduce(into: [:]) { $0[$1, default: 0] += 1 }
      var isChanged = false
      for index in names.indices where counts[names[index]]! > 1 {
        if lengths[index] < traits[index].count {
          lengths[index] += 1
          isChanged = true
        }
      }
      if !isChanged { break }
    }
    return numbered(names, order: order(profile))
  }

  /// Segments by id, so that numbers in names follow the numbering of ids.
  private static func order(_ profile: BaseProfile) -> [Int] {
    profile.segments.indices.sorted { a, b in
      let (left, right) = (profile.segments[a].id, profile.segments[b].id)
      let (x, y) = (SegmentIDs.number(of: left), SegmentIDs.number(of: right))
      if let x, let y, x != y { return x < y }
      return left != right ? left < right : a < b
    }
  }

  /// Appends 2, 3, … to names that still coincide.
  private static func numbered(_ names: [String], order: [Int]) -> [String] {
    var result = names
    var taken = Set(names)
    var first: Set<String> = []
    for index in order where !first.insert(names[index]).inserted {
      var number = 2
      while taken.contains("\(names[index]) \(number)") { number += 1 }
      result[index] = "\(names[index]) \(number)"
      taken.insert(result[index])
    }
    return result
  }

  private static func name(_ traits: [Trait], length: Int, _ language: Language) -> String {
    let chosen = traits.prefix(length).sorted { ($0.place, $0.feature) < ($1.place, $1.feature) }
    if chosen.isEmpty { return SegmentVocabulary.typical(language) }
    return chosen.map(\.words).joined(separator: language == .chinese ? "，" : ", ")
  }

  private struct Trait {
    let words: String
    let concept: String
    let family: String
    /// Where it stands in a name.
    let place: Int
    let feature: Int
    let weight: Double
    /// Whether it is the first of its family in the list.
    var opensFamily = false
  }

  /// The traits of a segment in the order in which they enter its name.
  private static func traits(
    of segment: SegmentProfile, _ profile: BaseProfile, _ concepts: [SegmentVocabulary.Concept?],
    _ language: Language
  ) -> [Trait] {
    guard segment.size > 0 else { return [] }
    var found: [Trait] = []
    for (feature, concept) in concepts.enumerated() {
      guard let concept else { continue }
      let difference = Self.difference(segment.features[feature], profile.features[feature])
      guard abs(difference) >= threshold,
        let words = concept.words(isHigh: difference > 0, language)
      else { continue }
      // What everyone asks of a segment first, activity and amounts, counts double.
      let weight = abs(difference) * (concept.isPrimary ? 2 : 1)
      found.append(
        Trait(
          words: words, concept: concept.name, family: concept.family, place: concept.place,
          feature: feature, weight: weight))
    }
    found.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.feature < $1.feature }
    var concepts: Set<String> = []
    var families: Set<String> = []
    var openers: [Trait] = []
    var others: [Trait] = []
    for var trait in found where concepts.insert(trait.concept).inserted {
      trait.opensFamily = families.insert(trait.family).inserted
      if trait.opensFamily { openers.append(trait) } else { others.append(trait) }
    }
    return openers + others
  }

  /// The greater of both measures where they agree in sign, else 0; a feature without spread between
  /// its quartiles has only the first.
  private static func difference(_ segment: FeatureSummary, _ base: FeatureSummary) -> Double {
    guard segment.missingShare < 0.5 else { return 0 }
    let byMean = segment.differenceFromBase
    // The quartiles of a normal distribution lie 1.349 standard deviations apart.
    let spread = (base.upperQuartile - base.lowerQuartile) / 1.349
    guard spread > 0 else { return byMean }
    let byMedian = (segment.median - base.median) / spread
    guard byMean * byMedian > 0 else { return 0 }
    return abs(byMean) >= abs(byMedian) ? byMean : byMedian
  }
}
