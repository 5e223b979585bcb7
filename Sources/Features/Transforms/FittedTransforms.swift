import Columnar
import Kernels
import Sharding

/// The transforms of a model: fitted once, replayed on every later table.
package struct FittedTransforms: Sendable, Codable, Equatable {
  package var features: [FeatureTransform]
  package var components: PrincipalComponents?

  package init(features: [FeatureTransform], components: PrincipalComponents? = nil) {
    self.features = features
    self.components = components
  }

  /// Columns of the samples: features, or principal components of them.
  package var dimensions: Int { components?.count ?? features.count }
}

/// What fitting noticed.
package struct TransformReport: Sendable, Equatable {
  /// Features left out because all their values are equal.
  package var dropped: [String] = []
  /// Pairs that say the same (|r| > 0.9999 on a sample).
  package var correlated: [(String, String)] = []
  /// Values filled, by feature.
  package var filled: [String: Int] = [:]
  /// Values moved to a winsorising bound, by feature.
  package var winsorized: [String: Int] = [:]

  package init() {}

  package static func == (a: TransformReport, b: TransformReport) -> Bool {
    a.dropped == b.dropped && a.filled == b.filled && a.winsorized == b.winsorized
      && a.correlated.map { [$0.0, $0.1] } == b.correlated.map { [$0.0, $0.1] }
  }
}

extension FittedTransforms {
  static let rowsPerShard = TableBlock.size

  /// Fits every feature's transform.
  ///
  /// - Parameters:
  ///   - names: d names.
  ///   - columns: d columns of n values; NaN and ±∞ count as missing.
  /// - Throws: ``TransformError``.
  /// - Complexity: O(n·d); quantiles add four passes where they are needed.
  package static func fit(
    names: [String], columns: [Buffer<Double>], configuration: TransformConfiguration,
    workers: Workers
  ) throws -> (transforms: FittedTransforms, report: TransformReport) {
    precondition(names.count == columns.count && !names.isEmpty)
    guard columns[0].count > 0 else { throw TransformError.noRows }
    var report = TransformReport()
    var kept: [FeatureTransform] = []
    var keptColumns: [Buffer<Double>] = []
    for (name, column) in zip(names, columns) {
      let transform = try fit(name, column, configuration, &report, workers)
      if isConstant(transform) {
        report.dropped.append(name)
      } else {
        kept.append(transform)
        keptColumns.append(column)
      }
    }
    guard !kept.isEmpty else { throw TransformError.allConstant(names) }
    report.correlated = correlatedPairs(kept, keptColumns)
    var fitted = FittedTransforms(features: kept)
    if let count = configuration.components {
      guard count <= kept.count else {
        throw TransformError.tooManyComponents(asked: count, features: kept.count)
      }
      fitted.components = try PrincipalComponents.fit(
        columns: keptColumns, transforms: kept, count: count, workers: workers)
    }
    return (fitted, report)
  }

  private static func fit(
    _ name: String, _ column: Buffer<Double>, _ configuration: TransformConfiguration,
    _ report: inout TransformReport, _ workers: Workers
  ) throws -> FeatureTransform {
    let shards = Shards(rows: column.count, rowsPerShard: rowsPerShard)
    let missing = try workers.map(shards.count) { shard in
      shards[shard].reduce(0) { $0 + (column.base[$1].isFinite ? 0 : 1) }
    }.reduce(0, +)
    try checkMissing(name, missing, rows: column.count, configuration)

    var transform = FeatureTransform(
      name: name, fill: nil, lower: nil, upper: nil, log: configuration.scaling == .logStandard,
      center: 0, scale: 1)
    switch configuration.missing {
    case .constant(let value): transform.fill = value
    case .median:
      transform.fill = try quantiles(column, [0.5], anyInfinite: missing > 0, workers)[0]
    case .reject:
      if missing > 0 {
        let row = (0..<column.count).first { !column.base[$0].isFinite }!
        throw TransformError.missingValue(feature: name, row: row)
      }
    }
    if missing > 0 { report.filled[name] = missing }
    if configuration.winsorize > 0 {
      // In small bases a thousandth is less than one value: the bounds then lie between the second
      // and the third from each end, so that no single extreme is a segment of its own.
      let share = max(configuration.winsorize, column.count >= 100 ? 1.5 / Double(column.count) : 0)
      let bounds = try quantiles(
        column, [share, 1 - share], anyInfinite: missing > 0,
        workers)
      (transform.lower, transform.upper) = (bounds[0], bounds[1])
      let moved = try workers.map(shards.count) { shard in
        shards[shard].reduce(0) { count, row in
          let value = column.base[row]
          return count + (value.isFinite && (value < bounds[0] || value > bounds[1]) ? 1 : 0)
        }
      }.reduce(0, +)
      if moved > 0 { report.winsorized[name] = moved }
    }

    let moments = try moments(of: column, transform, shards, workers)
    transform.scale(by: moments, configuration.scaling)
    if configuration.scaling == .robust {
      let quartiles = try quantiles(column, [0.25, 0.5, 0.75], anyInfinite: missing > 0, workers)
      transform.center = quartiles[1]
      let range = quartiles[2] - quartiles[0]
      // Half of the values equal: the interquartile range says nothing, the deviation does.
      transform.scale =
        moments.isConstant ? 0 : range > 0 ? range : moments.standardDeviation
    }
    try checkRange(transform)
    return transform
  }

  static func checkMissing(
    _ name: String, _ missing: Int, rows: Int, _ configuration: TransformConfiguration
  ) throws(TransformError) {
    if missing == rows { throw .wholeColumnMissing(feature: name) }
    if configuration.missing != .reject,
      Double(missing) > configuration.maximumMissing * Double(rows)
    {
      throw .mostlyMissing(feature: name, missing: missing, rows: rows)
    }
  }

  static func checkRange(_ transform: FeatureTransform) throws(TransformError) {
    guard transform.center.isFinite, transform.scale.isFinite else {
      throw .rangeTooWide(feature: transform.name)
    }
  }

  /// Quantiles of the finite values.
  private static func quantiles(
    _ column: Buffer<Double>, _ probabilities: [Double], anyInfinite: Bool, _ workers: Workers
  ) throws -> [Double] {
    guard anyInfinite else {
      return try OrderStatistics.quantiles(column, at: probabilities, workers: workers)
    }
    let finite = Buffer<Double>(count: column.count) { target in
      for row in 0..<column.count {
        let value = column.base[row]
        target[row] = value.isFinite ? value : .nan
      }
    }
    return try OrderStatistics.quantiles(finite, at: probabilities, workers: workers)
  }

  static func isConstant(_ transform: FeatureTransform) -> Bool { transform.scale == 0 }

  private static func moments(
    of column: Buffer<Double>, _ transform: FeatureTransform, _ shards: Shards, _ workers: Workers
  ) throws -> Moments {
    try workers.map(shards.count) {
      Moments(of: UnsafeBufferPointer(rebasing: column.values[shards[$0]]), shapedBy: transform)
    }.reduce(Moments(), +)
  }

  /// Pairs of features that a sample of evenly spaced rows cannot tell apart.
  private static func correlatedPairs(
    _ transforms: [FeatureTransform], _ columns: [Buffer<Double>]
  ) -> [(String, String)] {
    let rows = columns[0].count
    let step = correlationStep(rows: rows)
    return correlatedPairs(
      transforms.map(\.name),
      zip(transforms, columns).map { transform, column in
        stride(from: 0, to: rows, by: step).map { transform(column.base[$0]) }
      }, rows: rows)
  }

  /// How far apart the rows lie that correlations are measured on.
  package static func correlationStep(rows: Int) -> Int { max(1, rows / 4096) }

  /// - Parameter scaled: Every ``correlationStep(rows:)``th value of each feature, scaled.
  package static func correlatedPairs(
    _ names: [String], _ scaled: [[Double]], rows: Int
  ) -> [(String, String)] {
    let samples = scaled.map { values -> [Double] in
      let mean = values.reduce(0, +) / Double(values.count)
      let norm = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }.squareRoot()
      return values.map { norm > 0 ? ($0 - mean) / norm : 0 }
    }
    guard rows >= 3 else { return [] }
    var pairs: [(String, String)] = []
    for a in samples.indices {
      for b in samples.indices where b > a {
        let r = zip(samples[a], samples[b]).reduce(0) { $0 + $1.0 * $1.1 }
        if abs(r) > 0.9999 { pairs.append((names[a], names[b])) }
      }
    }
    return pairs
  }
}

/// Count, mean and sum of squared deviations, mergeable (Chan, Golub, LeVeque 1979).
struct Moments: Sendable {
  var count = 0.0
  var mean = 0.0
  var squares = 0.0

  init() {}

  /// - Parameter values: One or more.
  init(of values: UnsafeBufferPointer<Double>, shapedBy transform: FeatureTransform) {
    (count, mean, squares) = withUnsafeTemporaryAllocation(
      of: Double.self, capacity: values.count
    ) { shaped in
      transform.shape(values, into: shaped.baseAddress!)
      // About the first value: a constant's mean is that constant, to the bit, and numbers far
      // from 0 keep their digits.
      let (n, pivot) = (Double(values.count), shaped[0])
      let run = UnsafeBufferPointer(shaped)
      let mean = pivot + StrictLoops.deviations(of: run, from: pivot).sum / n
      var (rest, squares) = StrictLoops.deviations(of: run, from: mean)
      // What rounding of the mean put in (Chan, Golub, LeVeque 1983). An overflow stays one: it
      // must not pass for a spread of 0.
      squares -= rest * rest / n
      if squares < 0 { squares = 0 }
      return (n, mean, squares)
    }
  }

  init(count: Double, mean: Double, squares: Double) {
    (self.count, self.mean, self.squares) = (count, mean, squares)
  }

  static func + (a: Moments, b: Moments) -> Moments {
    if a.count == 0 { return b }
    if b.count == 0 { return a }
    let count = a.count + b.count
    let delta = b.mean - a.mean
    return Moments(
      count: count, mean: a.mean + delta * b.count / count,
      squares: a.squares + b.squares + delta * delta * a.count * b.count / count)
  }

  var standardDeviation: Double { (squares / count).squareRoot() }

  /// Spread within the rounding error of the mean.
  var isConstant: Bool { standardDeviation <= 10 * Double.ulpOfOne * abs(mean) }
}
