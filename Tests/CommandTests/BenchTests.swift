import Foundation
import TestSupport
import Testing

/// `bench` measures what it says and leaves nothing behind.
@Suite struct BenchTests {
  @Test func figuresHangTogether() throws {
    let folder = try TemporaryFolder()
    let result = try Tranche.json(
      [
        "bench", "--quick", "--customers", "100000,2000000", "--months", "3", "--folder", ".",
        "--threads", "2",
      ], in: folder)
    #expect(result["schema"] as? String == "tranche.bench.v1")
    #expect(try folder.listing().isEmpty)

    let peaks = try #require(result["peaks"] as? [[String: Any]])
    #expect(peaks.compactMap { $0["threads"] as? Int } == [1, 2])
    for peak in peaks {
      for name in [
        "read_bytes_per_second", "multiply_add_per_second", "matrix_product_per_second",
      ] {
        #expect(try #require(peak[name] as? Double) > 1e7, "\(name)")
      }
    }

    let kernels = try #require(result["kernels"] as? [[String: Any]])
    let shapes = Dictionary(grouping: kernels) {
      "\($0["columns"] as? Int ?? 0) \($0["clusters"] as? Int ?? 0)"
    }
    #expect(shapes.count == 14)
    for (shape, timings) in shapes {
      #expect(timings.count { $0["is_chosen"] as? Bool == true } == 1, "\(shape)")
      #expect(timings.count { $0["is_fastest"] as? Bool == true } == 1, "\(shape)")
      for timing in timings {
        let seconds = try #require(timing["seconds"] as? [String: Any])
        let median = try #require(seconds["median"] as? Double)
        let rows = try #require(timing["rows"] as? Int)
        let points = try #require(timing["points_per_second"] as? Double)
        #expect(abs(points * median / Double(rows) - 1) < 1e-9)
        #expect(try #require(timing["share_of_limit"] as? Double) > 0)
      }
    }

    let scaling = try #require(result["thread_scaling"] as? [[String: Any]])
    #expect(scaling.compactMap { $0["threads"] as? Int } == [1, 2, 1, 2])
    #expect(scaling[0]["speedup"] as? Double == 1)

    let rescore = try #require(result["rescore"] as? [String: Any])
    let expected = try #require(rescore["expected"] as? [[String: Any]])
    #expect(expected.compactMap { $0["customers"] as? Int } == [100_000, 2_000_000])
    let seconds = expected.compactMap { $0["seconds"] as? Double }
    #expect(seconds.count == 2 && seconds[0] > 0 && seconds[1] > seconds[0])
  }

  @Test(arguments: [
    (["--customers", "many"], Int32(64), "many"), (["--customers", "0"], 64, "0"),
    (["--months", "0"], 64, "months"), (["--folder", "no/such"], 73, "no/such"),
  ])
  func badInput(flags: [String], status: Int32, says: String) throws {
    let folder = try TemporaryFolder()
    let result = try Tranche.run(["bench", "--quick"] + flags, in: folder)
    #expect(result.status == status)
    #expect(result.errors.contains(says))
    #expect(try folder.listing().isEmpty)
  }

  /// A record is the rule of `--kernel auto` where the environment names it, and is refused where it is
  /// none; the model does not depend on it.
  @Test func aRecordChoosesTheKernel() throws {
    let folder = try TemporaryFolder()
    let rows = (0..<200).map { "\($0),\($0 * 7 % 31),\($0 * 5 % 17)" }
    try Data((["id,a,b"] + rows).joined(separator: "\n").utf8)
      .write(to: folder.url.appendingPathComponent("x.csv"))
    func record(_ fastest: String, _ slower: String) -> Data {
      Data(
        """
        {"kernels": [
          {"columns": 2, "clusters": 3, "kernel": "\(slower)", "seconds": {"median": 2}},
          {"columns": 2, "clusters": 3, "kernel": "\(fastest)", "seconds": {"median": 1}}]}
        """.utf8)
    }
    func fit(_ out: String) -> [String] {
      ["fit", "x.csv", "--features", "a,b", "--clusters", "3", "--out", out]
    }
    for (fastest, slower) in [("gemm", "generic"), ("generic", "gemm")] {
      try record(fastest, slower).write(
        to: folder.url.appendingPathComponent("\(fastest).json"))
      let result = try Tranche.json(
        fit("model-\(fastest).json"), in: folder,
        environment: ["TRANCHE_KERNEL_RULE": "\(fastest).json", "TRANCHE_KERNEL": ""])
      #expect(result["kernel"] as? String == fastest)
    }
    let models = try ["gemm", "generic"].map {
      try Data(contentsOf: folder.url.appendingPathComponent("model-\($0).json"))
    }
    #expect(models[0] == models[1])
    for bad in ["x.csv", "no-such.json"] {
      let result = try Tranche.run(
        fit("model.json"), in: folder,
        environment: ["TRANCHE_KERNEL_RULE": bad, "TRANCHE_KERNEL": ""])
      #expect(result.status == 64 && result.errors.contains(bad))
      #expect(
        !FileManager.default.fileExists(
          atPath: folder.url.appendingPathComponent("model.json").path))
    }
  }
}
