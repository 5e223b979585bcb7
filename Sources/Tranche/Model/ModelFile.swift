import Crypto
import Features
import Foundation

/// A fitted model as it is saved: `tranche.model.v1`.
package struct ModelFile: Sendable, Codable, Equatable {
  package static let currentSchema = "tranche.model.v1"

  package var schema = ModelFile.currentSchema
  /// In the order of the centroids' columns.
  package var features: [FeatureTransform]
  package var components: PrincipalComponents?
  /// What samples are stored less of (d values): part of how a row is rounded, so of its label.
  package var centers: [Double]
  /// k × d, in scaled units.
  package var centroids: [[Double]]
  /// k × features, in the features' units.
  package var centroidsOriginal: [[Double]]
  package var segments: [Segment]
  package var inertia: Double
  package var seed: UInt64
  /// Features asked for but left out, all values being equal.
  package var dropped: [String]
  package var scale: String
  /// k: √(price − least price) of each centroid, where sizes were limited; see `PowerDiagram`.
  package var heights: [Double]?
  /// Rows that tell clusters which centroids cannot; then `centroids` are the clusters' means.
  package var prototypes: Prototypes?
  /// What rescoring freezes beside the segments; absent in models of `fit`.
  package var scoring: ScoringModel?

  package struct Segment: Sendable, Codable, Equatable {
    package var id: String
    package var name: String
    package var size: Int
    package init(id: String, name: String, size: Int) {
      self.id = id
      self.name = name
      self.size = size
    }
  }

  /// See `PrototypeLabels`.
  package struct Prototypes: Sendable, Codable, Equatable {
    /// m × d, in scaled units.
    package var points: [[Double]]
    /// m: rows of `centroids`.
    package var labels: [Int32]
    /// Rows further than this from every prototype have label −1.
    package var radius: Double?
  }

  package var transforms: FittedTransforms {
    FittedTransforms(features: features, components: components)
  }

  package init(
    transforms: FittedTransforms, centers: [Double], centroids: [[Double]], segments: [Segment],
    inertia: Double,
    seed: UInt64, dropped: [String], scale: String, scoring: ScoringModel? = nil
  ) {
    features = transforms.features
    components = transforms.components
    self.centers = centers
    self.centroids = centroids
    centroidsOriginal = centroids.map { point in
      let scaled = transforms.components.map { $0.lift(point) } ?? point
      return zip(transforms.features, scaled).map { $0.inverse($1) }
    }
    self.segments = segments
    self.inertia = inertia
    self.seed = seed
    self.dropped = dropped
    self.scale = scale
    self.scoring = scoring
  }

  // MARK: - Files

  /// The model with its checksum: SHA-256 of the file's bytes with zeros in the checksum's place, so
  /// that no byte can change unnoticed.
  private struct Sealed: Codable {
    static let blank = String(repeating: "0", count: 64)

    var model: ModelFile
    var checksum = Sealed.blank

    private enum Keys: String, CodingKey { case checksum }

    init(model: ModelFile) { self.model = model }

    init(from decoder: any Decoder) throws {
      model = try ModelFile(from: decoder)
      checksum = try decoder.container(keyedBy: Keys.self).decode(String.self, forKey: .checksum)
    }

    func encode(to encoder: any Encoder) throws {
      try model.encode(to: encoder)
      var container = encoder.container(keyedBy: Keys.self)
      try container.encode(checksum, forKey: .checksum)
    }

    /// Where the checksum's digits lie in a file.
    static func range(in data: Data, of checksum: String) -> Range<Data.Index>? {
      guard checksum.utf8.count == blank.utf8.count else { return nil }
      return data.range(of: Data("\"checksum\" : \"\(checksum)\"".utf8)).map {
        $0.upperBound - 1 - blank.utf8.count..<$0.upperBound - 1
      }
    }
  }

  package func encoded() throws -> Data {
    var data = try JSONText.encode(Sealed(model: self))
    guard let place = Sealed.range(in: data, of: Sealed.blank) else {
      throw RunFailure(.bug, "the model was written without its checksum")
    }
    data.replaceSubrange(place, with: Data(SHA256.hash(data: data).hex.utf8))
    return data
  }

  package func checksum() throws -> String {
    SHA256.hash(data: try JSONText.encode(Sealed(model: self))).hex
  }

  /// - Throws: ``RunFailure`` for a file that is missing, is no model, is newer than this program,
  ///   was changed (by the checksum), or contradicts itself.
  package static func read(_ path: String) throws -> ModelFile {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunFailure(.noInput, "the model cannot be read", hint: "check --model", file: path)
    }
    struct Header: Decodable { var schema: String? }
    let header = try JSONText.decode(Header.self, from: data, file: path)
    guard header.schema == currentSchema else {
      throw RunFailure(
        .badData, "is of schema \(header.schema ?? "unknown"), this program reads \(currentSchema)",
        hint: "fit the model again with this version", file: path)
    }
    let sealed = try JSONText.decode(Sealed.self, from: data, file: path)
    var blanked = data
    if let place = Sealed.range(in: data, of: sealed.checksum) {
      blanked.replaceSubrange(place, with: Data(Sealed.blank.utf8))
    }
    guard SHA256.hash(data: blanked).hex == sealed.checksum else {
      throw RunFailure(
        .badData, "was changed after it was written: its checksum does not match",
        hint: "take the original, or fit again", file: path)
    }
    try sealed.model.validate(path)
    return sealed.model
  }

  private func validate(_ path: String) throws {
    let d = transforms.dimensions
    let whole =
      !centroids.isEmpty && centroids.allSatisfy { $0.count == d && $0.allSatisfy(\.isFinite) }
      && segments.count == centroids.count && centers.count == d && centers.allSatisfy(\.isFinite)
      && features.allSatisfy { $0.scale.isFinite && $0.scale > 0 && $0.center.isFinite }
    let ruled =
      heights.map { $0.count == centroids.count && $0.allSatisfy { $0.isFinite && $0 >= 0 } }
      ?? true
    let told =
      prototypes.map { prototypes in
        !prototypes.points.isEmpty && prototypes.points.count == prototypes.labels.count
          && prototypes.points.allSatisfy { $0.count == d && $0.allSatisfy(\.isFinite) }
          && prototypes.labels.allSatisfy { centroids.indices.contains(Int($0)) }
          && prototypes.radius.map { $0 > 0 && $0.isFinite } ?? true
      } ?? true
    guard whole, ruled, told else {
      throw RunFailure(
        .badData, "its centroids, features and segments do not fit together",
        hint: "fit the model again", file: path)
    }
  }
}

extension Digest {
  var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
