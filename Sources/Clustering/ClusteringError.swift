/// A setting that no run can honour.
package enum ConfigurationError: Error, Equatable, CustomStringConvertible {
  case outOfRange(field: String, value: String, allowed: String)
  case unknownKernel(String)

  package var description: String {
    switch self {
    case .outOfRange(let field, let value, let allowed):
      return "\(field) is \(value); it must be \(allowed)"
    case .unknownKernel(let reason): return reason
    }
  }
}

/// Data that cannot be clustered as asked.
package enum ClusteringError: Error, Equatable, CustomStringConvertible {
  case noRows
  /// Fewer rows (of positive weight) than clusters; `largest` is the most clusters possible.
  case tooFewRows(clusters: Int, largest: Int)
  /// Fewer distinct rows than clusters; `largest` is the most clusters possible.
  case tooFewDistinctRows(clusters: Int, largest: Int)
  case centroidShape(values: Int, expected: Int)
  case invalidCentroid(row: Int, column: Int)
  case weightCount(weights: Int, rows: Int)
  case invalidWeight(row: Int)
  case noWeight
  case invalidValue(row: Int, column: Int)
  case labelCount(labels: Int, rows: Int)
  /// Rows that are alike have one label, and so put a cluster beyond its limits.
  case sizeLimits(size: Int, least: Int, most: Int)
  /// No row has enough neighbours.
  case allNoise

  package var description: String {
    switch self {
    case .noRows: return "there are no rows to cluster"
    case .tooFewRows(let clusters, let largest):
      return "\(clusters) clusters need as many rows with a weight; at most \(largest) are possible"
    case .tooFewDistinctRows(let clusters, let largest):
      return "\(clusters) clusters need as many distinct rows; at most \(largest) are possible"
    case .centroidShape(let values, let expected):
      return "the centroids hold \(values) values; clusters × features = \(expected) are needed"
    case .invalidCentroid(let row, let column):
      return "centroid \(row), feature \(column), is not a finite number of usable size"
    case .weightCount(let weights, let rows):
      return "there are \(weights) weights for \(rows) rows; give one per row"
    case .invalidWeight(let row):
      return "the weight of row \(row) is not a finite number of 0 or more"
    case .noWeight: return "all weights are 0; at least one row needs a positive weight"
    case .invalidValue(let row, let column):
      return "row \(row), feature \(column), is not a finite number of usable size"
    case .sizeLimits(let size, let least, let most):
      return
        "a cluster has \(size) rows where \(least) to \(most) are allowed, because rows that are "
        + "alike have one label; widen the shares, or add a feature that tells them apart"
    case .allNoise:
      return "no row has enough neighbours, all would be noise; raise --eps or lower --min-points"
    case .labelCount(let labels, let rows):
      return "there are \(labels) labels for \(rows) rows; give one per row"
    }
  }
}
