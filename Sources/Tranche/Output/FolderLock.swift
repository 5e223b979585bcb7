import Foundation

/// One run at a time writes to a folder: who holds the lock of the file beside it.
///
/// The lock is the kernel's (`flock`), so it ends with its process and no run ever has to remove
/// another one's: however many start at once, one gets it. The file tells people and other machines
/// who that is, with pid and host. A file of another host is believed, as locks need not be seen over
/// a network; one of this host without a lock is a left-over.
final class FolderLock {
  private let url: URL
  private var descriptor: Int32

  /// - Throws: ``RunFailure`` `.tryAgain` when another run holds it, `.permission`, `.cannotCreate`.
  init(_ url: URL) throws {
    let host = ProcessInfo.processInfo.hostName
    let descriptor = try Self.take(url)
    if let owner = Self.owner(descriptor), owner.host != host {
      close(descriptor)
      throw Self.held(by: owner, url)
    }
    let text = "\(getpid()) \(host)\n"
    _ = ftruncate(descriptor, 0)
    _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    // Last: one that failed has nothing to release.
    (self.url, self.descriptor) = (url, descriptor)
  }

  /// The file's descriptor, with the kernel's lock.
  private static func take(_ url: URL) throws -> Int32 {
    while true {
      // Not for processes that this one starts: they would hold it on.
      let descriptor = open(url.path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
      guard descriptor >= 0 else { throw failure(errno, url) }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let reason = errno
        defer { close(descriptor) }
        throw reason == EWOULDBLOCK ? held(by: owner(descriptor), url) : failure(reason, url)
      }
      // Its holder may have removed the file between the two calls: then this is no lock of anything.
      if isFile(descriptor, at: url) { return descriptor }
      close(descriptor)
    }
  }

  deinit { release() }

  func release() {
    guard descriptor >= 0 else { return }
    // The name first: whoever opens it afterwards makes a file of their own.
    unlink(url.path)
    close(descriptor)
    descriptor = -1
  }

  private static func isFile(_ descriptor: Int32, at url: URL) -> Bool {
    var (own, there) = (stat(), stat())
    return fstat(descriptor, &own) == 0 && stat(url.path, &there) == 0
      && own.st_ino == there.st_ino && own.st_dev == there.st_dev
  }

  /// Nil before its run has written it.
  private static func owner(_ descriptor: Int32) -> (pid: String, host: String)? {
    var bytes = [UInt8](repeating: 0, count: 1_024)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    let words = String(decoding: bytes[..<count], as: UTF8.self)
      .split(whereSeparator: \.isWhitespace).map(String.init)
    return words.count == 2 ? (words[0], words[1]) : nil
  }

  private static func held(by owner: (pid: String, host: String)?, _ url: URL) -> RunFailure {
    RunFailure(
      .tryAgain,
      "another run (process \(owner.map { "\($0.pid) on \($0.host)" } ?? "unknown")) is writing to "
        + "this folder",
      hint: "wait for it, or remove \(url.path) if it is gone",
      file: url.deletingLastPathComponent().path)
  }

  private static func failure(_ number: Int32, _ url: URL) -> RunFailure {
    RunFailure(
      number == EACCES ? .permission : .cannotCreate,
      "cannot be created: \(String(cString: strerror(number)))", hint: "check the permissions",
      file: url.path)
  }
}
