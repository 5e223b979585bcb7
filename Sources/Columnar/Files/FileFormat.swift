/// What kind of file it is.
package enum FileFormat: String, Sendable, Hashable, Codable, CaseIterable {
  case parquet, csv, ipc

  package var name: String {
    switch self {
    case .parquet: "Parquet"
    case .csv: "CSV"
    case .ipc: "Arrow IPC"
    }
  }

  /// Compression of a text file's bytes.
  package enum Compression: String, Sendable, Hashable, Codable {
    case none, gzip, zstd
  }

  static let extensions: [(format: FileFormat, names: [String])] = [
    (.parquet, ["parquet", "pq"]), (.csv, ["csv", "tsv", "txt"]),
    (.ipc, ["arrow", "feather", "ipc", "arrows"]),
  ]

  /// What the name says: the format, and for text files (`.csv.gz`) the compression of its bytes.
  ///
  /// - Returns: Nil when the extension names no format.
  package static func named(_ path: String) -> (format: FileFormat, compression: Compression)? {
    var parts = (path.split(separator: "/").last.map(String.init) ?? "").lowercased()
      .split(separator: ".", omittingEmptySubsequences: false).dropFirst()
    var compression = Compression.none
    switch parts.last {
    case "gz"?: compression = .gzip
    case "zst"?, "zstd"?: compression = .zstd
    default: break
    }
    if compression != .none { parts = parts.dropLast() }
    guard let last = parts.last,
      let known = extensions.first(where: { $0.names.contains(String(last)) })
    else { return nil }
    if compression != .none, known.format != .csv { return nil }
    return (known.format, compression)
  }

  static var extensionList: String {
    ".parquet, .pq, .csv, .tsv, .txt (also with .gz or .zst), .arrow, .feather, .ipc or .arrows"
  }

  /// Format and compression of a file to be written.
  static func ofOutput(
    _ path: String, _ options: WriteOptions
  ) throws -> (FileFormat, WriteOptions.Compression) {
    let named = Self.named(path)
    guard let format = options.format ?? named?.format else {
      throw InputError(
        .usage, "the name does not say which format to write", file: path,
        hint: "end it in \(extensionList)")
    }
    guard options.compression == .automatic else { return (format, options.compression) }
    switch format {
    case .parquet: return (format, .zstd)
    case .ipc: return (format, .none)
    case .csv:
      switch named?.compression ?? .none {
      case .none: return (format, .none)
      case .gzip: return (format, .gzip)
      case .zstd: return (format, .zstd)
      }
    }
  }
}
