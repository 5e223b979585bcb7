import Columnar
import CustomerValue
import Foundation
import Sharding
import SyntheticBank
import TestSupport
import Testing

@testable import Segments

/// Names and ids on a base that looks like a bank's: K-Means on log-standardised features.
@Suite struct SyntheticBankNamesTests {
  @Test func segmentsOfABankReadWell() throws {
    let customers = 10_000
    let bank = SyntheticBank(try .init(customers: customers, seed: 2))
    var last = [Double](repeating: -1, count: customers)
    var count = [Double](repeating: 0, count: customers)
    var money = [Double](repeating: 0, count: customers)
    for month in 0..<12 {
      let batch = try bank.transactions(month: month, workers: threeThreads)
      guard case .int64(let ids) = batch.columns[0].values,
        case .date(let days) = batch.columns[1].values,
        case .decimal(let amounts, _, _) = batch.columns[2].values
      else {
        Issue.record("unexpected columns")
        return
      }
      for row in 0..<batch.rows {
        let customer = Int(ids[row]) - SyntheticBankConfiguration.firstIdentifier
        last[customer] = max(last[customer], Double(days[row]))
        count[customer] += 1
        money[customer] += Double(amounts[row]) / 100
      }
    }
    let end = Double(bank.configuration.endDate)
    let features = [
      ("recency_days", last.map { end - $0 }), ("frequency", count), ("monetary", money),
      ("average_amount", zip(money, count).map { $0 / $1 }),
    ]
    let labels = try labels(features.map(\.1))
    let profile = try BaseProfile(
      labels: Buffer(labels), segmentCount: 6,
      features: features.map { .init(name: $0.0, values: Buffer($0.1)) }, money: Buffer(money),
      workers: threeThreads)

    #expect(Set(profile.segments.map(\.name)).count == 6)
    #expect(Set(profile.segments.map(\.id)) == Set((1...6).map(SegmentIDs.id)))
    for segment in profile.segments {
      // What a name says is what the profile shows.
      let words = segment.name.components(separatedBy: ", ")
      let (recency, frequency, average) =
        (segment.features[0], segment.features[1], segment.features[3])
      if words.contains("frequent") { #expect(frequency.median > profile.features[1].median) }
      if words.contains("infrequent") { #expect(frequency.median < profile.features[1].median) }
      if words.contains("dormant") { #expect(recency.median > profile.features[0].median) }
      if words.contains("high amounts") { #expect(average.median > profile.features[3].median) }
      if words.contains("low amounts") { #expect(average.median < profile.features[3].median) }
    }
    let first = try #require(profile.segments.first { $0.id == "S01" })
    #expect(profile.segments.allSatisfy { $0.features[2].mean <= first.features[2].mean })
  }

  private func labels(_ columns: [[Double]]) throws -> [Int32] {
    let folder = try TemporaryFolder()
    try columns.joined().map { $0 }.withUnsafeBytes { Data($0) }
      .write(to: URL(fileURLWithPath: folder.path("features")))
    try Shell.python(
      """
      import sys, numpy as np
      from sklearn.cluster import KMeans
      from sklearn.preprocessing import StandardScaler
      x = np.fromfile(sys.argv[1] + "/features").reshape(4, -1).T
      x = StandardScaler().fit_transform(np.copysign(np.log1p(np.abs(x)), x))
      KMeans(6, n_init=3, random_state=0).fit_predict(x).astype(np.int32).tofile(
          sys.argv[1] + "/labels")
      """, [folder.url.path])
    return try Data(contentsOf: URL(fileURLWithPath: folder.path("labels"))).withUnsafeBytes {
      Array($0.bindMemory(to: Int32.self))
    }
  }
}
