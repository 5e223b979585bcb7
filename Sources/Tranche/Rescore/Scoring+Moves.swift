import Clustering
import Columnar
import CustomerValue
import Features
import Segments
import Sharding

/// Stable ids, migration, and why customers moved.
extension Scoring {
  func addMigration(_ base: inout ScoredBase, from previous: PreviousRun) throws {
    let rows = try joinedRows(previous, &base)
    func sides(_ profile: BaseProfile) -> [Migration.Side] {
      profile.segments.map { Migration.Side(id: $0.id, name: $0.name) }
    }
    func migration(_ profile: BaseProfile) throws -> Migration {
      try Migration(
        previous: previous.base,
        current: SegmentedBase(
          customerIDs: table.ids, segments: base.labels, sides: sides(profile)),
        rows: rows, workers: workers)
    }
    if frozen == nil || refit {
      // A new model's segments take over the ids of those they continue.
      let provisional = try migration(base.profile)
      let matching = SegmentMatching(
        provisional, distances: centroidDistances(previous, base),
        history: previous.model?.scoring?.segmentHistory ?? [],
        threshold: configuration.number("matching.minimum_jaccard") ?? 0.3)
      base.profile = base.profile.identified(by: matching.ids).named(language)
      scoring(&base) { $0.segmentHistory = matching.history }
      for split in matching.splits {
        base.warnings.append("segment \(split.from) became \(split.into.joined(separator: ", "))")
      }
      for merge in matching.merges {
        base.warnings.append("segments \(merge.from.joined(separator: ", ")) became \(merge.into)")
      }
    }
    base.migration = try migration(base.profile)
    let before = previous.base.segments
    let previousSegments = try before.gathered(rows, workers: workers)
    base.previousSegments = previousSegments
    base.moveReasons = try moveReasons(base, previous, previousSegments)
  }

  /// Ids by nearness of centroids alone, for a refit without the customers of the run before.
  func nearestIDs(_ old: ModelFile, _ base: ScoredBase) -> SegmentMatching {
    let distances = old.centroidsOriginal.map { old.distances(from: $0, to: base.model) }
    return SegmentMatching(
      previousIDs: old.segments.map(\.id), currentCount: base.model.centroids.count,
      overlap: distances.map { $0.map { _ in 0 } }, distances: distances,
      previousDistances: old.centroidsOriginal.map { old.distances(from: $0, to: old) },
      history: old.scoring?.segmentHistory ?? [])
  }

  /// Distances between previous and current centroids; zeros where the old model is gone.
  private func centroidDistances(_ previous: PreviousRun, _ base: ScoredBase) -> [[Double]] {
    let nowhere = [Double](repeating: 0, count: base.model.centroids.count)
    guard let old = previous.model else { return previous.base.sides.map { _ in nowhere } }
    let labels = Dictionary(
      old.segments.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { a, _ in a })
    return previous.base.sides.map { side in
      labels[side.id].map { old.distances(from: old.centroidsOriginal[$0], to: base.model) }
        ?? nowhere
    }
  }

  private func moveReasons(
    _ base: ScoredBase, _ previous: PreviousRun, _ before: Buffer<Int32>
  ) throws -> Buffer<Int32> {
    let previousIDs = previous.base.sides.map(\.id)
    let currentIDs = base.profile.segments.map(\.id)
    // What last month's model says of this month's customers, to tell moves of people from moves of
    // borders; a frozen model moves no borders.
    var byOldModel: Buffer<Int32>?
    if frozen == nil || refit, let old = previous.model {
      let columns = old.features.compactMap { table.column($0.name) }
      if columns.count == old.features.count {
        byOldModel = try old.assign(columns, margins: false, workers: workers).labels
      }
    }
    let oldIDs = previous.model?.segments.map(\.id) ?? []
    let (behaviour, model, new) = (Int32(0), Int32(1), Int32(2))
    // By segment instead of by customer: whether a segment now, or one of the old model, is the one
    // that a customer comes from.
    let isSame = previousIDs.map { from in currentIDs.map { $0 == from } }
    let isOld = previousIDs.map { from in oldIDs.map { $0 == from } }
    let otherwise = frozen == nil || refit ? model : behaviour
    let labels = base.labels
    let shards = Shards(rows: before.count, rowsPerShard: 1 << 16)
    return try Buffer(count: before.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { [byOldModel] shard in
        let (before, labels, old) = (before.values, labels.values, byOldModel?.values)
        for row in shards[shard] {
          let from = Int(before[row])
          let reason: Int32 =
            if from < 0 {
              new
            } else if isSame[from][Int(labels[row])] {
              -1
            } else if let old {
              isOld[from][Int(old[row])] ? model : behaviour
            } else {
              otherwise
            }
          target.initializeElement(at: row, to: reason)
        }
      }
    }
  }
}

extension Buffer<Int32> {
  /// The values at `rows`, −1 where a row is negative.
  func gathered(_ rows: Buffer<Int32>, workers: Workers) throws -> Buffer<Int32> {
    let shards = Shards(rows: rows.count, rowsPerShard: 1 << 16)
    return try Buffer(count: rows.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let (values, rows) = (self.values, rows.values)
        for place in shards[shard] {
          let row = Int(rows[place])
          target.initializeElement(at: place, to: row < 0 ? -1 : values[row])
        }
      }
    }
  }
}

extension ModelFile {
  /// Distances from a point in original units to another model's centroids, in this model's scaled
  /// space; zeros when the models measure different features.
  func distances(from point: [Double], to other: ModelFile) -> [Double] {
    guard features.map(\.name) == other.features.map(\.name) else {
      return [Double](repeating: 0, count: other.centroids.count)
    }
    return other.centroidsOriginal.map { centroid in
      zip(zip(features, point), centroid).reduce(0) { sum, pair in
        let ((transform, from), to) = pair
        let difference = transform(from) - transform(to)
        return sum + difference * difference
      }.squareRoot()
    }
  }
}
