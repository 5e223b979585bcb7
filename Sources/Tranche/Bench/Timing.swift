/// Seconds of one thing done several times.
public struct Timing: Encodable, Sendable {
  public var least: Double
  public var median: Double
  public var most: Double
  public var repetitions: Int

  package init(_ samples: [Double]) {
    precondition(!samples.isEmpty)
    let sorted = samples.sorted()
    least = sorted[0]
    median =
      sorted.count % 2 == 1
      ? sorted[sorted.count / 2]
      : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
    most = sorted[sorted.count - 1]
    repetitions = sorted.count
  }

  /// Does `work` once to warm up, then at least three times and for at least `seconds`.
  package static func of(atLeast seconds: Double, _ work: () throws -> Void) rethrows -> Timing {
    try work()
    var samples: [Double] = []
    var total = 0.0
    while samples.count < 3 || total < seconds {
      let taken = try once(work)
      samples.append(taken)
      total += taken
    }
    return Timing(samples)
  }

  package static func once(_ work: () throws -> Void) rethrows -> Double {
    let began = ContinuousClock.now
    try work()
    return (ContinuousClock.now - began).seconds
  }
}
