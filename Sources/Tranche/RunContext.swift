import Sharding

/// How far a stage has come.
public struct RunProgress: Sendable {
  public var stage: String
  public var done: Int
  /// Nil when nobody knows.
  public var total: Int?
  public var unit: String
  public var note: String?

  package init(
    _ stage: String, done: Int = 0, total: Int? = nil, unit: String = "rows", note: String? = nil
  ) {
    self.stage = stage
    self.done = done
    self.total = total
    self.unit = unit
    self.note = note
  }
}

/// What a run gets from whoever started it.
public struct RunContext {
  package let progress: (RunProgress) -> Void
  package let cancellation: Cancellation

  package init(progress: @escaping (RunProgress) -> Void, cancellation: Cancellation) {
    self.progress = progress
    self.cancellation = cancellation
  }

  /// Shows nothing, stops never.
  public init() { self.init(progress: { _ in }, cancellation: .never) }

  /// Stops at SIGINT and SIGTERM; a second one ends the process at once.
  ///
  /// - Parameter unresponsive: Ends the process when it has not stopped after some seconds, because it
  ///   waits for a pipe or a server that does not answer. Nothing is unwound then.
  public static func stoppedBySignals(
    progress: @escaping (RunProgress) -> Void,
    unresponsive: @escaping @Sendable (RunFailure) -> Void
  ) -> RunContext {
    let cancellation = Cancellation.onSignals { unresponsive(.unresponsive(signal: $0)) }
    return RunContext(progress: progress, cancellation: cancellation)
  }
}

extension Configuration {
  func workers(_ context: RunContext) throws -> Workers {
    let threads = integer("run.threads") ?? Workers.availableThreads
    guard (1...1024).contains(threads) else {
      throw refuse("run.threads", "is \(threads)", hint: "give 1 to 1024")
    }
    return Workers(threads: threads, cancellation: context.cancellation)
  }

  func seed() throws -> UInt64 {
    guard let seed = integer("run.seed"), seed >= 0 else {
      throw refuse("run.seed", "is negative", hint: "give 0 or more")
    }
    return UInt64(seed)
  }

  /// Numbers of [clustering] and [matching] that no run could use.
  func checkClustering() throws {
    for path in ["clustering.n_init", "clustering.max_iterations"] {
      if let number = integer(path), number < 1 {
        throw refuse(path, "is \(number)", hint: "give 1 or more")
      }
    }
    if let tolerance = number("clustering.tolerance"), !(tolerance >= 0 && tolerance.isFinite) {
      throw refuse("clustering.tolerance", "is \(tolerance)", hint: "give 0 or more")
    }
    if let overlap = number("matching.minimum_jaccard"), !(overlap >= 0 && overlap <= 1) {
      throw refuse("matching.minimum_jaccard", "is \(overlap)", hint: "give 0 to 1")
    }
    if let points = integer("report.points"), points < 1 {
      throw refuse("report.points", "is \(points)", hint: "give 1 or more")
    }
  }
}
