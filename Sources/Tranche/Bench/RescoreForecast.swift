import Foundation

/// How long a rescoring takes here: measured on two synthetic banks, drawn on in a straight line.
public struct RescoreForecast: Encodable, Sendable {
  public struct Measured: Encodable, Sendable {
    public var customers: Int
    public var transactions: Int
    public var seconds: Timing
  }
  public struct Expected: Encodable, Sendable {
    public var customers: Int
    public var transactions: Int
    public var seconds: Double
  }
  public var months: Int
  public var measured: [Measured]
  public var expected: [Expected]

  /// Generates two banks, rescores each with every column and the report, removes both.
  static func measure(
    customers: [Int], months: Int, quick: Bool, folder: String?, _ configuration: Configuration,
    _ context: RunContext
  ) throws -> RescoreForecast {
    let files = FileManager.default
    let parent = folder.map { URL(fileURLWithPath: $0) } ?? files.temporaryDirectory
    let scratch = parent.appendingPathComponent("tranche-bench-\(getpid())")
    do {
      try files.createDirectory(at: scratch, withIntermediateDirectories: false)
    } catch {
      throw RunFailure(
        .cannotCreate, "cannot be created: \(error.localizedDescription)",
        hint: "choose another --folder", file: scratch.path)
    }
    defer { try? files.removeItem(at: scratch) }

    let sizes = quick ? [10_000, 40_000] : [100_000, 400_000]
    let measured = try sizes.map { size in
      context.progress(RunProgress("measure a rescoring", unit: "\(size) customers"))
      return try rescore(
        size, months, repetitions: quick ? 1 : 2, scratch, configuration, context)
    }
    let line = Line(measured)
    return RescoreForecast(
      months: months, measured: measured,
      expected: customers.map { count in
        let transactions =
          Double(measured[1].transactions) / Double(measured[1].customers) * Double(count)
        return Expected(
          customers: count, transactions: Int(transactions.rounded()),
          seconds: line.seconds(Double(count)))
      })
  }

  private static func rescore(
    _ customers: Int, _ months: Int, repetitions: Int, _ scratch: URL,
    _ configuration: Configuration, _ context: RunContext
  ) throws -> Measured {
    let bank = scratch.appendingPathComponent("bank-\(customers)").path
    let generated = try GenerateRun(customers: customers, months: months, out: bank)
      .run(configuration, context)
    var run = RescoreRun(
      ledger: [bank + "/ledger-*.parquet"], asOf: "2025-12-31",
      out: scratch.appendingPathComponent("scores").path)
    run.customers = [bank + "/customers.parquet"]
    run.force = true
    var samples: [Double] = []
    for _ in 0..<repetitions {
      samples.append(try Timing.once { _ = try run.run(configuration, context) })
    }
    return Measured(
      customers: customers, transactions: generated.transactions, seconds: Timing(samples))
  }

  /// Seconds = start + perCustomer · customers.
  private struct Line {
    let start: Double
    let perCustomer: Double

    init(_ measured: [Measured]) {
      let (small, large) = (measured[0], measured[1])
      let slope =
        (large.seconds.least - small.seconds.least) / Double(large.customers - small.customers)
      let average = large.seconds.least / Double(large.customers)
      // Noise may turn the line over; the larger bank's average is then the better guess.
      perCustomer = slope > 0 && slope < average ? slope : average
      start = max(0, large.seconds.least - perCustomer * Double(large.customers))
    }

    func seconds(_ customers: Double) -> Double { start + perCustomer * customers }
  }
}
