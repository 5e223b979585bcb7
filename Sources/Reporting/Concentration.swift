import Columnar
import Sharding

/// How unevenly money is spread: the Lorenz curve and Gini coefficient of all customers.
///
/// One parallel pass, no sort: values are counted and summed in buckets of their leading bits (each
/// 2⁻¹⁰ of its value wide), and the curve runs straight inside a bucket. So its points are exact
/// at bucket ends, and the Gini coefficient is short by at most 2⁻¹² (by far less in practice).
/// Sums are Double, merged in shard order: the same for any thread count.
///
/// Net amounts of zero or less hold nothing: the curve and the coefficient stay in 0…1.
struct Concentration: Sendable {
  /// From (0, 0) to (1, 1), rising: share of customers, share of money.
  let curve: [(customers: Double, money: Double)]
  let gini: Double
  /// Customers whose money is zero or negative.
  let withoutMoney: Int
  let customers: Int

  private static let mantissaBits = 10
  /// 2⁻²⁰ (a millionth) to 2⁴⁴ (ten trillion); what lies outside shares the end bucket.
  private static let exponents = -20...43
  private static let buckets = exponents.count << mantissaBits

  private struct Part: Sendable {
    var counts: [Int]
    var sums: [Double]
    var withoutMoney = 0
  }

  /// Nil when nobody has money.
  init?(_ money: Buffer<Double>, _ workers: Workers) throws {
    let shards = Shards(
      rows: money.count, rowsPerShard: max(1 << 18, (money.count + 15) / 16))
    let parts = try workers.map(shards.count) { Self.count(money.values, shards[$0]) }
    guard var whole = parts.first else { return nil }
    for part in parts.dropFirst() {
      for bucket in 0..<Self.buckets {
        whole.counts[bucket] += part.counts[bucket]
        whole.sums[bucket] += part.sums[bucket]
      }
      whole.withoutMoney += part.withoutMoney
    }
    let customers = whole.withoutMoney + whole.counts.reduce(0, +)
    let total = whole.sums.reduce(0, +)
    guard customers > 0, total > 0, total.isFinite else { return nil }

    var curve = [(customers: 0.0, money: 0.0)]
    var (count, sum, area) = (whole.withoutMoney, 0.0, 0.0)
    if count > 0 { curve.append((Double(count) / Double(customers), 0)) }
    for bucket in 0..<Self.buckets where whole.counts[bucket] > 0 {
      count += whole.counts[bucket]
      sum += whole.sums[bucket]
      let (last, next) = (curve[curve.count - 1], (Double(count) / Double(customers), sum / total))
      area += (next.0 - last.customers) * (next.1 + last.money) / 2
      curve.append(next)
    }
    self.curve = curve
    gini = max(0, 1 - 2 * area)
    withoutMoney = whole.withoutMoney
    self.customers = customers
  }

  private static func count(_ money: UnsafeBufferPointer<Double>, _ rows: Range<Int>) -> Part {
    var part = Part(
      counts: Array(repeating: 0, count: buckets), sums: Array(repeating: 0, count: buckets))
    for row in rows {
      let value = money[row]
      if value > 0, value.isFinite {
        let bucket = bucket(of: value)
        part.counts[bucket] += 1
        part.sums[bucket] += value
      } else if value <= 0 {
        part.withoutMoney += 1
      }
    }
    return part
  }

  /// Order-preserving: the exponent and the leading bits of the significand.
  @inline(__always)
  private static func bucket(of value: Double) -> Int {
    let shift = UInt64(52 - mantissaBits)
    let lowest = UInt64(exponents.lowerBound + 1023) << UInt64(mantissaBits)
    let leading = value.bitPattern >> shift
    return leading < lowest ? 0 : min(Int(leading - lowest), buckets - 1)
  }

  /// Share of the money that the given share of customers with the most money holds.
  func share(ofTop top: Double) -> Double {
    let rest = 1 - top
    guard let next = curve.firstIndex(where: { $0.customers >= rest }), next > 0 else { return 1 }
    let (a, b) = (curve[next - 1], curve[next])
    let inside = b.customers > a.customers ? (rest - a.customers) / (b.customers - a.customers) : 1
    return 1 - (a.money + inside * (b.money - a.money))
  }
}
