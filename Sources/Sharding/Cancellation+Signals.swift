import Dispatch
import Foundation
import Synchronization

extension Cancellation {
  /// A flag raised by SIGINT or SIGTERM; a second signal ends the process at once.
  ///
  /// - Parameters:
  ///   - grace: Seconds from the first signal on: below the ten that containers are given. Loops see the
  ///     flag within a fraction of one; whoever waits for a pipe or a server never looks.
  ///   - expired: Called with the signal when the process is still there after that, on a thread of its
  ///     own: it says so and ends the process. Where even that waits, for an output that nobody reads,
  ///     the process ends a second later without a word.
  package static func onSignals(
    grace: Int = 8, expired: @escaping @Sendable (Int32) -> Void
  ) -> Cancellation {
    let cancellation = Cancellation()
    let queue = DispatchQueue(label: "tranche.signals")
    var sources: [any DispatchSourceSignal] = []
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        if cancellation.isCancelled { _exit(128 + number) }
        cancellation.cancel(by: number)
        queue.asyncAfter(deadline: .now() + .seconds(grace)) {
          Thread.detachNewThread { expired(number) }
        }
        queue.asyncAfter(deadline: .now() + .seconds(grace + 1)) { _exit(128 + number) }
      }
      source.resume()
      sources.append(source)
    }
    cancellation.keepAlive(sources)
    return cancellation
  }
}
