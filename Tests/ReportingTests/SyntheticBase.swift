import Columnar
import Foundation
import Segments
import Sharding

@testable import Reporting

/// A scored base as a run would hand it over: customers around segment centres with heavy tails,
/// and everything a report shows computed from them in the plainest way.
struct SyntheticBase {
  var columns: CustomerColumns
  var profile: BaseProfile

  static let names = [
    "frequent, high amounts", "frequent, small amounts", "rare, high amounts",
    "rare, small amounts", "recently won", "fading away",
  ]
  static let features = [
    "recency_days", "frequency", "monetary", "average_amount", "tenure_days", "share_atm",
  ]

  /// - Parameter permuted: The same customers in another order of rows.
  init(
    customers: Int, segments: Int = 6, seed: UInt64 = 1, textIDs: Bool = false,
    permuted: Bool = false
  ) {
    var random = SequentialRandom(seed: seed, purpose: .init("synthetic report base"))
    func normal() -> Double {
      (-2 * log(1 - random.unit())).squareRoot() * cos(2 * .pi * random.unit())
    }
    var (ids, labels, ages): ([Int64], [Int32], [Double]) = ([], [], [])
    var tiers: [Int32] = []
    var values = Array(repeating: [Double](), count: Self.features.count)
    for row in 0..<customers {
      // Uneven segments: the first has the most.
      let label = Int(Double(segments) * pow(random.unit(), 1.6))
      let tilt = Double(label % 7) / 6
      let frequency = (exp(3.6 - 2.4 * tilt + 0.5 * normal())).rounded() + 1
      let average = exp(4 + 3 * Double((label * 5) % 7) / 6 + 0.55 * normal())
      let recency = (exp(1 + 3.5 * tilt + 0.6 * normal())).rounded(.down)
      ids.append(Int64(1_000_000 + row * 7))
      labels.append(Int32(label))
      ages.append(random.unit() < 0.03 ? .nan : (18 + 70 * random.unit()).rounded(.down))
      tiers.append(Int32(frequency * average > 8_000 ? 0 : frequency * average > 1_500 ? 1 : 2))
      for (index, value) in [
        recency, frequency, (frequency * average * 100).rounded() / 100,
        (average * 100).rounded() / 100, recency + (900 * random.unit()).rounded(.down),
        random.unit() < 0.05 ? .nan : min(1, max(0, 0.5 - 0.4 * tilt + 0.2 * normal())),
      ].enumerated() { values[index].append(value) }
    }
    if permuted {
      let order = (0..<customers).sorted {
        CounterBasedRandom.mix(UInt64($0)) < CounterBasedRandom.mix(UInt64($1))
      }
      ids = order.map { ids[$0] }
      labels = order.map { labels[$0] }
      ages = order.map { ages[$0] }
      tiers = order.map { tiers[$0] }
      values = values.map { column in order.map { column[$0] } }
    }
    columns = CustomerColumns(
      identifiers: textIDs
        ? Column(.strings(Strings(ids.map(String.init)))) : Column(.int64(Buffer(ids))),
      labels: Buffer(labels), x: .init(name: "frequency", values: Buffer(values[1])),
      y: .init(name: "average_amount", values: Buffer(values[3])), ages: Buffer(ages),
      tiers: .init(names: ["high", "mid", "low"], codes: Buffer(tiers)), money: Buffer(values[2]))
    profile = Self.profile(values, labels, segments: segments, money: values[2])
  }

  private static func profile(
    _ values: [[Double]], _ labels: [Int32], segments: Int, money: [Double]
  ) -> BaseProfile {
    let count = labels.count
    let bases = values.map { summary($0, against: nil) }
    let total = money.reduce(0, +)
    let profiles = (0..<segments).map { label -> SegmentProfile in
      let rows = labels.indices.filter { labels[$0] == label }
      let held = rows.reduce(0.0) { $0 + money[$1] }
      return SegmentProfile(
        label: label, id: "S" + (label < 9 ? "0" : "") + "\(label + 1)",
        name: label < names.count ? names[label] : "group \(label + 1)", size: rows.count,
        shareOfCustomers: count > 0 ? Double(rows.count) / Double(count) : 0,
        shareOfMoney: total > 0 ? held / total : nil,
        features: values.map { column in
          summary(rows.map { column[$0] }, against: column)
        },
        offer: label % 3 == 2 ? nil : ["gold_card", "cashback", "travel_insurance"][label % 3])
    }
    return BaseProfile(
      customers: count, featureNames: features, features: bases, segments: profiles)
  }

  private static func summary(_ column: [Double], against base: [Double]?) -> FeatureSummary {
    let present = column.filter { !$0.isNaN }.sorted()
    func quantile(_ share: Double) -> Double {
      present.isEmpty ? .nan : present[Int(share * Double(present.count - 1))]
    }
    let mean = present.isEmpty ? .nan : present.reduce(0, +) / Double(present.count)
    var difference = 0.0
    if let all = base?.filter({ !$0.isNaN }), !all.isEmpty, !present.isEmpty {
      let center = all.reduce(0, +) / Double(all.count)
      let variance = all.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(all.count)
      difference = variance > 0 ? (mean - center) / variance.squareRoot() : 0
    }
    return FeatureSummary(
      mean: mean, median: quantile(0.5), lowerQuartile: quantile(0.25),
      upperQuartile: quantile(0.75), differenceFromBase: difference,
      missingShare: column.isEmpty ? 0 : 1 - Double(present.count) / Double(column.count))
  }

  /// Only what is always there.
  var bareContent: ReportContent {
    ReportContent(
      run: .init(id: "2025-12", asOf: "2025-12-31", modelID: "m-2025-11-7f3a"), profile: profile)
  }

  /// Every section.
  var fullContent: ReportContent {
    var content = bareContent
    content.run.previousID = "2025-11"
    content.run.currency = "TRY"
    content.run.warnings = ["Feature “share_branch” is constant and was dropped."]
    content.offerTexts = [
      "gold_card": "Gold card upgrade", "cashback": "Cash back 5 %",
      "travel_insurance": "Travel insurance",
    ]
    content.customers = columns
    content.migration = migration
    content.rfm = rfm
    content.rows = .init(
      read: profile.customers * 17 + 8_231, scored: profile.customers * 17,
      quarantined: [
        .init("date after the as-of date", rows: 4_120), .init("no customer id", rows: 2_007),
        .init("amount cannot be read", rows: 104),
      ],
      excluded: [.init("duplicate transaction", rows: 2_000)])
    content.clusterSelection = .init(
      candidates: (2...12).map { k in
        let distance = Double(abs(k - profile.segments.count))
        let silhouette = 0.46 - 0.03 * distance
        return .init(
          k: k, inertia: 3e5 / Double(k), silhouette: silhouette,
          silhouetteInterval: silhouette - 0.015...silhouette + 0.015,
          calinskiHarabasz: 21_000 - 900 * distance, daviesBouldin: 0.8 + 0.05 * distance,
          stability: 0.95 - 0.04 * distance, seconds: 0.4 * Double(k))
      },
      chosen: profile.segments.count,
      reason: "Silhouette and stability are both highest at k = \(profile.segments.count).")
    content.reproduction = .init(
      command:
        "tranche rescore --ledger ledger/2025-*.parquet --as-of 2025-12-31 --out runs/2025-12 --model runs/2025-11/model.json --previous runs/2025-11",
      seed: 42,
      inputs: (10...12).map { month in
        .init(
          path: "ledger/2025-\(month).parquet",
          sha256: String(repeating: "9f3a0c\(month)", count: 8), rows: 283_410 + month)
      },
      versions: [("tranche", "0.1.0"), ("Arrow C++", "26.0.1"), ("OpenBLAS", "0.3.21")])
    return content
  }

  private var migration: Migration {
    let sides = profile.segments.map { Migration.Side(id: $0.id, name: $0.name) }
    let k = sides.count
    var counts = Array(repeating: Array(repeating: 0, count: k + 1), count: k + 1)
    for (label, segment) in profile.segments.enumerated() {
      let new = segment.size / 20
      let moved = segment.size / 6
      counts[k][label] = new
      counts[label][label] += segment.size - new - moved
      counts[(label + 1) % k][label] += moved - moved / 3
      counts[(label + k - 1) % k][label] += moved / 3
      counts[label][k] = segment.size / 31
    }
    return Migration(
      previous: sides, current: sides, counts: counts, stability: 0.82, adjustedRandIndex: 0.713,
      normalizedMutualInformation: 0.69)
  }

  private var rfm: ReportContent.RFMGrid {
    var counts = Array(repeating: Array(repeating: 0, count: 5), count: 5)
    for row in 0..<columns.count {
      let recency = Int(CounterBasedRandom.mix(UInt64(row)) % 5)
      let shift = Int(CounterBasedRandom.mix(UInt64(row + 77)) % 3) - 1
      counts[recency][min(max(recency + shift, 0), 4)] += 1
    }
    return .init(
      counts: counts,
      meanMoney: counts.enumerated().map { r, row in
        row.enumerated().map { f, count in count == 0 ? nil : Double(200 + 900 * r * f) }
      })
  }
}
