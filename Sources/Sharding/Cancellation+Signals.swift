import Dispatch
import Foundation
import Synchronization

extension Cancellation {
  /// A flag raised by SIGINT or SIGTERM; a second signal ends the process at once.
  package static func onSignals() -> Cancellation {
    let cancellation = Cancellation()
    let queue = DispatchQueue(label: "tranche.signals")
    var sources: [any DispatchSourceSignal] = []
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        if cancellation.isCancelled { _exit(128 + number) }
        cancellation.cancel(by: number)
      }
      source.resume()
      sources.append(source)
    }
    cancellation.keepAlive(sources)
    return cancellation
  }
}
