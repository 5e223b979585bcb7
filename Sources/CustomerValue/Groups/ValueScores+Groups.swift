import Columnar

extension ValueScores {
  /// These scores, with those of some customers in their places.
  package func replacing(_ parts: [(rows: Buffer<Int32>, scores: ValueScores)]) -> ValueScores {
    func column(_ path: (ValueScores) -> Buffer<Double>?) -> Buffer<Double>? {
      guard let all = path(self) else { return nil }
      var values = Array(all.values)
      for (rows, scores) in parts {
        guard let own = path(scores) else { continue }
        for place in 0..<rows.count { values[Int(rows[place])] = own[place] }
      }
      return Buffer(values)
    }
    return ValueScores(
      probabilityAlive: column(\.probabilityAlive) ?? probabilityAlive,
      expectedTransactions: column(\.expectedTransactions) ?? expectedTransactions,
      expectedSpend: column(\.expectedSpend), expectedValue: column(\.expectedValue),
      clv: column(\.clv))
  }
}
