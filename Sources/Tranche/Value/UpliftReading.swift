import Columnar
import CustomerValue
import Features
import Foundation
import Segments
import Sharding

extension ValueRun {
  /// What the customers of an earlier run did since, treated against left alone.
  public struct UpliftReadout: Encodable, Sendable {
    /// Last day of the earlier run; its offers count from the day after.
    public var since: String
    public var days: Int
    /// Every segment of the earlier run, then "all".
    public var segments: [Segment]

    public struct Segment: Encodable, Sendable {
      public var segment: String
      public var treated: Int
      public var control: Int
      /// Purchase days a customer.
      public var count: Difference
      /// Amount a customer.
      public var value: Difference
    }

    public struct Difference: Encodable, Sendable {
      public var treatedMean: Double
      public var controlMean: Double
      public var uplift: Double
      /// 95 % confidence interval.
      public var low: Double?
      public var high: Double?

      init(_ uplift: Uplift) {
        treatedMean = uplift.treatedMean
        controlMean = uplift.controlMean
        self.uplift = uplift.difference
        low = uplift.low
        high = uplift.high
      }
    }
  }
}

/// The groups of an earlier run, found by its folder.
struct UpliftReading {
  let since: String
  let days: Int
  private let folder: URL
  private let segmentIDs: [String]

  /// - Throws: ``RunFailure`` when the folder is no run, or the run is not before `asOf`.
  init(_ path: String, asOf: String) throws {
    let folder = URL(fileURLWithPath: path)
    self.folder = folder
    func read<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
      let file = folder.appendingPathComponent(name).path
      guard let data = FileManager.default.contents(atPath: file) else {
        throw RunFailure(
          .noInput, "cannot be read", hint: "give the --out folder of a rescore run to --uplift",
          file: file)
      }
      return try JSONText.decode(type, from: data, file: file)
    }
    since = try read(Manifest.self, "manifest.json").asOf
    segmentIDs = try read(SegmentsFile.self, "segments.json").segments.map(\.id)
    days = Int(try AsOf.days(asOf)) - Int(try AsOf.days(since))
    guard days > 0 else {
      throw RunFailure(
        .usage, "--uplift: the run is of \(since), which is not before \(asOf)",
        hint: "give a later --as-of", file: path)
    }
  }

  private struct Sides: Sendable {
    var treated = Uplift.Side()
    var control = Uplift.Side()
  }

  func readout(
    _ purchases: CustomerPurchases, of ids: Column, workers: Workers
  ) throws -> ValueRun.UpliftReadout {
    let scores = folder.appendingPathComponent("scores.parquet").path
    let source = try Sources.open([scores])
    for name in ["segment", "control"] where source.schema.index(of: name) == nil {
      throw RunFailure(
        .badData, "has no column \"\(name)\"",
        hint: "rescore with value.control_share above 0 and all columns", file: scores)
    }
    let table = try FeatureTable.read(
      source, id: "customer_id", names: ["segment", "control"], format: .automatic,
      workers: workers)
    let rows: Buffer<Int32>
    do {
      rows = try CustomerJoin.previousRows(of: table.ids, in: ids, workers: workers)
    } catch let error as MigrationError {
      throw RunFailure(
        .badData, "\(error)", hint: "give a run of the same bank to --uplift", file: scores)
    }
    let count = segmentIDs.count
    let shards = Shards(rows: table.rows, rowsPerShard: 1 << 16)
    let parts = try workers.map(shards.count) { shard -> [[Sides]] in
      // Purchase days, then amounts.
      var sides = [[Sides]](repeating: [Sides](repeating: Sides(), count: count), count: 2)
      for row in shards[shard] {
        let segment = Int(table.columns[0][row])
        guard segment >= 0, segment < count else { continue }
        let current = Int(rows[row])
        let bought = current < 0 ? 0 : Double(purchases.dayCount(current, from: 0, to: days))
        let amount = current < 0 ? 0 : purchases.amount(current, from: 0, to: days)
        for (what, value) in [bought, amount].enumerated() {
          if table.columns[1][row] == 1 {
            sides[what][segment].control.add(value)
          } else {
            sides[what][segment].treated.add(value)
          }
        }
      }
      return sides
    }
    var sums = [[Sides]](repeating: [Sides](repeating: Sides(), count: count + 1), count: 2)
    for part in parts {
      for what in 0..<2 {
        for segment in 0..<count {
          for place in [segment, count] {
            sums[what][place].treated += part[what][segment].treated
            sums[what][place].control += part[what][segment].control
          }
        }
      }
    }
    return ValueRun.UpliftReadout(
      since: since, days: days,
      segments: (0...count).map { place in
        let (bought, amount) = (sums[0][place], sums[1][place])
        return ValueRun.UpliftReadout.Segment(
          segment: place == count ? "all" : segmentIDs[place], treated: bought.treated.count,
          control: bought.control.count,
          count: .init(Uplift(treated: bought.treated, control: bought.control)),
          value: .init(Uplift(treated: amount.treated, control: amount.control)))
      })
  }
}
