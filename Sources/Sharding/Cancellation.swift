import Synchronization

/// A flag that a signal handler may raise and that every long loop looks at between pieces.
package final class Cancellation: Sendable {
  package static let never = Cancellation()
  private let raised = Atomic<Bool>(false)
  private let signal = Atomic<Int32>(0)
  private let kept = Mutex<[AnySendable]>([])

  package init() {}

  /// Safe to call from any thread. `signal` is the one that asked, 0 for none.
  package func cancel(by signal: Int32 = 0) {
    self.signal.store(signal, ordering: .relaxed)
    raised.store(true, ordering: .relaxed)
  }

  package var isCancelled: Bool { raised.load(ordering: .relaxed) }

  package func check() throws {
    if isCancelled { throw Cancelled(signal: signal.load(ordering: .relaxed)) }
  }

  /// Holds what must live as long as this flag.
  func keepAlive(_ objects: [Any]) {
    let boxed = objects.map(AnySendable.init)
    kept.withLock { $0 += boxed }
  }
}

/// Only kept, never looked at.
private struct AnySendable: @unchecked Sendable {
  let object: Any
}
