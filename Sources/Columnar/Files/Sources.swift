import Foundation
import Glibc

/// How files are read.
package struct ReadOptions: Sendable {
  /// What the files are, where their extensions do not say (or say it wrong).
  package var format: FileFormat?
  /// Names of text columns to read as codes and a dictionary (Parquet).
  package var dictionaryColumns: [String] = []
  package var parquet = ParquetSource.Limits()
  package var csv = CSVOptions()
  package var databases = DatabaseSettings()

  package init() {}
}

/// From what a person writes on the command line to a ``Source``.
package enum Sources {
  /// Opens files, globs (`ledger/2026-*.parquet`), folders (their files of a known extension), `-`
  /// (standard input: CSV, or what `options.format` says), or a database (``DatabaseAddress``).
  ///
  /// - Throws: ``InputError``: `.noInput` for what is not there, `.usage` for formats that mix or
  ///   cannot be told, `.badData` for files that are not what their name says; what
  ///   ``DatabaseSource`` throws.
  package static func open(
    _ inputs: [String], options: ReadOptions = ReadOptions()
  ) throws -> any Source {
    if let input = inputs.first(where: DatabaseAddress.isDatabase) {
      guard inputs.count == 1 else {
        throw InputError(
          .usage, "a database is read alone, not together with other inputs",
          file: DatabaseAddress.redacted(input), hint: "join the rows in one query")
      }
      return try DatabaseSource(
        DatabaseAddress(input, settings: options.databases), settings: options.databases)
    }
    let files = try expand(inputs, format: options.format)
    let format = try commonFormat(of: files, options)
    switch format {
    case .parquet:
      if files == ["-"] {
        let spool = try SpooledInput()
        let file = try ArrowFile(path: spool.path, format: .parquet, name: "-", owner: spool)
        return try ParquetSource(
          [file], dictionaryColumns: options.dictionaryColumns, limits: options.parquet)
      }
      return try ParquetSource(
        files, dictionaryColumns: options.dictionaryColumns, limits: options.parquet)
    case .ipc:
      return try IPCSource(files)
    case .csv:
      return try CSVSource(files, options: options.csv)
    }
  }

  /// The files that `inputs` name: globs and folders in bytewise order, each input in its place.
  package static func expand(_ inputs: [String], format: FileFormat? = nil) throws -> [String] {
    guard !inputs.isEmpty else { throw InputError(.usage, "no input file is named") }
    if let input = inputs.first(where: DatabaseAddress.isDatabase) {
      throw InputError(
        .usage, "a database has no files to keep account of",
        file: DatabaseAddress.redacted(input), hint: "leave --state out, or give files")
    }
    let files = try inputs.flatMap { input -> [String] in
      if input == "-" { return [input] }
      if isFolder(input) { return try contents(of: input, format: format) }
      guard input.contains(where: { "*?[".contains($0) }), access(input, F_OK) != 0 else {
        return [input]
      }
      return try matches(of: input)
    }
    if files.contains("-"), files.count > 1 {
      throw InputError(.usage, "standard input cannot be read together with files")
    }
    return files
  }

  private static func commonFormat(of files: [String], _ options: ReadOptions) throws -> FileFormat
  {
    if let format = options.format { return format }
    if files == ["-"] { return .csv }
    var common: (format: FileFormat, file: String)?
    for file in files {
      guard let (format, _) = FileFormat.named(file) else {
        guard access(file, F_OK) == 0 else {
          throw InputError(.noInput, "the file does not exist", file: file)
        }
        throw InputError(
          .usage, "the name does not say which format it is", file: file,
          hint: "end it in \(FileFormat.extensionList), or declare the format")
      }
      if let common, common.format != format {
        throw InputError(
          .usage, "it is \(format.name), but \(common.file) is \(common.format.name)", file: file,
          hint: "read only files of one format together")
      }
      common = common ?? (format, file)
    }
    guard let common else { preconditionFailure("there is at least one file") }
    return common.format
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Files of a known extension directly inside; hidden files and job markers are left out.
  private static func contents(of folder: String, format: FileFormat?) throws -> [String] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      throw InputError(.permission, "cannot list the folder", file: folder)
    }
    let prefix = folder.hasSuffix("/") ? folder : folder + "/"
    let files = names.filter { name in
      guard let first = name.first, first != ".", first != "_",
        let named = FileFormat.named(name)
      else { return false }
      return format.map { $0 == named.format } ?? true
    }
    guard !files.isEmpty else {
      throw InputError(
        .noInput, "the folder holds no file with a known extension", file: folder,
        hint: "known are \(FileFormat.extensionList)")
    }
    return sortedByBytes(files.map { prefix + $0 })
  }

  private static func matches(of pattern: String) throws -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, GLOB_NOSORT, nil, &found) == 0 else {
      throw InputError(.noInput, "no file matches the pattern", file: pattern)
    }
    let paths = (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv[index].map { String(cString: $0) }
    }
    return sortedByBytes(paths.filter { !isFolder($0) })
  }

  /// Not `<`, which compares by Unicode rules.
  private static func sortedByBytes(_ paths: [String]) -> [String] {
    paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

/// Standard input in a temporary file, for formats that need to seek. The name is removed at once,
/// so nothing is left behind however the process ends; the path works as long as this value lives.
final class SpooledInput: Sendable {
  let path: String
  private let descriptor: Int32

  init() throws {
    let folder = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(folder)/tranche-stdin-XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw InputError(
        .cannotCreate, "cannot create a temporary file: \(String(cString: strerror(errno)))",
        file: folder, hint: "set TMPDIR to a folder that can be written")
    }
    path = "/proc/self/fd/\(descriptor)"
    unlink(template)
    try Self.copy(to: descriptor)
  }

  deinit { close(descriptor) }

  private static func copy(to target: Int32) throws {
    let chunk = 1 << 20
    let memory = UnsafeMutableRawPointer.allocate(byteCount: chunk, alignment: 64)
    defer { memory.deallocate() }
    while true {
      let got = Glibc.read(0, memory, chunk)
      if got == 0 { return }
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else {
        throw InputError(
          .io, "reading standard input failed: \(String(cString: strerror(errno)))", file: "-")
      }
      var written = 0
      while written < got {
        let put = Glibc.write(target, memory + written, got - written)
        if put < 0 && errno == EINTR { continue }
        guard put > 0 else {
          throw InputError(
            .io, "spooling standard input failed: \(String(cString: strerror(errno)))", file: "-",
            hint: "set TMPDIR to a folder with room")
        }
        written += put
      }
    }
  }
}
