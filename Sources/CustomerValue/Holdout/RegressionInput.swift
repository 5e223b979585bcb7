import Columnar
import Features
import Sharding

/// Features of a snapshot's customers, or of some of them: written once for all that regress on them.
struct SnapshotFeatures: Sendable {
  let window: Int
  /// The places among the snapshot's rows that are here.
  let places: Range<Int>
  /// `PurchaseFeatures.width` a place.
  let values: Buffer<Double>

  /// All of a snapshot.
  init(
    _ snapshot: PurchaseSnapshot, window: Int, workers: Workers
  ) throws {
    let shards = Shards(rows: snapshot.count, rowsPerShard: 1 << 12)
    let (buffer, storage) = Buffer<Double>.uninitialized(
      count: snapshot.count * PurchaseFeatures.width)
    nonisolated(unsafe) let target = storage.baseAddress!
    try workers.forEach(shards.count) { shard in
      Self.write(
        snapshot, shards[shard], window: window,
        to: target + shards[shard].lowerBound * PurchaseFeatures.width)
    }
    self.window = window
    places = 0..<snapshot.count
    values = buffer
  }

  /// Of a shard, on the calling thread.
  init(_ snapshot: PurchaseSnapshot, _ places: Range<Int>, window: Int) {
    self.window = window
    self.places = places
    values = Buffer(count: places.count * PurchaseFeatures.width) {
      Self.write(snapshot, places, window: window, to: $0.baseAddress!)
    }
  }

  private static func write(
    _ snapshot: PurchaseSnapshot, _ places: Range<Int>, window: Int,
    to target: UnsafeMutablePointer<Double>
  ) {
    for (index, place) in places.enumerated() {
      PurchaseFeatures.write(
        snapshot.purchases, Int(snapshot.rows.base[place]), age: snapshot.age, window: window,
        to: target + index * PurchaseFeatures.width)
    }
  }

  @inline(__always)
  func row(_ place: Int) -> UnsafePointer<Double> {
    values.base + (place - places.lowerBound) * PurchaseFeatures.width
  }
}

/// What a regression sees of a snapshot's customers: features, and forecasts of purchase models.
/// First what days are forecast by, then what amounts need beside it.
struct RegressionInput: @unchecked Sendable {
  /// The places among a snapshot's rows that it has.
  let places: Range<Int>
  private let features: PurchaseFeatures?
  /// Of the features, how many days are forecast by.
  private let dayFeatures: Int
  private let columns: [Buffer<Double>]
  /// Where those begin; reading them counts no references.
  private let bases: [UnsafePointer<Double>]
  let dayNames: [String]
  let names: [String]

  /// - Parameters:
  ///   - models: Of the same places, for a regression on purchase models.
  ///   - recurring: Of the same places, for `recurring`.
  init(
    _ candidate: ValueCandidate, window: Int, _ places: Range<Int>,
    _ models: PurchaseModelForecasts?, _ recurring: RecurringColumns? = nil
  ) {
    self.places = places
    features =
      candidate == .recalibrated
      ? nil : PurchaseFeatures(window: window, hasRates: candidate.isLinear)
    dayFeatures = candidate == .recurring ? 0 : features?.dayCount ?? 0
    var (days, amounts): ([(name: String, values: Buffer<Double>)], [(String, Buffer<Double>)])
    if candidate == .recurring {
      guard let recurring else { preconditionFailure("recurring payments of the places") }
      days = zip(RecurringColumns.names, recurring.columns).map { ($0, $1) }
      amounts = []
    } else if let models, candidate.regressesOnModels {
      (days, amounts) = (
        models.columns(withAlive: candidate == .hybrid), [models.columnOfSpend()]
      )
    } else {
      (days, amounts) = ([], [])
    }
    columns = days.map(\.values) + amounts.map(\.1)
    bases = columns.map(\.base)
    dayNames = (features?.dayNames.prefix(dayFeatures) ?? []) + days.map(\.name)
    names = dayNames + amounts.map(\.0) + (features?.amountNames ?? [])
  }

  var rows: Int { places.count }
  var width: Int { max(names.count, 1) }

  /// Of a row: `names` in order.
  @inline(__always)
  func write(
    _ place: Int, _ all: UnsafePointer<Double>, to row: UnsafeMutablePointer<Double>
  ) {
    var column = dayFeatures
    for index in 0..<column { row[index] = all[index] }
    let own = place - places.lowerBound
    for base in bases {
      row[column] = base[own]
      column += 1
    }
    for index in 0..<(features?.amountCount ?? 0) {
      row[column + index] = all[PurchaseFeatures.dayWidth + index]
    }
  }

  /// - Parameter all: Of the whole snapshot.
  func matrix(_ all: SnapshotFeatures, _ workers: Workers) throws -> DesignMatrix {
    try matrix(names, all, workers)
  }

  /// Without what only amounts need.
  func dayMatrix(_ all: SnapshotFeatures, _ workers: Workers) throws -> DesignMatrix {
    try matrix(dayNames, all, workers)
  }

  /// - Parameter names: The first ones.
  private func matrix(
    _ names: [String], _ all: SnapshotFeatures, _ workers: Workers
  ) throws -> DesignMatrix {
    let shards = Shards(rows: rows, rowsPerShard: 1 << 12)
    let (width, kept) = (self.width, names.count)
    let (values, storage) = Buffer<Double>.uninitialized(count: rows * kept)
    nonisolated(unsafe) let target = storage
    try workers.forEach(shards.count) { shard in
      withExtendedLifetime((self, all)) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: width) { row in
          for place in shards[shard] {
            write(place, all.row(place), to: row.baseAddress!)
            (target.baseAddress! + place * kept).update(from: row.baseAddress!, count: kept)
          }
        }
      }
    }
    return DesignMatrix(names: names, rows: rows, values: values)
  }
}
