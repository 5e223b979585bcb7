import Kernels
import Sharding

/// What this machine can do at best with so many threads.
public struct MachinePeaks: Encodable, Sendable {
  public var threads: Int
  /// Bytes read front to back a second, from memory far larger than the caches.
  public var readBytesPerSecond: Double
  /// Float32 operations a second of multiply-adds on registers (a multiply-add is two).
  public var multiplyAddPerSecond: Double
  /// Float32 operations a second of OpenBLAS on square matrices, one product a thread.
  public var matrixProductPerSecond: Double

  /// Least time of several for each, since a peak is what nothing disturbed.
  static func measure(_ workers: Workers, memory: UnsafeBufferPointer<Float>, seconds: Double)
    throws -> MachinePeaks
  {
    MachinePeaks(
      threads: workers.threads,
      readBytesPerSecond: try read(workers, memory, seconds),
      multiplyAddPerSecond: try multiplyAdd(workers, seconds),
      matrixProductPerSecond: try matrixProduct(workers, seconds))
  }

  private static func read(
    _ workers: Workers, _ memory: UnsafeBufferPointer<Float>, _ seconds: Double
  ) throws -> Double {
    let pieces = Shards(rows: memory.count, rowsPerShard: 1 << 18)
    nonisolated(unsafe) let memory = memory
    let timing = try Timing.of(atLeast: seconds) {
      try workers.forEach(pieces.count) {
        ProcessorPeak.read(UnsafeBufferPointer(rebasing: memory[pieces[$0]]))
      }
    }
    return Double(memory.count * MemoryLayout<Float>.size) / timing.least
  }

  private static func multiplyAdd(_ workers: Workers, _ seconds: Double) throws -> Double {
    let operations = 400_000_000
    var done = 0
    let timing = try Timing.of(atLeast: seconds) {
      done = try workers.map(workers.threads) { _ in
        ProcessorPeak.multiplyAdd(operations: operations)
      }.reduce(0, +)
    }
    return Double(done) / timing.least
  }

  private static func matrixProduct(_ workers: Workers, _ seconds: Double) throws -> Double {
    let size = 768
    let timing = try Timing.of(atLeast: seconds) {
      try workers.forEach(
        workers.threads, scratch: { [Float](repeating: 0.5, count: 3 * size * size) },
        { matrices, _ in
          matrices.withUnsafeMutableBufferPointer {
            let a = $0.baseAddress!
            ProcessorPeak.multiply(a, a + size * size, into: a + 2 * size * size, size: size)
          }
        })
    }
    return 2 * Double(size * size * size * workers.threads) / timing.least
  }
}
