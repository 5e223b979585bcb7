import Dispatch
import Synchronization

/// A piece of work on a thread of its own, beside whatever its maker does next.
package final class SideTask<Value: Sendable>: Sendable {
  private let outcome = Mutex<Result<Value, any Error>?>(nil)
  private let group = DispatchGroup()

  package init(_ body: @escaping @Sendable () throws -> Value) {
    DispatchQueue.global().async(group: group) { [self] in
      let result = Result(catching: body)
      outcome.withLock { $0 = result }
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
