import Columnar

/// The scored base as columns of one length, one row per customer, in any order.
package struct CustomerColumns: Sendable {
  /// One axis of the scatter, in original units; NaN where a customer has no value.
  package struct Axis: Sendable {
    /// The feature's name in the profile: "frequency".
    package var name: String
    package var values: Buffer<Double>
    package init(name: String, values: Buffer<Double>) {
      self.name = name
      self.values = values
    }
  }

  /// Few distinct texts as codes into `names`; a negative code is a missing value.
  package struct Categories: Sendable {
    package var names: [String]
    package var codes: Buffer<Int32>
    package init(names: [String], codes: Buffer<Int32>) {
      self.names = names
      self.codes = codes
    }

    /// From a dictionary column; nil when the column is of another kind.
    package init?(_ column: Column) {
      guard case .dictionary(let codes, let texts) = column.values else { return nil }
      names = (0..<texts.count).map(texts.text)
      guard let validity = column.validity else {
        self.codes = codes
        return
      }
      self.codes = Buffer(count: codes.count) { target in
        for row in 0..<codes.count {
          target.initializeElement(at: row, to: validity[row] ? codes[row] : -1)
        }
      }
    }
  }

  /// int32, int64, text or dictionary of texts.
  package var identifiers: Column
  /// Row of `BaseProfile.segments`.
  package var labels: Buffer<Int32>
  package var x: Axis
  package var y: Axis
  /// In years; NaN or outside 0...120 is an unknown age.
  package var ages: Buffer<Double>?
  package var tiers: Categories?
  /// What concentration is measured on: net money per customer; NaN is left out.
  package var money: Buffer<Double>?

  package var count: Int { labels.count }

  package init(
    identifiers: Column, labels: Buffer<Int32>, x: Axis, y: Axis, ages: Buffer<Double>? = nil,
    tiers: Categories? = nil, money: Buffer<Double>? = nil
  ) {
    let lengths = [
      identifiers.count, x.values.count, y.values.count, ages?.count, tiers?.codes.count,
      money?.count,
    ]
    precondition(lengths.allSatisfy { $0 == nil || $0 == labels.count }, "columns of one length")
    self.identifiers = identifiers
    self.labels = labels
    self.x = x
    self.y = y
    self.ages = ages
    self.tiers = tiers
    self.money = money
  }
}
