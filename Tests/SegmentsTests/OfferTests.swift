import Columnar
import CustomerValue
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Segments

@Suite struct OfferTests {
  let profile = BaseProfile(
    customers: 3, featureNames: [], features: [],
    segments: [("S01", "frequent"), ("S02", "dormant"), ("S03", "typical")].enumerated().map {
      SegmentProfile(
        label: $0.offset, id: $0.element.0, name: $0.element.1, size: 1, shareOfCustomers: 1,
        shareOfMoney: nil, features: [])
    })

  @Test func byIDThenByNameThenDefault() throws {
    let offers = try Offers(
      entries: [
        .init(segment: "dormant", offer: "COMEBACK-10"),
        .init(segment: "S02", offer: "WELCOME_BACK"),
        .init(segment: "frequent", offer: "GOLD:CARD"), .init(segment: "S44", offer: "X"),
      ], defaultOffer: "NONE")
    let outcome = offers.applied(to: profile)
    #expect(outcome.profile.segments.map(\.offer) == ["GOLD:CARD", "WELCOME_BACK", "NONE"])
    #expect(outcome.unusedSegments == ["S44"])
    #expect(
      try Offers(entries: []).applied(to: profile).profile.segments.allSatisfy { $0.offer == nil })
  }

  @Test func badMappingsAreRefused() {
    #expect(throws: OfferError.duplicateSegment("S01")) {
      try Offers(entries: [.init(segment: "S01", offer: "A"), .init(segment: "S01", offer: "B")])
    }
    for code in ["", "two words", String(repeating: "A", count: 65), "a;b", "=cmd"] {
      #expect(throws: OfferError.self) {
        try Offers(entries: [.init(segment: "S01", offer: code)])
      }
    }
    #expect(throws: OfferError.self) { try Offers(entries: [.init(segment: " ", offer: "A")]) }
    #expect(throws: OfferError.self) { try Offers(entries: [], defaultOffer: "a b") }
  }
}
