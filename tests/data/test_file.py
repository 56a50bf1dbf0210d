"""The data source `file`: where the file lies, its parts, its shares, its attributes."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections import Counter

import pytest
import torch
from generators import seeded

from robust_augcl.data.file import FileGraphs
from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.dataset import load_dataset, split_by_parts
from robust_augcl.testing import check_data_source

PARTS = ("train", "validation", "test")


def lines_of(count: int = 30, **more) -> list[dict]:
    """Paths of 3 to 6 nodes in two classes, -1 and 4; `more` are functions of the number."""
    lines = []
    for k in range(count):
        nodes = 3 + k % 4
        edges = [[i, i + 1] for i in range(nodes - 1)]
        line = {"edges": edges, "num_nodes": nodes, "y": 4 if k % 3 else -1}
        lines.append(line | {name: of(k) for name, of in more.items()})
    return lines


def write(folder, lines, name="mine.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def source(path, **settings) -> FileGraphs:
    return FileGraphs(str(path), **settings)


def test_the_graphs_are_those_of_the_lines(tmp_path):
    lines = lines_of()
    found = source(write(tmp_path, lines)).admitted(None, seeded(0))
    assert found.graphs.sizes.tolist() == [line["num_nodes"] for line in lines]
    assert found.graphs.y.tolist() == [int(line["y"] == 4) for line in lines]
    assert found.graphs.num_undirected_edges.tolist() == [len(line["edges"]) for line in lines]
    assert found.notes == (
        "no features: each node has the constant 1",
        "labels: -1, 4 are the classes 0 to 1",
    )
    assert found.parts is None
    assert source("folder/mine.jsonl.gz").label == "mine"


def test_stated_parts_are_the_split(tmp_path):
    lines = lines_of(part=lambda k: PARTS[(k // 3) % 3])
    lines[4] = {"edges": [], "num_nodes": 0, "y": 4, "part": "test"}  # it is left out
    path = write(tmp_path, lines)
    data = load_dataset(source(path, stated_parts=True), Split(), None, seeded(0))
    kept = [line for line in lines if line["num_nodes"]]
    for name in PARTS:
        expected = [k for k, line in enumerate(kept) if line["part"] == name]
        assert getattr(data, name).tolist() == expected
    assert data.y.tolist() == [int(line["y"] == 4) for line in kept]
    with pytest.raises(InputError, match="set `stated_parts = true`"):
        load_dataset(source(path), Split(), None, seeded(0))


def test_targets_in_no_part_or_too_few_of_them_are_refused(tmp_path):
    """A stored split that leaves a target out is no split that a file states."""
    graphs = source(write(tmp_path, lines_of(4))).admitted(None, seeded(0)).graphs
    assert split_by_parts(graphs, torch.tensor([0, 2, 1, 0])).train.tolist() == [0, 3]
    for parts, message in (
        ([0, 1, 2], "each of 4 targets, got 3"),
        ([0, 1, 2, -1], "from 0 to 2 .*got -1"),
        ([0, 1, 2, 3], "from 0 to 2 .*got 3"),
    ):
        with pytest.raises(InputError, match=message):
            split_by_parts(graphs, torch.tensor(parts))


def test_parts_that_are_not_stated_or_empty_are_refused(tmp_path):
    path = write(tmp_path, lines_of())
    with pytest.raises(InputError, match="graphs with `part`, as `stated_parts` is set"):
        source(path, stated_parts=True).admitted(None, seeded(0))
    path = write(tmp_path, lines_of(part=lambda k: "test" if k % 2 else "train"))
    with pytest.raises(InputError, match="whose `part` is validation, got none"):
        source(path, stated_parts=True).admitted(None, seeded(0))


@pytest.mark.parametrize("stated", [False, True])
def test_a_share_is_of_each_class_and_part(tmp_path, stated):
    more = {"part": lambda k: PARTS[k % 5 % 3]} if stated else {}
    lines = lines_of(60, **more)
    path = write(tmp_path, lines)
    found = source(path, fraction=0.3, stated_parts=stated).admitted(None, seeded(1))

    def group(line):
        return line["y"], line.get("part")

    everything, taken = Counter(map(group, lines)), Counter(group(lines[k]) for k in found.kept)
    assert taken == {of: -(-count * 3 // 10) for of, count in everything.items()}
    assert found.graphs.sizes.tolist() == [lines[k]["num_nodes"] for k in found.kept]
    if stated:
        assert [PARTS[part] for part in found.parts] == [lines[k]["part"] for k in found.kept]
    assert source(path).scaled(0.3).fraction == 0.3


def test_target_nodes_are_the_targets(tmp_path):
    lines = lines_of(target_node=lambda k: k % 3)
    data = load_dataset(source(write(tmp_path, lines)), Split(0.2, 0.2), None, seeded(0))
    assert data.targets.node.tolist() == [k % 3 for k in range(30)]
    assert data.targets.graph.tolist() == list(range(30))
    one = data.part(torch.tensor([7]))
    assert (one.target_node.tolist(), one.y.tolist()) == ([1], [int(lines[7]["y"] == 4)])


def test_edge_attributes_are_used_on_request(tmp_path):
    rows = {"edge_attr": lambda k: [[1.0, float(i)] for i in range(2 + k % 4)]}
    path = write(tmp_path, lines_of(6, **rows))
    used = source(path, edge_attributes=True, added_edge="mean").admitted(None, seeded(0))
    values = [float(i) for k in range(6) for i in range(2 + k % 4)]
    mean = torch.tensor([1.0, sum(values) / len(values)])
    torch.testing.assert_close(used.graphs.added_edge, mean)
    assert used.graphs[3].edge_attr.tolist() == [
        [1.0, float(min(i, j))] for i, j in used.graphs[3].edge_index.T.tolist()
    ]
    plain = source(path).admitted(None, seeded(0))
    assert plain.graphs.edge_attr is None
    assert "not used: edge_attr" in plain.notes


def test_it_keeps_the_contract_of_data_sources(tmp_path):
    rows = {"edge_attr": lambda k: [[float(k % 2)] for _ in range(2 + k % 4)]}
    check_data_source(source(write(tmp_path, lines_of(**rows)), edge_attributes=True))
    parts = {"part": lambda k: PARTS[(k // 3) % 3]}
    check_data_source(source(write(tmp_path, lines_of(**parts)), stated_parts=True))


# --- where the file lies --------------------------------------------------------------------------


def test_a_path_begins_at_the_folder_of_the_suite_else_at_the_current_one(tmp_path, monkeypatch):
    here, suite, archives = (tmp_path / name for name in ("here", "suite", "archives"))
    digests = {}
    for number, folder in enumerate((here, suite, archives)):
        (folder / "data").mkdir(parents=True)
        path = write(folder if folder == archives else folder / "data", lines_of(9 + number))
        digests[folder] = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.chdir(here)
    loose = FileGraphs("data/mine.jsonl")
    beside = loose.beside(suite)
    assert loose.fingerprint(None) == digests[here]
    assert beside.fingerprint(None) == beside.fingerprint(archives) == digests[suite]
    # A path that only a run's folder holds is not followed where the user says where files are.
    assert loose.fingerprint(archives) == digests[archives]
    assert beside == loose
    assert pickle.loads(pickle.dumps(beside)).fingerprint(None) == digests[suite]
    assert beside.scaled(0.5).fingerprint(None) == digests[suite]
    (suite / "data" / "mine.jsonl").unlink()
    assert beside.fingerprint(archives) == digests[archives]
    with pytest.raises(InputError, match=r"Expected a file .*suite/data/mine.jsonl, there is none"):
        beside.fingerprint(None)


def test_what_is_wrong_names_the_file_and_the_line(tmp_path):
    path = write(tmp_path, [*lines_of(3), {"edges": [[0, 7]], "num_nodes": 2, "y": 0}])
    with pytest.raises(InputError, match=r"mine.jsonl, line 4: .*`edges.0`.*\[0, 7\]"):
        source(path).admitted(None, seeded(0))
    path = write(tmp_path, [{"edges": [], "num_nodes": 0, "y": 0}] * 2)
    with pytest.raises(InputError, match=r"mine.jsonl .*graphs with nodes"):
        source(path).admitted(None, seeded(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "mine.csv"}, "`path`"),
        ({"path": ".jsonl"}, "`path`"),
        ({"path": ""}, "`path`"),
        ({"path": "a.jsonl", "fraction": 0.0}, "`fraction`"),
        ({"path": "a.jsonl", "added_edge": "zeros"}, "`edge_attributes`"),
        ({"path": "a.jsonl", "edge_attributes": True, "added_edge": "max"}, "`added_edge`"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        FileGraphs(**settings)
