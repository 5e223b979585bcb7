import Columnar
import CustomerValue
import Sharding

extension BaseProfile {
  /// A column with its name.
  package struct Feature: Sendable {
    package let name: String
    package let values: Buffer<Double>
    package init(name: String, values: Buffer<Double>) {
      self.name = name
      self.values = values
    }
  }

  /// Describes a labelled base, with first ids and English names (see ``numbered()`` and
  /// ``named(_:)`` for others).
  ///
  /// Medians and quartiles are exact, by linear interpolation as in numpy. Standard deviations are
  /// those of the population (divided by n). A feature without any value in a segment is all 0 there
  /// with a missing share of 1.
  ///
  /// - Parameters:
  ///   - labels: Row of the model's centroids for each customer; a negative label is a customer
  ///     without a segment, left out of everything, the base included.
  ///   - segmentCount: Labels are below it; a segment without members is allowed.
  ///   - features: In original units; NaN is missing.
  ///   - money: What shares of money are shares of, NaN counting as none; nil when unknown.
  /// - Complexity: O(rows × features). Scratch: on each thread 64 MB at most, see ``ColumnProfile``.
  package init(
    labels: Buffer<Int32>, segmentCount: Int, features: [Feature], money: Buffer<Double>?,
    workers: Workers
  ) throws {
    precondition(features.allSatisfy { $0.values.count == labels.count })
    precondition(money.map { $0.count == labels.count } ?? true)
    let labels = try SegmentLabels(labels, segmentCount: segmentCount, workers: workers)
    let columns = try features.map { try ColumnProfile($0.values, of: labels, workers: workers) }
    let sums = try money.map { try labels.sums(of: $0, workers: workers) }
    let total = sums.map { $0.reduce(0, +) }

    self.init(
      customers: labels.count, featureNames: features.map(\.name), features: columns.map(\.base),
      segments: (0..<segmentCount).map { label in
        let size = labels.sizes[label]
        return SegmentProfile(
          label: label, id: "", name: "", size: size,
          shareOfCustomers: labels.count > 0 ? Double(size) / Double(labels.count) : 0,
          shareOfMoney: total.flatMap { $0 > 0 ? sums![label] / $0 : nil },
          features: columns.map { $0.segments[label] })
      })
    let ids = SegmentIDs.initial(
      sizes: segments.map(\.size), meanMoney: sums.map { zip($0, segments).map(Self.mean) })
    for label in segments.indices { segments[label].id = ids[label] }
    self = named(.english)
  }

  private static func mean(_ sum: Double, _ segment: SegmentProfile) -> Double {
    segment.size > 0 ? sum / Double(segment.size) : -.infinity
  }

  /// The same profile with other ids, in label order.
  package func identified(by ids: [String]) -> BaseProfile {
    precondition(ids.count == segments.count)
    var copy = self
    for label in ids.indices { copy.segments[label].id = ids[label] }
    return copy
  }

  /// The same profile with names in a language; see ``SegmentNames``.
  package func named(_ language: Language) -> BaseProfile {
    var copy = self
    let names = SegmentNames.names(self, language: language)
    for label in names.indices { copy.segments[label].name = names[label] }
    return copy
  }
}
