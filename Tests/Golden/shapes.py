"""Writes shapes.json: toy sets and what scikit-learn's DBSCAN and Ward make of them.

Run with the test environment's Python: .deps/python/bin/python Tests/Golden/shapes.py
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn import datasets
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.preprocessing import StandardScaler

N = 500
sets = {
    "moons": (datasets.make_moons(N, noise=0.06, random_state=1), 0.25, 5, 2),
    "circles": (datasets.make_circles(N, factor=0.45, noise=0.05, random_state=2), 0.25, 5, 2),
    "blobs": (datasets.make_blobs(N, centers=4, n_features=3, random_state=3), 0.3, 4, 4),
    "uneven blobs": (
        datasets.make_blobs(N, centers=3, cluster_std=[1.0, 1.5, 0.4], random_state=170), 0.25, 5, 3),
}
golden = {"scikit_learn": sklearn.__version__, "sets": []}
for name, ((x, _), eps, points, k) in sets.items():
    # Float32, as a matrix stores them.
    x = StandardScaler().fit_transform(x).astype(np.float32).astype(np.float64)
    golden["sets"].append(
        dict(
            name=name,
            columns=x.T.tolist(),
            eps=eps,
            min_points=points,
            dbscan=DBSCAN(eps=eps, min_samples=points).fit_predict(x).tolist(),
            k=k,
            ward=AgglomerativeClustering(k, linkage="ward").fit_predict(x).tolist(),
        )
    )
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden))
