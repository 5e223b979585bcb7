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
}
