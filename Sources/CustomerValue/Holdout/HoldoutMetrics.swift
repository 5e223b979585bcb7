import Sharding

/// How far predictions of a holdout were off, customer by customer and together.
package struct HoldoutMetrics: Sendable, Codable, Equatable {
  /// Mean |predicted − actual|.
  package let meanAbsoluteError: Double
  package let rootMeanSquaredError: Double
  /// Σ predicted / Σ actual − 1; nil where nothing happened.
  package let totalError: Double?
  /// Gini of actual ordered by predicted over its own Gini: 1 = the right order, 0 = none. Ties in
  /// the predictions count as the mean of their orders. Nil where nothing happened.
  package let normalisedGini: Double?
  /// Share of all that happened that the tenth predicted highest did.
  package let topDecileCapture: Double?
  /// By tenth of the customers in order of the prediction, lowest first.
  package let calibration: [Decile]

  package struct Decile: Sendable, Codable, Equatable {
    package let customers: Int
    package let predicted: Double
    package let actual: Double
  }

  /// - Complexity: O(n log n).
  /// - Parameter ascending: `actual` in ascending order, where a caller judges many predictions by it.
  package init(predicted: [Double], actual: [Double], ascending: [Double]? = nil) {
    precondition(predicted.count == actual.count)
    let n = predicted.count
    var (absolute, squared, predictedSum, actualSum) = (0.0, 0.0, 0.0, 0.0)
    for row in 0..<n {
      let error = predicted[row] - actual[row]
      absolute += abs(error)
      squared += error * error
      predictedSum += predicted[row]
      actualSum += actual[row]
    }
    meanAbsoluteError = n == 0 ? 0 : absolute / Double(n)
    rootMeanSquaredError = n == 0 ? 0 : (squared / Double(n)).squareRoot()
    totalError = actualSum > 0 ? predictedSum / actualSum - 1 : nil
    // Ties by row: the order of rows decides nothing, as ties are averaged below.
    let order = Self.ascending(predicted)
    let smoothed = Self.averagingTies(order, predicted, actual)
    let own = Self.gini(ascending ?? actual.sorted())
    normalisedGini = actualSum > 0 && own > 0 ? Self.gini(smoothed) / own : nil
    let top = smoothed.suffix((n + 9) / 10).reduce(0, +)
    topDecileCapture = actualSum > 0 ? top / actualSum : nil
    calibration = (0..<min(10, n)).map { decile in
      let range = decile * n / 10..<(decile + 1) * n / 10
      let rows = n < 10 ? decile..<decile + 1 : range
      let count = Double(max(rows.count, 1))
      return Decile(
        customers: rows.count,
        predicted: rows.reduce(0) { $0 + predicted[order[$1]] } / count,
        actual: rows.reduce(0) { $0 + smoothed[$1] } / count)
    }
  }

  /// Rows by ascending value, ties by row: a radix sort of the numbers' bits, 11 at a time.
  static func ascending(_ values: [Double]) -> [Int] {
    var pairs = values.enumerated().map { row, value -> (key: UInt64, row: Int) in
      // −0 is 0; negative numbers, whose bits descend, are turned round and put below.
      let bits = (value + 0).bitPattern
      return (bits >> 63 == 0 ? bits | 1 << 63 : ~bits, row)
    }
    var other = pairs
    var starts = [Int](repeating: 0, count: 1 << 11)
    for shift in stride(from: 0 as UInt64, to: 64, by: 11) {
      for digit in starts.indices { starts[digit] = 0 }
      for pair in pairs { starts[Int((pair.key >> shift) & 0x7FF)] += 1 }
      if starts.contains(pairs.count) { continue }
      var next = 0
      for digit in starts.indices { (starts[digit], next) = (next, next + starts[digit]) }
      for pair in pairs {
        let digit = Int((pair.key >> shift) & 0x7FF)
        other[starts[digit]] = pair
        starts[digit] += 1
      }
      swap(&pairs, &other)
    }
    return pairs.map(\.row)
  }

  /// Actual values in the predictions' order, equal predictions sharing their mean.
  private static func averagingTies(
    _ order: [Int], _ predicted: [Double], _ actual: [Double]
  ) -> [Double] {
    var result = order.map { actual[$0] }
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count && predicted[order[end]] == predicted[order[start]] { end += 1 }
      if end - start > 1 {
        let mean = result[start..<end].reduce(0, +) / Double(end - start)
        for place in start..<end { result[place] = mean }
      }
      start = end
    }
    return result
  }

  /// 2 Σ i·xᵢ / (n Σ x) − (n + 1) / n of values in a given order.
  private static func gini(_ values: [Double]) -> Double {
    var (weighted, sum) = (0.0, 0.0)
    for (place, value) in values.enumerated() {
      weighted += Double(place + 1) * value
      sum += value
    }
    let n = Double(values.count)
    return sum > 0 ? 2 * weighted / (n * sum) - (n + 1) / n : 0
  }
}

/// How well probabilities hold: of an event such as "no purchase in the next 90 days".
package struct ProbabilityCalibration: Sendable, Codable, Equatable {
  /// Mean (p − y)²; 0 is perfect.
  package let brier: Double
  /// Of always saying the share that happened.
  package let brierOfBaseRate: Double
  /// Share that happened.
  package let baseRate: Double
  /// By tenth of the customers in order of the probability, lowest first.
  package let reliability: [HoldoutMetrics.Decile]
  /// Of the probabilities before they were recalibrated; nil where they are used as they are.
  package let brierBefore: Double?

  package init(probabilities: [Double], happened: [Double], before: Double? = nil) {
    brierBefore = before
    let metrics = HoldoutMetrics(predicted: probabilities, actual: happened)
    brier = metrics.rootMeanSquaredError * metrics.rootMeanSquaredError
    baseRate = happened.isEmpty ? 0 : happened.reduce(0, +) / Double(happened.count)
    brierOfBaseRate = baseRate * (1 - baseRate)
    reliability = metrics.calibration
  }
}
