import Columnar
import Features
import Foundation
import Kernels
import Sharding

/// How columns become samples, as the command line asked.
public struct SampleOptions: Sendable {
  /// Columns in the order given.
  public var features: [String]
  /// Column that identifies rows; nil: the first one.
  public var id: String?
  public var scale: String?
  /// median, reject, or a number.
  public var missing: String?
  /// Share of values moved in at each end.
  public var winsorize: Double?
  public var components: Int?
  /// Share of missing values above which a feature is refused.
  public var maximumMissing: Double?

  public init(features: [String]) { self.features = features }

  /// - Parameter fallback: Scaling when neither flag nor configuration names one.
  func configuration(
    _ settings: Configuration, scaling fallback: String, missing fallbackMissing: String,
    winsorize fallbackWinsorize: Double
  ) throws
    -> TransformConfiguration
  {
    var configuration = TransformConfiguration()
    func configured(_ path: String) -> String? {
      settings.isDefault(path) ? nil : settings.text(path)
    }
    let word = scale ?? configured("clustering.scale") ?? fallback
    guard let scaling = TransformConfiguration.Scaling(rawValue: word) else {
      throw RunFailure(
        .usage, "--scale \(word) is unknown", hint: "use standard, robust, log-standard or none")
    }
    configuration.scaling = scaling
    let policy = missing ?? configured("clustering.missing") ?? fallbackMissing
    switch policy {
    case "median": configuration.missing = .median
    case "reject": configuration.missing = .reject
    default:
      guard let value = Double(policy), value.isFinite else {
        throw missing == nil
          ? settings.refuse(
            "clustering.missing", "is \"\(policy)\"", hint: "use median, reject or a number")
          : RunFailure(
            .usage, "--missing \(policy) is unknown", hint: "use median, reject or a number")
      }
      configuration.missing = .constant(value)
    }
    let share =
      winsorize
      ?? (settings.isDefault("clustering.winsorize")
        ? nil : settings.number("clustering.winsorize"))
      ?? fallbackWinsorize
    guard share >= 0, share < 0.5 else {
      throw winsorize == nil
        ? settings.refuse("clustering.winsorize", "is \(share)", hint: "give 0 to below 0.5")
        : RunFailure(.usage, "--winsorize \(share) is out of range", hint: "give 0 to below 0.5")
    }
    configuration.winsorize = share
    let allowed = maximumMissing ?? settings.number("clustering.max_missing") ?? 0.5
    guard allowed >= 0, allowed <= 1 else {
      throw maximumMissing == nil
        ? settings.refuse("clustering.max_missing", "is \(allowed)", hint: "give 0 to 1")
        : RunFailure(.usage, "--max-missing \(allowed) is out of range", hint: "give 0 to 1")
    }
    configuration.maximumMissing = allowed
    configuration.components = components ?? settings.integer("clustering.components")
    if let count = configuration.components, count < 1 {
      throw components == nil
        ? settings.refuse("clustering.components", "is \(count)", hint: "give 1 or more")
        : RunFailure(.usage, "--components \(count) is too few", hint: "give 1 or more")
    }
    return configuration
  }
}

/// A table read and turned into samples.
struct Samples {
  let table: FeatureTable
  let idName: String
  let transforms: FittedTransforms
  let centers: [Double]
  let matrix: FeatureMatrix
  let report: TransformReport

  /// Sentences for the result's `warnings`.
  var warnings: [String] { report.warnings }
}

extension TransformReport {
  /// Sentences for the result's `warnings`.
  var warnings: [String] {
    var warnings = dropped.map { "\($0) has one value only and is left out" }
    warnings += correlated.map {
      "\($0.0) and \($0.1) say the same (correlation above 0.9999)"
    }
    warnings += filled.sorted { $0.key < $1.key }.map {
      "\($0.value) missing values of \($0.key) are filled"
    }
    warnings += winsorized.sorted { $0.key < $1.key }.map {
      "\($0.value) values of \($0.key) are moved to the winsorising bounds"
    }
    return warnings
  }
}

/// Any table of numbers, for the commands that work without a ledger.
struct TableReading {
  let inputs: [String]
  let configuration: Configuration
  let workers: Workers

  /// Opens the inputs and finds the columns.
  ///
  /// - Parameters:
  ///   - extra: Columns to read beside the features.
  ///   - model: The model file that asks for the features, when one does.
  /// - Returns: `names` are the features' and then the extra ones', as the files call them.
  func open(
    features: [String], extra: [String] = [], model: String? = nil,
    options: ReadOptions? = nil
  ) throws -> (source: any Source, names: [String]) {
    guard !features.isEmpty else {
      throw RunFailure(.usage, "no features are named", hint: "name columns after --features")
    }
    if let repeated = features.first(where: { name in features.count { $0 == name } > 1 }) {
      throw RunFailure(.usage, "--features names \(repeated) twice", hint: "name it once")
    }
    let source = try Sources.open(inputs, options: options ?? configuration.readOptions())
    // Names of the field are aliases only where the table does not have them itself.
    let names = (features + extra).map { name in
      source.schema.index(of: name) == nil ? FeatureName.canonical(name) : name
    }
    let absent = names.filter { source.schema.index(of: $0) == nil }
    if let model, !absent.isEmpty {
      throw RunFailure(
        .badData,
        "the model \(model) needs columns that are not there: \(absent.joined(separator: ", "))",
        hint: "the file has \(source.schema.fields.map(\.name).joined(separator: ", "))",
        file: source.files.first)
    }
    guard !source.schema.fields.isEmpty else {
      throw InputError(.badData, "has no columns", file: source.files.first)
    }
    return (source, names)
  }

  /// A pass over the columns that ``open(features:extra:model:options:)`` found.
  func scan(
    _ source: any Source, id: String?, names: [String], stage: String, _ context: RunContext
  ) throws -> TableScan {
    let total = source.rowCount.map { Int($0) }
    return try TableScan(
      source, id: id, names: names, format: try configuration.decimalFormat(), workers: workers
    ) { context.progress(RunProgress(stage, done: $0, total: total)) }
  }

  func table(
    features: [String], id: String?, weight: String?, _ context: RunContext
  ) throws -> (table: FeatureTable, idName: String, weights: [Double]?) {
    let extra = weight.map { features.contains($0) ? [] : [$0] } ?? []
    let (source, names) = try open(features: features, extra: extra)
    let total = source.rowCount.map { Int($0) }
    var table = try FeatureTable.read(
      source, id: id, names: names, format: try configuration.decimalFormat(), workers: workers
    ) { context.progress(RunProgress("read", done: $0, total: total)) }
    var weights: [Double]?
    if let weight {
      let column = table.column(weight)!
      if let row = (0..<column.count).first(where: { !(column[$0] >= 0 && column[$0].isFinite) }) {
        throw RunFailure(
          .badData, "a weight is missing or negative", hint: "give every row a weight of 0 or more",
          file: table.places?.place(of: row)?.file, line: table.places?.place(of: row)?.line,
          column: weight)
      }
      weights = Array(column.values)
    }
    if !extra.isEmpty {
      table = FeatureTable(
        ids: table.ids, names: Array(names.prefix(features.count)),
        columns: Array(table.columns.prefix(features.count)), places: table.places)
    }
    return (table, id ?? source.schema.fields[0].name, weights)
  }

  /// Fits transforms to a table and applies them.
  func samples(
    of table: FeatureTable, idName: String, _ settings: TransformConfiguration
  ) throws -> Samples {
    do {
      let (transforms, report) = try FittedTransforms.fit(
        names: table.names, columns: table.columns, configuration: settings, workers: workers)
      let columns = transforms.features.map { table.column($0.name)! }
      let centers = try transforms.centers(of: columns, scaling: settings.scaling, workers: workers)
      let matrix = try transforms.samples(of: columns, centers: centers, workers: workers)
      return Samples(
        table: table, idName: idName, transforms: transforms, centers: centers, matrix: matrix,
        report: report)
    } catch let error as TransformError {
      throw RunFailure(error, in: table, inputs: inputs)
    }
  }
}

extension RunFailure {
  /// With the place in the files that the table was read from.
  init(_ error: TransformError, in table: FeatureTable, inputs: [String]) {
    self.init(error)
    file = inputs.first.map(DatabaseAddress.redacted)
    guard case .missingValue(_, let row) = error else { return }
    if let place = table.places?.place(of: row) {
      (file, line) = (place.file, place.line)
    } else {
      // Computed tables have customers, not lines.
      line = nil
    }
  }
}
