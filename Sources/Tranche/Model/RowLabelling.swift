import Clustering
import Columnar
import Features
import Kernels
import Sharding

/// How a model labels rows: what `fit` wrote and what `assign` writes.
struct RowLabelling: Sendable {
  private let model: ModelFile
  private let transforms: FittedTransforms
  private let assignment: Assignment

  /// - Parameter kernel: auto, or a kernel set's name.
  init(_ model: ModelFile, kernel: String) throws {
    self.model = model
    transforms = model.transforms
    // Blocks are labelled side by side, each by one thread.
    assignment = try Assignment(
      centroids: model.centroids.flatMap { $0 }, columns: transforms.dimensions,
      kernel: kernel == "auto" ? nil : kernel, workers: Workers(threads: 1))
  }

  /// The kernel that runs.
  var kernel: String { assignment.kernel }

  func labels(
    of block: TableBlock, inputs: [String]
  ) throws -> (labels: [Int32], distances: [Float]) {
    let matrix = FeatureMatrix(
      rows: block.rows.count, columns: transforms.dimensions, centers: model.centers)
    do {
      try transforms.fill(matrix, rows: 0..<block.rows.count, from: block.columns)
    } catch {
      var failure = RunFailure(error, in: block)
      failure.hint = "fill it in, or fit the model with --missing median or a constant"
      throw failure
    }
    let result = try assignment.assign(matrix)
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
  ) throws -> Assignment.Result {
    let matrix = try transforms.samples(of: columns, centers: centers, workers: workers)
    let assignment = try Assignment(
      centroids: centroids.flatMap { $0 }, columns: transforms.dimensions, workers: workers)
    return try assignment.assign(matrix, margins ? [.distances, .margins] : [.distances])
  }
}
