import Columnar
import Foundation
import Sharding

/// An output folder that appears complete or not at all.
///
/// Files are written to a hidden sibling; `commit` flushes them, then renames the sibling into place.
/// A run that fails leaves the previous output as it was. A ``FolderLock`` beside the target keeps two
/// runs apart; left-overs of dead runs are removed.
package final class StagedFolder {
  package let target: URL
  /// Where files are written until `commit`.
  package let staging: URL
  private let lock: FolderLock
  private var finished = false

  /// - Parameter force: Replaces a folder that is not empty.
  /// - Throws: ``RunFailure`` `.cannotCreate`, `.tryAgain` when another run holds the lock.
  package init(target path: String, force: Bool) throws {
    target = URL(fileURLWithPath: path).standardizedFileURL
    let parent = target.deletingLastPathComponent()
    let name = target.lastPathComponent
    staging = parent.appendingPathComponent(".\(name).tmp-\(getpid())")
    let files = FileManager.default
    try Self.check(target: path, force: force)
    lock = try FolderLock(parent.appendingPathComponent(".\(name).lock"))
    // Another run may have finished meanwhile.
    try Self.check(target: path, force: force)
    do {
      for entry in try files.contentsOfDirectory(atPath: parent.path)
      where entry.hasPrefix(".\(name).tmp-") {
        // We hold the lock, so whoever wrote this is gone.
        try? files.removeItem(at: parent.appendingPathComponent(entry))
      }
      try files.createDirectory(at: staging, withIntermediateDirectories: false)
    } catch {
      lock.release()
      throw RunFailure(
        .cannotCreate, "cannot be created: \(error.localizedDescription)",
        hint: "check the permissions of \(parent.path)", file: path)
    }
  }

  /// Whether a folder could be put there, without doing it.
  package static func check(target path: String, force: Bool) throws {
    let target = URL(fileURLWithPath: path).standardizedFileURL
    let parent = target.deletingLastPathComponent()
    let files = FileManager.default
    var isFolder: ObjCBool = false
    guard files.fileExists(atPath: parent.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw RunFailure(
        .cannotCreate, "the folder \(parent.path) does not exist", hint: "create it first",
        file: path)
    }
    if files.fileExists(atPath: target.path, isDirectory: &isFolder) {
      guard isFolder.boolValue else {
        throw RunFailure(
          .cannotCreate, "is a file, a folder is needed", hint: "choose another --out", file: path)
      }
      let content = (try? files.contentsOfDirectory(atPath: target.path)) ?? []
      guard content.isEmpty || force else {
        throw RunFailure(
          .cannotCreate, "is not empty", hint: "choose another --out or add --force", file: path)
      }
    }
  }

  deinit {
    if !finished { abort() }
  }

  package func path(_ name: String) -> String { staging.appendingPathComponent(name).path }

  package func write(_ data: Data, to name: String) throws {
    do {
      try data.write(to: staging.appendingPathComponent(name))
    } catch {
      throw RunFailure(
        .io, "cannot be written: \(error.localizedDescription)",
        hint: "check the space on the disk", file: name)
    }
  }

  /// Makes the files durable and puts the folder in place.
  package func commit() throws {
    let files = FileManager.default
    do {
      try Durable.forEach(fileIn: staging) { try Durable.flush($0) }
      try Durable.flush(staging.path)
      let parent = target.deletingLastPathComponent()
      if files.fileExists(atPath: target.path) {
        try replace(in: parent)
      } else {
        try Durable.rename(staging.path, to: target.path)
      }
      try Durable.flush(parent.path)
    } catch let failure as RunFailure {
      abort()
      throw failure
    } catch {
      abort()
      throw RunFailure(.io, error.localizedDescription, file: target.path)
    }
    finished = true
    lock.release()
  }

  /// Puts the staged folder where the previous one is, so that there is one of them at any moment.
  private func replace(in parent: URL) throws {
    if Durable.exchange(staging.path, target.path) {
      Durable.remove(staging)
      return
    }
    // A filesystem that cannot exchange names: two steps, with the way back.
    let old = parent.appendingPathComponent(".\(target.lastPathComponent).tmp-old-\(getpid())")
    try Durable.rename(target.path, to: old.path)
    do {
      try Durable.rename(staging.path, to: target.path)
    } catch {
      try? Durable.rename(old.path, to: target.path)
      throw error
    }
    Durable.remove(old)
  }

  /// Removes everything this run wrote.
  package func abort() {
    guard !finished else { return }
    finished = true
    try? FileManager.default.removeItem(at: staging)
    lock.release()
  }
}

/// A single output file, written beside its place and renamed into it.
package final class StagedFile {
  package let target: String
  package let staging: String
  private var finished = false

  package init(target: String, force: Bool) throws {
    self.target = target
    let url = URL(fileURLWithPath: target)
    // The suffix chooses the format, so it stays at the end.
    staging =
      url.deletingLastPathComponent()
      .appendingPathComponent(".tmp-\(getpid())-\(url.lastPathComponent)").path
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: target, isDirectory: &isFolder)
    if exists, isFolder.boolValue {
      throw RunFailure(
        .cannotCreate, "is a folder, a file is needed", hint: "name a file", file: target)
    }
    // Devices are written in place: renaming over them would replace them.
    if exists, !force, !Durable.isDevice(target), Durable.size(target) > 0 {
      throw RunFailure(
        .cannotCreate, "exists already", hint: "choose another name or add --force", file: target)
    }
    var parentIsFolder: ObjCBool = false
    let parent = url.deletingLastPathComponent().path
    guard FileManager.default.fileExists(atPath: parent, isDirectory: &parentIsFolder),
      parentIsFolder.boolValue
    else {
      throw RunFailure(
        .cannotCreate, "the folder \(parent) does not exist", hint: "create it first", file: target)
    }
  }

  /// A file whose name says which table format to write.
  package convenience init(table target: String, force: Bool) throws {
    guard FileFormat.named(target) != nil else {
      throw RunFailure(
        .usage, "the name does not say which format to write",
        hint: "end it in .parquet, .csv, .csv.gz, .csv.zst or .arrow", file: target)
    }
    try self.init(target: target, force: force)
  }

  deinit { abort() }

  package func write(_ data: Data) throws {
    do {
      try data.write(to: URL(fileURLWithPath: staging))
    } catch {
      throw RunFailure(
        .io, "cannot be written: \(error.localizedDescription)",
        hint: "check the space on the disk and the permissions", file: target)
    }
    try commit()
  }

  package func commit() throws {
    if Durable.isDevice(target) {
      try Durable.copy(staging, intoDevice: target)
      abort()
      return
    }
    try Durable.flush(staging)
    try Durable.rename(staging, to: target)
    try Durable.flush(URL(fileURLWithPath: target).deletingLastPathComponent().path)
    finished = true
  }

  package func abort() {
    guard !finished else { return }
    finished = true
    try? FileManager.default.removeItem(atPath: staging)
  }
}

/// The few system calls that decide whether a file survives a power cut.
private enum Durable {
  /// Calls `body` with the path of each file, several at once: they wait for the disk more than for a
  /// core, and a state has hundreds of files.
  static func forEach(fileIn folder: URL, _ body: @Sendable (String) throws -> Void) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    try Workers(threads: 8).forEach(names.count) {
      try body(folder.appendingPathComponent(names[$0]).path)
    }
  }

  /// What cannot be removed stays.
  static func remove(_ folder: URL) {
    try? forEach(fileIn: folder) { unlink($0) }
    try? FileManager.default.removeItem(at: folder)
  }

  static func flush(_ path: String) throws {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw failure("cannot be opened", path) }
    defer { close(descriptor) }
    // Some filesystems have nothing to flush for a folder and say so.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else {
      throw failure("cannot be flushed to the disk", path)
    }
  }

  static func rename(_ old: String, to new: String) throws {
    guard Foundation.rename(old, new) == 0 else { throw failure("cannot be put in place", new) }
  }

  /// Swaps two names in one step; false where the filesystem or the system cannot.
  static func exchange(_ one: String, _ other: String) -> Bool {
    // Swift's module of the C library leaves out what only GNU declares.
    typealias Rename =
      @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    guard let symbol = dlsym(nil, "renameat2") else { return false }
    let exchangeNames: UInt32 = 2  // RENAME_EXCHANGE
    return unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, one, AT_FDCWD, other, exchangeNames)
      == 0
  }

  static func isDevice(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
      && status.st_mode & S_IFMT != S_IFDIR
  }

  static func size(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
  }

  static func copy(_ source: String, intoDevice path: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: source))
    let descriptor = open(path, O_WRONLY)
    guard descriptor >= 0 else { throw failure("cannot be opened", path) }
    defer { close(descriptor) }
    try data.withUnsafeBytes { bytes in
      var written = 0
      while written < bytes.count {
        let count = Foundation.write(
          descriptor, bytes.baseAddress! + written, bytes.count - written)
        guard count > 0 else { throw failure("cannot be written", path) }
        written += count
      }
    }
  }

  private static func failure(_ what: String, _ path: String) -> RunFailure {
    let reason = String(cString: strerror(errno))
    let code: RunFailure.Code = errno == EACCES || errno == EPERM ? .permission : .io
    return RunFailure(
      code, "\(what): \(reason)", hint: "check the space on the disk and the permissions",
      file: path)
  }
}
