"""Small data sets in the forms of node graphs' files, written from plain lists.

Two groups of papers; a paper cites mostly its own group, and uses mostly its words.
"""

from __future__ import annotations

import json
import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from command_line import call

NODES = 540
"""Planetoid's reader takes 500 nodes after the labelled ones for validation."""
_SEED = 5


def a_graph(nodes: int = NODES, features: int = 12) -> tuple[np.ndarray, np.ndarray, list]:
    """Features of 0 and 1 (N, F), classes (N,), and undirected edges, each once."""
    chance = np.random.default_rng(_SEED)
    y = np.arange(nodes) % 2
    likely = np.where((np.arange(features) % 2)[None] == y[:, None], 0.5, 0.1)
    x = (chance.random((nodes, features)) < likely).astype(np.float32)
    i, j = np.triu_indices(nodes, 1)
    joined = chance.random(i.size) < np.where(y[i] == y[j], 0.012, 0.002)
    edges = list(zip(i[joined].tolist(), j[joined].tolist(), strict=True))
    return x, y, edges


def as_python_2(content: bytes) -> bytes:
    """A pickle with the names that modules had when Planetoid's files were written."""
    for new, old in (
        (b"numpy._core.multiarray", b"numpy.core.multiarray"),
        (b"scipy.sparse._csr", b"scipy.sparse.csr"),
    ):
        content = content.replace(b"c" + new + b"\n", b"c" + old + b"\n")
    return content


def write_planetoid(
    folder: Path, name: str = "cora", labelled: int = 8, unlisted: tuple[int, ...] = ()
) -> None:
    """Write `Planetoid/ind.NAME.*`; the last 20 papers are for test, listed in another order.

    Papers that are `unlisted` are none of these: the files only number them, as CiteSeer's do.
    """
    x, y, edges = a_graph()
    neighbours = defaultdict(list)
    for i, j in edges:
        neighbours[i].append(j)
        neighbours[j].append(i)
    neighbours[0].append(0)  # a loop, as some of the files have
    first = len(y) - 20
    test = np.random.default_rng(1).permutation(np.arange(first, len(y)))
    test = test[~np.isin(test, unlisted)]
    one_hot = np.eye(2, dtype=np.int32)[y]
    parts = {
        "x": sp.csr_matrix(x[:labelled]),
        "allx": sp.csr_matrix(x[:first]),
        "tx": sp.csr_matrix(x[test]),
        "y": one_hot[:labelled],
        "ally": one_hot[:first],
        "ty": one_hot[test],
        "graph": {node: neighbours[node] for node in range(len(y))},
    }
    (folder / "Planetoid").mkdir(parents=True, exist_ok=True)
    for part, value in parts.items():
        content = as_python_2(pickle.dumps(value, protocol=2))
        (folder / "Planetoid" / f"ind.{name}.{part}").write_bytes(content)
    lines = "".join(f"{node}\n" for node in test)
    (folder / "Planetoid" / f"ind.{name}.test.index").write_text(lines)


def arrays(with_features: bool = True, apart: int = 0) -> dict[str, np.ndarray]:
    """The arrays of an archive; edges stand in one direction, and one node has a loop.

    The last `apart` nodes have no edges. `idx_to_node` is an array of objects.
    """
    x, y, edges = a_graph()
    inside = [(i, j) for i, j in edges if max(i, j) < len(y) - apart]
    i, j = np.array([*inside, (1, 1)]).T
    adjacency = sp.csr_matrix((np.ones(len(i), dtype=np.float32), (i, j)), shape=(len(y), len(y)))
    found = {"adj": adjacency, **({"attr": sp.csr_matrix(x)} if with_features else {})}
    made: dict[str, np.ndarray] = {"labels": y}
    for prefix, matrix in found.items():
        for part in ("data", "indices", "indptr", "shape"):
            made[f"{prefix}_{part}"] = np.asarray(getattr(matrix, part))
    made["idx_to_node"] = np.array({0: "a paper"}, dtype=object)
    return made


def write_wikics(folder: Path) -> None:
    """Write `WikiCS/data.json`; links stand in one direction."""
    x, y, edges = a_graph()
    links: list[list[int]] = [[] for _ in y]
    for i, j in edges:
        links[i].append(j)
    places = np.arange(len(y)) % 6
    table = {
        "features": (x - 0.5).tolist(),
        "labels": y.tolist(),
        "links": links,
        "train_masks": [(places == k).tolist() for k in (0, 1)],
        "val_masks": [(places == k).tolist() for k in (1, 0)],
        "test_mask": (places > 2).tolist(),
    }
    (folder / "WikiCS").mkdir(parents=True, exist_ok=True)
    (folder / "WikiCS" / "data.json").write_text(json.dumps(table))


def run_on_planetoid(suite: str, folder: Path) -> Path:
    """Write archives and a suite into a folder, run it there in `run`, and return the folder."""
    write_planetoid(folder)
    file = folder / "suite.toml"
    file.write_text(suite)
    answer = call("run", file, "--archives", folder, "--out", folder / "run")
    assert answer.code == 0, answer.err
    return folder
