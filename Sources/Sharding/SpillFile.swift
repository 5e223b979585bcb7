import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A temporary file that grows at its end and is read back from anywhere, by any thread.
///
/// For what is written once and read once, front to back: unlike a ``SpillSpace`` it needs no size
/// beforehand and nothing of it is mapped. The file has no name from the start: nothing is left
/// behind however the process ends.
package final class SpillFile: Sendable {
  /// A run of bytes of the file.
  package struct Extent: Sendable, Equatable {
    package let offset: Int
    package let bytes: Int
  }

  private let descriptor: Int32
  private let folder: String
  private let end = Atomic<Int>(0)

  package init(folder: String) throws(SpillSpace.Failure) {
    descriptor = UnnamedFile.open(in: folder)
    self.folder = folder
    guard descriptor >= 0 else { throw failure(bytes: 0) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Bytes claimed so far.
  package var bytes: Int { end.load(ordering: .relaxed) }

  /// The next `bytes` of the file, to be written part by part.
  package func claim(bytes: Int) -> Extent {
    let (offset, _) = end.wrappingAdd(bytes, ordering: .relaxed)
    return Extent(offset: offset, bytes: bytes)
  }

  package func append(_ bytes: UnsafeRawBufferPointer) throws(SpillSpace.Failure) -> Extent {
    let extent = claim(bytes: bytes.count)
    try write(bytes, at: extent.offset)
    return extent
  }

  package func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int
  ) throws(SpillSpace.Failure) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure(bytes: self.bytes) }
      done += count
    }
  }

  /// Fills `target` with the bytes at `offset`, which were written before.
  package func read(
    at offset: Int, into target: UnsafeMutableRawBufferPointer
  ) throws(SpillSpace.Failure) {
    guard let base = target.baseAddress else { return }
    var done = 0
    while done < target.count {
      let count = pread(descriptor, base + done, target.count - done, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      precondition(count != 0, "only what was written is read")
      guard count > 0 else { throw failure(bytes: bytes) }
      done += count
    }
  }

  /// Gives the room on the disk back; nothing written before is read again.
  package func empty() { ftruncate(descriptor, 0) }

  private func failure(bytes: Int) -> SpillSpace.Failure {
    SpillSpace.Failure(code: errno, bytes: max(bytes, 1), folder: folder)
  }
}

enum UnnamedFile {
  /// A new file that no folder lists; negative, with `errno` set, where none can be made.
  static func open(in folder: String) -> Int32 {
    var template = Array("\(folder)/.tranche-spill-XXXXXX".utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else { return file }
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    unlink(template)
    return file
  }
}
