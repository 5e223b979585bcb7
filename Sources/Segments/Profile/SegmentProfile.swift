/// What a scored base looks like, segment by segment, in the features' original units.
package struct BaseProfile: Sendable, Codable, Equatable {
  package var customers: Int
  /// Names of the features, in the order of every `features` array below.
  package var featureNames: [String]
  /// The whole base.
  package var features: [FeatureSummary]
  /// In label order: `segments[label]`.
  package var segments: [SegmentProfile]

  package init(
    customers: Int, featureNames: [String], features: [FeatureSummary], segments: [SegmentProfile]
  ) {
    self.customers = customers
    self.featureNames = featureNames
    self.features = features
    self.segments = segments
  }
}

package struct SegmentProfile: Sendable, Codable, Equatable {
  /// Row of the model's centroids.
  package var label: Int
  /// Stable from month to month: "S01".
  package var id: String
  package var name: String
  package var size: Int
  package var shareOfCustomers: Double
  /// Of the base's net money; nil when no money column is known or the base's sum is not positive.
  package var shareOfMoney: Double?
  package var features: [FeatureSummary]
  /// Code of the offer the configuration gives this segment.
  package var offer: String?

  package init(
    label: Int, id: String, name: String, size: Int, shareOfCustomers: Double,
    shareOfMoney: Double?, features: [FeatureSummary], offer: String? = nil
  ) {
    self.label = label
    self.id = id
    self.name = name
    self.size = size
    self.shareOfCustomers = shareOfCustomers
    self.shareOfMoney = shareOfMoney
    self.features = features
    self.offer = offer
  }
}

/// One feature over the members of a segment (or the base), missing values left out.
package struct FeatureSummary: Sendable, Codable, Equatable {
  package var mean: Double
  package var median: Double
  package var lowerQuartile: Double
  package var upperQuartile: Double
  /// (mean − the base's mean) / the base's standard deviation; 0 for the base itself.
  package var differenceFromBase: Double
  /// Share of rows without a value.
  package var missingShare: Double

  package init(
    mean: Double, median: Double, lowerQuartile: Double, upperQuartile: Double,
    differenceFromBase: Double, missingShare: Double
  ) {
    self.mean = mean
    self.median = median
    self.lowerQuartile = lowerQuartile
    self.upperQuartile = upperQuartile
    self.differenceFromBase = differenceFromBase
    self.missingShare = missingShare
  }
}
