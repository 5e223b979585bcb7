"""One peer's K-Means on one workload: prints one JSON object, as kmeans-workload does.

    kmeans_peer.py LIBRARY FILE ROWS COLUMNS CLUSTERS iterate|fit|assign [REPETITIONS]

LIBRARY: sklearn, sklearnex, faiss, mlpack. Only the call is timed: imports, reading and a small call
that starts the libraries' threads are not.
"""
import json
import sys
import time

import numpy as np

ITERATIONS = 20


def exact_inertia(x, centroids):
    """Σ of the least squared distances, differences taken in double, block by block."""
    centroids = centroids.astype(np.float64)
    norms = (centroids**2).sum(axis=1)
    total = 0.0
    for first in range(0, len(x), 100_000):
        block = x[first:first + 100_000].astype(np.float64)
        labels = (norms - 2 * block @ centroids.T).argmin(axis=1)
        total += float(((block - centroids[labels]) ** 2).sum())
    return total


class ScikitLearn:
    def __init__(self, module):
        if module == "sklearnex":
            from sklearnex.cluster import KMeans
        else:
            from sklearn.cluster import KMeans
        self.make = KMeans

    def iterate(self, x, start):
        model = self.make(len(start), init=start, n_init=1, max_iter=ITERATIONS, tol=0,
                          algorithm="lloyd").fit(x)
        return model.cluster_centers_, model.n_iter_

    def fit(self, x, clusters, seed):
        model = self.make(clusters, n_init=1, tol=1e-4, random_state=seed).fit(x)
        return model.cluster_centers_, model.n_iter_

    def assigner(self, x, start):
        # A model that holds the start: a fit on few rows gives the object, then its centroids are set.
        model = self.make(len(start), init=start, n_init=1, max_iter=1).fit(
            x[: max(1000, 20 * len(start))])
        return lambda: model.predict(x)


class Faiss:
    def __init__(self):
        import faiss
        self.faiss = faiss

    def clustering(self, d, k, rows, seed=0, iterations=ITERATIONS):
        # Its default looks at 256 points a centroid; all rows, as everyone else.
        return self.faiss.Kmeans(d, k, niter=iterations, seed=seed + 1,
                                 min_points_per_centroid=1, max_points_per_centroid=rows)

    def iterate(self, x, start):
        model = self.clustering(x.shape[1], len(start), len(x))
        model.train(x, init_centroids=start)
        return model.centroids, ITERATIONS

    fit = None  # no k-means++ and no tolerance

    def assigner(self, x, start):
        index = self.faiss.IndexFlatL2(x.shape[1])
        index.add(start)
        return lambda: index.search(x, 1)


class Mlpack:
    def __init__(self):
        import mlpack
        self.mlpack = mlpack

    def iterate(self, x, start):
        result = self.mlpack.kmeans(
            input_=x, clusters=len(start), initial_centroids=start, max_iterations=ITERATIONS,
            algorithm="hamerly" if x.shape[1] <= 16 else "elkan", labels_only=True)
        return result["centroid"], ITERATIONS

    fit = None
    assigner = None


def library(name):
    return {"faiss": Faiss, "mlpack": Mlpack}[name]() if name in ("faiss", "mlpack") \
        else ScikitLearn(name)


def main():
    name, path, rows, columns, clusters, mode = sys.argv[1:7]
    rows, columns, clusters = int(rows), int(columns), int(clusters)
    repetitions = int(sys.argv[7]) if len(sys.argv) > 7 else 1
    values = np.fromfile(path, dtype=np.float32)
    x = values[: rows * columns].reshape(rows, columns)
    start = values[rows * columns:].reshape(clusters, columns)
    peer = library(name)
    peer.iterate(np.ascontiguousarray(x[: max(1000, 20 * clusters)]), start)
    report = {"seconds": [], "inertia": [], "iterations": 0}
    assign = peer.assigner(x, start) if mode == "assign" else None
    for repetition in range(repetitions):
        began = time.perf_counter()
        if mode == "assign":
            assign()
        elif mode == "fit":
            centroids, report["iterations"] = peer.fit(x, clusters, repetition)
        else:
            centroids, report["iterations"] = peer.iterate(x, start)
        report["seconds"].append(time.perf_counter() - began)
        if mode != "assign" and (mode == "fit" or repetition == 0):
            report["inertia"].append(exact_inertia(x, np.asarray(centroids)))
    report["iterations"] = int(report["iterations"])
    print(json.dumps(report))


if __name__ == "__main__":
    main()
