/// How many rows a cluster may have.
package struct SizeLimits: Sendable, Hashable {
  package let least: Int
  package let most: Int

  package init(least: Int, most: Int) {
    precondition(least >= 0 && least <= most)
    self.least = least
    self.most = most
  }

  /// From shares of the rows.
  ///
  /// - Throws: ``ConfigurationError`` for shares that no sizes can meet.
  package init(
    minShare: Double?, maxShare: Double?, rows: Int, clusters k: Int
  ) throws(ConfigurationError) {
    let (low, high) = (minShare ?? 0, maxShare ?? 1)
    guard low >= 0, low <= 1 else {
      throw .outOfRange(field: "minShare", value: "\(low)", allowed: "from 0 to 1")
    }
    guard high >= 0, high <= 1 else {
      throw .outOfRange(field: "maxShare", value: "\(high)", allowed: "from 0 to 1")
    }
    guard low <= high else {
      throw .outOfRange(
        field: "minShare", value: "\(low)", allowed: "at most the largest share, \(high)")
    }
    // A share such as 0.1 is not exact in binary: 30 rows' tenth is 3, not 4.
    least = Int((low * Double(rows) * (1 - 1e-12)).rounded(.up))
    most = Int((high * Double(rows) * (1 + 1e-12)).rounded(.down))
    guard least * k <= rows else {
      throw .outOfRange(
        field: "minShare", value: "\(low)",
        allowed:
          "at most \(Double(rows / k) / Double(rows)), or \(k) clusters of \(rows) rows cannot all have it"
      )
    }
    guard most * k >= rows else {
      throw .outOfRange(
        field: "maxShare", value: "\(high)",
        allowed:
          "at least \(Double((rows + k - 1) / k) / Double(rows)), or \(k) clusters cannot hold all \(rows) rows"
      )
    }
  }

  /// Of a sample.
  func scaled(from rows: Int, to sample: Int) -> SizeLimits {
    SizeLimits(
      least: least * sample / rows, most: (most * sample + rows - 1) / rows)
  }
}
