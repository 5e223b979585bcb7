import Columnar
import Foundation
import Sharding
import TestSupport

@testable import CustomerValue

/// The CDNOW purchases of 1997–98, straight from their files; calibration ends 1997-09-30.
enum CDNOW: String, CaseIterable, Sendable {
  case sample = "CDNOW_sample.txt"
  case full = "CDNOW_master.txt"

  static let calibrationEnd = CivilDate(year: 1997, month: 9, day: 30).daysSinceEpoch

  func purchases() throws -> [(customer: Int, day: Int, amount: Double)] {
    let file = Repository.data.appendingPathComponent(rawValue)
    let dateField = self == .sample ? 2 : 1
    return try String(contentsOf: file, encoding: .utf8).split(whereSeparator: \.isNewline)
      .compactMap { line in
        let fields = line.split(separator: " ")
        guard let customer = Int(fields[0]), let date = Int(fields[dateField]),
          let amount = Double(fields[fields.count - 1])
        else { return nil }
        let day = CivilDate(year: date / 10_000, month: date / 100 % 100, day: date % 100)
        return (customer, day.daysSinceEpoch, amount)
      }
  }

  func summary(_ unit: PurchaseTimeUnit = .weeks) throws -> PurchaseSummary {
    try PurchaseSummary.summarizing(
      purchases(), through: Self.calibrationEnd, unit: unit
    ).summary
  }
}

extension PurchaseSummary {
  /// From one (x, t_x, T, m) per customer.
  static func histories(
    _ rows: [(x: Int32, recency: Double, age: Double, m: Double)], unit: PurchaseTimeUnit = .weeks
  ) throws -> PurchaseSummary {
    try PurchaseSummary(
      timeUnit: unit, repeats: Buffer(rows.map(\.x)), recency: Buffer(rows.map(\.recency)),
      age: Buffer(rows.map(\.age)), meanSpend: Buffer(rows.map(\.m)))
  }
}
