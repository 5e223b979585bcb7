import Columnar
import CustomerValue
import Features
import Foundation
import Segments
import Sharding

/// What a run needs of the one before it.
struct PreviousRun {
  let id: String
  let base: SegmentedBase
  /// Tier of each of its customers as a raw value of `Tier`, −1 for none.
  let tiers: Buffer<Int32>?
  let model: ModelFile?

  /// Reads a previous output folder.
  ///
  /// - Returns: Nil with a warning when the folder is there but its content is of no use: a run
  ///   without its history is still a run.
  static func read(_ path: String, workers: Workers) throws -> (run: PreviousRun?, warning: String?)
  {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else {
      throw RunFailure(
        .noInput, "there is no previous run here", hint: "give the folder of an earlier --out",
        file: path)
    }
    do {
      return (try load(URL(fileURLWithPath: path), workers), nil)
    } catch let failure as RunFailure where failure.code != .interrupted {
      return (nil, "the previous run is not used: \(failure.sentence)")
    } catch let error as InputError {
      return (nil, "the previous run is not used: \(RunFailure(error).sentence)")
    }
  }

  private static func load(_ folder: URL, _ workers: Workers) throws -> PreviousRun {
    let scores = folder.appendingPathComponent("scores.parquet").path
    var options = ReadOptions()
    options.dictionaryColumns = ["segment_id", "tier"]
    let source = try Sources.open([scores], options: options)
    func index(_ name: String) throws -> Int {
      guard let index = source.schema.index(of: name) else {
        throw RunFailure(.badData, "has no column \"\(name)\"", file: scores)
      }
      return index
    }
    let tier = source.schema.index(of: "tier")
    let asked = [try index("customer_id"), try index("segment_id")] + (tier.map { [$0] } ?? [])
    var chunks: [[Column]] = []
    while true {
      var pieces: [Piece] = []
      while pieces.count < 4 * workers.threads, let piece = try source.next(columns: asked) {
        pieces.append(piece)
      }
      if pieces.isEmpty { break }
      let round = pieces
      chunks += try workers.map(round.count) { try round[$0].decode().columns }
    }
    guard !chunks.isEmpty else { throw RunFailure(.badData, "has no rows", file: scores) }
    let profileFile = folder.appendingPathComponent("segments.json").path
    guard let data = FileManager.default.contents(atPath: profileFile) else {
      throw RunFailure(.noInput, "cannot be read", file: profileFile)
    }
    let profile = try JSONText.decode(SegmentsFile.self, from: data, file: profileFile)
    let base = try SegmentedBase(
      customerIDs: .concatenating(chunks.map { $0[0] }), segmentIDs: chunks.map { $0[1] },
      sides: profile.segments.map { Migration.Side(id: $0.id, name: $0.name) }, workers: workers)
    let modelPath = folder.appendingPathComponent("model.json").path
    return PreviousRun(
      id: profile.runID, base: base,
      tiers: tier == nil ? nil : try tiers(chunks.map { $0[2] }, workers),
      model: try? ModelFile.read(modelPath))
  }

  private static func tiers(_ chunks: [Column], _ workers: Workers) throws -> Buffer<Int32>? {
    guard let coded = try Column.coding(chunks, workers: workers) else { return nil }
    let tiers = Buffer(
      coded.texts.map { text in Tier.allCases.first { $0.name == text }?.rawValue ?? -1 })
    return try tiers.gathered(coded.codes, workers: workers)
  }
}

/// `segments.json`: what the segments look like.
struct SegmentsFile: Codable {
  var schema = "tranche.segments.v1"
  var runID: String
  var asOf: String
  var customers: Int
  var featureNames: [String]
  var base: [FeatureSummary]
  var segments: [SegmentProfile]

  init(profile: BaseProfile, runID: String, asOf: String) {
    self.runID = runID
    self.asOf = asOf
    customers = profile.customers
    featureNames = profile.featureNames
    base = profile.features
    segments = profile.segments
  }

  var profile: BaseProfile {
    BaseProfile(
      customers: customers, featureNames: featureNames, features: base, segments: segments)
  }

  // snake_case conversion would turn runID into run_i_d.
  private enum CodingKeys: String, CodingKey {
    case schema, runID = "runId", asOf, customers, featureNames, base, segments
  }
}
