import Clustering
import Columnar
import Features
import Foundation
import Reporting
import Sharding
import SyntheticBank

/// Why a run ended without its output, in one sentence, with the exit code of `sysexits.h`.
public struct RunFailure: Error, Sendable, Equatable {
  public enum Code: String, Sendable {
    case usage, badData = "bad_data", noInput = "no_input", unavailable, bug
    case cannotCreate = "cannot_create", io, tryAgain = "try_again", permission
    case configuration
    /// SIGINT.
    case interrupted
    /// SIGTERM.
    case terminated

    /// The process's exit code.
    public var exitCode: Int32 {
      switch self {
      case .usage: 64
      case .badData: 65
      case .noInput: 66
      case .unavailable: 69
      case .bug: 70
      case .cannotCreate: 73
      case .io: 74
      case .tryAgain: 75
      case .permission: 77
      case .configuration: 78
      case .interrupted: 130
      case .terminated: 143
      }
    }
  }

  public var code: Code
  /// What is wrong, a clause without a full stop.
  public var message: String
  /// How to mend it.
  public var hint: String?
  public var file: String?
  /// 1-based line of a text file, row of a binary one.
  public var line: Int64?
  public var column: String?

  public init(
    _ code: Code, _ message: String, hint: String? = nil, file: String? = nil, line: Int64? = nil,
    column: String? = nil
  ) {
    self.code = code
    self.message = message
    self.hint = hint
    self.file = file
    self.line = line
    self.column = column
  }

  /// One sentence: where, what, and how to mend it.
  public var sentence: String {
    var place = ""
    if let file { place = file }
    if let line { place += place.isEmpty ? "line \(line)" : ":\(line)" }
    if let column, !message.contains("\"\(column)\"") {
      place += place.isEmpty ? "column \"\(column)\"" : ", column \"\(column)\""
    }
    let clause = Self.clause(message)
    let what = place.isEmpty ? clause : "\(place): \(clause)"
    let text = hint.map { "\(what); \(Self.clause($0))" } ?? what
    return Self.oneLine(text.hasSuffix("?") ? text : text + ".")
  }

  /// Without the full stop that other libraries' messages come with.
  private static func clause(_ text: String) -> String {
    var text = Substring(text)
    while let last = text.last, last == "." || last.isWhitespace { text = text.dropLast() }
    return String(text)
  }

  /// Control characters in names and values must not forge lines or colours in a log.
  private static func oneLine(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}

extension RunFailure {
  /// What any error of the lower rooms means to a user.
  package init(_ error: any Error) {
    switch error {
    case let failure as RunFailure: self = failure
    case let error as InputError: self.init(error)
    case let error as TransformError: self.init(error)
    case let error as ClusteringError: self.init(.badData, error.description)
    case let error as ConfigurationError: self.init(error)
    case let error as SpillSpace.Failure:
      self.init(
        error.code == EACCES || error.code == EPERM || error.code == EROFS ? .permission : .io,
        "a temporary file of \(MemoryBudget.describe(error.bytes)) cannot be made: "
          + String(cString: strerror(error.code)),
        hint: "make room there, write elsewhere, or raise --memory", file: error.folder)
    case let error as ReportError: self.init(.usage, error.description)
    case SyntheticBankError.outOfRange(let field, let value, let allowed):
      self.init(
        .usage, "\(field) of a synthetic bank: \(value) is impossible", hint: "give \(allowed)")
    case let error as SyntheticBankError: self.init(.usage, error.description)
    case let error as Cancelled:
      self.init(
        Self.code(ofSignal: error.signal), "stopped before the end", hint: "nothing was written")
    default:
      // No error of ours: this is our bug, and the text is all there is to find it by.
      self.init(.bug, "unexpected error: \(error)", hint: "please report it")
    }
  }

  /// A run that went on waiting after it was asked to stop.
  static func unresponsive(signal: Int32) -> RunFailure {
    RunFailure(
      code(ofSignal: signal), "stopped while it waited for something that did not answer",
      hint: "what it leaves is hidden, and removed by the next run to the same place")
  }

  private static func code(ofSignal signal: Int32) -> Code {
    signal == SIGTERM ? .terminated : .interrupted
  }

  private init(_ error: InputError) {
    let code: Code =
      switch error.kind {
      case .noInput: .noInput
      case .badData: .badData
      case .permission: .permission
      case .cannotCreate: .cannotCreate
      case .io: .io
      case .usage: .usage
      case .unavailable: .unavailable
      case .tryAgain: .tryAgain
      case .configuration: .configuration
      }
    self.init(
      code, error.message, hint: error.hint ?? Self.usualHint(error), file: error.file,
      line: error.line, column: error.column)
  }

  /// The way out where the error itself names none.
  private static func usualHint(_ error: InputError) -> String? {
    switch error.kind {
    case .noInput: "check the path"
    case .badData where error.line != nil: "correct it in the file"
    case .badData: "check that the file is complete and what its name says"
    case .permission: "check the permissions"
    case .cannotCreate, .io: "check the space on the disk and the permissions"
    case .usage, .unavailable, .tryAgain, .configuration: nil
    }
  }

  /// In the words of the command line.
  private init(_ error: ConfigurationError) {
    guard case .outOfRange(let field, let value, let allowed) = error else {
      // "there is no kernel …; choose …"
      let parts = error.description.components(separatedBy: "; ")
      self.init(
        .usage, parts[0], hint: parts.count > 1 ? parts.dropFirst().joined(separator: "; ") : nil)
      return
    }
    let flags = [
      "clusterCount": "--clusters", "restarts": "--n-init", "maxIterations": "--max-iterations",
      "tolerance": "--tolerance", "minShare": "--min-share", "maxShare": "--max-share",
      "radius": "--eps", "minimumPoints": "--min-points",
    ]
    self.init(.usage, "\(flags[field] ?? field) is \(value)", hint: "it must be \(allowed)")
  }

  private init(_ error: TransformError) {
    switch error {
    case .missingValue(let feature, let row):
      self.init(
        .badData, "a value is missing, infinite or too large",
        hint: "use --missing median, or --missing with a constant", line: Int64(row) + 1,
        column: feature)
    case .wholeColumnMissing(let feature):
      self.init(
        .badData, "every value is missing", hint: "leave the feature out", column: feature)
    case .mostlyMissing(let feature, let missing, let rows):
      self.init(
        .badData, "\(missing) of \(rows) values are missing",
        hint: "leave the feature out, or raise clustering.max_missing (--max-missing)",
        column: feature)
    case .rangeTooWide(let feature):
      self.init(
        .badData, "the values lie too far apart to be scaled",
        hint: "correct the extreme ones, or use --winsorize 0.001", column: feature)
    case .allConstant(let names):
      self.init(
        .badData, "every feature has one value only: \(names.joined(separator: ", "))",
        hint: "choose features that differ between rows")
    case .tooManyComponents(let asked, let features):
      self.init(
        .usage, "\(asked) principal components of \(features) features",
        hint: "ask for at most \(features)")
    case .noRows:
      self.init(.badData, "there are no rows", hint: "check the input and the as-of date")
    }
  }
}
