import Foundation

/// Wall seconds by stage, in the order the stages began.
package struct Stopwatch: Sendable {
  package private(set) var stages: [(name: String, seconds: Double)] = []
  private let start = ContinuousClock.now
  private var stageStart = ContinuousClock.now

  package init() {}

  /// Runs a stage and remembers how long it took; a stage run twice adds up.
  package mutating func measure<Result>(_ name: String, _ work: () throws -> Result) rethrows
    -> Result
  {
    let began = ContinuousClock.now
    defer { add(name, (ContinuousClock.now - began).seconds) }
    return try work()
  }

  package mutating func add(_ name: String, _ seconds: Double) {
    if let index = stages.firstIndex(where: { $0.name == name }) {
      stages[index].seconds += seconds
    } else {
      stages.append((name, seconds))
    }
  }

  /// All stages and `total`, the time since this watch was made.
  package var seconds: [String: Double] {
    var result = Dictionary(uniqueKeysWithValues: stages.map { ($0.name, $0.seconds) })
    result["total"] = (ContinuousClock.now - start).seconds
    return result
  }
}

extension Duration {
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}

/// The process's memory.
package enum ProcessMemory {
  #if canImport(Glibc)
    // Glibc declares the constant as an enum and the function with an integer.
    private static let selfUsage = __rusage_who_t(RUSAGE_SELF.rawValue)
  #else
    private static let selfUsage = RUSAGE_SELF
  #endif

  /// The most this process ever had resident.
  package static var peakBytes: Int { highWaterMark ?? usagePeak }

  /// Linux' own mark. The usage below also remembers what the process was before it became this
  /// program: a large parent's memory.
  private static var highWaterMark: Int? {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
    else { return nil }
    return line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first
      .flatMap { Int($0) }.map { $0 * 1024 }
  }

  private static var usagePeak: Int {
    var usage = rusage()
    getrusage(Self.selfUsage, &usage)
    return usage.ru_maxrss * 1024
  }
}
