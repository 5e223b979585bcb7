import Sharding
import Synchronization

/// Hashes the files of a run while they are read: a patient thread begins, and whoever asks for the
/// records helps with what is left.
struct InputHashing: Sendable {
  private final class Queue: Sendable {
    private let paths: [String]
    private let next = Atomic<Int>(0)
    private let records = Mutex<[Int: InputRecord]>([:])

    init(_ paths: [String]) { self.paths = paths }

    func work() throws {
      while true {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard number < paths.count else { return }
        let record = try InputRecord(hashing: paths[number])
        records.withLock { $0[number] = record }
      }
    }

    var inOrder: [InputRecord] {
      records.withLock { $0 }.sorted { $0.key < $1.key }.map(\.value)
    }
  }

  private let queue: Queue
  private let beside: SideTask<Void>

  init(_ paths: [String]) {
    let queue = Queue(paths)
    self.queue = queue
    beside = SideTask { try queue.work() }
  }

  /// One a file, in the order of the files; waits until all are hashed.
  func records(workers: Workers) throws -> [InputRecord] {
    try workers.forEach(workers.threads) { _ in try queue.work() }
    try beside.value()
    return queue.inOrder
  }
}
