import Columnar

@testable import CustomerValue

extension PurchaseSummary {
  /// Summarises purchases up to and including day `end`; later ones are not looked at, purchases of
  /// one day are one, customers come out in ascending order.
  /// - Parameters:
  ///   - purchases: (customer, day number, amount), in any order.
  ///   - end: Last day of observation.
  /// - Returns: The summary, and the customer of each row.
  static func summarizing(
    _ purchases: [(customer: Int, day: Int, amount: Double)], through end: Int,
    unit: PurchaseTimeUnit
  ) throws -> (summary: PurchaseSummary, customers: [Int]) {
    let ordered = purchases.filter { $0.day <= end }.sorted {
      ($0.customer, $0.day) < ($1.customer, $1.day)
    }
    var customers: [Int] = []
    var repeats: [Int32] = []
    var recency: [Double] = []
    var age: [Double] = []
    var spend: [Double] = []
    var first = 0
    var last = 0
    for purchase in ordered {
      if customers.last != purchase.customer {
        customers.append(purchase.customer)
        repeats.append(0)
        recency.append(0)
        age.append(Double(end - purchase.day) / unit.days)
        spend.append(0)
        (first, last) = (purchase.day, purchase.day)
        continue
      }
      let row = customers.count - 1
      if purchase.day != last { repeats[row] += 1 }
      last = purchase.day
      recency[row] = Double(last - first) / unit.days
      if last != first { spend[row] += purchase.amount }
    }
    let mean = zip(spend, repeats).map { $1 > 0 ? $0 / Double($1) : 0 }
    return (
      try PurchaseSummary(
        timeUnit: unit, repeats: Buffer(repeats), recency: Buffer(recency), age: Buffer(age),
        meanSpend: Buffer(mean)), customers
    )
  }
}
