import Columnar
import Sharding
import Synchronization

extension FeatureTable {
  /// Reads numeric columns of any table, whole, in file order.
  ///
  /// - Parameters:
  ///   - id: Name of the column that identifies rows; nil takes the first one.
  ///   - names: The columns to read as features, each at most once.
  /// - Returns: Rows in file order; ids are whatever the id column holds.
  /// - Throws: `InputError` for a column that is not there, or the first value that is no number.
  package static func read(
    _ source: any Source, id: String?, names: [String], format: DecimalFormat, workers: Workers,
    progress: (Int) -> Void = { _ in }
  ) throws -> FeatureTable {
    guard !source.schema.fields.isEmpty else {
      throw InputError(.badData, "has no columns", file: source.files.first)
    }
    let idColumn = try id.map { try source.position(of: $0) } ?? 0
    let features = try names.map { try source.position(of: $0) }
    // A column may be both the id and a feature; it is decoded once.
    let asked = [idColumn] + features.filter { $0 != idColumn }
    let slots = features.map { feature in asked.firstIndex(of: feature)! }

    typealias Chunk = (id: Column, features: [Buffer<Double>], origin: RecordBatch.Origin)
    var chunks: [Chunk] = []
    var places: [(firstRow: Int, origin: RecordBatch.Origin)] = []
    var rows = 0
    while true {
      var pieces: [Piece] = []
      while pieces.count < 4 * workers.threads, let piece = try source.next(columns: asked) {
        pieces.append(piece)
      }
      if pieces.isEmpty { break }
      let round = pieces
      let decoded = try workers.map(round.count) { index -> Chunk in
        let batch = try round[index].decode()
        let columns = try slots.map { slot in
          let parsed = batch.columns[slot].doubles(format)
          if let failure = parsed.failures.first(where: { !$0.isNotFinite }) {
            throw failure.error(in: batch, column: batch.schema.fields[slot].name)
          }
          // What is not finite counts as missing, and the transforms say what becomes of that.
          return parsed.values
        }
        return (batch.columns[0], columns, batch.origin)
      }
      chunks += decoded
      for chunk in decoded {
        places.append((rows, chunk.origin))
        rows += chunk.id.count
      }
      progress(rows)
    }
    guard rows > 0 else {
      throw InputError(
        .badData, "there are no rows", file: source.files.first, hint: "check the input")
    }
    let (parts, rowCount) = (chunks, rows)
    let columns = try workers.map(names.count) { feature -> Buffer<Double> in
      Buffer(count: rowCount) { target in
        var start = 0
        for part in parts {
          let values = part.features[feature].values
          _ = UnsafeMutableBufferPointer(rebasing: target[start..<start + values.count])
            .initialize(from: values)
          start += values.count
        }
      }
    }
    return FeatureTable(
      ids: .concatenating(parts.map(\.id)), names: names, columns: columns,
      places: RowPlaces(places))
  }
}
