import Columnar
import Features
import Foundation
import Kernels
import Sharding
import Synchronization

/// A table as samples, ready to be clustered.
struct LoadedSamples {
  let rows: Int
  let transforms: FittedTransforms
  let centers: [Double]
  let matrix: FeatureMatrix
  let report: TransformReport
  let weights: [Double]?
  let idName: String
  /// Nil when they are to be read again: they are needed for the label file only.
  let ids: Column?
  /// Where what grows with the rows lies; nil: in memory.
  let space: SpillSpace?
  /// For the passes over the matrix.
  let workers: Workers

  /// As `fit` was asked to make them.
  struct Request {
    var features: [String]
    var id: String?
    var weight: String?
    var settings: TransformConfiguration
    var budget: MemoryBudget?
    /// Transforms that are taken as they are; nil fits them.
    var frozen: (transforms: FittedTransforms, centers: [Double])?
    /// Bytes a row that stay in memory whatever happens to the matrix.
    var residentBytesPerRow = 0
    /// The folder for a temporary file.
    var folder: String
    /// Bounds of many clusters take room beside the matrix.
    var clusters: Int
  }
}

extension TableReading {
  /// Reads a table into samples, by the way that needs least memory:
  ///
  /// - binary files are read twice, for the statistics and then straight into the matrix, so that
  ///   n × d × 4 bytes are all that grows with them;
  /// - text files, standard input, and transforms that need whole columns (medians, quartiles,
  ///   winsorising bounds, principal components) hold the columns as Doubles beside the matrix;
  /// - under a budget that the matrix does not fit, matrix and columns lie in a temporary file.
  ///
  /// The samples are the same, to the bit, every way.
  func load(
    _ request: LoadedSamples.Request, _ watch: inout Stopwatch, _ context: RunContext
  ) throws -> LoadedSamples {
    var options = try configuration.readOptions()
    // Whole row groups of a column at once are what memory would go into.
    options.parquet.buffersBatches = true
    options.parquet.wholeGroupRows = .max
    let weight = request.weight.flatMap { request.features.contains($0) ? nil : $0 }
    let (source, names) = try open(
      features: request.features, extra: weight.map { [$0] } ?? [], options: options)
    let idName = request.id ?? source.schema.fields[0].name
    _ = try source.position(of: idName)
    let loader = SampleLoader(
      reading: self, request: request, options: options, idName: idName, names: names,
      weightIndex: request.weight.map { name in
        names.firstIndex(of: name) ?? names.firstIndex(of: FeatureName.canonical(name))!
      })
    return try loader.load(source, &watch, context)
  }
}

/// One `load`.
private struct SampleLoader {
  let reading: TableReading
  let request: LoadedSamples.Request
  let options: ReadOptions
  let idName: String
  /// The features', then the weight's when it is none of them.
  let names: [String]
  let weightIndex: Int?

  var workers: Workers { reading.workers }
  var d: Int { request.features.count }

  private var needsColumns: Bool {
    if let frozen = request.frozen { return frozen.transforms.components != nil }
    return !TransformStatistics.suffice(for: request.settings)
  }

  func load(
    _ source: any Source, _ watch: inout Stopwatch, _ context: RunContext
  ) throws -> LoadedSamples {
    let isText = source is CSVSource
    let isStream = reading.inputs == ["-"]
    guard let budget = request.budget else {
      if isText || isStream || needsColumns {
        return try held(&watch, context)
      }
      return try direct(source, space: nil, &watch, context)
    }
    let fixed = MemoryBudget.fixed(columns: names.count + 1, threads: workers.threads)
    try budget.check(needs: fixed, for: "to read \(names.count) columns at all")
    if isStream {
      throw RunFailure(
        .usage, "--memory cannot be combined with standard input, which is read only once",
        hint: "write it to a file first")
    }
    if let rows = source.rowCount { try check(budget, fixed, rows: Int(rows)) }
    let counted = try source.rowCount.map(Int.init) ?? count(source, &watch, context)
    try check(budget, fixed, rows: counted)
    // A row's share: the matrix, labels and distances twice, weights, and columns held as Doubles.
    let matrix = d * 4 + 24 + (weightIndex == nil ? 0 : 16)
    let columns = needsColumns ? (d + 2) * 8 : 0
    if budget.bytes >= fixed + counted * (matrix + columns + request.residentBytesPerRow) {
      return needsColumns
        ? try held(&watch, context)
        : try direct(try reopened(), space: nil, &watch, context)
    }
    let space = try SpillSpace(
      folder: request.folder,
      capacity: (counted + FeatureMatrix.tileRows) * (matrix + columns + 16)
        + CentroidBounds.bytes(rows: counted, k: request.clusters) + (64 << 20),
      residentLimit: budget.bytes - budget.bytes / 8)
    return needsColumns
      ? try spilled(space, rows: counted, &watch, context)
      : try direct(try reopened(), space: space, &watch, context)
  }

  /// What stays in memory even when the matrix does not.
  private func check(_ budget: MemoryBudget, _ fixed: Int, rows: Int) throws {
    // Quantiles gather the values of a few leading-digit bins: at worst, all of a column.
    let resident =
      request.residentBytesPerRow + (weightIndex == nil ? 0 : 8) + (needsColumns ? 24 : 0)
    try budget.check(
      needs: fixed + rows * resident,
      for: "for \(rows) rows of \(names.count) columns with \(workers.threads) threads")
  }

  private func reopened() throws -> any Source {
    try Sources.open(reading.inputs, options: options)
  }

  private func scan(
    _ source: any Source, id: String? = nil, names: [String], _ stage: String,
    _ context: RunContext
  ) throws -> TableScan {
    try reading.scan(source, id: id, names: names, stage: stage, context)
  }

  private func count(
    _ source: any Source, _ watch: inout Stopwatch, _ context: RunContext
  ) throws -> Int {
    try watch.measure("read") {
      try scan(source, names: names, "count", context).forEachBlock { _ in }
    }
  }

  /// Whole columns in memory.
  private func held(_ watch: inout Stopwatch, _ context: RunContext) throws -> LoadedSamples {
    let (table, idName, weights) = try watch.measure("read") {
      try reading.table(
        features: request.features, id: request.id, weight: request.weight, context)
    }
    return try watch.measure("prepare") {
      let prepared = try samples(of: table, idName: idName)
      return LoadedSamples(
        rows: table.rows, transforms: prepared.transforms, centers: prepared.centers,
        matrix: prepared.matrix, report: prepared.report, weights: weights, idName: idName,
        ids: table.ids, space: nil, workers: workers)
    }
  }

  private func samples(of table: FeatureTable, idName: String) throws -> Samples {
    guard let frozen = request.frozen else {
      return try reading.samples(of: table, idName: idName, request.settings)
    }
    do {
      let columns = frozen.transforms.features.map { table.column($0.name)! }
      let matrix = try frozen.transforms.samples(
        of: columns, centers: frozen.centers, workers: reading.workers)
      return Samples(
        table: table, idName: idName, transforms: frozen.transforms, centers: frozen.centers,
        matrix: matrix, report: TransformReport())
    } catch let error as TransformError {
      throw RunFailure(error, in: table, inputs: reading.inputs)
    }
  }

  /// Whole columns in a temporary file.
  private func spilled(
    _ space: SpillSpace, rows: Int, _ watch: inout Stopwatch, _ context: RunContext
  ) throws -> LoadedSamples {
    let reading = TableReading(
      inputs: self.reading.inputs, configuration: self.reading.configuration, workers: workers)
    let gathered = WeightParts()
    return try space.run {
      let columns = (0..<d).map { _ in Buffer<Double>.uninitialized(count: rows) }
      nonisolated(unsafe) let targets = columns.map(\.storage)
      try watch.measure("read") {
        let count = try reading.scan(
          try reopened(), id: nil, names: names, stage: "read", context
        ).forEachBlock { block in
          try checkRows(block, rows)
          for (target, column) in zip(targets, block.columns) {
            (target.baseAddress! + block.rows.lowerBound).update(
              from: column.base, count: column.count)
          }
          try gathered.add(block, weightIndex, name: request.weight)
        }
        try checkCount(count, rows)
      }
      return try watch.measure("prepare") {
        let table = FeatureTable(
          // Identifiers are read again for the label file; a column stands in for them.
          ids: Column(.double(columns[0].buffer)), names: Array(names.prefix(d)),
          columns: columns.map(\.buffer))
        let loader = SampleLoader(
          reading: reading, request: request, options: options, idName: idName, names: names,
          weightIndex: weightIndex)
        let prepared = try loader.samples(of: table, idName: idName)
        return LoadedSamples(
          rows: rows, transforms: prepared.transforms, centers: prepared.centers,
          matrix: prepared.matrix, report: prepared.report, weights: gathered.whole,
          idName: idName, ids: nil, space: space, workers: workers)
      }
    }
  }

  /// Two passes: statistics, then tiles.
  private func direct(
    _ source: any Source, space: SpillSpace?, _ watch: inout Stopwatch, _ context: RunContext
  ) throws -> LoadedSamples {
    let features = Array(names.prefix(d))
    let gathered = WeightParts()
    var fitted: (transforms: FittedTransforms, report: TransformReport, centers: [Double])
    var rows = 0
    if let frozen = request.frozen, source.rowCount != nil, weightIndex == nil {
      fitted = (frozen.transforms, TransformReport(), frozen.centers)
      rows = Int(source.rowCount!)
      guard rows > 0 else {
        throw RunFailure(.badData, "there are no rows", hint: "check the input")
      }
    } else {
      let statistics = TransformStatistics(
        names: features, configuration: request.frozen == nil ? request.settings : .init())
      let parts = Mutex<[(Int, TransformStatistics.Part)]>([])
      rows = try watch.measure("read") {
        try scan(source, names: names, "read", context).forEachBlock { block in
          let part = statistics.part(of: block)
          parts.withLock { $0.append((block.index, part)) }
          try gathered.add(block, weightIndex, name: request.weight)
        }
      }
      if let frozen = request.frozen {
        fitted = (frozen.transforms, TransformReport(), frozen.centers)
      } else {
        fitted = try fit(statistics, parts.withLock { $0 }.sorted { $0.0 < $1.0 }.map(\.1))
      }
    }
    let (transforms, centers, expected) = (fitted.transforms, fitted.centers, rows)
    return try watch.measure("prepare") {
      let make = { FeatureMatrix(rows: expected, columns: transforms.dimensions, centers: centers) }
      let matrix = space.map { $0.run(make) } ?? make()
      let correlations = CorrelationSample(transforms, rows: expected)
      let reading = TableReading(
        inputs: self.reading.inputs, configuration: self.reading.configuration, workers: workers)
      let count = try reading.scan(
        try reopened(), id: nil, names: transforms.features.map(\.name), stage: "prepare", context
      ).forEachBlock { block in
        try checkRows(block, expected)
        do throws(TransformError) {
          try transforms.fill(matrix, rows: block.rows, from: block.columns)
        } catch {
          throw located(error, in: block)
        }
        if request.frozen == nil { correlations.add(block) }
      }
      try checkCount(count, expected)
      if request.frozen == nil { fitted.report.correlated = correlations.pairs }
      FileMemory.release()
      return LoadedSamples(
        rows: expected, transforms: transforms, centers: centers, matrix: matrix,
        report: fitted.report, weights: gathered.whole, idName: idName, ids: nil, space: space,
        workers: workers)
    }
  }

  private func fit(
    _ statistics: TransformStatistics, _ parts: [TransformStatistics.Part]
  ) throws -> (transforms: FittedTransforms, report: TransformReport, centers: [Double]) {
    do {
      return try statistics.fit(parts)
    } catch let error as TransformStatistics.MissingValue {
      var failure = RunFailure(TransformError.missingValue(feature: error.feature, row: 0))
      (failure.file, failure.line) = (error.place.file, error.place.line)
      throw failure
    } catch let error as TransformError {
      var failure = RunFailure(error)
      failure.file = reading.inputs.first
      throw failure
    }
  }

  /// The matrix's row, as the block knows it.
  private func located(_ error: TransformError, in block: TableBlock) -> RunFailure {
    var failure = RunFailure(error)
    if case .missingValue(_, let row) = error {
      let place = block.place(of: row)
      (failure.file, failure.line) = (place.file, place.line)
    }
    return failure
  }

  private func checkRows(_ block: TableBlock, _ rows: Int) throws {
    if block.rows.upperBound > rows { throw changed }
  }

  private func checkCount(_ count: Int, _ rows: Int) throws {
    if count != rows { throw changed }
  }

  private var changed: RunFailure { SampleChange.failure(reading.inputs) }
}

extension LoadedSamples {
  /// Runs work on the samples where what grows with the rows lies where they do.
  func inSpace<Value>(_ body: () throws -> Value) rethrows -> Value {
    guard let space else { return try body() }
    return try space.run(body)
  }
}

/// Files that are read more than once must not change in between.
enum SampleChange {
  static func failure(_ inputs: [String]) -> RunFailure {
    RunFailure(
      .badData, "changed while it was read", hint: "run again when nothing writes to it",
      file: inputs.first)
  }
}

/// Weights as blocks bring them.
private final class WeightParts: Sendable {
  private let parts = Mutex<[(index: Int, weights: [Double])]>([])

  func add(_ block: TableBlock, _ column: Int?, name: String?) throws {
    guard let column, let name else { return }
    let weights = Array(block.columns[column].values)
    if let row = weights.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
      let place = block.place(of: block.rows.lowerBound + row)
      throw RunFailure(
        .badData, "a weight is missing or negative", hint: "give every row a weight of 0 or more",
        file: place.file, line: place.line, column: name)
    }
    parts.withLock { $0.append((block.index, weights)) }
  }

  /// Nil when there are none.
  var whole: [Double]? {
    parts.withLock { parts in
      parts.isEmpty ? nil : parts.sorted { $0.index < $1.index }.flatMap(\.weights)
    }
  }
}

/// The evenly spaced rows that tell features which say the same.
private final class CorrelationSample: Sendable {
  private let transforms: FittedTransforms
  private let rows: Int
  private let step: Int
  private let parts = Mutex<[(index: Int, values: [[Double]])]>([])

  init(_ transforms: FittedTransforms, rows: Int) {
    self.transforms = transforms
    self.rows = rows
    step = FittedTransforms.correlationStep(rows: rows)
  }

  /// - Parameter block: With the transforms' columns only, in their order.
  func add(_ block: TableBlock) {
    let first = (block.rows.lowerBound + step - 1) / step * step
    guard first < block.rows.upperBound else { return }
    let values = zip(transforms.features, block.columns).map { transform, column in
      stride(from: first, to: block.rows.upperBound, by: step).map {
        transform(column.base[$0 - block.rows.lowerBound])
      }
    }
    parts.withLock { $0.append((block.index, values)) }
  }

  var pairs: [(String, String)] {
    let sorted = parts.withLock { $0.sorted { $0.index < $1.index } }
    return FittedTransforms.correlatedPairs(
      transforms.features.map(\.name),
      transforms.features.indices.map { feature in sorted.flatMap { $0.values[feature] } },
      rows: rows)
  }
}
