import Sharding

/// How far a stage has come.
public struct RunProgress: Sendable {
  public var stage: String
  public var done: Int
  /// Nil when nobody knows.
  public var total: Int?
  public var unit: String
  public var note: String?

  package init(_ stage: String, done: Int = 0, total: Int? = nil, unit: String = "rows", note: String? = nil) {
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
}
