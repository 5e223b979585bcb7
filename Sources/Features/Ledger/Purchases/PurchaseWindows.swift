/// What is remembered of each customer's purchases: the days they were made on, and their amounts
/// by age. Ages count days back from as-of, as everywhere in the fold.
package struct PurchaseWindows: Sendable, Equatable {
  /// Which rows are purchases.
  package enum Kind: String, Sendable, CaseIterable, Codable {
    /// Amounts of 0 and above; refunds are none.
    case positive
    /// Every row, at the size of its amount: for ledgers where a negative amount is money going out.
    case all
  }

  package let kind: Kind
  /// Ages that amounts are kept apart by: window i holds `edges[i]..<edges[i + 1]`, the last one all
  /// that is older. Ascending, the first is 0.
  package let edges: [Int32]

  package init(kind: Kind, edges: [Int]) {
    self.kind = kind
    let ascending = Set(edges + [0]).filter { $0 >= 0 && $0 <= Int(Self.oldestAge) }.sorted()
    precondition(ascending.count <= 256, "a window is a byte")
    self.edges = ascending.map(Int32.init)
  }

  /// Days further back count as this one (11 years): older purchases say nothing of next year's.
  static let oldestAge: Int32 = 64 * 64 - 1
  package static var greatestAge: Int { Int(oldestAge) }

  /// Of every age up to the greatest, the window it lies in.
  var windowOfAge: [UInt8] {
    var window = 0
    return (0...Self.oldestAge).map { age in
      while window + 1 < edges.count && edges[window + 1] <= age { window += 1 }
      return UInt8(window)
    }
  }
}

/// What is remembered of one customer's purchases, in one run of bytes:
///
/// | offset | field | |
/// |---|---|---|
/// | 0 | oldest | Int32 age of the first purchase, −1 without any |
/// | 8 | first | amount of the first purchase's day |
/// | 16 | amounts | 8 bytes a window |
/// | … | days | words × UInt64, bit i = a purchase i days before as-of |
///
/// All of it can be merged with another part of the ledger: sums, bit sets, and the first day's
/// amount by the older day.
struct PurchaseLayout: Equatable {
  static let firstOffset = 8
  static let amountsOffset = 16

  let windows: Int
  var words: Int

  var wordsOffset: Int { Self.amountsOffset + windows * 8 }
  var stride: Int { wordsOffset + words * 8 }
}
