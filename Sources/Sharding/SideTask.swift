import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A piece of work on a thread of its own, beside whatever its maker does next.
///
/// The thread is patient: where every core is busy it takes about a fourth of one, else one that is
/// idle.
package final class SideTask<Value: Sendable>: Sendable {
  private let outcome = Mutex<Result<Value, any Error>?>(nil)
  private let group = DispatchGroup()

  package init(_ body: @escaping @Sendable () throws -> Value) {
    group.enter()
    Thread.detachNewThread { [self] in
      #if canImport(Glibc)
        // Of the calling thread alone, on Linux. No lower: its priority cannot be raised again, and
        // in the end it is waited for, perhaps on a server that has other work.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
      #endif
      let result = Result(catching: body)
      outcome.withLock { $0 = result }
      group.leave()
    }
  }

  /// Waits for the work; may be asked more than once.
  package func value() throws -> Value {
    group.wait()
    guard let result = outcome.withLock({ $0 }) else {
      preconditionFailure("a task that is over has an outcome")
    }
    return try result.get()
  }
}
