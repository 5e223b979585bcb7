import Foundation
import Kernels
import Sharding

/// `bench`: what this server can do, what the kernels make of it, and how long a rescoring takes here.
public struct BenchRun: Sendable {
  /// Customers to forecast a rescoring for.
  public var customers = [1_000_000, 10_000_000]
  /// Months of the ledger to forecast for.
  public var months = 12
  /// Smaller tables and shorter repetitions: a look, not a record.
  public var quick = false
  /// Leaves the forecast out.
  public var kernelsOnly = false
  /// Where the synthetic bank of the forecast goes for a while; nil: the system's folder.
  public var folder: String?

  public init() {}

  /// `tranche.bench.v1`.
  public struct Result: Encodable, Sendable {
    public struct Machine: Encodable, Sendable {
      public var processor: String
      public var cores: Int
      public var memoryBytes: UInt64
      /// Instruction sets of ours that run here, best first.
      public var kernels: [String]
      public var blasCore: String
    }
    public var schema = "tranche.bench.v1"
    public var machine: Machine
    /// With one thread, and with all.
    public var peaks: [MachinePeaks]
    public var kernels: [KernelTiming]
    public var threadScaling: [ThreadScaling]
    public var rowScaling: [RowScaling]
    /// Nil with `--kernels-only`.
    public var rescore: RescoreForecast?
    public var threads: Int
    public var seed: UInt64
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int
  }

  /// The shapes of table that the grid times, columns × clusters: those of the comparison with other
  /// libraries, then wide ones with few clusters and narrow ones with many.
  static let shapes = [
    (2, 3), (3, 5), (8, 8), (8, 10), (16, 32), (32, 64), (64, 256), (128, 1024),
    (4, 64), (8, 256), (16, 8), (32, 16), (64, 16), (128, 64),
  ]

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    guard let fewest = customers.min(), fewest >= 1, customers.max()! <= 1_000_000_000 else {
      throw RunFailure(
        .usage, "--customers \(customers.map(String.init).joined(separator: ",")) is impossible",
        hint: "give numbers from 1 to 1000000000")
    }
    guard (1...120).contains(months) else {
      throw RunFailure(.usage, "--months \(months) is impossible", hint: "give 1 to 120")
    }
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    let seed = try configuration.seed()
    let alone = Workers(threads: 1, cancellation: context.cancellation)
    let crews = workers.threads == 1 ? [workers] : [alone, workers]

    context.progress(RunProgress("measure peaks", unit: "steps"))
    let peaks = try watch.measure("peaks") {
      let floats = quick ? 16 << 20 : 64 << 20
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: floats)
      defer { memory.deallocate() }
      memory.initialize(repeating: 1)
      return try crews.map {
        try MachinePeaks.measure(
          $0, memory: UnsafeBufferPointer(memory), seconds: secondsPerMeasure)
      }
    }
    let grid = KernelGrid(
      workers: workers, peaks: peaks.last!, seed: seed, quick: quick,
      secondsPerMeasure: secondsPerMeasure)
    let kernels = try watch.measure("kernels") { try grid.time(Self.shapes, context) }
    let (threadScaling, rowScaling) = try watch.measure("scaling") {
      context.progress(RunProgress("measure scaling", unit: "steps"))
      return (try grid.threadScaling([(8, 8), (32, 64)]), try grid.rowScaling((8, 8)))
    }
    let forecast =
      kernelsOnly
      ? nil
      : try watch.measure("rescore") {
        try RescoreForecast.measure(
          customers: customers, months: months, quick: quick, folder: folder, configuration,
          context)
      }
    return Result(
      machine: Self.machine, peaks: peaks, kernels: kernels, threadScaling: threadScaling,
      rowScaling: rowScaling, rescore: forecast, threads: workers.threads, seed: seed,
      seconds: watch.seconds, peakMemoryBytes: ProcessMemory.peakBytes)
  }

  private var secondsPerMeasure: Double { quick ? 0.02 : 0.3 }

  static var machine: Result.Machine {
    Result.Machine(
      processor: processorName, cores: Workers.availableThreads,
      memoryBytes: ProcessInfo.processInfo.physicalMemory,
      kernels: KernelSet.supported.map(\.name), blasCore: KernelSet.blasCore)
  }

  /// As the system names it; "unknown" where it does not.
  private static var processorName: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    let name = line?.split(separator: ":", maxSplits: 1).last
    return name?.trimmingCharacters(in: .whitespaces) ?? "unknown"
  }
}
