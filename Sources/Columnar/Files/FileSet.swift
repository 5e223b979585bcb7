/// Several files of one shape: the columns of the first, found by name in all of them.
struct FileSet: Sendable {
  let files: [ArrowFile]
  let schema: Schema
  /// Rows of all files, nil when one does not say.
  let rowCount: Int64?
  private let dictionaryColumns: [String]
  /// Per column of `schema`: each file's field, or what is wrong with the column.
  private let columns: [Result<[FileColumn], InputError>]

  /// - Parameter dictionaryColumns: Names of text columns to read as codes and a dictionary.
  init(_ files: [ArrowFile], dictionaryColumns: [String]) {
    precondition(!files.isEmpty)
    self.files = files
    self.dictionaryColumns = dictionaryColumns
    rowCount = files.reduce(Optional<Int64>(0)) { sum, file in
      sum.flatMap { known in file.rows.map { known + $0 } }
    }
    var fields: [Field] = []
    var columns: [Result<[FileColumn], InputError>] = []
    for (index, first) in files[0].fields.enumerated() {
      let agreed = Result<(ColumnType, [Int]), any Error> {
        try Self.agreedType(of: first, at: index, in: files)
      }.mapError { error -> InputError in
        guard let error = error as? InputError else { preconditionFailure("\(error)") }
        return error
      }
      let type = (try? agreed.get().0) ?? first.field.type
      fields.append(
        Field(name: first.field.name, type: type, unreadable: first.field.unreadable))
      let asDictionary = type == .string && dictionaryColumns.contains(first.field.name)
      columns.append(
        agreed.map { type, indices in
          zip(files, indices).map { file, index in
            FileColumn(
              index: index, stored: file.fields[index].field.type,
              isNull: file.fields[index].isNull, type: type, asDictionary: asDictionary)
          }
        })
    }
    schema = Schema(fields: fields)
    self.columns = columns
  }

  /// The given columns of `schema` as they lie in file number `file`.
  ///
  /// - Throws: ``InputError`` for a column that a file lacks, holds as another type, or whose type
  ///   cannot be read.
  func columns(_ indices: [Int], in file: Int) throws -> [FileColumn] {
    try indices.map { try columns[$0].get()[file] }
  }

  /// The range of an integer column over all files, nil where one does not say.
  func integerRange(of column: Int) -> ClosedRange<Int64>? {
    switch schema.fields[column].type {
    case .int32, .int64: break
    default: return nil
    }
    guard let columns = try? columns[column].get() else { return nil }
    var range: ClosedRange<Int64>?
    for (file, column) in zip(files, columns) where file.rows != 0 {
      guard let other = file.integerRange(of: column.index) else { return nil }
      range =
        range.map {
          min($0.lowerBound, other.lowerBound)...max($0.upperBound, other.upperBound)
        } ?? other
    }
    return range
  }

  private static func agreedType(
    of first: ArrowFile.FileField, at index: Int, in files: [ArrowFile]
  ) throws -> (ColumnType, [Int]) {
    let name = first.field.name
    var type = first.isNull ? nil : first.field.type
    var typedBy = files[0].path
    var indices = [index]
    try checkReadable(first.field, in: files[0])
    for file in files.dropFirst() {
      guard let place = file.fields.firstIndex(where: { $0.field.name == name }) else {
        throw InputError(
          .badData, "the column is missing, but \(files[0].path) has it", file: file.path,
          column: name, hint: "read only files of one shape together")
      }
      indices.append(place)
      let other = file.fields[place]
      try checkReadable(other.field, in: file)
      if other.isNull { continue }
      guard let known = type else {
        (type, typedBy) = (other.field.type, file.path)
        continue
      }
      guard let common = known.widened(with: other.field.type) else {
        throw InputError(
          .badData, "the column is \(other.field.type.name), but \(known.name) in \(typedBy)",
          file: file.path, column: name, hint: "write the column with one type in all files")
      }
      type = common
    }
    return (type ?? .string, indices)
  }

  private static func checkReadable(_ field: Field, in file: ArrowFile) throws {
    guard let reason = field.unreadable else { return }
    throw InputError(
      .badData, "\(reason) are not supported", file: file.path, column: field.name,
      hint: "leave the column out or write it as a plain type")
  }
}

extension ColumnType {
  /// As people write it: "int32", "timestamp[ms, UTC]", "decimal(12, 2)".
  package var name: String {
    switch self {
    case .int32: "int32"
    case .int64: "int64"
    case .float: "float"
    case .double: "double"
    case .date: "date"
    case .timestamp(let unit, let hasZone):
      "timestamp[\(["s", "ms", "us", "ns"][unit.rawValue])\(hasZone ? ", UTC" : "")]"
    case .decimal(let precision, let scale): "decimal(\(precision), \(scale))"
    case .string: "string"
    }
  }
}
