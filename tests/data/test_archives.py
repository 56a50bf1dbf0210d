"""Every archive at hand against plain loops over its lines."""

from __future__ import annotations

import zipfile
from collections import Counter, defaultdict

import pytest
from generators import seeded
from real_archives import needs_archives, real_archives

from robust_augcl.data.tu import TUGraphs

FOLDER = real_archives()
QUICK = ("IMDB-BINARY", "MUTAG")
"""Small ones, without node labels and with them. The others are thorough."""
ARCHIVES = [
    pytest.param(path, marks=[] if path.stem in QUICK else pytest.mark.thorough, id=path.stem)
    for path in (sorted(FOLDER.glob("TUDataset/*.zip")) if FOLDER else [])
]


def lines(file: zipfile.ZipFile, name: str, ending: str) -> list[str] | None:
    try:
        return file.read(f"{name}/{name}_{ending}.txt").decode().split("\n")[:-1]
    except KeyError:
        return None


def components(nodes: list[int], neighbours: dict[int, set[int]]) -> int:
    """Connected components, by walking."""
    seen: set[int] = set()
    count = 0
    for node in nodes:
        if node in seen:
            continue
        count += 1
        seen.add(node)
        waiting = [node]
        while waiting:
            found = neighbours[waiting.pop()] - seen
            seen |= found
            waiting += found
    return count


@needs_archives
@pytest.mark.parametrize("path", ARCHIVES)
def test_an_archive_is_read_as_by_plain_loops(path):
    name = path.stem
    with zipfile.ZipFile(path) as file:
        edges, indicator, labels, node_labels = (
            lines(file, name, ending)
            for ending in ("A", "graph_indicator", "graph_labels", "node_labels")
        )
    neighbours: dict[int, set[int]] = defaultdict(set)
    for line in edges:
        i, j = map(int, line.split(","))
        if i != j:
            neighbours[i].add(j)
    nodes = defaultdict(list)
    for node, number in enumerate(indicator, 1):
        nodes[int(number)].append(node)
    classes = {label: place for place, label in enumerate(sorted(set(map(int, labels))))}

    assert path.parent.parent == FOLDER
    graphs = TUGraphs(name).load(FOLDER, seeded(0))
    assert graphs.num_graphs == len(labels) == len(nodes)
    assert graphs.y.tolist() == [classes[int(label)] for label in labels]
    assert graphs.sizes.tolist() == [len(nodes[k + 1]) for k in range(len(labels))]
    assert graphs.num_components.tolist() == [
        components(nodes[k + 1], neighbours) for k in range(len(labels))
    ]
    rows = graphs.edge_index.T.tolist()
    assert len(rows) == sum(map(len, neighbours.values()))
    assert {(i + 1, j + 1) for i, j in rows} == {
        (node, other) for node, others in neighbours.items() for other in others
    }
    if node_labels is None:
        assert graphs.x.tolist() == [[1.0]] * len(indicator)
    else:
        least = min(map(int, node_labels))
        assert graphs.x.argmax(1).tolist() == [int(label) - least for label in node_labels]
        assert Counter(graphs.x.flatten().tolist())[1.0] == len(node_labels)
