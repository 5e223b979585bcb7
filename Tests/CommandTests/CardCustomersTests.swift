import Foundation
import TestSupport
import Testing

/// `fit`, `assign` and `select-k` on 30,000 real card customers, against scikit-learn.
@Suite struct CardCustomersTests {
  private static let cards = Repository.data
    .appendingPathComponent("uci_credit_card_default.csv").path
  private static let features = "LIMIT_BAL,AGE,BILL_AMT1,PAY_AMT1"

  /// The file has ages that are missing ("nan"), so medians are asked for.
  @Test func fitsAsScikitLearnFromTheSameStart() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.start, [Self.cards, folder.path("start.csv")])
    let fit = try Tranche.json(
      [
        "fit", Self.cards, "--features", Self.features, "--clusters", "5", "--missing", "median",
        "--init", "start.csv", "--tolerance", "0", "--out", "model.json", "--labels", "fit.csv",
      ], in: folder)
    #expect(fit["n"] as? Int == 30_000 && fit["d"] as? Int == 4 && fit["k"] as? Int == 5)
    #expect(fit["converged"] as? Bool == true)
    let sizes = try #require(fit["sizes"] as? [Int])
    #expect(sizes.reduce(0, +) == 30_000)
    let inertia = try #require(fit["inertia"] as? Double)
    try Shell.python(
      Self.compare,
      [Self.cards, folder.path("start.csv"), folder.path("fit.csv"), String(inertia)])

    // The same rows from other files: the same labels and distances, to the byte.
    try Shell.python(Self.rewrite, [Self.cards, folder.url.path])
    for input in [Self.cards, "cards.parquet", "cards.csv.gz", "cards.csv.zst", "cards.arrow"] {
      try Tranche.json(
        ["assign", input, "--model", "model.json", "--out", "again.csv", "--force"], in: folder)
      #expect(try Self.labels(folder, "again.csv") == Self.labels(folder, "fit.csv"), "\(input)")
    }
    try Tranche.json(
      ["assign", "-", "--model", "model.json", "--out", "again.csv", "--force"], in: folder,
      input: try Data(contentsOf: URL(fileURLWithPath: Self.cards)))
    #expect(try folder.data("again.csv") == folder.data("fit.csv"), "standard input")
  }

  /// The ids of a text file are texts, and quoted.
  private static func labels(_ folder: TemporaryFolder, _ name: String) throws -> Data {
    let data = try folder.data(name)
    #expect(data.count > 300_000)
    return data.filter { $0 != UInt8(ascii: "\"") }
  }

  @Test func measuresEveryNumberOfClustersAsScikitLearn() throws {
    let folder = try TemporaryFolder()
    // 3,000 rows: all of them are in the silhouette, so it is exact.
    try Shell.python(Self.sample, [Self.cards, folder.path("sample.csv")])
    let arguments = ["--features", Self.features, "--missing", "median", "--seed", "3"]
    let chosen = try Tranche.run(
      ["select-k", "sample.csv", "--clusters", "2...6", "--refits", "2", "--json"] + arguments,
      in: folder)
    #expect(chosen.status == 0, "\(chosen.errors)")
    _ = try folder.write("chosen.json", chosen.output)
    for k in 2...6 {
      try Tranche.json(
        [
          "fit", "sample.csv", "--clusters", "\(k)", "--out", "m.json", "--force", "--labels",
          "labels-\(k).csv",
        ] + arguments, in: folder)
    }
    try Shell.python(Self.indices, [folder.path("sample.csv"), folder.url.path])
  }

  private static let samples = """
    import sys, csv, numpy as np
    def samples(path):
      rows = list(csv.DictReader(open(path)))
      x = np.array([[float(r[c]) for c in ("LIMIT_BAL", "AGE", "BILL_AMT1", "PAY_AMT1")] for r in rows])
      for column in x.T: column[np.isnan(column)] = np.nanmedian(column)
      return (x - x.mean(axis=0)) / x.std(axis=0)

    """

  private static let start =
    samples + """
      z = samples(sys.argv[1])
      with open(sys.argv[2], "w") as file:
        file.write("LIMIT_BAL,AGE,BILL_AMT1,PAY_AMT1\\n")
        for row in (17, 4001, 12345, 20202, 29999):
          file.write(",".join(repr(float(v)) for v in z[row]) + "\\n")
      """

  private static let compare =
    samples + """
      from sklearn.cluster import KMeans
      z = samples(sys.argv[1])
      start = np.loadtxt(sys.argv[2], delimiter=",", skiprows=1)
      ours = np.loadtxt(sys.argv[3], delimiter=",", skiprows=1, usecols=(1, 2))
      theirs = KMeans(5, init=start, n_init=1, tol=0, max_iter=300, algorithm="lloyd").fit(z)
      assert abs(float(sys.argv[4]) / theirs.inertia_ - 1) < 1e-5, (sys.argv[4], theirs.inertia_)
      # Ours are compared in Double, theirs too; samples are stored in Float32.
      assert (ours[:, 0] != theirs.labels_).sum() <= 3, (ours[:, 0] != theirs.labels_).sum()
      distances = np.sqrt(((z - theirs.cluster_centers_[theirs.labels_]) ** 2).sum(axis=1))
      assert np.abs(ours[:, 1] - distances).max() < 1e-3 * distances.max()
      """

  private static let rewrite = """
    import sys, pyarrow.csv, pyarrow.parquet, pyarrow.feather, subprocess, gzip
    path, folder = sys.argv[1:]
    text = open(path, "rb").read()
    gzip.open(folder + "/cards.csv.gz", "wb", 1).write(text)
    import pyarrow as pa
    with pa.output_stream(folder + "/cards.csv.zst", compression="zstd") as file: file.write(text)
    table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(null_values=["nan", ""]))
    pa.parquet.write_table(table, folder + "/cards.parquet", row_group_size=4096)
    with pa.ipc.new_file(folder + "/cards.arrow", table.schema) as file: file.write_table(table)
    """

  private static let sample = """
    import sys
    lines = open(sys.argv[1]).read().splitlines()
    open(sys.argv[2], "w").write("\\n".join(lines[:1] + lines[1::10]) + "\\n")
    """

  private static let indices =
    samples + """
      import json
      from sklearn.metrics import silhouette_score, calinski_harabasz_score, davies_bouldin_score
      z = samples(sys.argv[1])
      chosen = json.load(open(sys.argv[2] + "/chosen.json"))
      assert chosen["n"] == 3000 and [c["k"] for c in chosen["candidates"]] == [2, 3, 4, 5, 6]
      assert chosen["recommended"] in range(2, 7) and chosen["reason"]
      for c in chosen["candidates"]:
        labels = np.loadtxt(f"{sys.argv[2]}/labels-{c['k']}.csv", delimiter=",", skiprows=1, usecols=1).astype(int)
        inertia = sum(((z[labels == l] - z[labels == l].mean(axis=0)) ** 2).sum() for l in range(c["k"]))
        assert abs(c["inertia"] / inertia - 1) < 1e-4, (c["k"], c["inertia"], inertia)
        for name, score, bound in (("silhouette", silhouette_score, 1e-4),
            ("calinski_harabasz", calinski_harabasz_score, 1e-4), ("davies_bouldin", davies_bouldin_score, 1e-4)):
          theirs = score(z, labels)
          assert abs(c[name] / theirs - 1) < bound, (c["k"], name, c[name], theirs)
        assert c["silhouette_lower"] <= c["silhouette"] <= c["silhouette_upper"]
        assert 0 <= c["stability"] <= 1
      """
}
