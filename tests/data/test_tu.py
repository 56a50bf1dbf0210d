"""TU data sets from archives: tiny ones written here."""

from __future__ import annotations

import zipfile
from collections import Counter

import networkx as nx
import pytest
import torch
from generators import seeded

from robust_augcl.data import tu
from robust_augcl.data.tu import TUGraphs
from robust_augcl.errors import InputError
from robust_augcl.plan.step import plain

# Graph 1: a triangle and a node alone; graph 2: an edge; graph 3: a path of three. Nodes count from
# 1 over all graphs.
EDGES = [
    (1, 2),
    (2, 1),
    (2, 3),
    (3, 2),
    (1, 3),
    (3, 1),
    (5, 6),
    (6, 5),
    (7, 8),
    (8, 7),
    (8, 9),
    (9, 8),
]
OF_GRAPH = [1, 1, 1, 1, 2, 2, 3, 3, 3]
NODE_LABELS = [0, 1, 2, 0, 1, 1, 2, 0, 2]
GRAPH_LABELS = [-1, 1, 1]


def lines(rows):
    return (
        "\n".join(", ".join(map(str, row)) if isinstance(row, tuple) else str(row) for row in rows)
        + "\n"
    )


def write(
    archives,
    name="TINY",
    edges=EDGES,
    of_graph=OF_GRAPH,
    graph_labels=GRAPH_LABELS,
    inside=None,
    **more,
):
    """Write an archive as the collection's are; `more` are further files by their ending."""
    inside = inside or name
    tables = {"A": edges, "graph_indicator": of_graph, "graph_labels": graph_labels, **more}
    folder = archives / "TUDataset"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for ending, rows in tables.items():
            file.writestr(f"{inside}/{inside}_{ending}.txt", lines(rows))
    return folder / f"{name}.zip"


def load(archives, **settings):
    return TUGraphs(**{"name": "TINY", **settings}).load(archives, seeded(0))


def edge_sets(graphs):
    return [
        sorted({tuple(sorted(edge)) for edge in data.edge_index.T.tolist()})
        for data in graphs.to_data_list()
    ]


def test_node_labels_are_the_features(tmp_path):
    write(tmp_path, node_labels=NODE_LABELS)
    graphs = load(tmp_path)
    assert graphs.sizes.tolist() == [4, 2, 3]
    assert graphs.y.tolist() == [0, 1, 1]
    assert graphs.x.dtype == torch.float32
    assert graphs.x.tolist() == [
        [float(label == column) for column in range(3)] for label in NODE_LABELS
    ]
    assert edge_sets(graphs) == [[(0, 1), (0, 2), (1, 2)], [(0, 1)], [(0, 1), (1, 2)]]


@pytest.mark.parametrize("features", ["constant", "degree"])
def test_node_labels_go_before_other_features(tmp_path, features):
    write(tmp_path, node_labels=NODE_LABELS)
    assert load(tmp_path, features=features).x.size(1) == 3


def test_without_node_labels_the_feature_is_constant(tmp_path):
    write(tmp_path)
    graphs = load(tmp_path)
    assert torch.equal(graphs.x, torch.ones(9, 1))
    assert graphs.sizes.tolist() == [4, 2, 3]


def test_without_node_labels_the_feature_may_be_the_degree(tmp_path):
    write(tmp_path)
    degrees = [2, 2, 2, 0, 1, 1, 1, 2, 1]
    assert load(tmp_path, features="degree").x.tolist() == [
        [float(degree == column) for column in range(3)] for degree in degrees
    ]


@pytest.mark.parametrize("features", ["constant", "degree"])
def test_node_attributes_are_no_node_labels(tmp_path, features):
    # Coordinates and the like are not used: such graphs are graphs without node labels.
    write(tmp_path, node_attributes=[(0.5, float(node)) for node in range(9)])
    graphs = load(tmp_path, features=features)
    assert graphs.x.size(1) == (1 if features == "constant" else 3)
    assert torch.equal(graphs.x.sum(1), torch.ones(9))


def test_node_labels_are_found_beside_attributes_and_edge_labels_are_not_used(tmp_path):
    write(
        tmp_path,
        node_labels=NODE_LABELS,
        node_attributes=[(0.5, float(node)) for node in range(9)],
        edge_labels=[i % 4 for i in range(12)],
    )
    assert load(tmp_path).x.argmax(1).tolist() == NODE_LABELS


def test_repeated_lines_and_loops_are_dropped(tmp_path):
    write(tmp_path, edges=[*EDGES, (1, 2), (2, 1), (5, 6), (3, 3), (9, 9)], node_labels=NODE_LABELS)
    graphs = load(tmp_path)
    assert edge_sets(graphs) == [[(0, 1), (0, 2), (1, 2)], [(0, 1)], [(0, 1), (1, 2)]]
    assert graphs.edge_index.size(1) == 12


def test_a_loop_does_not_count_as_degree(tmp_path):
    write(tmp_path, edges=[*EDGES, (4, 4)])
    assert load(tmp_path, features="degree").x[3].tolist() == [1.0, 0.0, 0.0]


def test_the_archives_folder_is_only_read(tmp_path):
    archive = write(tmp_path, node_labels=NODE_LABELS)
    before = archive.read_bytes()
    for folder in (archive.parent, tmp_path):
        folder.chmod(0o555)
    try:
        load(tmp_path)
        assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
            "TUDataset",
            "TUDataset/TINY.zip",
        ]
        assert archive.read_bytes() == before
    finally:
        for folder in (archive.parent, tmp_path):
            folder.chmod(0o755)


def test_a_missing_archive_is_named_with_the_nearest_there_is(tmp_path):
    write(tmp_path)
    write(tmp_path, name="OTHER")
    with pytest.raises(InputError, match=r"TUDataset/TINI\.zip.*did you mean 'TINY'.*OTHER, TINY"):
        load(tmp_path, name="TINI")


def test_a_missing_folder_of_archives_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"TINY\.zip"):
        load(tmp_path / "nowhere")


def test_where_there_is_nothing_it_is_said(tmp_path):
    with pytest.raises(InputError, match=r"\(there: no archive\)"):
        load(tmp_path)
    archive = write(tmp_path)
    with zipfile.ZipFile(archive, "w"):
        pass
    with pytest.raises(InputError, match=r"\(there: no folder TINY\)"):
        load(tmp_path)


def garbage(archive):
    archive.write_bytes(b"not a zip file at all")


def cut_short(archive):
    archive.write_bytes(archive.read_bytes()[:-40])


def flipped(archive):
    """Damage the compressed bytes of the first file."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        first = file.infolist()[0]
    start = first.header_offset + 30 + len(first.filename)
    for place in range(start, start + first.compress_size):
        content[place] ^= 0xFF
    archive.write_bytes(bytes(content))


def other_folder(archive):
    write(archive.parent.parent, inside="OTHER")


def no_files(archive):
    with zipfile.ZipFile(archive, "w"):
        pass


def no_indicator(archive):
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("TINY/TINY_A.txt", lines(EDGES))


def no_numbers(archive):
    write(archive.parent.parent, edges=["one, two"])


def edges_out_of_range(archive):
    write(archive.parent.parent, edges=[*EDGES, (9, 40), (40, 9)])


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        cut_short,
        flipped,
        other_folder,
        no_files,
        no_indicator,
        no_numbers,
        edges_out_of_range,
    ],
)
def test_an_archive_that_cannot_be_read_is_an_input_error(tmp_path, damage):
    archive = write(tmp_path, node_labels=NODE_LABELS)
    damage(archive)
    with pytest.raises(InputError, match=r"TINY\.zip"):
        load(tmp_path)


def test_an_edge_in_one_direction_is_an_input_error(tmp_path):
    write(tmp_path, edges=EDGES[:-1])
    with pytest.raises(InputError, match="both directions"):
        load(tmp_path)


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


def test_scaled_takes_a_smaller_fraction_and_never_more_than_all():
    assert TUGraphs("TINY", fraction=0.5).scaled(0.5).fraction == 0.25
    assert TUGraphs("TINY").scaled(3).fraction == 1.0


def test_a_failed_download_says_what_to_do(monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise OSError("no network\nmore lines")

    monkeypatch.setattr(tu, "download_url", fail)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"'TINY' \(no network\).*ROBUST_AUGCL_ARCHIVES"):
        load(None)


@pytest.mark.parametrize("name", ["", "../TINY", "a/b", ".", "..", ".hidden", "/TINY"])
def test_a_name_that_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="`name`"):
        TUGraphs(name)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        TUGraphs(fraction=fraction)


# --- labels of edges ------------------------------------------------------------------------------

EDGE_LABELS = [3, 3, 5, 5, 3, 3, 4, 4, 5, 5, 3, 3]


def carried_by(graphs):
    """What each edge carries, by graph and nodes, from the packed tensors by a loop."""
    found = {}
    for number, data in enumerate(graphs.to_data_list()):
        for (i, j), row in zip(data.edge_index.T.tolist(), data.edge_attr.tolist(), strict=True):
            found[number, i, j] = row
    return found


def test_edge_labels_are_one_hot_on_request(tmp_path):
    write(tmp_path, node_labels=NODE_LABELS, edge_labels=EDGE_LABELS)
    graphs = load(tmp_path, edge_attributes=True)
    first = {1: 0, 2: 0, 3: 0, 4: 0, 5: 4, 6: 4, 7: 6, 8: 6, 9: 6}
    expected = {}
    for (i, j), label in zip(EDGES, EDGE_LABELS, strict=True):
        row = [float(label == column) for column in (3, 4, 5)]
        expected[OF_GRAPH[i - 1] - 1, i - 1 - first[i], j - 1 - first[j]] = row
    assert carried_by(graphs) == expected
    assert graphs.added_edge.tolist() == [1.0, 0.0, 0.0]  # 3 stands six times
    mean = load(tmp_path, edge_attributes=True, added_edge="mean").added_edge
    torch.testing.assert_close(mean, torch.tensor([6 / 12, 2 / 12, 4 / 12]))
    assert load(tmp_path).edge_attr is None


def test_a_share_has_the_columns_and_the_added_edge_of_the_whole_set(tmp_path):
    write(tmp_path, graph_labels=[1, 1, 1], edge_labels=EDGE_LABELS)
    share = load(tmp_path, fraction=0.3, edge_attributes=True)
    assert share.num_graphs == 1
    assert share.edge_attr.shape == (share.edge_index.size(1), 3)
    assert share.added_edge.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "TINY_edge_labels.txt, there is none"),
        ({"edge_labels": EDGE_LABELS[:-1]}, "each of 12 edges in TINY_edge_labels.txt, got 11"),
        ({"edge_labels": [0.5, *EDGE_LABELS[1:]]}, "TINY_edge_labels.txt .*'0.5' in line 1"),
        ({"edge_labels": [4, *EDGE_LABELS[1:]]}, r"edge \(0, 1\) of graph 0, .* both directions"),
    ],
)
def test_edge_labels_that_cannot_be_used_are_refused(tmp_path, more, message):
    write(tmp_path, **more)
    load(tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path, edge_attributes=True)


def test_what_an_added_edge_carries_is_said_only_where_edges_carry_something():
    with pytest.raises(ValueError, match="`edge_attributes` to be true"):
        TUGraphs(added_edge="mean")
    with pytest.raises(ValueError, match="one of 'zeros'"):
        TUGraphs(edge_attributes=True, added_edge="median")


def test_settings_that_came_later_are_not_in_older_addresses():
    before = {"type": "TUGraphs", "name": "MUTAG", "features": "constant", "fraction": 1.0}
    assert plain(TUGraphs()) == before
    later = {"edge_attributes": True, "added_edge": [0.0, 1.0]}
    now = plain(TUGraphs(edge_attributes=True, added_edge=(0.0, 1.0)))
    assert now == {**before, **later}
    assert plain(TUGraphs(edge_attributes=True)) == {**before, "edge_attributes": True}
