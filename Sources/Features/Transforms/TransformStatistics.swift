import Columnar
import Sharding

/// What a pass over a table's blocks must learn to fit transforms that need no quantile: the same
/// transforms, to the bit, as from whole columns.
package struct TransformStatistics: Sendable {
  /// Of one block.
  package struct Part: Sendable {
    fileprivate var rows: Int
    fileprivate var features: [Feature]
  }

  fileprivate struct Feature: Sendable {
    var missing = 0
    var firstMissing: Place?
    var moments = Moments()
    /// Σ of the values as they are once missing ones are filled.
    var sum = 0.0
  }

  /// Where a missing value stands.
  package struct Place: Sendable {
    package let file: String
    package let line: Int64
  }

  private let names: [String]
  private let configuration: TransformConfiguration
  private let transforms: [FeatureTransform]

  package init(names: [String], configuration: TransformConfiguration) {
    precondition(Self.suffice(for: configuration))
    self.names = names
    self.configuration = configuration
    var fill: Double?
    if case .constant(let value) = configuration.missing { fill = value }
    transforms = names.map {
      FeatureTransform(
        name: $0, fill: fill, lower: nil, upper: nil, log: configuration.scaling == .logStandard,
        center: 0, scale: 1)
    }
  }

  /// Medians, quartiles, winsorising bounds and principal components need whole columns.
  package static func suffice(for configuration: TransformConfiguration) -> Bool {
    configuration.scaling != .robust && configuration.missing != .median
      && configuration.winsorize == 0 && configuration.components == nil
  }

  package func part(of block: TableBlock) -> Part {
    Part(
      rows: block.rows.count,
      features: zip(transforms, block.columns).map { transform, column in
        let values = column.values
        var feature = Feature()
        for (offset, value) in values.enumerated() where !value.isFinite {
          feature.missing += 1
          if feature.firstMissing == nil {
            let place = block.place(of: block.rows.lowerBound + offset)
            feature.firstMissing = Place(file: place.file, line: place.line)
          }
        }
        feature.moments = Moments(of: values, shapedBy: transform)
        if configuration.scaling == .none {
          feature.sum = values.reduce(0) { $0 + transform($1) }
        }
        return feature
      })
  }

  /// A feature has a missing value where they are refused.
  package struct MissingValue: Error {
    package let feature: String
    package let place: Place
  }

  /// - Parameter parts: One per block, in table order.
  /// - Returns: `centers` as ``FittedTransforms/centers(of:scaling:workers:)``.
  /// - Throws: ``TransformError``, ``MissingValue``.
  package func fit(
    _ parts: [Part]
  ) throws -> (transforms: FittedTransforms, report: TransformReport, centers: [Double]) {
    let rows = parts.reduce(0) { $0 + $1.rows }
    guard rows > 0 else { throw TransformError.noRows }
    var report = TransformReport()
    var kept: [FeatureTransform] = []
    var centers: [Double] = []
    for (index, blank) in transforms.enumerated() {
      let features = parts.map { $0.features[index] }
      let missing = features.reduce(0) { $0 + $1.missing }
      try FittedTransforms.checkMissing(blank.name, missing, rows: rows, configuration)
      if configuration.missing == .reject,
        let place = features.lazy.compactMap(\.firstMissing).first
      {
        throw MissingValue(feature: blank.name, place: place)
      }
      if missing > 0 { report.filled[blank.name] = missing }
      var transform = blank
      transform.scale(
        by: features.reduce(Moments()) { $0 + $1.moments }, configuration.scaling)
      try FittedTransforms.checkRange(transform)
      guard !FittedTransforms.isConstant(transform) else {
        report.dropped.append(blank.name)
        continue
      }
      kept.append(transform)
      centers.append(
        configuration.scaling == .none ? features.reduce(0) { $0 + $1.sum } / Double(rows) : 0)
    }
    guard !kept.isEmpty else { throw TransformError.allConstant(names) }
    return (FittedTransforms(features: kept), report, centers)
  }
}
