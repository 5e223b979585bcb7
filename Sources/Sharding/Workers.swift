import Dispatch
import Foundation
import Synchronization

/// Runs independent pieces of work on a fixed number of threads.
///
/// What each piece is never depends on how many threads there are: callers cut their rows into
/// ``Shards`` that depend on the row count only, and results come back in piece order. So the same
/// input gives the same bytes for any thread count.
package struct Workers: Sendable {
  /// Threads used at most, 1 or more. More threads than cores is allowed and only slower.
  package let threads: Int
  /// Asked between pieces; a cancelled run throws ``Cancelled``.
  package let cancellation: Cancellation

  /// The cores this process may run on (its affinity mask counts).
  package static var availableThreads: Int {
    max(1, ProcessInfo.processInfo.activeProcessorCount)
  }

  package init(
    threads: Int = Workers.availableThreads, cancellation: Cancellation = .never
  ) {
    precondition(threads >= 1, "a run needs at least one thread")
    self.threads = threads
    self.cancellation = cancellation
  }

  /// Calls `body(i)` once for every `i` in `0..<count`, in no particular order.
  ///
  /// - Throws: The error of the lowest failing index among those that ran, or ``Cancelled``.
  package func forEach(_ count: Int, _ body: @Sendable (Int) throws -> Void) throws {
    try forEach(count, scratch: { () }, { _, index in try body(index) })
  }

  /// As `forEach`, with one `scratch` value per thread, made on that thread and reused by every
  /// piece it runs: hot loops allocate nothing.
  package func forEach<Scratch>(
    _ count: Int, scratch: @Sendable () throws -> Scratch,
    _ body: @Sendable (inout Scratch, Int) throws -> Void
  ) throws {
    guard count > 0 else { return }
    let next = Atomic<Int>(0)
    let failure = Mutex<(index: Int, error: any Error)?>(nil)

    @Sendable func work() {
      do {
        var memory = try scratch()
        while failure.withLock({ $0 == nil }) {
          let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard index < count else { return }
          do {
            try cancellation.check()
            try body(&memory, index)
          } catch {
            failure.withLock { if $0 == nil || $0!.index > index { $0 = (index, error) } }
          }
        }
      } catch {
        failure.withLock { if $0 == nil { $0 = (count, error) } }
      }
    }

    let lanes = min(threads, count)
    if lanes == 1 {
      work()
    } else {
      DispatchQueue.concurrentPerform(iterations: lanes) { _ in work() }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }

  /// The values of `body(0)`, `body(1)`, … in index order.
  package func map<Value: Sendable>(
    _ count: Int, _ body: @Sendable (Int) throws -> Value
  ) throws -> [Value] {
    let slots = UnsafeMutablePointer<Value?>.allocate(capacity: max(count, 1))
    slots.initialize(repeating: nil, count: count)
    defer {
      slots.deinitialize(count: count)
      slots.deallocate()
    }
    nonisolated(unsafe) let cells = slots
    try forEach(count) { cells[$0] = try body($0) }
    return (0..<count).map { slots[$0]! }
  }
}

/// The run was asked to stop.
package struct Cancelled: Error {
  /// The signal that asked, 0 for none.
  package let signal: Int32
}
