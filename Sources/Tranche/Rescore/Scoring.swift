import Clustering
import Columnar
import CustomerValue
import Features
import Foundation
import Kernels
import Segments
import Sharding

/// A base with everything that is known of it.
struct ScoredBase {
  var table: FeatureTable
  var model: ModelFile
  var labels: Buffer<Int32>
  var distances: Buffer<Float>
  var margins: Buffer<Float>?
  var profile: BaseProfile
  var inertia: Double
  var kernel: String
  var iterations: Int?
  var converged: Bool?
  var rfm: RFM.Scores?
  var rfmNames: [String] = []
  var simpleValue: Buffer<Double>?
  var forecast: ValueForecast?
  /// Groups that value is fitted for apart.
  var groups: CustomerGroups?
  /// 1 for customers who are left alone.
  var control: Buffer<Int32>?
  /// Raw values of `Tier`, −1 for none.
  var tiers: Buffer<Int32>?
  var migration: Migration?
  /// Row of each customer in the previous run, −1 for new ones.
  var previousRows: Buffer<Int32>?
  /// Index into the previous run's segments, −1 for new customers.
  var previousSegments: Buffer<Int32>?
  /// Index into `MoveReason.allCases`, −1 where nothing moved.
  var moveReasons: Buffer<Int32>?
  var selection: ClusterCountChoice?
  var transformReport: TransformReport?
  var warnings: [String] = []
}

/// Why a customer's segment id is not last month's.
enum MoveReason: String, CaseIterable {
  /// Last month's model would have moved the customer as well.
  case behaviour
  /// Only the new model did.
  case model
  /// There was no segment before.
  case new
}

/// From features to segments, scores and moves.
struct Scoring {
  let table: FeatureTable
  let plan: RescorePlan
  let configuration: Configuration
  let workers: Workers
  let context: RunContext
  let frozen: ModelFile?
  let refit: Bool
  let clusteringFeatures: [String]
  let clusters: String?
  let lowersClusters: Bool
  let previous: PreviousRun?
  let offers: RescoreOffers
  let value: RescoreValue?
  let purchases: CustomerPurchases?
  /// Days since 1970-01-01.
  let asOf: Int32

  func score(_ watch: inout Stopwatch) throws -> ScoredBase {
    var base: ScoredBase
    if let frozen, !refit {
      base = try watch.measure("assign") { try assigned(by: frozen) }
    } else {
      base = try fitted(&watch)
    }
    if let value, let purchases {
      try watch.measure("value") { try addForecast(&base, value, purchases) }
    }
    try watch.measure("profile") { try addProfile(&base) }
    if try ControlGroup.share(configuration) > 0 { try addControl(&base) }
    if let previous { try watch.measure("migration") { try addMigration(&base, from: previous) } }
    finishModel(&base)
    // Only now segments have their ids, by which margins and costs may be given.
    try watch.measure("scores") { try addScores(&base) }
    if let groups = base.groups, let models = base.model.scoring?.valueGroups {
      base.warnings += ValueRun.Groups(models, groups).warnings
    }
    return base
  }

  // MARK: - Segments

  private func assigned(by model: ModelFile) throws -> ScoredBase {
    let columns = try model.features.map { feature in
      guard let column = table.column(feature.name) else {
        throw RunFailure(
          .badData, "the model needs the feature \(feature.name), the ledger does not give it",
          hint: "use the ledger's columns the model was fitted on, or --refit")
      }
      return column
    }
    let result = try model.assign(columns, margins: plan.scores.contains(.margin), workers: workers)
    var base = ScoredBase(
      table: table, model: model, labels: result.labels, distances: result.distances,
      margins: result.margins,
      profile: BaseProfile(customers: 0, featureNames: [], features: [], segments: []),
      inertia: 0, kernel: result.kernel)
    base.inertia = result.distances.values.reduce(0) { $0 + Double($1) * Double($1) }
    return base
  }

  private func fitted(_ watch: inout Stopwatch) throws -> ScoredBase {
    let settings = try SampleOptions(features: clusteringFeatures).configuration(
      configuration, scaling: "log-standard", missing: "median", winsorize: 0.001)
    let names = clusteringFeatures.map(FeatureName.canonical)
    let columns = names.map { table.column($0)! }
    let reading = TableReading(inputs: [], configuration: configuration, workers: workers)
    let samples = try watch.measure("prepare") {
      try reading.samples(
        of: FeatureTable(ids: table.ids, names: names, columns: columns), idName: "customer_id",
        settings)
    }
    let seed = try configuration.seed()
    try configuration.checkClustering()
    var clustering = ClusteringSettings(
      clusters: 0, algorithm: configuration.text("clustering.algorithm") ?? "auto",
      initialization: configuration.text("clustering.init") ?? "k-means++", kernel: "auto",
      restarts: configuration.integer("clustering.n_init") ?? 1,
      maxIterations: configuration.integer("clustering.max_iterations") ?? 300,
      tolerance: configuration.number("clustering.tolerance") ?? 1e-4, seed: seed,
      lowersClusters: lowersClusters)
    var choice: ClusterCountChoice?
    if let k = try RescoreRun.clusterCount(clusters, configuration) {
      clustering.clusters = k
    } else {
      choice = try watch.measure("choose k") { try chooseClusters(samples, seed) }
      clustering.clusters = choice!.recommended
    }
    let fit = try clustering.fit(
      samples, weights: nil, configuration: configuration, workers: workers, context)
    watch.add("init", fit.result.seconds.initialize)
    watch.add("iterate", fit.result.seconds.iterate)
    let result = fit.result
    let d = samples.transforms.dimensions
    var base = ScoredBase(
      table: table,
      model: ModelFile(
        transforms: samples.transforms, centers: samples.centers,
        centroids: result.sizes.indices.map { Array(result.centroids[$0 * d..<($0 + 1) * d]) },
        segments: result.sizes.map { ModelFile.Segment(id: "", name: "", size: $0) },
        inertia: result.inertia, seed: seed, dropped: samples.report.dropped,
        scale: settings.scaling.rawValue),
      labels: Buffer(
        base: result.rows.labelBase, count: result.rows.rows, owner: result.rows),
      distances: Buffer(
        base: result.rows.distanceBase, count: result.rows.rows, owner: result.rows),
      profile: BaseProfile(customers: 0, featureNames: [], features: [], segments: []),
      inertia: result.inertia, kernel: result.kernel)
    base.iterations = result.iterations
    base.converged = result.converged
    base.selection = choice
    base.transformReport = samples.report
    base.warnings = samples.warnings + fit.warnings + result.warnings
    if !result.converged { base.warnings.append("K-Means stopped before it converged") }
    if plan.scores.contains(.margin) {
      let margins = try watch.measure("margins") {
        try Assignment(centroids: result.centroids, columns: d, workers: workers)
          .assign(samples.matrix, [.margins])
      }
      base.margins = Buffer(margins.margins)
    }
    return base
  }

  /// Rows that the number of segments is chosen on: enough that the silhouette's interval is about
  /// a hundredth, few enough that a dozen fits take a second.
  private static let choiceRows = 50_000
  /// Fewer than three segments are no segmentation, more than ten nobody keeps in mind.
  private static let choiceRange = 3...10

  private func chooseClusters(_ samples: Samples, _ seed: UInt64) throws -> ClusterCountChoice {
    let rows = table.rows
    let random = CounterBasedRandom(seed: seed, purpose: .init("choice of k"))
    let chosen: [Int]
    if rows <= Self.choiceRows {
      chosen = Array(0..<rows)
    } else {
      // The rows with the smallest random numbers, in row order.
      let limit = UInt64(Double(Self.choiceRows) / Double(rows) * 0x1p64)
      chosen = (0..<rows).filter { random.bits(at: $0) < limit }
    }
    let columns = samples.transforms.features.map { feature in
      let column = table.column(feature.name)!
      return Buffer(chosen.map { column[$0] })
    }
    let matrix = try samples.transforms.samples(
      of: columns, centers: samples.centers, workers: workers)
    func sweep(_ range: ClosedRange<Int>) throws -> ClusterCountChoice {
      try SelectK.sweep(
        matrix, clusters: range,
        configuration: try KMeansConfiguration(clusterCount: range.lowerBound, seed: seed),
        refits: 3, silhouetteSample: 4_000, workers: workers
      ) { k in
        context.progress(
          RunProgress(
            "choose k", done: k - range.lowerBound, total: range.count, unit: "fits",
            note: "k = \(k)"))
      }
    }
    let largest: Int
    do {
      return try sweep(Self.choiceRange)
    } catch ClusteringError.tooFewDistinctRows(_, let possible) {
      largest = possible
    } catch ClusteringError.tooFewRows(_, let possible) {
      largest = possible
    }
    guard largest >= (lowersClusters ? 1 : Self.choiceRange.lowerBound) else {
      throw RunFailure(
        .badData,
        "the base has \(largest) different customers, too few to choose a number of segments",
        hint: "give --clusters \(largest) or fewer, or add --k-max-distinct")
    }
    return try sweep(min(Self.choiceRange.lowerBound, largest)...largest)
  }

  // MARK: - Scores

  private func addScores(_ base: inout ScoredBase) throws {
    let wanted = plan.scores
    if wanted.contains(where: \.isRFM) {
      let (recency, frequency, monetary) =
        (column(.recencyDays), column(.frequency), column(.monetary))
      let rfm =
        try base.model.scoring?.rfm
        ?? RFM(
          fittingRecency: recency, frequency: frequency, monetary: monetary,
          table: .standard(language), workers: workers)
      base.rfm = try rfm.scores(
        recency: recency, frequency: frequency, monetary: monetary, workers: workers)
      base.rfmNames = rfm.table.names
      scoring(&base) { $0.rfm = rfm }
    }
    guard wanted.contains(.simpleValue) || wanted.contains(.tier) else { return }
    let simple = try SimpleParameters(configuration)
    let value = try simple.value(
      frequency: column(.frequency), averageValue: column(.averageAmount), base.groups,
      workers: workers)
    for name in simple.unused(base.groups) {
      base.warnings.append("no group is called \"\(name)\", its margin or cost goes to nobody")
    }
    base.simpleValue = value
    guard wanted.contains(.tier) else { return }
    let clv = plan.tiersByForecast ? base.forecast?.clv : nil
    // Who never bought is worth nothing, and has a tier all the same.
    let tiered =
      clv.map { clv in
        Buffer(count: clv.count) { target in
          for (row, value) in clv.values.enumerated() {
            target.initializeElement(at: row, to: value.isNaN ? 0 : value)
          }
        }
      } ?? value
    let tiers: Tiers
    if let known = base.model.scoring?.tiers {
      tiers = known
    } else {
      do {
        tiers = try Tiers(
          fitting: tiered,
          rule: .shares(
            high: configuration.number("tiers.high") ?? 0.2,
            mid: configuration.number("tiers.mid") ?? 0.3), workers: workers)
      } catch is TierError {
        throw configuration.refuse(
          "tiers.high", "and tiers.mid make no sense",
          hint: "give two shares that leave a rest for the low tier")
      }
    }
    base.tiers = try tiers.assign(tiered, previous: try previousTiers(&base), workers: workers)
    scoring(&base) {
      $0.tiers = tiers
      $0.tiersBy = clv == nil ? "clv_simple" : "clv"
    }
  }

  private func column(_ feature: LedgerFeature) -> Buffer<Double> {
    guard let column = table.column(feature.rawValue) else {
      preconditionFailure("the plan folds what its columns need: \(feature.rawValue)")
    }
    return column
  }

  func scoring(_ base: inout ScoredBase, _ change: (inout ScoringModel) -> Void) {
    var scoring = base.model.scoring ?? ScoringModel()
    change(&scoring)
    base.model.scoring = scoring
  }

  var language: CustomerValue.Language {
    CustomerValue.Language(rawValue: configuration.text("report.language") ?? "en") ?? .english
  }

  private func previousTiers(_ base: inout ScoredBase) throws -> Buffer<Int32>? {
    guard let previous, let tiers = previous.tiers else { return nil }
    return try tiers.gathered(try joinedRows(previous, &base), workers: workers)
  }

  /// Rows of the customers in the run before; looked up once.
  func joinedRows(_ previous: PreviousRun, _ base: inout ScoredBase) throws -> Buffer<Int32> {
    if let known = base.previousRows { return known }
    do {
      let rows = try CustomerJoin.previousRows(
        of: table.ids, in: previous.base.customerIDs, workers: workers)
      base.previousRows = rows
      return rows
    } catch let error as MigrationError {
      throw RunFailure(.badData, "\(error)", hint: "give the run of the same bank to --previous")
    }
  }

  // MARK: - Profile, ids, moves

  private func addProfile(_ base: inout ScoredBase) throws {
    let features = zip(table.names, table.columns).map {
      BaseProfile.Feature(name: $0, values: $1)
    }
    var profile = try BaseProfile(
      labels: base.labels, segmentCount: base.model.centroids.count, features: features,
      money: table.column("monetary"), workers: workers)
    if frozen != nil, !refit {
      // Ids and names are the model's: a name must not change under a customer.
      for label in profile.segments.indices {
        profile.segments[label].id = base.model.segments[label].id
        profile.segments[label].name = base.model.segments[label].name
      }
    } else {
      profile = profile.named(language)
      if previous == nil, let frozen {
        // No customers to compare with: segments near to old ones keep their ids.
        let matching = nearestIDs(frozen, base)
        profile = profile.identified(by: matching.ids).named(language)
        scoring(&base) { $0.segmentHistory = matching.history }
      }
    }
    base.profile = profile
  }

  private func finishModel(_ base: inout ScoredBase) {
    let outcome = offers.offers.applied(to: base.profile)
    base.profile = outcome.profile
    for segment in outcome.unusedSegments {
      base.warnings.append("no segment is called \"\(segment)\", its offer goes to nobody")
    }
    guard frozen == nil || refit else { return }
    base.model.segments = base.profile.segments.map {
      ModelFile.Segment(id: $0.id, name: $0.name, size: $0.size)
    }
    let ids = base.profile.segments.map(\.id)
    nameGroups(&base, by: ids)
    scoring(&base) { scoring in
      scoring.segmentHistory = Array(Set(scoring.segmentHistory + ids)).sorted()
    }
  }
}
