import Clustering
import Columnar
import CustomerValue
import Features
import Foundation
import Segments
import Sharding

/// `rescore`: the main job, a ledger in, a scored base out.
public struct RescoreRun: Sendable {
  public var ledger: [String]
  public var customers: [String] = []
  public var asOf: String
  public var out: String
  /// A model of an earlier run, used as it is unless `refit`.
  public var model: String?
  /// Output folder of the run before.
  public var previous: String?
  public var refit = false
  /// Nil: from the configuration.
  public var clusters: String?
  /// Makes fewer segments, as many as there are different customers, instead of failing.
  public var lowersClusters = false
  public var features: [String]?
  /// Nil: all.
  public var columns: [String]?
  public var writesReport = true
  /// Nil: every file of the ledger is read.
  public var state: LedgerStateOptions?
  public var force = false
  /// A table of a database that takes the scores too.
  public var outTable: String?
  /// As typed, for the manifest and the report.
  public var command = ""

  public init(ledger: [String], asOf: String, out: String) {
    self.ledger = ledger
    self.asOf = asOf
    self.out = out
  }

  /// `tranche.rescore.v1`.
  public struct Result: Encodable, Sendable {
    public struct Segment: Encodable, Sendable {
      public var id: String
      public var name: String
      public var size: Int
      public var share: Double
    }
    public struct Value: Encodable, Sendable {
      /// Of transactions.
      public var model: String
      public var valueModel: String
      /// Nil where nothing was held out.
      public var holdout: ValueRun.Holdout?
      public var candidates: [ValueRun.Candidate]
      public var churn: ValueRun.Churn?
      /// With `value.by`.
      public var groups: ValueRun.Groups?
    }
    public var schema = "tranche.rescore.v1"
    public var out: String
    public var runID: String
    public var asOf: String
    public var customers: Int
    public var rows: RowCounts
    /// Of `rows.read`, those that the state stood for.
    public var rowsFromState: Int?
    public var k: Int
    public var segments: [Segment]
    /// Nil when a frozen model was used.
    public var iterations: Int?
    public var converged: Bool?
    public var inertia: Double
    public var kernel: String
    public var modelChecksum: String
    /// Share of the customers of both runs who kept their segment.
    public var stability: Double?
    /// How value was forecast; nil where no asked column needs it.
    public var value: Value?
    public var warnings: [String]
    public var report: String?
    /// Where the scores went besides, nil for nowhere.
    public var table: String?
    /// Bytes that lay in temporary files because of `--memory`.
    public var spilledBytes: Int
    public var threads: Int
    public var seed: UInt64
    public var seconds: [String: Double]
    public var peakMemoryBytes: Int

    private enum CodingKeys: String, CodingKey {
      case schema, out, runID = "runId", asOf, customers, rows, rowsFromState, k, segments
      case iterations, converged, inertia, kernel, modelChecksum, stability, value, warnings
      case report, table, spilledBytes, threads, seed, seconds
      case peakMemoryBytes
    }
  }

  public func run(_ configuration: Configuration, _ context: RunContext) throws -> Result {
    var watch = Stopwatch()
    let workers = try configuration.workers(context)
    let day = try AsOf.days(asOf)
    let frozen = try model.map(ModelFile.read)
    if refit, frozen == nil, previous == nil {
      throw RunFailure(.usage, "--refit has nothing to refit", hint: "add --model or --previous")
    }
    let clusteringFeatures =
      refit || frozen == nil
      ? features ?? frozen?.features.map(\.name) ?? configuration.list("clustering.features") ?? []
      : frozen!.features.map(\.name)
    if let features, !refit, frozen != nil,
      features.map(FeatureName.canonical) != clusteringFeatures
    {
      throw RunFailure(
        .usage,
        "--features differ from those of the model (\(clusteringFeatures.joined(separator: ", ")))",
        hint: "leave --features out, or add --refit")
    }
    if let clusters, let frozen, !refit, Int(clusters) != frozen.centroids.count {
      throw RunFailure(
        .usage, "--clusters \(clusters) differs from the model's \(frozen.centroids.count)",
        hint: "leave --clusters out, or add --refit")
    }
    // Before the ledger is read, not after.
    try configuration.checkClustering()
    _ = try SimpleBalance(configuration, workers: workers)
    if customers.isEmpty, SimpleBalance.isAsked(configuration) {
      throw configuration.refuse(
        configuration.list("value.income") == nil ? "value.cost" : "value.income",
        "names columns of --customers, which is not given", hint: "add --customers")
    }
    _ = try Self.clusterCount(clusters, configuration)
    if let frozen, !refit,
      let name = FeatureSelection.parse(frozen.features.map(\.name)).unknown.first
    {
      throw RunFailure(
        .badData, "the model was fitted on \"\(name)\", which is no feature of a ledger",
        hint: "give a model of a rescore run", file: model)
    }
    let offers = try RescoreOffers(configuration)
    let plan = try plan(
      configuration, frozen: frozen, clustering: clusteringFeatures, hasOffers: offers.isGiven)
    let value =
      try plan.needsForecast || plan.needsGroups(configuration)
      ? RescoreValue(configuration, frozen, self, workers: workers) : nil
    let table = try outTable.map {
      try DatabaseAddress($0, settings: configuration.databaseSettings())
    }
    // Before the ledger is read: a table that cannot be written ends the run at once.
    if let table {
      try DatabaseTable.probe(table, settings: configuration.databaseSettings())
    }
    let memory = try configuration.ledgerMemory(
      out: out, hasState: state != nil, threads: workers.threads, plan.memoryNeeds(self))
    let folder = try StagedFolder(target: out, force: force)
    let ledgerState = try watch.measure("hash") {
      try state.map { try LedgerStateFolder($0, ledger: ledger, workers: workers) }
    }
    let reading = LedgerReading(
      inputs: ledger, asOf: day, selection: plan.selection, configuration: configuration,
      workers: workers, quarantinePath: folder.path("quarantine.parquet"),
      purchases: value?.windows, memory: memory)
    let source = try reading.open()
    let files = ledgerState == nil ? source.map { InputHashing($0.files) } : nil
    let folded = try watch.measure("fold") {
      try reading.fold(source, state: ledgerState?.exchange, context)
    }
    try watch.measure("hash") { try ledgerState?.checkInputs() }
    let record = source.flatMap { InputRecord($0) }
    // From here on everything that grows with the customers lies where their columns do.
    return try SpillSpace.run(in: folded.space) {
      let customerFile = try watch.measure("customers") {
        try customers.isEmpty
          ? nil
          : CustomerFile.read(customers, for: folded.table.ids, configuration, workers: workers)
      }
      let earlier = try watch.measure("previous") {
        try previous.map { try PreviousRun.read($0, workers: workers) }
      }

      let scoring = Scoring(
        table: folded.table, plan: plan, configuration: configuration, workers: workers,
        context: context, frozen: frozen, refit: refit, clusteringFeatures: clusteringFeatures,
        clusters: clusters, lowersClusters: lowersClusters, previous: earlier?.run, offers: offers,
        value: value, purchases: folded.purchases, asOf: day)
      var scored = try scoring.score(&watch)
      if let warning = earlier?.warning { scored.warnings.append(warning) }

      let output = RescoreOutput(
        run: self, plan: plan, folder: folder, ledgerFiles: record == nil ? files : nil,
        ledgerRecord: record, ledgerState: ledgerState, counts: folded.counts,
        examples: folded.examples,
        customerFile: customerFile, previous: earlier?.run, scored: scored,
        configuration: configuration, workers: workers, table: table,
        spilledBytes: folded.spilledBytes)
      let result = try output.write(&watch, context)
      // Last: without the output the state would have moved on for nothing.
      try ledgerState?.commit(folded)
      return result
    }
  }

  func plan(
    _ configuration: Configuration, frozen: ModelFile?, clustering: [String], hasOffers: Bool
  ) throws -> RescorePlan {
    // A frozen model's tiers stay what they were cut by.
    let known = refit ? nil : frozen?.scoring?.tiers.map { _ in frozen?.scoring?.tiersBy }
    let tiersBy = known.map { $0 ?? "clv_simple" } ?? configuration.text("tiers.by") ?? "clv"
    return try RescorePlan(
      asked: columns, clustering: clustering, hasPrevious: previous != nil, hasOffers: hasOffers,
      hasControl: try ControlGroup.share(configuration) > 0,
      hasGroups: try RescoreValue.groups(configuration, frozen, refit: refit) != nil,
      hasBalance: SimpleBalance.isAsked(configuration) && !customers.isEmpty,
      tiersByForecast: tiersBy == "clv")
  }

  /// The month of as-of: "2025-12".
  var runID: String { String(asOf.prefix(7)) }
}

/// Offers as configured.
struct RescoreOffers {
  let offers: Offers
  var isGiven: Bool { !offers.entries.isEmpty || offers.defaultOffer != nil }

  init(_ configuration: Configuration) throws {
    let entries = (configuration.table("offers.segments") ?? [:]).sorted { $0.key < $1.key }
    do {
      offers = try Offers(
        entries: entries.map { Offers.Entry(segment: $0.key, offer: $0.value) },
        defaultOffer: configuration.text("offers.default"))
    } catch {
      throw configuration.refuse(
        "offers.segments", "is not usable: \(error.description)", hint: "see README")
    }
  }
}
