import Columnar
import Sharding

/// The field's first exercise: customers of cash machines in two columns, `TransactionFrequency`
/// (withdrawals a month) and `AverageTransactionAmount` (major units), in three kinds that overlap
/// at their edges: occasional and small, steady and middling, busy with high amounts.
package enum ATMExercise {
  private static let kinds: [(name: String, share: Double, frequency: Double, amount: Double)] = [
    ("occasional", 0.45, 4, 60), ("steady", 0.35, 12, 180), ("busy", 0.20, 25, 420),
  ]

  /// Columns: `customer_id`, `TransactionFrequency`, `AverageTransactionAmount`, `Age`, and the
  /// truth, `kind`.
  ///
  /// - Parameter count: 1 to 1,000,000.
  /// - Throws: ``SyntheticBankError``.
  package static func customers(
    count: Int = 1_000, seed: UInt64 = 0
  ) throws(SyntheticBankError) -> RecordBatch {
    guard (1...1_000_000).contains(count) else {
      throw .outOfRange(
        field: "number of ATM customers", value: "\(count)", allowed: "1 to 1,000,000")
    }
    let draws = CounterBasedRandom(seed: seed, purpose: .init("ATM customer"))
    var frequencies: [Int32] = []
    var amounts: [Double] = []
    var ages: [Int32] = []
    var codes: [Int32] = []
    for customer in 0..<count {
      var stream = DrawStream(draws, at: customer)
      let u = stream.unit()
      let index = u < kinds[0].share ? 0 : u < kinds[0].share + kinds[1].share ? 1 : 2
      let kind = kinds[index]
      // Spreads of a sixth to a third of the mean: the kinds touch, but do not mix.
      frequencies.append(Int32(max(1, (kind.frequency * (1 + 0.18 * stream.normal())).rounded())))
      amounts.append(max(10, (kind.amount * (1 + 0.16 * stream.normal()) * 100).rounded() / 100))
      ages.append(Int32(18 + Int(stream.unit() * 65)))
      codes.append(Int32(index))
    }
    let first = SyntheticBankConfiguration.firstIdentifier
    let columns: [(String, Column)] = [
      ("customer_id", Column(.int64(Buffer((0..<count).map { Int64(first + $0) })))),
      ("TransactionFrequency", Column(.int32(Buffer(frequencies)))),
      ("AverageTransactionAmount", Column(.double(Buffer(amounts)))),
      ("Age", Column(.int32(Buffer(ages)))),
      ("kind", Column(.dictionary(codes: Buffer(codes), Strings(kinds.map(\.name))))),
    ]
    return RecordBatch(
      schema: Schema(fields: columns.map { Field(name: $0.0, type: $0.1.type) }),
      columns: columns.map(\.1), rows: count, origin: .init(file: "atm", firstRow: 0))
  }
}
