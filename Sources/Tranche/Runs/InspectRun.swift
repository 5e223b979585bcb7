import Columnar
import Foundation

/// `inspect`: what a file holds, and which settings read it.
public struct InspectRun: Sendable {
  public var input: String

  public init(input: String) { self.input = input }

  /// `tranche.inspect.v1`.
  public struct Result: Encodable, Sendable {
    public var schema = "tranche.inspect.v1"
    package var file: FileInspection
    /// One line a finding, for people.
    public var lines: [String]
  }

  public func run(_ configuration: Configuration) throws -> Result {
    let inspection = try FileInspection(input, options: try configuration.readOptions())
    var lines = [
      inspection.format.map { "\(input): \($0), \(inspection.bytes) bytes" }
        ?? "\(inspection.path): a database"
    ]
    if let rows = inspection.rows {
      lines.append("\(rows) rows" + (inspection.rowGroups.map { " in \($0) row groups" } ?? ""))
    } else {
      lines.append("\(inspection.sampledRows) rows looked at")
    }
    if let delimiter = inspection.delimiter {
      lines.append(
        "delimiter \(delimiter), \(inspection.hasHeader == true ? "with" : "without") header, "
          + (inspection.encoding ?? "utf-8"))
    }
    if inspection.rejectedRows > 0 {
      lines.append("\(inspection.rejectedRows) rows have another number of fields")
    }
    for column in inspection.columns {
      var line = "  \(column.name): \(column.unreadable ?? column.type)"
      if let content = column.content { line += ", \(content)" }
      if column.missingShare > 0 {
        line += String(format: ", %.1f %% missing", column.missingShare * 100)
      }
      if !column.dateFormats.isEmpty {
        line += ", dates as " + column.dateFormats.joined(separator: " or ")
      }
      if !column.examples.isEmpty {
        line += " (" + column.examples.prefix(3).joined(separator: ", ") + ")"
      }
      lines.append(line)
    }
    if !inspection.configuration.isEmpty {
      lines.append("settings that read it:")
      lines += inspection.configuration.map { "  " + $0 }
    }
    return Result(file: inspection, lines: lines)
  }
}
