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
}
