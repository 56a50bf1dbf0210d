"""TU archives that are odd, wrong or of something else: read right, mended with a word, or refused
by name. What is right is known from the lists that the archives are written from.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import torch
from generators import seeded
from tu_archives import Graph, some_graphs, star, tables_of, write_archive

from robust_augcl.data import tu
from robust_augcl.data.tu import TUGraphs
from robust_augcl.errors import InputError
from robust_augcl.graphs import tu_files
from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.dataset import load_dataset
from robust_augcl.graphs.packed import PackedGraphs

CLASSES = [number % 2 for number in range(60)]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Whoever asks the network fails, as something else than bad input."""

    def fail(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(tu, "download_url", fail)
    monkeypatch.setattr(socket.socket, "connect", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)


def load(archives: Path, name: str, **settings):
    return load_dataset(TUGraphs(name, **settings), Split(0.2, 0.2), archives, seeded(0))


def plain(graphs: PackedGraphs) -> list[Graph]:
    """Number of nodes and undirected edges of each graph."""
    found = []
    for data in graphs.to_data_list():
        pairs = sorted({(min(i, j), max(i, j)) for i, j in data.edge_index.T.tolist()})
        found.append((data.num_nodes, pairs))
    return found


def expected(graphs: list[Graph]) -> list[Graph]:
    return [(nodes, sorted(pairs)) for nodes, pairs in graphs]


# --- what is right --------------------------------------------------------------------------------


def test_graphs_without_edges_at_the_end_are_there_as_they_are_in_front(tmp_path):
    graphs, edgeless = some_graphs(58), [(1, []), (3, [])]
    write_archive(tmp_path, "TAIL", tables_of(graphs + edgeless, CLASSES))
    write_archive(tmp_path, "HEAD", tables_of(edgeless + graphs, CLASSES))
    tail, head = load(tmp_path, "TAIL").graphs, load(tmp_path, "HEAD").graphs
    assert plain(tail) == expected(graphs + edgeless)
    assert plain(head) == expected(edgeless + graphs)
    assert Counter(tail.y.tolist()) == {0: 30, 1: 30}
    assert tail.sizes.tolist()[-2:] == [1, 3] == head.sizes.tolist()[:2]


def test_a_set_without_any_edge_is_read(tmp_path):
    write_archive(tmp_path, "DUST", tables_of([(1 + k % 3, []) for k in range(60)], CLASSES))
    graphs = load(tmp_path, "DUST").graphs
    assert graphs.sizes.tolist() == [1 + k % 3 for k in range(60)]
    assert graphs.edge_index.shape == (2, 0)


def test_graphs_without_nodes_are_left_out_with_their_number(tmp_path):
    graphs = [(2, [(0, 1)]) if k % 2 else (0, []) for k in range(60)]
    write_archive(tmp_path, "EMPTY", tables_of(graphs, [k // 2 % 2 for k in range(60)]))
    data = load(tmp_path, "EMPTY")
    assert plain(data.graphs) == [(2, [(0, 1)])] * 30
    assert data.graphs.y.tolist() == [k // 2 % 2 for k in range(60) if k % 2]
    assert any("30 of 60 left out, the first is graph 0" in note for note in data.notes)


def test_a_share_of_a_set_with_empty_graphs_says_which_graphs_it_has(tmp_path):
    graphs = [(3, [(0, 1)]) if k % 3 else (0, []) for k in range(60)]
    write_archive(tmp_path, "HOLES", tables_of(graphs, [k // 3 % 2 for k in range(60)]))
    source = TUGraphs("HOLES", fraction=0.5)
    found = source.admitted(tmp_path, seeded(0))
    assert found.graphs.num_graphs == found.kept.numel() == 20
    assert all(number % 3 for number in found.kept.tolist())
    assert found.graphs.y.tolist() == [number // 3 % 2 for number in found.kept.tolist()]


def test_class_labels_count_where_targets_lie_beside_them(tmp_path):
    tables = tables_of(some_graphs(), CLASSES)
    targets = [f"{number / 20:.4f}" for number in range(60)]
    write_archive(tmp_path, "BOTH", {**tables, "graph_attributes": targets})
    data = load(tmp_path, "BOTH")
    assert data.graphs.y.tolist() == CLASSES
    assert "not used: graph attributes" in data.notes


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([-1 if k % 2 else 7 for k in range(60)], [0 if k % 2 else 1 for k in range(60)]),
        ([f"{k % 3}.0" for k in range(60)], [k % 3 for k in range(60)]),
        ([10 * (k % 4) for k in range(60)], [k % 4 for k in range(60)]),
    ],
)
def test_classes_are_numbered_from_0(tmp_path, labels, classes):
    write_archive(tmp_path, "CLASSES", tables_of(some_graphs(), labels))
    data = load(tmp_path, "CLASSES")
    assert data.graphs.y.tolist() == classes
    renumbered = sorted({float(label) for label in labels}) != sorted(set(classes))
    assert any("are the classes" in note for note in data.notes) == renumbered


@pytest.mark.parametrize(("labels", "told"), [("1 2", False), ("1.0 2.0", True), ("1e0 2", True)])
def test_whole_labels_that_are_written_as_floats_come_in_with_a_word(tmp_path, labels, told):
    kinds = (labels.split() * 10)[:20]
    write_archive(tmp_path, "FLOATS", tables_of(some_graphs(20), kinds))
    loaded = load(tmp_path, "FLOATS")
    assert ("labels: whole numbers that are written as floats" in loaded.notes) == told
    assert loaded.graphs.y.tolist() == [0, 1] * 10


def test_nodes_may_stand_in_any_order(tmp_path):
    """Two graphs whose nodes alternate in the files."""
    labels = {"graph_labels": [str(k) for k in CLASSES]}
    graphs = [(2, [(0, 1)]), (3, [(0, 2)])] * 30
    first = {"A": [], "graph_indicator": [], "node_labels": []}
    for k in range(0, 60, 2):
        start = 5 * k // 2
        first["graph_indicator"] += [str(k + 1 + which) for which in (1, 0, 1, 0, 1)]
        first["node_labels"] += ["4", "0", "3", "1", "2"]
        for i, j in ((2, 4), (4, 2), (1, 5), (5, 1)):
            first["A"].append(f"{start + i}, {start + j}")
    write_archive(tmp_path, "MIXED", {**first, **labels})
    data = load(tmp_path, "MIXED")
    assert plain(data.graphs) == graphs
    assert data.graphs.x.argmax(1).tolist() == [0, 1, 4, 3, 2] * 30
    assert "nodes: sorted by their graphs" in data.notes


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(", ", ","),
    ],
    ids=["CRLF", "BOM", "no last line end", "blank lines", "no spaces"],
)
def test_ways_to_write_lines_make_no_difference(tmp_path, change):
    graphs = some_graphs()
    write_archive(tmp_path, "LINES", tables_of(graphs, CLASSES), change=change)
    found = load(tmp_path, "LINES").graphs
    assert plain(found) == expected(graphs)
    assert found.y.tolist() == CLASSES


def test_the_reader_says_what_it_used_and_what_not(tmp_path):
    tables = tables_of(some_graphs(), CLASSES)
    more = {"edge_labels": ["1"], "node_attributes": ["0.5"], "edge_attributes": ["2"]}
    write_archive(tmp_path, "MORE", {**tables, **more})
    used, unused = load(tmp_path, "MORE").notes
    assert used == "features: node labels, one-hot, 3 columns"
    assert unused == "not used: node attributes, edge labels, edge attributes"
    del tables["node_labels"]
    write_archive(tmp_path, "LESS", tables)
    assert load(tmp_path, "LESS").notes == (
        "features: the constant 1, as there are no node labels",
    )
    (note,) = load(tmp_path, "LESS", features="degree").notes
    assert note == "features: the degree in the clean graph, one-hot, 5 columns"


def test_loops_and_repeated_edges_are_counted(tmp_path):
    tables = tables_of(some_graphs(), CLASSES)
    tables["A"] += ["1, 2", "2, 1", "1, 2", "3, 3"]
    write_archive(tmp_path, "LOOPS", tables)
    data = load(tmp_path, "LOOPS")
    assert plain(data.graphs) == expected(some_graphs())
    assert "self-loops: 1 dropped, the first in graph 0" in data.notes
    assert any(note.startswith("repeated edges: 3 dropped") for note in data.notes)


# --- what is refused ------------------------------------------------------------------------------


def case(name: str, **change) -> dict[str, list[str] | None]:
    """Good tables but for some files, None where a file is missing."""
    tables = {**tables_of(some_graphs(), CLASSES), **change}
    return {ending: lines for ending, lines in tables.items() if lines is not None}


def at(ending: str, place: int, line: str) -> dict[str, list[str]]:
    """Good tables with another line in one of them."""
    tables = case("good")
    tables[ending][place] = line
    return tables


TARGETS = [f"{number / 20:.4f}" for number in range(60)]
REFUSED = {
    "TARGET": (
        case("", graph_labels=None, graph_attributes=TARGETS),
        ["TARGET_graph_labels.txt", "targets are no classes"],
    ),
    "TARGETS3": (
        case("", graph_labels=None, graph_attributes=["0.1, 0.2, 0.3"] * 60),
        ["TARGETS3_graph_labels.txt", "targets are no classes"],
    ),
    "CUT": (
        case("", graph_labels=TARGETS),
        ["CUT_graph_labels.txt", "whole numbers", "'0.0500'", "line 2"],
    ),
    "MULTI": (
        case("", graph_labels=["0, 1"] * 60),
        ["MULTI_graph_labels.txt", "one class label", "'0, 1'", "line 1"],
    ),
    "NOLABELS": (case("", graph_labels=None), ["NOLABELS_graph_labels.txt", "none"]),
    "NOEDGES": (case("", A=None), ["NOEDGES/NOEDGES_A.txt", "none"]),
    "NOINDICATOR": (case("", graph_indicator=None), ["NOINDICATOR_graph_indicator.txt", "none"]),
    "ONECLASS": (case("", graph_labels=["1"] * 60), ["two classes at least", "got 1"]),
    "RAGGED": (at("node_labels", 6, "0, 2, 5, 1"), ["RAGGED_node_labels.txt", "got 4 in line 7"]),
    "RAGGED2": (at("A", 3, "1"), ["RAGGED2_A.txt", "2 numbers", "got 1 in line 4", "'1'"]),
    "WORDS": (at("A", 0, "1, two"), ["WORDS_A.txt", "' two'", "line 1"]),
    "HALF": (at("A", 5, "1, 2.5"), ["HALF_A.txt", "'1, 2.5'", "line 6"]),
    "NANLABEL": (at("graph_labels", 9, "nan"), ["NANLABEL_graph_labels.txt", "'nan'", "line 10"]),
    "INF": (at("node_labels", 1, "inf"), ["INF_node_labels.txt", "'inf'", "line 2"]),
    "FAR": (at("A", 2, "1, 999999"), ["FAR_A.txt", "'1, 999999'", "line 3"]),
    "ZERO": (at("A", 2, "0, 1"), ["ZERO_A.txt", "'0, 1'", "line 3"]),
    "BETWEEN": (at("A", 0, "1, 9"), ["BETWEEN_A.txt", "within one graph", "'1, 9'", "line 1"]),
    "THREE": (case("", A=["1, 2, 1"]), ["THREE_A.txt", "two nodes", "'1, 2, 1'"]),
    "SHORT": (case("", graph_labels=["0", "1"] * 29), ["58", "graphs 1 to 60"]),
    "LONG": (case("", graph_labels=["0", "1"] * 31), ["62", "graphs 1 to 60"]),
    "FEWLABELS": (case("", node_labels=["0", "1"]), ["FEWLABELS_node_labels.txt", "got 2"]),
    "NOLINES": (case("", node_labels=[]), ["NOLINES_node_labels.txt", "got 0"]),
    "NONODES": (case("", graph_indicator=[]), ["NONODES_graph_indicator.txt", "no line"]),
    "FARGRAPH": (
        at("graph_indicator", 4, "999999999999"),
        ["FARGRAPH_graph_indicator.txt", "'999999999999'", "line 5"],
    ),
    "GRAPH0": (at("graph_indicator", 0, "0"), ["GRAPH0_graph_indicator.txt", "'0'", "line 1"]),
    "WIDE": (at("node_labels", 0, "9000000000"), ["one-hot columns", "9,000,000,001"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused_by_name(tmp_path, name):
    tables, named = REFUSED[name]
    write_archive(tmp_path, name, tables)
    with pytest.raises(InputError) as refused:
        load(tmp_path, name)
    (message,) = str(refused.value).splitlines()
    assert all(word in message for word in named), message
    assert len(message) < 400


def test_an_edge_in_one_direction_is_named(tmp_path):
    write_archive(tmp_path, "ONCE", tables_of(some_graphs(), CLASSES, both_ways=False))
    with pytest.raises(InputError, match=r"graph 0 has the edge \(0, 1\) in one direction only"):
        load(tmp_path, "ONCE")
    tables = tables_of(some_graphs(), CLASSES)
    # The first graph has five nodes: nodes 7 and 8 are 1 and 2 of the second.
    tables["A"].remove("8, 7")
    write_archive(tmp_path, "LONE", tables)
    with pytest.raises(InputError, match=r"graph 1 has the edge \(1, 2\) in one direction only"):
        load(tmp_path, "LONE")


def test_files_of_another_name_are_no_reason_to_ask_the_network(tmp_path):
    tables = tables_of(some_graphs(), CLASSES)
    write_archive(tmp_path, "OTHERPREFIX", tables, prefix="OTHER")
    with pytest.raises(InputError, match=r"OTHERPREFIX/OTHERPREFIX_A\.txt.*OTHER_A\.txt"):
        load(tmp_path, "OTHERPREFIX")
    archive = write_archive(tmp_path, "INSIDE", tables)
    archive.rename(archive.with_name("OUTSIDE.zip"))
    with pytest.raises(InputError, match=r"OUTSIDE/OUTSIDE_A\.txt.*no folder OUTSIDE"):
        load(tmp_path, "OUTSIDE")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tu_files, "MOST_BYTES", 500)
    write_archive(tmp_path, "BOMB", tables_of(some_graphs(), CLASSES))
    with pytest.raises(InputError, match=r"BOMB_graph_indicator\.txt .* 500 bytes"):
        load(tmp_path, "BOMB")


def test_nothing_is_unpacked_outside_and_locked_archives_are_refused(tmp_path):
    archive = write_archive(tmp_path, "OUT", tables_of(some_graphs(), CLASSES))
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("../../escaped.txt", "out")
    load(tmp_path, "OUT")
    assert not list(tmp_path.parent.rglob("escaped.txt"))
    content = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(mark, start + 1)) >= 0:
            content[start + place] |= 1  # says that it is encrypted
    archive.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"OUT\.zip .*readable archive"):
        load(tmp_path, "OUT")


def test_an_archive_that_is_no_file_is_no_archive(tmp_path):
    """A FIFO would wait for ever, a device give bytes without end."""
    folder = tmp_path / "TUDataset"
    folder.mkdir()
    os.mkfifo(folder / "PIPE.zip")
    (folder / "ZERO.zip").symlink_to("/dev/zero")
    (folder / "FOLDER.zip").mkdir()
    for name in ("PIPE", "ZERO", "FOLDER"):
        with pytest.raises(InputError, match=rf"an archive .*{name}\.zip, there is none"):
            load(tmp_path, name)
        with pytest.raises(InputError, match=rf"an archive .*{name}\.zip, there is none"):
            TUGraphs(name).fingerprint(tmp_path)


# --- memory ---------------------------------------------------------------------------------------

MEASURE = """
import resource, sys
from pathlib import Path
import torch
from robust_augcl.data.tu import TUGraphs
source = TUGraphs("STARS", features="degree", fraction=0.01)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
graphs = source.load(Path(sys.argv[1]), torch.Generator().manual_seed(0))
print(graphs.num_graphs, graphs.x.size(1), peak() - before)
"""


def test_memory_is_that_of_the_share(tmp_path):
    """A hub of 2,000 nodes: degree features of all 201,900 nodes would take 1.6 GB."""
    graphs = [star(2000)] + [star(100)] * 1999
    tables = tables_of(graphs, [k % 2 for k in range(2000)], node_labels=False)
    write_archive(tmp_path, "STARS", tables)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
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


# --- the download ---------------------------------------------------------------------------------


def test_a_download_is_read_like_an_archive_and_made_once(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "there", "MINE", tables_of(some_graphs(), CLASSES))
    asked = []

    def copy(url, folder, log, filename):
        asked.append(url)
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / filename).write_bytes(archive.read_bytes())

    monkeypatch.setattr(tu, "download_url", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = (TUGraphs("MINE").load(None, seeded(0)) for _ in range(2))
    assert plain(first) == expected(some_graphs())
    assert first.same_as(second)
    assert len(asked) == 1
    assert asked[0].endswith("/MINE.zip")


def test_a_download_that_breaks_off_leaves_nothing_behind(tmp_path, monkeypatch):
    def half(url, folder, log, filename):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / filename).write_bytes(b"PK half")
        raise OSError("the line went dead")

    monkeypatch.setattr(tu, "download_url", half)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="the line went dead"):
        TUGraphs("MINE").load(None, seeded(0))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_features_are_floats(tmp_path):
    write_archive(tmp_path, "FLOATS", tables_of(some_graphs(), CLASSES))
    assert load(tmp_path, "FLOATS").graphs.x.dtype == torch.float32
