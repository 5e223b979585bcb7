import Sharding

/// How much a fold may hold in memory, and where the rest goes.
package struct FoldMemory: Sendable {
  /// Bytes of the process that reading, customers and features may take together.
  package let bytes: Int
  /// Bytes of decoded rows that may wait for their turn.
  package let roundBytes: Int
  /// Where temporary files lie.
  package let folder: String
  /// Called when the customers are counted, before their features are computed: where columns of
  /// so many rows lie, nil for memory. May refuse.
  package let place: @Sendable (FoldedSize) throws -> SpillSpace?

  package init(
    bytes: Int, roundBytes: Int, folder: String,
    place: @escaping @Sendable (FoldedSize) throws -> SpillSpace?
  ) {
    self.bytes = bytes
    self.roundBytes = roundBytes
    self.folder = folder
    self.place = place
  }
}

/// What a fold will give.
package struct FoldedSize: Sendable {
  package let customers: Int
  /// Of the identifiers and the columns asked for.
  package let bytes: Int
}

/// What a fold did to keep to its memory.
package struct FoldSpilling: Sendable, Equatable {
  /// Of `partitions`, those whose customers did not stay in memory.
  package var spilledPartitions = 0
  package var partitions = 0
  /// Rows that waited in a file.
  package var spilledRows = 0
  /// Bytes written to temporary files.
  package var spilledBytes = 0
}

extension FoldNeeds {
  /// About what a customer takes in the tables at their usual fill: states with a year of days, four
  /// slots of four bytes at most, a text id.
  func bytesPerCustomer(hasText: Bool, _ purchases: PurchaseWindows?) -> Int {
    let layout = StateLayout(
      ends: boundaries, channels: channels ? 8 : 0, words: activeDays ? 6 : 0)
    let bought = purchases.map {
      PurchaseLayout(windows: $0.edges.count, words: 6).stride
    }
    return layout.stride + 16 + (hasText ? 32 : 0) + (bought ?? 0)
  }
}

extension LedgerFold {
  /// What folding so many customers would take in memory, beside reading: an estimate.
  package func tableBytes(customers: Int, hasText: Bool) -> Int {
    customers * (FoldNeeds(features).bytesPerCustomer(hasText: hasText, purchases) + 24)
  }
}
