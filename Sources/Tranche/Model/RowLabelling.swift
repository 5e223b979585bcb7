import Clustering
import Columnar
import Features
import Kernels
import Sharding

/// How a model labels rows: what `fit` wrote and what `assign` writes.
struct RowLabelling: Sendable {
  private enum Rule: Sendable {
    case nearestCentroid(Assignment)
    case power(PowerDiagram)
    case prototypes(PrototypeLabels)
  }

  private let model: ModelFile
  private let transforms: FittedTransforms
  private let rule: Rule

  /// - Parameter kernel: auto, or a kernel set's name.
  init(_ model: ModelFile, kernel: String) throws {
    self.model = model
    transforms = model.transforms
    let d = transforms.dimensions
    let name = kernel == "auto" ? nil : kernel
    // Blocks are labelled side by side, each by one thread.
    let workers = Workers(threads: 1)
    if let prototypes = model.prototypes {
      rule = .prototypes(
        try PrototypeLabels(
          points: prototypes.points.flatMap { $0 }, columns: d, labels: prototypes.labels,
          radius: prototypes.radius, kernel: name, workers: workers))
    } else if let heights = model.heights {
      rule = .power(
        try PowerDiagram(
          centroids: model.centroids.flatMap { $0 }, columns: d, heights: heights, kernel: name,
          workers: workers))
    } else {
      rule = .nearestCentroid(
        try Assignment(
          centroids: model.centroids.flatMap { $0 }, columns: d, kernel: name, workers: workers))
    }
  }

  /// The kernel that runs.
  var kernel: String {
    switch rule {
    case .nearestCentroid(let assignment): assignment.kernel
    case .power(let diagram): diagram.kernel
    case .prototypes(let prototypes): prototypes.kernel
    }
  }

  func labels(
    of block: TableBlock, inputs: [String]
  ) throws -> (labels: [Int32], distances: [Float]) {
    let rows = 0..<block.rows.count
    var (columns, centers) = (transforms.dimensions, model.centers)
    if case .power = rule {
      columns += 1
      centers.append(0)
    }
    let matrix = FeatureMatrix(rows: rows.count, columns: columns, centers: centers)
    if columns > transforms.dimensions { matrix.clear(columns - 1) }
    do throws(TransformError) {
      try transforms.fill(matrix, rows: rows, from: block.columns)
    } catch {
      var failure = RunFailure(error, in: block)
      failure.hint = "fill it in, or fit the model with --missing median or a constant"
      throw failure
    }
    let result =
      switch rule {
      case .nearestCentroid(let assignment): try assignment.assign(matrix)
      case .power(let diagram): try diagram.assign(matrix)
      case .prototypes(let prototypes): try prototypes.assign(matrix)
      }
    return (result.labels, result.distances)
  }
}

extension RunFailure {
  /// With the place in the files that the block was read from; the error counts the block's rows.
  init(_ error: TransformError, in block: TableBlock) {
    self.init(error)
    guard case .missingValue(_, let row) = error else { return }
    let place = block.place(of: block.rows.lowerBound + row)
    (file, line) = (place.file, place.line)
  }
}

extension ModelFile {
  /// Labels of rows given as whole feature columns, in the order of `features`.
  func assign(
    _ columns: [Buffer<Double>], margins: Bool, workers: Workers
  ) throws -> ModelLabels {
    guard prototypes == nil, heights == nil else {
      throw RunFailure(
        .usage, "a model with size limits or clusters of any shape labels tables only",
        hint: "use it with `tranche assign`, or fit one without")
    }
    let rows = columns[0].count
    let labels = Buffer<Int32>.uninitialized(count: rows)
    let distances = Buffer<Float>.uninitialized(count: rows)
    let marginRows = Buffer<Float>.uninitialized(count: margins ? rows : 0)
    nonisolated(unsafe) let targets = (
      labels: labels.storage, distances: distances.storage, margins: marginRows.storage
    )
    // Block by block, each by one thread: a matrix of all rows would be memory met for the first time.
    let assignment = try Assignment(
      centroids: centroids.flatMap { $0 }, columns: transforms.dimensions,
      workers: Workers(threads: 1))
    let shards = Shards(rows: rows, rowsPerShard: 128 * FeatureMatrix.tileRows)
    let (transforms, centers) = (transforms, centers)
    try workers.forEach(shards.count) { shard in
      let range = shards[shard]
      let matrix = FeatureMatrix(
        rows: range.count, columns: transforms.dimensions, centers: centers)
      do throws(TransformError) {
        try transforms.fill(matrix, rows: 0..<range.count, from: columns.map { $0[range] })
      } catch {
        guard case .missingValue(let feature, let row) = error else { throw error }
        throw TransformError.missingValue(feature: feature, row: range.lowerBound + row)
      }
      let result = try assignment.assign(matrix, margins ? [.distances, .margins] : [.distances])
      for row in 0..<range.count {
        targets.labels[range.lowerBound + row] = result.labels[row]
        targets.distances[range.lowerBound + row] = result.distances[row]
        if margins { targets.margins[range.lowerBound + row] = result.margins[row] }
      }
    }
    return ModelLabels(
      labels: labels.buffer, distances: distances.buffer,
      margins: margins ? marginRows.buffer : nil, kernel: assignment.kernel)
  }
}

/// What a model says of a base.
struct ModelLabels {
  var labels: Buffer<Int32>
  var distances: Buffer<Float>
  var margins: Buffer<Float>?
  var kernel: String
}
