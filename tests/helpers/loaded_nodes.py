"""Node graphs as tests load them, and what must never be unpickled."""

from __future__ import annotations

from pathlib import Path

from generators import seeded

from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.dataset import load_dataset

SPLIT = Split(test=0.8, validation=0.1)


def loaded(source, archives, seed=0, split=SPLIT):
    return load_dataset(source, split, archives, seeded(seed))


def undirected(graphs):
    return {(i, j) for i, j in graphs.edge_index.T.tolist() if i < j}


class Trap:
    """What writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)
