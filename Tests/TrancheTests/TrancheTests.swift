import Features
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Tranche

@Suite struct ConfigurationTests {
  private func read(_ toml: String, environment: [String: String] = [:]) throws -> Configuration {
    let folder = try TemporaryFolder()
    return try Configuration(file: folder.write("settings.toml", toml), environment: environment)
  }

  @Test func flagsBeatTheEnvironmentBeatsTheFileBeatsDefaults() throws {
    let toml = "[report]\nlanguage = \"tr\"\npoints = 10\n[tiers]\nhigh = 0.1\n"
    var configuration = try read(
      toml, environment: ["TRANCHE_REPORT_LANGUAGE": "ru", "TRANCHE_REPORT_POINTS": "20"])
    configuration.set("report.points", .integer(30), flag: "--points")
    #expect(configuration.text("report.language") == "ru")
    #expect(configuration.integer("report.points") == 30)
    #expect(configuration.number("tiers.high") == 0.1)
    #expect(configuration.number("tiers.mid") == 0.3)
    let origins = configuration.listing.settings.filter {
      ["report.language", "report.points", "tiers.mid"].contains($0.key)
    }.map(\.origin)
    #expect(origins == ["default", "flag --points", "environment TRANCHE_REPORT_LANGUAGE"])
  }

  @Test(arguments: [
    ("[ledger]\ncustomer_ids = \"a\"", "ledger.customer_id"),
    ("[ledgr]\ndate = \"a\"", "ledger.date"),
    ("[clustering]\nclustres = 3", "clustering.clusters"),
  ])
  func unknownKeysAreRefusedWithTheNearestName(toml: String, nearest: String) throws {
    let failure = try #require(throws: RunFailure.self) { try read(toml) }
    #expect(failure.code == .configuration)
    #expect(failure.hint == "did you mean \(nearest)?")
  }

  @Test(arguments: [
    "[run]\nthreads = \"two\"", "[read]\nheader = 1", "[ledger]\nrefunds = \"forget\"",
    "[clustering]\nfeatures = \"frequency\"", "[ledger]\nrates = 3", "[run\nthreads = 1",
  ])
  func wrongValuesAreRefused(toml: String) throws {
    let failure = try #require(throws: RunFailure.self) { try read(toml) }
    #expect(failure.code == .configuration)
    #expect(failure.file != nil)
  }

  @Test func aMissingFileIsNoInput() {
    let failure = #expect(throws: RunFailure.self) {
      try Configuration(file: "/nonexistent.toml", environment: [:])
    }
    #expect(failure?.code == .noInput)
  }

  @Test func everyKeyHasOneLineOfHelpAndOneName() {
    let keys = ConfigurationKey.all
    #expect(Set(keys.map(\.path)).count == keys.count)
    #expect(keys.allSatisfy { !$0.help.isEmpty && !$0.help.contains("\n") })
  }
}

@Suite struct NearestNameTests {
  @Test func findsTyposAndSwaps() {
    let names = ["frequency", "recency_days", "monetary"]
    #expect(NearestName.of("freqeuncy", among: names) == "frequency")
    #expect(NearestName.of("recency", among: names) == "recency_days")
    #expect(NearestName.of("recency_day", among: names) == "recency_days")
    #expect(NearestName.of("xyz", among: names) == nil)
  }
}

@Suite struct ModelFileTests {
  private var model: ModelFile {
    ModelFile(
      transforms: FittedTransforms(features: [
        FeatureTransform(
          name: "a", fill: 1, lower: -2, upper: 1e9, log: true, center: 0.1 + 0.2, scale: 1 / 3.0)
      ]),
      centers: [0], centroids: [[0.1], [-1e-300]],
      segments: [.init(id: "S01", name: "x", size: 3), .init(id: "S02", name: "y", size: 4)],
      inertia: 12.000000000000002, seed: .max, dropped: ["b"], scale: "log-standard")
  }

  @Test func numbersRoundTripExactly() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.json")
    try model.encoded().write(to: URL(fileURLWithPath: path))
    #expect(try ModelFile.read(path) == model)
    #expect(try model.encoded() == ModelFile.read(path).encoded())
  }

  @Test func everyFlippedBitIsNoticed() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.json")
    let bytes = [UInt8](try model.encoded())
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      try Data(changed).write(to: URL(fileURLWithPath: path))
      let failure = #expect(throws: RunFailure.self) { try ModelFile.read(path) }
      #expect(failure?.code == .badData, "byte \(index)")
    }
  }

  @Test(arguments: [0, 1, 100, 500])
  func truncatedFilesAreRefused(length: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.json")
    try model.encoded().prefix(length).write(to: URL(fileURLWithPath: path))
    let failure = #expect(throws: RunFailure.self) { try ModelFile.read(path) }
    #expect(failure?.code == .badData)
  }

  @Test func newerSchemasAreNamed() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("model.json", "{\"schema\": \"tranche.model.v9\"}")
    let failure = #expect(throws: RunFailure.self) { try ModelFile.read(path) }
    #expect(failure?.message.contains("tranche.model.v9") == true)
  }
}

@Suite struct StagedFolderTests {
  private func content(_ url: URL) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted()
  }

  @Test func appearsCompleteOrNotAtAll() throws {
    let parent = try TemporaryFolder()
    let folder = try StagedFolder(target: parent.path("out"), force: false)
    try folder.write(Data("1".utf8), to: "a")
    #expect(!FileManager.default.fileExists(atPath: parent.path("out")))
    try folder.commit()
    #expect(content(folder.target) == ["a"])
    #expect(content(parent.url) == ["out"])
  }

  @Test func anAbortedRunLeavesTheOldOutput() throws {
    let parent = try TemporaryFolder()
    let first = try StagedFolder(target: parent.path("out"), force: false)
    try first.write(Data("old".utf8), to: "a")
    try first.commit()
    let second = try StagedFolder(target: parent.path("out"), force: true)
    try second.write(Data("new".utf8), to: "b")
    second.abort()
    #expect(content(first.target) == ["a"])
    #expect(content(parent.url) == ["out"])
  }

  @Test func replacesOnlyWhenForced() throws {
    let parent = try TemporaryFolder()
    let first = try StagedFolder(target: parent.path("out"), force: false)
    try first.write(Data("old".utf8), to: "a")
    try first.commit()
    let refused = #expect(throws: RunFailure.self) {
      try StagedFolder(target: parent.path("out"), force: false)
    }
    #expect(refused?.code == .cannotCreate)
    let second = try StagedFolder(target: parent.path("out"), force: true)
    try second.write(Data("new".utf8), to: "b")
    try second.commit()
    #expect(content(first.target) == ["b"])
  }

  @Test func twoRunsDoNotMeet() throws {
    let parent = try TemporaryFolder()
    let first = try StagedFolder(target: parent.path("out"), force: false)
    let failure = #expect(throws: RunFailure.self) {
      try StagedFolder(target: parent.path("out"), force: false)
    }
    #expect(failure?.code == .tryAgain)
    first.abort()
    try StagedFolder(target: parent.path("out"), force: false).abort()
  }

  @Test func aLockHasOneHolderHoweverManyTry() throws {
    let parent = try TemporaryFolder()
    let url = parent.url.appendingPathComponent(".out.lock")
    let counts = Mutex((holders: 0, most: 0, taken: 0))
    DispatchQueue.concurrentPerform(iterations: 64) { _ in
      for _ in 0..<50 {
        guard let lock = try? FolderLock(url) else { continue }
        counts.withLock {
          $0 = ($0.holders + 1, max($0.most, $0.holders + 1), $0.taken + 1)
        }
        sched_yield()
        counts.withLock { $0.holders -= 1 }
        lock.release()
      }
    }
    let (_, most, taken) = counts.withLock { $0 }
    #expect(most == 1 && taken > 0)
    #expect(content(parent.url) == [])
  }

  @Test func leftOversOfADeadRunAreRemoved() throws {
    let parent = try TemporaryFolder()
    // No process has this number: the kernel's limit lies below it.
    _ = try parent.write(".out.lock", "99999999 \(ProcessInfo.processInfo.hostName)\n")
    try FileManager.default.createDirectory(
      atPath: parent.path(".out.tmp-99999999"), withIntermediateDirectories: false)
    let folder = try StagedFolder(target: parent.path("out"), force: false)
    try folder.commit()
    #expect(content(parent.url) == ["out"])
  }
}

@Suite struct RunFailureTests {
  @Test func isOneSentenceWithItsPlace() {
    let failure = RunFailure(
      .badData, "“x\n\u{1b}[31m” is not a number", hint: "mend it", file: "a.csv", line: 7,
      column: "amount")
    #expect(
      failure.sentence == "a.csv:7, column \"amount\": “x  [31m” is not a number; mend it.")
  }
}
