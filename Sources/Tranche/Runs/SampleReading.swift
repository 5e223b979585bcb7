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

  public init(features: [String]) { self.features = features }

  /// - Parameter fallback: Scaling when neither flag nor configuration names one.
  func configuration(_ settings: Configuration, scaling fallback: String, missing fallbackMissing: String, winsorize fallbackWinsorize: Double) throws
    -> TransformConfiguration
  {
    var configuration = TransformConfiguration()
    func configured(_ path: String) -> String? { settings.isDefault(path) ? nil : settings.text(path) }
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
        throw RunFailure(
          .usage, "--missing \(policy) is unknown", hint: "use median, reject or a number")
      }
      configuration.missing = .constant(value)
    }
    let share =
      winsorize ?? (settings.isDefault("clustering.winsorize") ? nil : settings.number("clustering.winsorize"))
      ?? fallbackWinsorize
    guard share >= 0, share < 0.5 else {
      throw RunFailure(.usage, "--winsorize \(share) is out of range", hint: "give 0 to below 0.5")
    }
    configuration.winsorize = share
    configuration.components = components ?? settings.integer("clustering.components")
    if let count = configuration.components, count < 1 {
      throw RunFailure(.usage, "--components \(count) is too few", hint: "give 1 or more")
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
  var warnings: [String] {
    var warnings = report.dropped.map { "\($0) has one value only and is left out" }
    warnings += report.correlated.map { "\($0.0) and \($0.1) say the same (correlation above 0.9999)" }
    warnings += report.filled.sorted { $0.key < $1.key }.map {
      "\($0.value) missing values of \($0.key) are filled"
    }
    warnings += report.winsorized.sorted { $0.key < $1.key }.map {
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

  func table(
    features: [String], id: String?, weight: String?, _ context: RunContext
  ) throws -> (table: FeatureTable, idName: String, weights: [Double]?) {
    guard !features.isEmpty else {
      throw RunFailure(.usage, "no features are named", hint: "name columns after --features")
    }
    if let repeated = features.first(where: { name in features.count { $0 == name } > 1 }) {
      throw RunFailure(.usage, "--features names \(repeated) twice", hint: "name it once")
    }
    let source = try Sources.open(inputs, options: try configuration.readOptions())
    let extra = weight.map { features.contains($0) ? [] : [$0] } ?? []
    // Names of the field are aliases only where the table does not have them itself.
    let names = (features + extra).map { name in
      source.schema.index(of: name) == nil ? FeatureName.canonical(name) : name
    }
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
          file: inputs.first, line: Int64(row) + 1, column: weight)
      }
      weights = Array(column.values)
    }
    if !extra.isEmpty {
      table = FeatureTable(
        ids: table.ids, names: Array(names.prefix(features.count)),
        columns: Array(table.columns.prefix(features.count)))
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
      var failure = RunFailure(error)
      failure.file = inputs.first
      throw failure
    }
  }
}
