import Foundation
import Testing

@testable import Kernels

@Suite struct KernelChoiceTests {
  @Test(arguments: KernelSet.all)
  func everySetCanBeForced(set: KernelSet) throws {
    if set.isSupported {
      #expect(try KernelSet.choose(columns: 3, k: 5, named: set.name).name == set.name)
      let environment = ["TRANCHE_KERNEL": set.name]
      let chosen = try KernelSet.choose(columns: 3, k: 5, environment: environment)
      #expect(chosen.name == set.name)
    } else {
      #expect(throws: KernelSet.Unavailable.self) {
        try KernelSet.choose(columns: 3, k: 5, named: set.name)
      }
    }
  }

  @Test func aNameBeatsTheEnvironment() throws {
    let chosen = try KernelSet.choose(
      columns: 3, k: 5, named: "generic", environment: ["TRANCHE_KERNEL": "gemm"])
    #expect(chosen.name == "generic")
    let auto = try KernelSet.choose(
      columns: 3, k: 5, named: "auto", environment: ["TRANCHE_KERNEL": "gemm"])
    #expect(auto.name == "gemm")
  }

  @Test func unknownNamesAreRefused() {
    #expect(throws: KernelSet.Unavailable.self) {
      try KernelSet.choose(columns: 3, k: 5, environment: ["TRANCHE_KERNEL": "sse9"])
    }
    #expect(throws: KernelSet.Unavailable.self) {
      try KernelSet.choose(columns: 3, k: 5, named: "sse9")
    }
  }

  @Test func autoIsAnOptimisedSet() throws {
    let chosen = try KernelSet.choose(columns: 8, k: 8, environment: [:])
    #expect(chosen.family != .reference)
    #expect(chosen.isSupported)
  }

  @Test func fusedIsAFusedSet() throws {
    let chosen = try KernelSet.choose(columns: 64, k: 256, named: "fused", environment: [:])
    #expect(chosen.family == .fused && chosen.isSupported)
  }
}

@Suite struct KernelRuleTests {
  /// The table in the program is what the recorded run says.
  @Test func theTableIsTheRecords() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Benchmarks/Runs")
    let records = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix("-kernels.json") }.sorted()
    let record = try Data(contentsOf: folder.appendingPathComponent(#require(records.last)))
    let derived = try KernelRule(record: record)
    #expect(derived == .measured, "\(derived.shapes)")
    #expect(derived.shapes.count >= 8)
  }

  private static let rule = KernelRule([
    .init(2, 4, ["avx2", "vnni", "generic"]), .init(32, 64, ["gemm", "vnni", "avx512", "generic"]),
  ])

  @Test func theNearestShapeCounts() {
    #expect(Self.rule.kernels(columns: 1, k: 1)[0] == "avx2")
    #expect(Self.rule.kernels(columns: 8, k: 15)[0] == "avx2")
    #expect(Self.rule.kernels(columns: 9, k: 17)[0] == "gemm")
    #expect(Self.rule.kernels(columns: 1000, k: 10_000)[0] == "gemm")
    // As far from both: the first.
    #expect(Self.rule.kernels(columns: 8, k: 16)[0] == "avx2")
  }

  @Test func aProcessorTakesTheFastestItHas() {
    func chosen(_ d: Int, _ k: Int, _ sets: [KernelSet], _ family: KernelSet.Family? = nil)
      -> String
    {
      KernelSet.fastest(columns: d, k: k, by: Self.rule, family: family, among: sets).name
    }
    #expect(chosen(32, 64, KernelSet.all) == "gemm")
    #expect(chosen(32, 64, KernelSet.all, .fused) == "vnni")
    #expect(chosen(32, 64, [.avx2, .generic], .fused) == "generic")
    #expect(chosen(2, 4, [.generic, .gemm, .reference]) == "generic")
  }

  private let record = """
    {"schema": "tranche.bench.v1", "kernels": [
      {"columns": 8, "clusters": 8, "kernel": "generic", "seconds": {"median": 0.2, "least": 0.1}},
      {"columns": 8, "clusters": 8, "kernel": "gemm", "seconds": {"median": 0.1, "least": 0.1}},
      {"columns": 2, "clusters": 3, "kernel": "generic", "seconds": {"median": 0.1, "least": 0.1}}
    ]}
    """

  @Test func aRecordIsARule() throws {
    #expect(
      try KernelRule(record: Data(record.utf8))
        == KernelRule([.init(8, 8, ["gemm", "generic"]), .init(2, 3, ["generic"])]))
    #expect(throws: (any Error).self) { try KernelRule(record: Data("{}".utf8)) }
    #expect(throws: (any Error).self) { try KernelRule(record: Data(#"{"kernels": []}"#.utf8)) }
  }

  /// A file of this server's own wins over the table.
  @Test func aFileIsUsedWhereNamed() throws {
    let path = NSTemporaryDirectory() + "/kernel-rule-\(UUID().uuidString).json"
    try Data(record.utf8).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let environment = ["TRANCHE_KERNEL_RULE": path]
    #expect(try KernelSet.choose(columns: 8, k: 8, environment: environment).name == "gemm")
    #expect(try KernelSet.choose(columns: 2, k: 2, environment: environment).name == "generic")
    let fused = try KernelSet.choose(columns: 8, k: 8, named: "fused", environment: environment)
    #expect(fused.name == "generic")
    #expect(throws: KernelSet.Unavailable.self) {
      try KernelSet.choose(columns: 8, k: 8, environment: ["TRANCHE_KERNEL_RULE": path + "x"])
    }
  }
}
