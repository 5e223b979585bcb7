import Foundation
import Segments

/// `compare`: who moved between two runs.
public struct CompareRun: Sendable {
  public var previous: String
  public var current: String

  public init(previous: String, current: String) {
    self.previous = previous
    self.current = current
  }

  /// `tranche.compare.v1`.
  public struct Result: Encodable, Sendable {
    public struct Side: Encodable, Sendable {
      public var id: String
      public var name: String
    }
    public var schema = "tranche.compare.v1"
    public var previous: String
    public var current: String
    /// Previous segments, then "new".
    public var rows: [Side]
    /// Current segments, then "left".
    public var columns: [Side]
    public var counts: [[Int]]
    public var rowShares: [[Double]]
    /// Share of the customers of both runs who kept their segment id.
    public var stability: Double
    public var adjustedRandIndex: Double
    public var normalizedMutualInformation: Double
    public var newCustomers: Int
    public var leftCustomers: Int
    public var threads: Int
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    func load(_ path: String) throws -> PreviousRun {
      let (run, warning) = try PreviousRun.read(path, workers: workers)
      guard let run else {
        throw RunFailure(
          .badData, warning ?? "cannot be read", hint: "give the --out folder of a rescore run",
          file: path)
      }
      return run
    }
    let (before, now) = try watch.measure("read") { (try load(previous), try load(current)) }
    let migration = try watch.measure("compare") {
      do {
        return try Migration(previous: before.base, current: now.base, workers: workers)
      } catch let error as MigrationError {
        throw RunFailure(.badData, "\(error)", hint: "compare runs of one bank", file: current)
      }
    }
    let file = MigrationFile(migration)
    func sides(_ sides: [Migration.Side]) -> [Result.Side] {
      sides.map { Result.Side(id: $0.id, name: $0.name) }
    }
    return Result(
      previous: before.id, current: now.id, rows: sides(file.rows), columns: sides(file.columns),
      counts: file.counts, rowShares: file.rowShares, stability: file.stability,
      adjustedRandIndex: file.adjustedRandIndex,
      normalizedMutualInformation: file.normalizedMutualInformation,
      newCustomers: file.newCustomers, leftCustomers: file.leftCustomers,
      threads: workers.threads, seconds: watch.seconds, peakMemoryBytes: ProcessMemory.peakBytes)
  }
}
