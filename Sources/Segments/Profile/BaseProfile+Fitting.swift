import Columnar
import CustomerValue
import Features
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
  /// - Complexity: O(rows × features). Scratch: 4 bytes a row and, on each thread, 16 bytes a member
  ///   of the largest segment.
  package init(
    labels: Buffer<Int32>, segmentCount: Int, features: [Feature], money: Buffer<Double>?,
    workers: Workers
  ) throws {
    precondition(features.allSatisfy { $0.values.count == labels.count })
    precondition(money.map { $0.count == labels.count } ?? true)
    let members = try SegmentMembers(labels, segmentCount: segmentCount, workers: workers)
    let columns = features.map(\.values)
    let base = try columns.map { try BaseMoments($0, members: members, workers: workers) }

    // Segment by segment inside a feature, so that a column stays in cache.
    let tasks = columns.count * segmentCount
    let summaries = try SummaryTable(tasks, workers: workers) { scratch, task in
      let (feature, label) = task.quotientAndRemainder(dividingBy: segmentCount)
      return scratch.summary(columns[feature], rows: members.rows(of: label), base: base[feature])
    }
    let sums = try money.map { try members.sums(of: $0, workers: workers) }
    let total = sums.map { $0.reduce(0, +) }

    self.init(
      customers: members.count, featureNames: features.map(\.name),
      features: base.map(\.summary),
      segments: (0..<segmentCount).map { label in
        let size = members.rows(of: label).count
        return SegmentProfile(
          label: label, id: "", name: "", size: size,
          shareOfCustomers: members.count > 0 ? Double(size) / Double(members.count) : 0,
          shareOfMoney: total.flatMap { $0 > 0 ? sums![label] / $0 : nil },
          features: columns.indices.map { summaries[$0 * segmentCount + label] })
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

/// Rows grouped by label, ascending inside each group.
struct SegmentMembers: Sendable {
  private let order: Buffer<UInt32>
  private let starts: [Int]
  /// Rows with a label.
  var count: Int { starts[starts.count - 1] }
  var segmentCount: Int { starts.count - 1 }

  func rows(of label: Int) -> Buffer<UInt32> { order[starts[label]..<starts[label + 1]] }

  init(_ labels: Buffer<Int32>, segmentCount: Int, workers: Workers) throws {
    precondition(labels.count <= Int(UInt32.max) && segmentCount >= 0)
    let shards = Shards(rows: labels.count, rowsPerShard: 1 << 16)
    let histograms = try workers.map(shards.count) { shard in
      var counts = [Int](repeating: 0, count: segmentCount)
      let labels = labels.values
      for row in shards[shard] where labels[row] >= 0 { counts[Int(labels[row])] += 1 }
      return counts
    }
    var starts: [Int] = []
    var places = histograms
    var total = 0
    for label in 0..<segmentCount {
      starts.append(total)
      for shard in histograms.indices {
        places[shard][label] = total
        total += histograms[shard][label]
      }
    }
    self.starts = starts + [total]
    let firstPlaces = places
    order = try Buffer(count: total) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        var next = firstPlaces[shard]
        let labels = labels.values
        for row in shards[shard] where labels[row] >= 0 {
          target.initializeElement(at: next[Int(labels[row])], to: UInt32(row))
          next[Int(labels[row])] += 1
        }
      }
    }
  }

  /// The sum of each segment, missing values counting as 0.
  func sums(of column: Buffer<Double>, workers: Workers) throws -> [Double] {
    try workers.map(segmentCount) { label in
      let rows = rows(of: label)
      let values = column.values
      var sum = 0.0
      for index in 0..<rows.count {
        let value = values[Int(rows.base[index])]
        if value == value { sum += value }
      }
      withExtendedLifetime(rows) {}
      return sum
    }
  }
}

/// A feature over the whole base.
struct BaseMoments: Sendable {
  let summary: FeatureSummary
  let mean: Double
  let deviation: Double

  /// Only rows with a label count.
  init(_ column: Buffer<Double>, members: SegmentMembers, workers: Workers) throws {
    let known = try members.count == column.count ? column : members.labelled(column, workers)
    let shards = Shards(rows: known.count, rowsPerShard: 1 << 17)
    let sums = try workers.map(shards.count) { shard in
      var sum = 0.0
      var count = 0
      for value in UnsafeBufferPointer(rebasing: known.values[shards[shard]]) {
        if value == value {
          sum += value
          count += 1
        }
      }
      return (sum, count)
    }
    let count = sums.reduce(0) { $0 + $1.1 }
    let mean = count > 0 ? sums.reduce(0) { $0 + $1.0 } / Double(count) : 0
    let squares = try workers.map(shards.count) { shard in
      var sum = 0.0
      for value in UnsafeBufferPointer(rebasing: known.values[shards[shard]]) where value == value {
        sum += (value - mean) * (value - mean)
      }
      return sum
    }
    let quartiles = try OrderStatistics.quantiles(known, at: [0.25, 0.5, 0.75], workers: workers)
    self.mean = mean
    deviation = count > 0 ? (squares.reduce(0, +) / Double(count)).squareRoot() : 0
    summary = FeatureSummary(
      mean: mean, quartiles: quartiles, present: count, rows: known.count, difference: 0)
  }
}

extension SegmentMembers {
  /// The values of the rows with a label, by label.
  fileprivate func labelled(
    _ column: Buffer<Double>, _ workers: Workers
  ) throws -> Buffer<Double> {
    let shards = Shards(rows: count, rowsPerShard: 1 << 16)
    return try Buffer(count: count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let (order, values) = (order.values, column.values)
        for index in shards[shard] {
          target.initializeElement(at: index, to: values[Int(order[index])])
        }
      }
    }
  }
}

extension FeatureSummary {
  fileprivate init(
    mean: Double, quartiles: [Double], present: Int, rows: Int, difference: Double
  ) {
    let isKnown = present > 0
    self.init(
      mean: isKnown ? mean : 0, median: isKnown ? quartiles[1] : 0,
      lowerQuartile: isKnown ? quartiles[0] : 0, upperQuartile: isKnown ? quartiles[2] : 0,
      differenceFromBase: isKnown ? difference : 0,
      missingShare: rows > 0 ? Double(rows - present) / Double(rows) : 1)
  }
}

/// One thread's memory for summaries of segments.
private struct SummaryScratch {
  var keys: [UInt64] = []
  var selection = SelectionScratch()
  var counts = SmallIntegerCounts()

  mutating func summary(
    _ column: Buffer<Double>, rows: Buffer<UInt32>, base: BaseMoments
  ) -> FeatureSummary {
    counts.removeAll()
    let (isSmall, counted) = counts.add(column.values, rows: rows.values)
    withExtendedLifetime((column, rows)) {}
    if isSmall {
      return summary(
        sum: counted, present: counts.total, rows: rows.count, base: base,
        quartiles: OrderStatistics.quantiles(ofCounts: counts, at: [0.25, 0.5, 0.75]))
    }
    if keys.count < rows.count { keys = [UInt64](repeating: 0, count: rows.count) }
    let values = column.values
    var sum = 0.0
    var present = 0
    keys.withUnsafeMutableBufferPointer { keys in
      for index in 0..<rows.count {
        let value = values[Int(rows.base[index])]
        // A missing value is written over by the next one.
        keys[present] = OrderStatistics.key(value)
        let isPresent = value == value
        sum += isPresent ? value : 0
        present += isPresent ? 1 : 0
      }
    }
    withExtendedLifetime(rows) {}
    let quartiles = keys.withUnsafeBufferPointer { keys in
      OrderStatistics.quantiles(
        ofKeys: UnsafeBufferPointer(rebasing: keys[..<present]), at: [0.25, 0.5, 0.75],
        scratch: &selection)
    }
    return summary(
      sum: sum, present: present, rows: rows.count, base: base, quartiles: quartiles)
  }

  private func summary(
    sum: Double, present: Int, rows: Int, base: BaseMoments, quartiles: [Double]
  ) -> FeatureSummary {
    let mean = present > 0 ? sum / Double(present) : 0
    let difference = base.deviation > 0 ? (mean - base.mean) / base.deviation : 0
    return FeatureSummary(
      mean: mean, quartiles: quartiles, present: present, rows: rows, difference: difference)
  }
}

/// Summaries made in parallel, each thread reusing its memory.
private struct SummaryTable {
  private let cells: [FeatureSummary]

  init(
    _ count: Int, workers: Workers,
    _ summary: @Sendable (inout SummaryScratch, Int) throws -> FeatureSummary
  ) throws {
    let empty = FeatureSummary(mean: 0, quartiles: [], present: 0, rows: 0, difference: 0)
    var cells = [FeatureSummary](repeating: empty, count: count)
    try cells.withUnsafeMutableBufferPointer { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(count, scratch: { SummaryScratch() }) { scratch, index in
        target[index] = try summary(&scratch, index)
      }
    }
    self.cells = cells
  }

  subscript(index: Int) -> FeatureSummary { cells[index] }
}
