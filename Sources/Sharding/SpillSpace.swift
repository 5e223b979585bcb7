import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A temporary file mapped into memory: what it holds is read and written like memory, and stays in
/// the process only as long as the budget allows.
///
/// Computations inside ``run(_:)`` put whatever grows with the rows into it, so they need no version
/// of their own for data that does not fit, and give the same bytes. The file has no name from the
/// start: nothing is left behind however the process ends. Its size is claimed before it is used,
/// so a full disk is an error when the space is made, never a signal later.
package final class SpillSpace: Sendable {
  /// The space that large blocks are taken from on this task's own thread.
  @TaskLocal package static var current: SpillSpace?

  /// Bytes of the file.
  package let capacity: Int
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private let descriptor: Int32
  /// Resident bytes of the process above which mapped pages are let go.
  private let residentLimit: Int
  private let free: Mutex<[Range<Int>]>
  private nonisolated(unsafe) let watch: any DispatchSourceTimer
  private let memory = ResidentMemory()
  /// Reading brings in some ten megabytes a millisecond. A look takes some microseconds.
  private static let lookEvery = DispatchTimeInterval.milliseconds(1)

  /// Why there is no space: `errno` of the call that failed.
  package struct Failure: Error {
    package let code: Int32
    package let bytes: Int
    package let folder: String
  }

  /// - Parameters:
  ///   - folder: Where the file lies.
  ///   - capacity: Bytes claimed.
  ///   - residentLimit: What the process may have in memory, all told.
  package init(folder: String, capacity: Int, residentLimit: Int) throws(Failure) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let size = max(1, (capacity + page - 1) / page) * page
    let file = UnnamedFile.open(in: folder)
    guard file >= 0 else { throw Failure(code: errno, bytes: size, folder: folder) }
    let claimed = posix_fallocate(file, 0, off_t(size))
    guard claimed == 0 else {
      close(file)
      throw Failure(code: claimed, bytes: size, folder: folder)
    }
    guard let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
      mapped != MAP_FAILED
    else {
      let code = errno
      close(file)
      throw Failure(code: code, bytes: size, folder: folder)
    }
    (self.capacity, base, descriptor, self.residentLimit) = (size, mapped, file, residentLimit)
    free = Mutex([0..<size])
    // A serial queue has a thread of its own, whatever the pieces of work take.
    let queue = DispatchQueue(label: "tranche.spill", qos: .userInitiated)
    watch = DispatchSource.makeTimerSource(queue: queue)
    watch.schedule(deadline: .now(), repeating: Self.lookEvery, leeway: .microseconds(100))
    watch.setEventHandler { [weak self] in _ = self?.makeRoom(for: 0) }
    watch.resume()
  }

  deinit {
    watch.cancel()
    munmap(base, capacity)
    close(descriptor)
  }

  /// Runs `body` with this space as the current one.
  package func run<Value>(_ body: () throws -> Value) rethrows -> Value {
    try Self.$current.withValue(self, operation: body)
  }

  /// Runs `body` with a space as the current one, or as it is without one.
  package static func run<Value>(
    in space: SpillSpace?, _ body: () throws -> Value
  ) rethrows -> Value {
    guard let space else { return try body() }
    return try space.run(body)
  }

  /// Part of the space, given back with its last reference.
  final class Region: Sendable {
    nonisolated(unsafe) let base: UnsafeMutableRawPointer
    private let range: Range<Int>
    private let space: SpillSpace

    init(_ space: SpillSpace, _ range: Range<Int>) {
      (self.space, self.range, base) = (space, range, space.base + range.lowerBound)
    }

    deinit { space.release(range) }
  }

  /// The first gap that is large enough; nil when none is.
  func region(bytes: Int) -> Region? {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let size = (bytes + page - 1) / page * page
    let start = free.withLock { gaps -> Int? in
      guard let index = gaps.firstIndex(where: { $0.count >= size }) else { return nil }
      let gap = gaps[index]
      if gap.count == size {
        gaps.remove(at: index)
      } else {
        gaps[index] = gap.lowerBound + size..<gap.upperBound
      }
      return gap.lowerBound
    }
    return start.map { Region(self, $0..<$0 + size) }
  }

  private func release(_ range: Range<Int>) {
    madvise(base + range.lowerBound, range.count, MADV_DONTNEED)
    free.withLock { gaps in
      gaps.append(range)
      gaps.sort { $0.lowerBound < $1.lowerBound }
      var merged: [Range<Int>] = []
      for gap in gaps {
        if let last = merged.last, last.upperBound == gap.lowerBound {
          merged[merged.count - 1] = last.lowerBound..<gap.upperBound
        } else {
          merged.append(gap)
        }
      }
      gaps = merged
    }
  }

  /// Lets mapped pages go when the process would grow past its limit with `bytes` more; they stay in
  /// the file (and in the system's cache, while there is room). Any thread may, while others read and
  /// write. A thread of the space's own does so all the time; work that takes much at once, in other
  /// memory than this, asks beforehand.
  ///
  /// - Returns: Whether it would, so that others may give back what they keep.
  package func makeRoom(for bytes: Int) -> Bool {
    guard let resident = memory.bytes, resident + bytes > residentLimit else {
      return false
    }
    madvise(base, capacity, MADV_DONTNEED)
    return true
  }
}

/// What the process has in memory at the moment.
package final class ResidentMemory: Sendable {
  private let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)

  package init() {}

  deinit {
    if file >= 0 { close(file) }
  }

  /// Nil where the system does not say.
  package var bytes: Int? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { text -> Int? in
      let count = pread(file, text.baseAddress!, text.count, 0)
      guard count > 0 else { return nil }
      // "size resident shared …", in pages.
      let fields = text[..<count].split(separator: UInt8(ascii: " "))
      guard fields.count > 1 else { return nil }
      let pages = fields[1].reduce(0) { $0 * 10 + Int($1) - 48 }
      return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
  }
}
