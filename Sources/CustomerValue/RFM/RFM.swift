import Columnar
import Sharding

/// Recency, frequency and monetary scores with a name for each combination.
///
/// Fitted on one base, kept in the model, applied to any later base.
package struct RFM: Sendable, Codable, Equatable {
  package let recency: ScoreScale
  package let frequency: ScoreScale
  package let monetary: ScoreScale
  package let table: RFMTable

  package init(
    recency: ScoreScale, frequency: ScoreScale, monetary: ScoreScale, table: RFMTable
  ) {
    self.recency = recency
    self.frequency = frequency
    self.monetary = monetary
    self.table = table
  }

  /// Takes the quintiles of a base.
  ///
  /// - Parameters:
  ///   - recency: Days since the last transaction; less is better.
  ///   - frequency: Number of transactions.
  ///   - monetary: Money, in any unit.
  /// - Throws: ``RFMError/noValues(_:)``.
  package init(
    fittingRecency recency: Buffer<Double>, frequency: Buffer<Double>, monetary: Buffer<Double>,
    table: RFMTable = .standard(), workers: Workers
  ) throws {
    precondition(recency.count == frequency.count && frequency.count == monetary.count)
    self.init(
      recency: try ScoreScale(
        fitting: recency, named: "recency_days", direction: .lowerIsBetter, workers: workers),
      frequency: try ScoreScale(
        fitting: frequency, named: "frequency", direction: .higherIsBetter, workers: workers),
      monetary: try ScoreScale(
        fitting: monetary, named: "monetary", direction: .higherIsBetter, workers: workers),
      table: table)
  }

  package struct Scores: Sendable {
    /// 1 to 5; 0 where the value is missing.
    package let recency: Buffer<Int32>
    package let frequency: Buffer<Int32>
    package let monetary: Buffer<Int32>
    /// Index into the table's names; −1 where a score the table needs is missing.
    package let segment: Buffer<Int32>

    package init(
      recency: Buffer<Int32>, frequency: Buffer<Int32>, monetary: Buffer<Int32>,
      segment: Buffer<Int32>
    ) {
      self.recency = recency
      self.frequency = frequency
      self.monetary = monetary
      self.segment = segment
    }
  }

  package func scores(
    recency: Buffer<Double>, frequency: Buffer<Double>, monetary: Buffer<Double>,
    workers: Workers
  ) throws -> Scores {
    precondition(recency.count == frequency.count && frequency.count == monetary.count)
    let r = try self.recency.scores(recency, workers: workers)
    let f = try self.frequency.scores(frequency, workers: workers)
    let m = try self.monetary.scores(monetary, workers: workers)
    let shards = Shards(rows: r.count, rowsPerShard: 1 << 16)
    let needsMonetary = table.digits == 3
    let cells = table.cells.map(Int32.init)
    let segment = try Buffer<Int32>(count: r.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let (r, f, m) = (r.values, f.values, m.values)
        cells.withUnsafeBufferPointer { cells in
          for row in shards[shard] {
            let isKnown = r[row] > 0 && f[row] > 0 && (!needsMonetary || m[row] > 0)
            let pair = Int(r[row] - 1) * 5 + Int(f[row] - 1)
            let cell = needsMonetary ? pair * 5 + Int(m[row] - 1) : pair
            target.initializeElement(at: row, to: isKnown ? cells[cell] : -1)
          }
        }
      }
    }
    return Scores(recency: r, frequency: f, monetary: m, segment: segment)
  }
}
