import Columnar
import Crypto
import Features
import Foundation
import Sharding

/// Reading options as configured.
extension Configuration {
  func decimalFormat() throws -> DecimalFormat {
    guard let mark = text("ledger.decimal_mark") else { return .automatic }
    return DecimalFormat(decimalMark: mark == "," ? .comma : .point)
  }

  func ledgerFormat() throws -> LedgerFormat {
    var format = LedgerFormat()
    format.customerID = text("ledger.customer_id") ?? ""
    format.date = text("ledger.date") ?? ""
    format.amount = text("ledger.amount") ?? ""
    format.channel = text("ledger.channel") ?? ""
    format.currency = text("ledger.currency") ?? ""
    format.type = text("ledger.type") ?? ""
    format.transactionID = text("ledger.transaction_id")
    if let pattern = text("ledger.date_format") {
      do {
        format.dateFormat = try DateFormat(pattern)
      } catch {
        throw refuse(
          "ledger.date_format", "\"\(pattern)\" is not understood",
          hint: "write it with yyyy, mm and dd, such as dd.mm.yyyy, or epoch-s")
      }
    }
    format.decimalFormat = try decimalFormat()
    if let scale = integer("ledger.amount_scale") {
      guard (0...9).contains(scale) else {
        throw refuse("ledger.amount_scale", "is \(scale)", hint: "give 0 to 9 decimals")
      }
      format.amountScale = scale
    }
    // The table of keys admits only these words.
    format.negative = LedgerFormat.Negative(rawValue: text("ledger.negative") ?? "") ?? .refund
    format.refunds = LedgerFormat.Refunds(rawValue: text("ledger.refunds") ?? "") ?? .net
    format.duplicates = LedgerFormat.Duplicates(rawValue: text("ledger.duplicates") ?? "") ?? .keep
    format.excludedTypes = list("ledger.exclude_types") ?? []
    if let rates = table("ledger.rates") {
      format.rates = try rates.mapValues { text in
        guard let rate = Double(text), rate.isFinite, rate > 0 else {
          throw refuse("ledger.rates", "has \"\(text)\"", hint: "give a positive number a currency")
        }
        return rate
      }
    }
    return format
  }
}

/// The day of a run.
enum AsOf {
  static func days(_ text: String, flag: String = "--as-of") throws -> Int32 {
    guard let date = CivilDate(iso: text) else {
      throw RunFailure(.usage, "\(flag) \(text) is not a day", hint: "write it like 2025-12-31")
    }
    return Int32(date.daysSinceEpoch)
  }
}

/// What a file was when it was read, or what was read from a database.
struct InputRecord: Codable, Sendable {
  var path: String
  /// 0 of a database.
  var bytes: Int
  /// Of the file; of a database that of the rows in the order in which they came.
  var sha256: String
  /// Databases: the statement, the columns taken from it, and the rows it brought.
  var query: String?
  var columns: [String]?
  var rows: Int?

  /// What a source without files brought; nil for files.
  init?(_ source: any Source) {
    guard let contents = (source as? DatabaseSource)?.contents else { return nil }
    self.init(path: contents.name, bytes: 0, sha256: contents.sha256)
    query = contents.statement
    columns = contents.columns
    rows = Int(contents.rows)
  }

  /// Hashes files on all threads; their pages are still in memory from the reading.
  static func all(_ paths: [String], workers: Workers) throws -> [InputRecord] {
    try workers.map(paths.count) { try InputRecord(hashing: paths[$0]) }
  }

  /// - Throws: `RunFailure` for a file that cannot be read.
  init(hashing path: String) throws {
    guard !Self.isPipe(path), var hash = FileHash(path) else {
      // It cannot be read twice.
      self.init(path: path, bytes: 0, sha256: "")
      return
    }
    try hash.follow()
    self = hash.record
  }

  /// Whether what is read from it is gone: standard input, a pipe, a device.
  static func isPipe(_ path: String) -> Bool {
    var status = stat()
    return path == "-" || stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
  }

  fileprivate init(path: String, bytes: Int, sha256: String) {
    self.path = path
    self.bytes = bytes
    self.sha256 = sha256
  }
}

/// The hash of a file that may still grow at its end.
struct FileHash {
  private let path: String
  private let file: FileHandle
  private var hash = SHA256()
  private var bytes = 0

  /// Nil for a file that cannot be opened.
  init?(_ path: String) {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    self.path = path
    self.file = file
  }

  /// Takes in what the file has beyond what was taken in before.
  mutating func follow() throws {
    let size = 1 << 20
    try withUnsafeTemporaryAllocation(byteCount: size, alignment: 64) { chunk in
      while true {
        let count = read(file.fileDescriptor, chunk.baseAddress, size)
        guard count >= 0 else {
          throw RunFailure(.io, "cannot be read: \(String(cString: strerror(errno)))", file: path)
        }
        if count == 0 { return }
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: chunk[0..<count]))
        bytes += count
      }
    }
  }

  /// Of all that was taken in.
  var record: InputRecord {
    InputRecord(path: path, bytes: bytes, sha256: hash.finalize().hex)
  }
}

extension Configuration {
  /// How files are read, as [read] and the flags say.
  func readOptions() throws -> ReadOptions {
    var options = ReadOptions()
    if let delimiter = text("read.delimiter") {
      switch delimiter {
      case "whitespace": options.csv.delimiter = .whitespace
      case "tab": options.csv.delimiter = .byte(UInt8(ascii: "\t"))
      default:
        guard let byte = delimiter.utf8.first, delimiter.utf8.count == 1 else {
          throw refuse(
            "read.delimiter", "is \"\(delimiter)\"",
            hint: "give one ASCII character, tab or whitespace")
        }
        options.csv.delimiter = .byte(byte)
      }
    }
    if let header = flag("read.header") { options.csv.header = header ? .present : .absent }
    options.csv.columnNames = list("read.columns")
    options.csv.skippedLines = max(0, integer("read.skip_lines") ?? 0)
    options.csv.comment = text("read.comment")?.utf8.first
    options.csv.encoding = text("read.encoding")
    if let missing = list("read.null_values") { options.csv.missing = missing }
    options.databases = databaseSettings()
    return options
  }
}
