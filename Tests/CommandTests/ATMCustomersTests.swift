import Foundation
import TestSupport
import Testing

/// The field's first exercise: a thousand customers of cash machines, two columns, three clusters.
@Suite struct ATMCustomersTests {
  @Test(arguments: [0, 1, 2]) func findsScikitLearnsPartition(seed: Int) throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.customers, [String(seed), folder.path("atm.csv")])
    let fit = try Tranche.json(
      [
        "fit", "atm.csv", "--features", "TransactionFrequency,AverageTransactionAmount",
        "--clusters", "3", "--n-init", "10", "--seed", "0", "--scale", "standard",
        "--out", "model.json", "--labels", "labels.csv",
      ], in: folder)
    let inertia = try #require(fit["inertia"] as? Double)
    try Shell.python(
      Self.compare, [folder.path("atm.csv"), folder.path("labels.csv"), String(inertia)])
    // Names of the field and ours mean the same columns.
    let model = try folder.object("model.json")
    let features = try #require(model["features"] as? [[String: Any]])
    #expect(
      features.compactMap { $0["name"] as? String } == [
        "TransactionFrequency", "AverageTransactionAmount",
      ])
  }

  private static let customers = """
    import sys, numpy as np
    random = np.random.default_rng(int(sys.argv[1]))
    kind = random.choice(3, 1000, p=[.45, .35, .20])
    frequency = np.maximum(1, np.round(np.array([4, 12, 25])[kind] * (1 + .18 * random.normal(size=1000))))
    amount = np.maximum(10, np.round(np.array([60, 180, 420])[kind] * (1 + .16 * random.normal(size=1000)), 2))
    with open(sys.argv[2], "w") as file:
      file.write("customer_id,TransactionFrequency,AverageTransactionAmount,Age\\n")
      for i in range(1000):
        file.write(f"{100000 + i},{int(frequency[i])},{amount[i]:.2f},{18 + i % 65}\\n")
    """

  private static let compare = """
    import sys, numpy as np
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler
    from sklearn.metrics import adjusted_rand_score
    x = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1, usecols=(1, 2))
    labels = np.loadtxt(sys.argv[2], delimiter=",", skiprows=1, usecols=1).astype(int)
    theirs = KMeans(3, n_init=10, random_state=0).fit(StandardScaler().fit_transform(x))
    assert adjusted_rand_score(labels, theirs.labels_) == 1
    assert abs(float(sys.argv[3]) / theirs.inertia_ - 1) < 1e-5
    """
}
