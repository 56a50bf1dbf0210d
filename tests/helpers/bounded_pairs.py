"""Random graphs and models for the bound on pairs of edits, and for the search that uses it."""

from __future__ import annotations

import numpy as np
import torch
from models import classifier

from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs


def drawn_graphs(seed, features, count=6, sizes=(4, 10), dtype=torch.double, densest=0.5):
    rng = np.random.default_rng(seed)
    x, edges, ptr = [], [], [0]
    for _ in range(count):
        size, density = int(rng.integers(*sizes)), rng.uniform(0.1, densest)
        i, j = np.triu_indices(size, 1)
        kept = rng.random(len(i)) < density
        edges.append(np.stack([i[kept], j[kept]]) + ptr[-1])
        ptr.append(ptr[-1] + size)
        x.append(
            {
                "constant": np.ones((size, 1)),
                "few": rng.integers(0, 2, (size, 2)),
                "normal": rng.normal(size=(size, 2)),
            }[features]
        )
    both = np.concatenate(edges, axis=1)
    both = np.concatenate([both, both[::-1]], axis=1)
    both = both[:, np.lexsort((both[1], both[0]))]
    y = torch.zeros(count, dtype=torch.long)
    x = torch.from_numpy(np.concatenate(x)).to(dtype)
    return PackedGraphs(x, torch.from_numpy(both), torch.tensor(ptr), y)


def new_model(graphs, *, encoder=Structure2Vec, layers=3, seed=0, width=6, larger=1.5):
    """Of larger weights than a new model has, so that relus bend more."""
    features = graphs.x.size(1)
    model = classifier(
        encoder, "bounds", layers=layers, features=features, width=width, hidden=6, seed=seed
    )
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(larger)
    return model.to(graphs.x.dtype)
