"""A share of a TU archive: which graphs it has, its features, its memory."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import networkx as nx
import pytest
import torch
from generators import seeded
from time_limits import HANGS
from tiny_tu import load, write
from tu_archives import CLASSES, star, tables_of, write_archive

from robust_augcl.data.tu import TUGraphs


def many(archives):
    """100 paths of 2 to 6 nodes; the classes are unequal."""
    edges, of_graph, first = [], [], 1
    for number in range(100):
        size = 2 + number % 5
        of_graph += [number + 1] * size
        edges += [
            pair
            for node in range(first, first + size - 1)
            for pair in ((node, node + 1), (node + 1, node))
        ]
        first += size
    write(
        archives,
        edges=edges,
        of_graph=of_graph,
        graph_labels=[5 if number % 4 else 3 for number in range(100)],
    )


@pytest.mark.parametrize("fraction", [0.04, 0.2, 0.5, 0.77, 1.0])
def test_a_fraction_is_of_each_class(tmp_path, to_networkx, fraction):
    many(tmp_path)
    graphs = load(tmp_path, fraction=fraction)
    counts = Counter(graphs.y.tolist())
    assert counts[0] == pytest.approx(25 * fraction, abs=1)
    assert counts[1] == pytest.approx(75 * fraction, abs=1)
    assert counts[0] >= 1
    for data in graphs.to_data_list():
        assert nx.is_isomorphic(to_networkx(data), nx.path_graph(data.num_nodes))


def test_the_graphs_of_a_fraction_are_drawn_from_the_generator(tmp_path):
    many(tmp_path)
    source = TUGraphs("TINY", fraction=0.2)
    first, again, other = (source.load(tmp_path, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.sizes, again.sizes)
    assert torch.equal(first.y, again.y)
    assert not torch.equal(first.sizes, other.sizes)


MEASURE = r"""
import re, sys
from pathlib import Path
import torch
from robust_augcl.data.tu import TUGraphs
source = TUGraphs("STARS", features="degree", fraction=0.04)
def peak():  # of getrusage's, that of the process which starts this one is a part
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
graphs = source.load(Path(sys.argv[1]), torch.Generator().manual_seed(0))
print(graphs.num_graphs, graphs.x.size(1), peak() - before)
"""


def test_memory_is_that_of_the_share(tmp_path):
    """A hub of 2,000 nodes: degree features of all 51,900 nodes would take 400 MB."""
    graphs = [star(2000)] + [star(100)] * 499
    tables = tables_of(graphs, [k % 2 for k in range(500)], node_labels=False)
    write_archive(tmp_path, "STARS", tables)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=True,
    )
    number, columns, kilobytes = map(int, done.stdout.split())
    assert (number, columns) == (20, 2000)
    assert kilobytes < 200_000


def test_a_degree_feature_of_a_share_is_that_of_the_whole_set(tmp_path):
    graphs = [star(3 + k % 7) for k in range(60)]
    write_archive(tmp_path, "STARS", tables_of(graphs, CLASSES, node_labels=False))
    whole = TUGraphs("STARS", features="degree").load(tmp_path, seeded(0))
    found = TUGraphs("STARS", features="degree", fraction=0.3).admitted(tmp_path, seeded(0))
    assert found.graphs.same_as(whole.select(found.kept))
    for data in found.graphs.to_data_list():
        degrees = Counter(data.edge_index[0].tolist())
        assert data.x.argmax(1).tolist() == [degrees[node] for node in range(data.num_nodes)]


def test_a_share_of_a_set_with_empty_graphs_says_which_graphs_it_has(tmp_path):
    graphs = [(3, [(0, 1)]) if k % 3 else (0, []) for k in range(60)]
    write_archive(tmp_path, "HOLES", tables_of(graphs, [k // 3 % 2 for k in range(60)]))
    source = TUGraphs("HOLES", fraction=0.5)
    found = source.admitted(tmp_path, seeded(0))
    assert found.graphs.num_graphs == found.kept.numel() == 20
    assert all(number % 3 for number in found.kept.tolist())
    assert found.graphs.y.tolist() == [number // 3 % 2 for number in found.kept.tolist()]
