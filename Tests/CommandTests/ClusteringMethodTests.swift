import Foundation
import TestSupport
import Testing

/// `fit`'s other ways to cluster: limits on sizes, any shape, a warm start.
@Suite struct ClusteringMethodTests {
  private static let fit = ["fit", "cards.csv", "--features", "LIMIT_BAL,BILL_AMT1,PAY_AMT1"]
  private static let scale = ["--scale", "log-standard"]

  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      at: Repository.data.appendingPathComponent("uci_credit_card_default.csv"),
      to: folder.url.appendingPathComponent("cards.csv"))
    return folder
  }

  /// Whatever the method: the saved model gives the labels of the fit.
  @Test(arguments: [
    ["--clusters", "4", "--min-share", "0.15", "--max-share", "0.35"],
    ["--clusters", "4", "--max-share", "0.31"],
    ["--algorithm", "dbscan", "--eps", "0.5", "--min-points", "40", "--sample", "4000"],
    ["--algorithm", "ward", "--clusters", "4"],
    ["--algorithm", "mini-batch", "--clusters", "4"],
  ])
  func assignGivesTheLabelsOfFit(flags: [String]) throws {
    let folder = try folder()
    let said = try Tranche.json(
      Self.fit + Self.scale + flags + ["--out", "m.json", "--labels", "l.parquet"], in: folder)
    for key in ["n", "d", "k", "iterations", "converged", "inertia", "sizes", "noise", "kernel"] {
      #expect(said[key] != nil, "\(key)")
    }
    let assigned = try Tranche.json(
      ["assign", "cards.csv", "--model", "m.json", "--out", "a.parquet", "--threads", "3"],
      in: folder)
    #expect(try folder.data("a.parquet") == folder.data("l.parquet"))
    #expect(assigned["sizes"] as? [Int] == said["sizes"] as? [Int])
    #expect(assigned["noise"] as? Int == said["noise"] as? Int)
    let sizes = try #require(said["sizes"] as? [Int])
    #expect(sizes.reduce(0, +) + (said["noise"] as? Int ?? -1) == 30_000)
    if flags.contains("--max-share") {
      let most = flags.contains("0.35") ? 10_500 : 9_300
      #expect(sizes.allSatisfy { $0 <= most })
    }
    if flags.contains("--min-share") { #expect(sizes.allSatisfy { $0 >= 4_500 }) }
  }

  @Test func warmStartsGoOnFromTheModel() throws {
    let folder = try folder()
    let first = try Tranche.json(
      Self.fit + Self.scale + ["--clusters", "4", "--out", "m.json", "--max-iterations", "3"],
      in: folder)
    let second = try Tranche.json(
      Self.fit + ["--warm-start", "m.json", "--out", "n.json", "--tolerance", "0"], in: folder)
    let third = try Tranche.json(
      Self.fit + ["--warm-start", "n.json", "--out", "o.json", "--tolerance", "0"], in: folder)
    func inertia(_ said: [String: Any]) -> Double { said["inertia"] as? Double ?? .nan }
    #expect(first["converged"] as? Bool == false && second["converged"] as? Bool == true)
    #expect(inertia(second) < inertia(first))
    #expect(inertia(third) == inertia(second) && third["iterations"] as? Int ?? 9 <= 2)
    // The transforms are those of the model.
    let features = try ["m.json", "n.json"].map { try folder.object($0)["features"] as? NSArray }
    #expect(features[0] != nil && features[0] == features[1])
  }

  @Test(
    arguments: [
      (["--clusters", "4", "--min-share", "0.3"], ["--min-share", "at most 0.25"]),
      (["--clusters", "4", "--max-share", "0.2"], ["--max-share", "at least 0.25"]),
      (["--clusters", "3", "--min-share", "0.3", "--max-share", "0.2"], ["--min-share"]),
      (["--clusters", "3", "--max-share", "1.2"], ["--max-share", "from 0 to 1"]),
      (["--clusters", "3", "--max-share", "0.5", "--weight", "AGE"], ["--weight"]),
      (
        ["--clusters", "3", "--max-share", "0.5", "--algorithm", "mini-batch"],
        ["--max-share", "mini-batch"]
      ),
      (["--algorithm", "dbscan", "--min-points", "4"], ["--eps"]),
      (["--algorithm", "dbscan", "--eps", "0"], ["--eps"]),
      (["--algorithm", "dbscan", "--eps", "1", "--min-points", "0"], ["--min-points"]),
      (["--algorithm", "dbscan", "--eps", "1", "--clusters", "3"], ["--clusters", "dbscan"]),
      (["--algorithm", "ward", "--clusters", "3", "--eps", "1"], ["--eps", "dbscan"]),
      (["--algorithm", "ward", "--clusters", "3", "--sample", "3"], ["--sample"]),
      (["--algorithm", "ward"], ["--clusters"]), ([], ["--clusters"]),
      (["--algorithm", "magic", "--clusters", "3"], ["magic", "ward"]),
      (["--clusters", "3", "--warm-start", "w.json"], ["--clusters 3", "2"]),
      (["--warm-start", "w.json", "--init", "random"], ["--init", "--warm-start"]),
    ] as [([String], [String])])
  func flagsThatContradictAreRefused(flags: [String], says: [String]) throws {
    let folder = try folder()
    if flags.contains("w.json") {
      try Tranche.json(Self.fit + ["--clusters", "2", "--out", "w.json"], in: folder)
    }
    let before = try folder.listing()
    expectSentence(
      try Tranche.run(Self.fit + flags + ["--out", "m.json"], in: folder), status: 64, says: says)
    #expect(try folder.listing() == before)
  }

  @Test func whatCannotBeDoneIsSaid() throws {
    let folder = try folder()
    // A third of the customers have one of a few equal values.
    let alike = try Tranche.run(
      [
        "fit", "cards.csv", "--features", "EDUCATION", "--clusters", "3", "--max-share", "0.34",
        "--out", "m.json",
      ], in: folder)
    expectSentence(alike, status: 65, says: ["alike", "10200"])
    let noise = try Tranche.run(
      Self.fit + [
        "--algorithm", "dbscan", "--eps", "1e-9", "--min-points", "9000", "--out", "m.json",
      ], in: folder)
    expectSentence(noise, status: 65, says: ["noise", "--eps"])
    #expect(try folder.listing() == ["cards.csv"])
    try Tranche.json(
      Self.fit + ["--algorithm", "ward", "--clusters", "3", "--out", "w.json"], in: folder)
    expectSentence(
      try Tranche.run(Self.fit + ["--warm-start", "w.json", "--out", "m.json"], in: folder),
      status: 64, says: ["centroids", "K-Means"])
  }
}
