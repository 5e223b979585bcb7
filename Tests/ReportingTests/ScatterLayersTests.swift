import Columnar
import Foundation
import Sharding
import Testing

@testable import Reporting

@Suite struct ScatterLayersTests {
  private let workers = Workers(threads: 2)

  @Test func quotasGiveEachSegmentItsFloorAndTheRestInProportion() {
    // 3 × 200 first; the remaining 400 go 9,800 : 800 : 0 → 369.8, 30.2, 0.
    #expect(ScatterLayers.quotas([10_000, 1_000, 200], total: 1_000) == [570, 230, 200])
    #expect(ScatterLayers.quotas([5, 0, 7], total: 1_000) == [5, 0, 7])
    #expect(ScatterLayers.quotas([100, 100, 100], total: 10) == [4, 3, 3])
    #expect(ScatterLayers.quotas([100, 100], total: 0) == [0, 0])
    #expect(ScatterLayers.quotas([], total: 10) == [])
    // Equal remainders: the lower label first.
    #expect(ScatterLayers.quotas([1_000, 1_000], total: 401) == [201, 200])
  }

  /// Against a twin that hashes everyone, sorts each segment and takes the first ones.
  @Test(arguments: [0, 1, 100, 2_000, 6_000])
  func sampleIsTheSmallestHashesOfEachSegment(points: Int) throws {
    let base = SyntheticBase(customers: 5_000)
    let options = try ReportOptions(scatterPoints: points, seed: 9)
    let layers = try ScatterLayers(base.columns, segments: 6, options: options, workers: workers)
    let hash = IdentifierHash(seed: 9)
    let hashes = (0..<5_000).map { row in
      Array("\(1_000_000 + row * 7)".utf8).withUnsafeBufferPointer { hash($0) }
    }
    let quotas = ScatterLayers.quotas(base.profile.segments.map(\.size), total: points)
    var expected: [Int] = []
    for label in 0..<6 {
      let members = (0..<5_000).filter { base.columns.labels[$0] == Int32(label) }
      expected += members.sorted { hashes[$0] < hashes[$1] }.prefix(quotas[label])
    }
    #expect(layers.sample == expected.sorted { hashes[$0] < hashes[$1] })
    #expect(layers.sample.count == min(points, 5_000))
    #expect(layers.suppressed == 0)
  }

  /// Who is shown hangs on ids and seed: not on row order, threads, or the type ids are stored as.
  @Test func sampleIsTheSameCustomersInAnyOrder() throws {
    let options = try ReportOptions(scatterPoints: 900, seed: 3)
    func customers(_ base: SyntheticBase, threads: Int, seed: UInt64 = 3) throws -> [String] {
      var options = options
      options.seed = seed
      let layers = try ScatterLayers(
        base.columns, segments: 6, options: options, workers: Workers(threads: threads))
      let texts = try IdentifierTexts(base.columns.identifiers)
      let digits = IdentifierTexts.Digits()
      return layers.sample.map { String(decoding: texts.text($0, digits), as: UTF8.self) }
    }
    let plain = try customers(SyntheticBase(customers: 4_000), threads: 1)
    #expect(plain == (try customers(SyntheticBase(customers: 4_000, permuted: true), threads: 3)))
    #expect(plain == (try customers(SyntheticBase(customers: 4_000, textIDs: true), threads: 8)))
    #expect(plain != (try customers(SyntheticBase(customers: 4_000), threads: 1, seed: 4)))
  }

  /// A hundred customers with one id: the bound of candidates finds none or all of them.
  @Test func repeatedIdentifiersStillFillTheQuota() throws {
    var base = SyntheticBase(customers: 3_000, segments: 2)
    base.columns.identifiers = Column(.int64(Buffer(Array(repeating: Int64(7), count: 3_000))))
    let layers = try ScatterLayers(
      base.columns, segments: 2, options: ReportOptions(scatterPoints: 500), workers: workers)
    #expect(layers.sample.count == 500)
    #expect(Set(layers.sample).count == 500)
  }

  @Test func densityCountsEveryCustomerOnce() throws {
    var base = SyntheticBase(customers: 4_000)
    var y = Array(base.columns.y.values.values)
    for row in stride(from: 0, to: 4_000, by: 100) { y[row] = row % 200 == 0 ? .nan : .infinity }
    base.columns.y.values = Buffer(y)
    let layers = try ScatterLayers(
      base.columns, segments: 6, options: ReportOptions(), workers: workers)
    #expect(layers.unplaced == 40)
    #expect(layers.placed.reduce(0, +) == 3_960)
    #expect(layers.sample.count == 3_960)

    var expected = layers.density.map { $0.map { _ in UInt32(0) } }
    for row in 0..<4_000 where y[row].isFinite {
      let column = plainCell(base.columns.x.values[row], layers.x)
      let line = plainCell(y[row], layers.y)
      expected[Int(base.columns.labels[row])][line * layers.x.count + column] += 1
    }
    #expect(layers.density == expected)
  }

  /// The cell by going through all edges.
  private func plainCell(_ value: Double, _ cells: AxisCells) -> Int {
    min((1...cells.count).first { value < cells.edges[$0] } ?? cells.count, cells.count) - 1
  }

  @Test func sparseCellsAreHiddenInBothLayers() throws {
    let base = SyntheticBase(customers: 4_000)
    let options = try ReportOptions(smallestCell: 5)
    let layers = try ScatterLayers(base.columns, segments: 6, options: options, workers: workers)
    let totals = (0..<layers.density[0].count).map { cell in
      layers.density.reduce(0) { $0 + Int($1[cell]) }
    }
    #expect(totals.allSatisfy { $0 == 0 || $0 >= 5 })
    #expect(layers.sample.count + layers.suppressed == 4_000)
    #expect(layers.sample.count == totals.reduce(0, +), "at this size everyone is in the sample")
    #expect(layers.suppressed > 0 && !layers.sample.isEmpty)
  }

  @Test func labelsOutsideTheProfileAreRefused() throws {
    var base = SyntheticBase(customers: 100, segments: 2)
    var labels = Array(base.columns.labels.values)
    labels[41] = 2
    base.columns.labels = Buffer(labels)
    #expect(throws: ReportError.labelOutOfRange(label: 2, row: 41, segments: 2)) {
      try ScatterLayers(base.columns, segments: 2, options: ReportOptions(), workers: workers)
    }
    base.columns.identifiers = Column(.double(base.columns.x.values))
    base.columns.labels = Buffer(labels.map { min($0, 1) })
    #expect(throws: ReportError.identifiersOfWrongType("double")) {
      try ScatterLayers(base.columns, segments: 2, options: ReportOptions(), workers: workers)
    }
  }
}

@Suite struct AxisCellsTests {
  private func cells(_ values: [Double]) -> AxisCells {
    var extent = AxisExtent()
    values.forEach { extent.add($0) }
    return AxisCells(extent)
  }

  @Test func countsGetOneCellEach() {
    let cells = cells([1, 2, 3, 7])
    #expect(cells.edges == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5])
    #expect(!cells.isLogarithmic)
  }

  @Test func heavyTailsGetALogarithmicAxis() {
    let cells = cells(Array(repeating: 10, count: 1_000) + [1e6])
    #expect(cells.isLogarithmic)
    #expect(cells.count <= AxisCells.most(segments: 1))
    #expect(zip(cells.edges, cells.edges.dropFirst()).allSatisfy { $0 < $1 })
    #expect(cells.edges.allSatisfy { abs($0.truncatingRemainder(dividingBy: 1)) == 0.5 })
  }

  @Test(arguments: [
    [0.0], [-1e-300, 1e-300], [5.5], [-1e15, 1e15], [-3, -2.5], [0.1, 0.2, 0.35], [1e18, 2e18], [],
  ])
  func edgesRiseAndHoldEveryValue(values: [Double]) {
    let cells = cells(values)
    #expect(zip(cells.edges, cells.edges.dropFirst()).allSatisfy { $0 < $1 })
    for value in values {
      let cell = cells.edges.withUnsafeBufferPointer {
        AxisCells.cell(of: value, $0.baseAddress!, cells: cells.count)
      }
      #expect(cells.edges[cell] <= value && value <= cells.edges[cell + 1])
    }
  }

  @Test(arguments: [-1e9, -12.5, 0, 0.003, 7, 1e12])
  func scaleGoesBothWays(value: Double) {
    let back = AxisCells.unscaled(AxisCells.scaled(value, true), true)
    // Two roundings of log1p and expm1, magnified by the logarithm's size (≤ 28).
    #expect(abs(back - value) <= 64 * Double.ulpOfOne * abs(value))
  }
}
