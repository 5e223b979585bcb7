import Columnar
import Foundation
import Kernels
import Sharding
import Synchronization
import TestSupport
import Testing

@testable import Features

/// A pass in blocks sees what reading whole columns sees.
@Suite struct TableScanTests {
  private static let names = ["a", "b", "c"]

  /// 40,007 rows as Parquet in odd row groups, two files of them, and CSV.
  private func tables() throws -> (folder: TemporaryFolder, inputs: [[String]]) {
    let folder = try TemporaryFolder()
    try Shell.python(
      """
      import sys, numpy as np, pyarrow as pa, pyarrow.csv as pc, pyarrow.parquet as pq
      n, out = 40_007, sys.argv[1]
      r = np.random.default_rng(3)
      t = pa.table({"id": [f"k{i}" for i in range(n)], "a": np.round(r.normal(size=n) * 50 + 1e4, 5),
                    "b": r.integers(0, 9, n), "c": np.round(r.lognormal(size=n), 6), "d": np.full(n, 2.5)})
      pq.write_table(t, out + "/one.parquet", row_group_size=777)
      pq.write_table(t.slice(0, 17001), out + "/p1.parquet", row_group_size=16384)
      pq.write_table(t.slice(17001), out + "/p2.parquet", row_group_size=30000)
      pc.write_csv(t, out + "/t.csv")
      """, [folder.url.path])
    return (
      folder,
      [["one.parquet"], ["p1.parquet", "p2.parquet"], ["t.csv"]].map { $0.map(folder.path) }
    )
  }

  @Test(arguments: [1, 2, 5]) func blocksAreTheTable(threads: Int) throws {
    let (folder, inputs) = try tables()
    let workers = Workers(threads: threads)
    for input in inputs {
      var options = ReadOptions()
      options.csv.blockBytes = 1 << 17
      let whole = try FeatureTable.read(
        Sources.open(input, options: options), id: nil, names: Self.names,
        format: DecimalFormat(decimalMark: .point),
        workers: workers)
      let seen = Mutex<[Int: ([[Double]], [String])]>([:])
      let rows = try TableScan(
        Sources.open(input, options: options), id: "id", names: Self.names,
        format: DecimalFormat(decimalMark: .point),
        workers: workers
      ).forEachBlock { block in
        let ids = block.ids.flatMap { Self.texts($0) }
        seen.withLock { $0[block.index] = (block.columns.map { Array($0.values) }, ids) }
      }
      #expect(rows == whole.rows)
      let blocks = seen.withLock { seen in seen.keys.sorted().map { seen[$0]! } }
      #expect(blocks.count == 3 && blocks.dropLast().allSatisfy { $0.1.count == TableBlock.size })
      for feature in 0..<3 {
        #expect(blocks.flatMap { $0.0[feature] } == Array(whole.columns[feature].values))
      }
      #expect(blocks.flatMap(\.1) == Self.texts(whole.ids))
    }
    _ = folder
  }

  private static func texts(_ column: Column) -> [String] {
    guard case .strings(let strings) = column.values else { return [] }
    return (0..<strings.count).map { String(decoding: strings[$0], as: UTF8.self) }
  }

  /// Transforms and samples, to the bit.
  @Test(arguments: [TransformConfiguration.Scaling.standard, .logStandard, .none])
  func statisticsAreThoseOfWholeColumns(scaling: TransformConfiguration.Scaling) throws {
    let (folder, inputs) = try tables()
    let workers = Workers(threads: 3)
    var configuration = TransformConfiguration()
    configuration.scaling = scaling
    let names = Self.names + ["d"]
    let whole = try FeatureTable.read(
      Sources.open(inputs[0]), id: nil, names: names, format: DecimalFormat(decimalMark: .point),
      workers: workers)
    let (expected, report) = try FittedTransforms.fit(
      names: names, columns: whole.columns, configuration: configuration, workers: workers)
    let centers = try expected.centers(
      of: Array(whole.columns.prefix(3)), scaling: scaling, workers: workers)
    let samples = try expected.samples(
      of: Array(whole.columns.prefix(3)), centers: centers, workers: workers)
    for input in inputs {
      let statistics = TransformStatistics(names: names, configuration: configuration)
      let parts = Mutex<[Int: TransformStatistics.Part]>([:])
      let rows = try TableScan(
        Sources.open(input), id: nil, names: names, format: DecimalFormat(decimalMark: .point),
        workers: workers
      ).forEachBlock { block in
        let part = statistics.part(of: block)
        parts.withLock { $0[block.index] = part }
      }
      let fitted = try statistics.fit(
        parts.withLock { parts in parts.keys.sorted().map { parts[$0]! } })
      #expect(fitted.transforms == expected && fitted.centers == centers)
      #expect(fitted.report.dropped == report.dropped && report.dropped == ["d"])
      let matrix = FeatureMatrix(rows: rows, columns: 3, centers: centers)
      try TableScan(
        Sources.open(input), id: nil, names: Self.names, format: DecimalFormat(decimalMark: .point),
        workers: workers
      ).forEachBlock { block in
        try fitted.transforms.fill(matrix, rows: block.rows, from: block.columns)
      }
      for row in stride(from: 0, to: rows, by: 13) { #expect(matrix.row(row) == samples.row(row)) }
    }
    _ = folder
  }

  /// The first bad row of the table is the one that is told, for any number of threads.
  @Test func theFirstFailureIsTold() throws {
    let folder = try TemporaryFolder()
    var text = "id,a\n"
    for row in 0..<60_000 { text += "\(row),\(row == 41_234 || row == 50_002 ? "x" : "1")\n" }
    let path = try folder.write("t.csv", text)
    for threads in [1, 4] {
      var options = ReadOptions()
      options.csv.blockBytes = 1 << 14
      let error = #expect(throws: InputError.self) {
        try TableScan(
          Sources.open([path], options: options), id: nil, names: ["a"],
          format: DecimalFormat(decimalMark: .point),
          workers: Workers(threads: threads)
        ).forEachBlock { _ in }
      }
      #expect(error?.line == 41_236, "\(threads) threads")
    }
  }
}
