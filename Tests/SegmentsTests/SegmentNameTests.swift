import Columnar
import CustomerValue
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Segments

@Suite struct SegmentNameTests {
  /// Summaries by hand: the base is 0 with quartiles ±0.6745, so both measures are the given value.
  func profile(_ features: [String], _ differences: [[Double]]) -> BaseProfile {
    let base = FeatureSummary(
      mean: 0, median: 0, lowerQuartile: -0.6745, upperQuartile: 0.6745, differenceFromBase: 0,
      missingShare: 0)
    return BaseProfile(
      customers: 10 * differences.count, featureNames: features,
      features: features.map { _ in base },
      segments: differences.enumerated().map { label, values in
        SegmentProfile(
          label: label, id: SegmentIDs.id(number: label + 1), name: "", size: 10,
          shareOfCustomers: 0.1, shareOfMoney: nil,
          features: values.map {
            FeatureSummary(
              mean: $0, median: $0, lowerQuartile: $0, upperQuartile: $0, differenceFromBase: $0,
              missingShare: 0)
          })
      })
  }

  let activity = ["recency_days", "frequency", "average_amount"]

  @Test func saysWhatStandsOut() {
    let names = SegmentNames.names(
      profile(activity, [[-0.4, 1.2, 0.9], [1.5, -0.6, -0.5], [0.1, -0.1, 0.2], [0, 0.4, 0]]),
      language: .english)
    #expect(names == ["frequent, high amounts", "dormant, low amounts", "typical", "frequent"])
  }

  @Test func nothingBelowTheThresholdIsNamed() {
    let names = SegmentNames.names(
      profile(activity, [[0.34, -0.34, 0.34]]), language: .english)
    #expect(names == ["typical"])
  }

  @Test func contradictingMeasuresNameNothing() {
    var base = profile(["average_amount"], [[0.8]])
    base.segments[0].features[0].differenceFromBase = -0.2
    #expect(SegmentNames.names(base, language: .english) == ["typical"])
  }

  @Test func heavyTailsDoNotSilenceNames() {
    // One outlier makes the standard deviation huge; the medians still differ.
    var base = profile(["average_amount"], [[-0.9]])
    base.segments[0].features[0].differenceFromBase = -0.05
    #expect(SegmentNames.names(base, language: .english) == ["low amounts"])
  }

  @Test func sameTraitsGetTheNextOneThenANumber() {
    let features = activity + ["share_atm"]
    let names = SegmentNames.names(
      profile(
        features,
        [[0, 1, 1, 0.9], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0]]),
      language: .english)
    #expect(
      names == [
        "frequent, high amounts, more ATM", "frequent, high amounts", "frequent, high amounts 2",
        "frequent, high amounts 3", "infrequent, high amounts",
      ])
  }

  @Test func ageIsNotAName() {
    #expect(SegmentNames.names(profile(["Age"], [[2]]), language: .english) == ["typical"])
  }

  @Test func otherColumnsAreCalledByTheirName() {
    let names = SegmentNames.names(profile(["LIMIT_BAL"], [[2], [-1]]), language: .english)
    #expect(names == ["high LIMIT_BAL", "low LIMIT_BAL"])
  }

  @Test(arguments: Language.allCases) func uniqueInEveryLanguage(language: Language) {
    let random = CounterBasedRandom(seed: 4, purpose: .init("names"))
    let features = [
      "recency_days", "frequency", "monetary", "average_amount", "tenure_days", "active_days",
      "refund_count", "trend", "mean_gap_days", "gap_regularity", "share_card", "share_paper",
    ]
    let differences = (0..<60).map { segment in
      features.indices.map { (random.unit(at: segment * 100 + $0) - 0.5) * 3 }
    }
    let names = SegmentNames.names(profile(features, differences), language: language)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { !$0.isEmpty })
    #expect(names == SegmentNames.names(profile(features, differences), language: language))
    let clones = SegmentNames.names(
      profile(features, [[Double]](repeating: differences[0], count: 30)), language: language)
    #expect(Set(clones).count == 30)
  }

  @Test func spokenInFourLanguages() {
    let base = profile(activity, [[1.5, 0, -0.5]])
    #expect(
      Language.allCases.map { SegmentNames.names(base, language: $0)[0] } == [
        "dormant, low amounts", "uyuyan, düşük tutarlı", "спящие, мелкие суммы", "休眠，小额",
      ])
  }
}
