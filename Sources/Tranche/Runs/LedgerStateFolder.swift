import Columnar
import Features
import Foundation
import Sharding

/// What a run is told of a ledger's state.
public struct LedgerStateOptions: Sendable {
  /// The state's folder.
  public var folder: String
  /// Forget what it holds and make it anew from the files given.
  public var refold: Bool

  public init(folder: String, refold: Bool) {
    self.folder = folder
    self.refold = refold
  }
}

/// `state.json`: what a state was made of and what its other files hold.
struct LedgerStateFile: Codable {
  static let currentSchema = "tranche.state.v3"
  static let name = "state.json"

  var schema = currentSchema
  var index: LedgerStateIndex
  /// Every ledger file that was folded, in order.
  var files: [InputRecord]

  /// Nil where the folder is empty or not there.
  static func known(_ folder: String) throws -> LedgerStateFile? {
    let content = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return content.isEmpty ? nil : try read(folder)
  }

  static func read(_ folder: String) throws -> LedgerStateFile {
    let path = folder + "/" + name
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunFailure(
        .badData, "holds no state", hint: "give an empty folder or one that --state made",
        file: folder)
    }
    struct Header: Decodable { var schema: String? }
    let header = try JSONText.decode(Header.self, from: data, file: path)
    guard header.schema == currentSchema else {
      throw RunFailure(
        .badData, "is of schema \(header.schema ?? "unknown"), this program reads \(currentSchema)",
        hint: "make the state anew with --refold", file: path)
    }
    return try JSONText.decode(LedgerStateFile.self, from: data, file: path)
  }
}

/// A state under way from one run to the next: the old one is read, the new one is written beside it
/// and takes its place in one step, after the run's own output is in its place.
final class LedgerStateFolder {
  let previous: LedgerStateFile?
  /// The ledger files of this run; known from ``checkInputs()`` on.
  private(set) var inputs: [InputRecord] = []
  private let path: String
  private let staged: StagedFolder
  private let hashing: InputHashing
  private let workers: Workers
  /// What a refold begins anew in place of.
  private let forgotten: LedgerStateFile?

  /// Begins to hash the ledger's files; they can be read meanwhile.
  ///
  /// - Throws: `RunFailure` for files that their names give away, else see ``checkInputs()``.
  init(_ options: LedgerStateOptions, ledger: [String], workers: Workers) throws {
    path = options.folder
    let isNew = try LedgerStateFile.known(path) == nil
    guard !ledger.contains(where: DatabaseAddress.isDatabase) else {
      throw RunFailure(
        .usage, "a state cannot remember what came from a database",
        hint: "leave --state out, or export the new rows to a file")
    }
    if ledger.isEmpty, isNew || options.refold {
      throw RunFailure(.usage, "there is no ledger to make a state of", hint: "add --ledger")
    }
    let paths = try ledger.isEmpty ? [] : Sources.expand(ledger)
    if let pipe = paths.first(where: InputRecord.isPipe) {
      throw RunFailure(
        .usage,
        pipe == "-"
          ? "a state cannot remember standard input"
          : "a state cannot remember what a pipe brought",
        hint: "give the ledger as files", file: pipe == "-" ? nil : pipe)
    }
    staged = try StagedFolder(target: path, force: true)
    // Only now: another run may have moved it on before this one held its lock.
    let known = try LedgerStateFile.known(path)
    hashing = InputHashing(paths)
    self.workers = workers
    previous = options.refold ? nil : known
    forgotten = options.refold ? known : nil
    // What is refused in the end need not be read first.
    let names = Set(known?.files.map { Self.name($0.path) } ?? [])
    if options.refold || paths.contains(where: { names.contains(Self.name($0)) }) {
      try checkInputs()
    }
  }

  /// Waits until the files are hashed.
  ///
  /// - Throws: `RunFailure` for a file that was folded before, under this or another name, for a file
  ///   of a known name with other content, and for files that a refold would lose.
  func checkInputs() throws {
    inputs = try hashing.records(workers: workers)
    if previous == nil {
      try Self.checkComplete(forgotten, inputs, path)
    } else {
      try Self.checkUnseen(previous, inputs, path)
    }
  }

  var exchange: LedgerStateExchange {
    LedgerStateExchange(
      previous: previous.map { (path, $0.index) }, target: staged.staging.path)
  }

  /// Puts the new state in place of the old one.
  func commit(_ folded: FoldedLedger) throws {
    guard let index = folded.state else { preconditionFailure("a fold with a state leaves one") }
    for file in previous?.index.dayFiles ?? []
    where index.dayFiles.contains(where: { $0.name == file.name }) {
      try link(file.name)
    }
    let state = LedgerStateFile(index: index, files: (previous?.files ?? []) + inputs)
    try staged.write(try JSONText.encode(state, pretty: false), to: LedgerStateFile.name)
    try staged.commit()
  }

  /// Days' files never change, so the new state shares them with the old one.
  private func link(_ name: String) throws {
    let (old, new) = (path + "/" + name, staged.path(name))
    if Foundation.link(old, new) == 0 { return }
    do {
      try FileManager.default.copyItem(atPath: old, toPath: new)
    } catch {
      throw RunFailure(
        .io, "cannot be taken over into the new state: \(error.localizedDescription)",
        hint: "check the space on the disk", file: old)
    }
  }

  private static func name(_ path: String) -> String {
    URL(fileURLWithPath: path).lastPathComponent
  }

  private static func checkUnseen(
    _ known: LedgerStateFile?, _ inputs: [InputRecord], _ folder: String
  ) throws {
    var seen = known?.files ?? []
    for input in inputs {
      if let twin = seen.first(where: { $0.sha256 == input.sha256 }) {
        let isSame = name(twin.path) == name(input.path)
        throw RunFailure(
          .badData,
          isSame
            ? "is in the state already" : "is in the state already, as \(name(twin.path))",
          hint: "leave it out, or make the state anew from all files with --refold",
          file: input.path)
      }
      if known?.files.contains(where: { name($0.path) == name(input.path) }) == true {
        throw RunFailure(
          .badData, "was folded before with other content",
          hint:
            "if it was corrected, make the state anew from all files with --refold, else give the new rows in a file of another name",
          file: input.path)
      }
      seen.append(input)
    }
  }

  /// Starting over must not lose files that only the old state remembers.
  private static func checkComplete(
    _ known: LedgerStateFile?, _ inputs: [InputRecord], _ folder: String
  ) throws {
    let names = Set(inputs.map { name($0.path) })
    let contents = Set(inputs.map(\.sha256))
    let lost = (known?.files ?? []).filter {
      !names.contains(name($0.path)) && !contents.contains($0.sha256)
    }
    guard let first = lost.first else {
      try checkUnseen(nil, inputs, folder)
      return
    }
    throw RunFailure(
      .badData,
      "--refold starts over, but \(lost.count) of the state's files are not given, among them \(name(first.path))",
      hint: "give all files to --ledger, or remove the folder to begin anew", file: folder)
  }
}
