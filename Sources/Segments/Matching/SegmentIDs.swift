/// Stable segment ids: "S01", "S02", … "S100". A number is used once in a model's life.
package enum SegmentIDs {
  package static func id(number: Int) -> String {
    number < 10 ? "S0\(number)" : "S\(number)"
  }

  /// The number of an id of ours; nil for any other text.
  package static func number(of id: String) -> Int? {
    guard id.hasPrefix("S"), id.utf8.count >= 3, let number = Int(id.dropFirst()), number > 0,
      self.id(number: number) == id
    else { return nil }
    return number
  }

  /// The ids of a first run, in label order: numbered by descending mean money, then by descending
  /// size, then by label, so that the numbering does not depend on how the clusters were found.
  ///
  /// - Parameter meanMoney: Nil when no money column is known.
  package static func initial(sizes: [Int], meanMoney: [Double]?) -> [String] {
    let order = sizes.indices.sorted { a, b in
      if let money = meanMoney, money[a] != money[b] { return money[a] > money[b] }
      return sizes[a] != sizes[b] ? sizes[a] > sizes[b] : a < b
    }
    var ids = [String](repeating: "", count: sizes.count)
    for (place, label) in order.enumerated() { ids[label] = id(number: place + 1) }
    return ids
  }

  /// The first number above every one that was ever used.
  package static func nextNumber(after history: [String]) -> Int {
    (history.compactMap(number(of:)).max() ?? 0) + 1
  }
}
