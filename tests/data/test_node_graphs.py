"""Sources of one graph with classes of its nodes: what is read, split, refused, and never run."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from generators import seeded
from loaded_nodes import Trap, loaded, undirected
from real_archives import needs_archives, real_archives
from small_planetoid import NODES, a_graph, arrays, as_python_2, write_planetoid, write_wikics
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeFeatures

from robust_augcl.data.amazon import AmazonGraph
from robust_augcl.data.coauthor import CoauthorGraph
from robust_augcl.data.npz import AttackedGraph
from robust_augcl.data.planetoid import PlanetoidGraph
from robust_augcl.data.wikics import WikiCSGraph
from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import share_of_each
from robust_augcl.seeds import spawn
from robust_augcl.testing import check_data_source


@pytest.fixture
def planetoid(tmp_path):
    write_planetoid(tmp_path)
    return tmp_path


@pytest.fixture
def every_form(planetoid):
    """A folder with every form of file, and the sources that read them."""
    for folder, name in (
        ("Amazon", "amazon_electronics_photo"),
        ("Coauthor", "ms_academic_cs"),
        ("npz", "polblogs"),
    ):
        (planetoid / folder).mkdir()
        np.savez(planetoid / folder / f"{name}.npz", **arrays())
    write_wikics(planetoid)
    whole = AttackedGraph(name="PolBlogs", largest_component=False)
    return planetoid, (PlanetoidGraph(), AmazonGraph(), CoauthorGraph(), whole, WikiCSGraph())


def test_every_form_holds_the_same_graph(every_form):
    archives, sources = every_form
    x, y, edges = a_graph()
    for source in sources:
        data = loaded(source, archives)
        assert undirected(data.graphs) == set(edges), source.label
        assert data.y.tolist() == y.tolist()
        assert data.targets.node.tolist() == list(range(len(y)))
        expected = NormalizeFeatures()(Data(x=torch.from_numpy(x))).x
        if source.label == "WikiCS (11,701 nodes)":  # its features may be negative
            dense = torch.from_numpy(x) - 0.5
            expected = torch.stack([row / max(1.0, float(row.sum())) for row in dense])
        assert torch.allclose(data.graphs.x, expected)


def test_every_form_keeps_the_contract(every_form):
    archives, sources = every_form
    for source in sources:
        check_data_source(source, archives)


def test_random_parts_are_of_the_seed_and_of_each_class(planetoid):
    one, again, other = (loaded(PlanetoidGraph(), planetoid, seed) for seed in (0, 0, 1))
    assert torch.equal(one.test, again.test)
    assert not torch.equal(one.test, other.test)
    assert len(one.train) == len(one.validation) == 54
    assert len(one.test) == 432
    assert one.y[one.train].bincount().tolist() == [27, 27]


def test_public_parts_are_those_of_the_files(planetoid):
    files = planetoid / "Planetoid"
    listed = sorted(map(int, (files / "ind.cora.test.index").read_text().split()))
    data = loaded(PlanetoidGraph(parts_from="public"), planetoid)
    nodes = data.targets.node
    assert nodes[data.train].tolist() == list(range(8))
    assert nodes[data.test].tolist() == listed
    assert nodes[data.validation].tolist() == list(range(8, 508))


def test_published_parts_of_wikics_are_those_of_the_chosen_split(tmp_path):
    write_wikics(tmp_path)
    for number in (0, 1):
        source = WikiCSGraph(parts_from="public", public_split=number)
        data = loaded(source, tmp_path)
        assert data.targets.node[data.train].tolist() == list(range(number, NODES, 6))
        assert len(data.test) == NODES // 2
        assert len(data.y) == NODES * 5 // 6  # nodes that are in no part are no targets


def test_listed_parts_are_taken_as_they_are(planetoid):
    lists = {"train": (3, 4), "validation": (10,), "test": (50, 51)}
    source = PlanetoidGraph(parts_from="lists", **lists)
    data = loaded(source, planetoid)
    for name, nodes in lists.items():
        assert tuple(data.targets.node[getattr(data, name)].tolist()) == nodes
    with pytest.raises(InputError, match=r"from 0 to 539, got 540"):
        loaded(PlanetoidGraph(parts_from="lists", **{**lists, "test": (540,)}), planetoid)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train": (1,)}, "only where `parts_from` is 'lists'"),
        ({"parts_from": "lists", "train": (1,), "test": (2,)}, "`validation` to be one or more"),
        (
            {"parts_from": "lists", "train": (1,), "validation": (2,), "test": (2,)},
            "name each node once",
        ),
        ({"fraction": 0.0}, "`fraction`"),
        (
            {
                "parts_from": "lists",
                "train": (1,),
                "validation": (2,),
                "test": (3,),
                "fraction": 0.5,
            },
            "where nodes are listed",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        PlanetoidGraph(**settings)


def test_a_split_that_was_not_published_is_refused(every_form):
    archives, _ = every_form
    with pytest.raises(InputError, match="no split was published"):
        loaded(AmazonGraph(parts_from="public"), archives)


def test_a_share_of_the_nodes_keeps_the_edges_between_them(planetoid):
    whole = loaded(PlanetoidGraph(normalise=False), planetoid)
    data = loaded(PlanetoidGraph(normalise=False, fraction=0.5), planetoid)
    assert data.graphs.num_nodes == NODES // 2
    assert data.y.bincount().tolist() == [NODES // 4] * 2
    told = whole.targets_at(torch.arange(NODES)).node  # all nodes, in their order
    assert torch.equal(told, torch.arange(NODES))
    drawn = share_of_each(whole.y, 0.5, spawn(seeded(0))).tolist()
    number = {node: place for place, node in enumerate(drawn)}
    kept = {(i, j) for i, j in undirected(whole.graphs) if i in number and j in number}
    assert undirected(data.graphs) == {(number[i], number[j]) for i, j in kept}
    assert torch.equal(data.graphs.x, whole.graphs.x[drawn])


def test_nodes_that_files_only_number_are_told(tmp_path):
    write_planetoid(tmp_path, "citeseer", unlisted=(NODES - 3, NODES - 2))
    data = loaded(PlanetoidGraph(name="CiteSeer"), tmp_path)
    assert data.y[-3:-1].tolist() == [0, 0]
    assert any(note.startswith("no features, no edges, no class: 2 nodes") for note in data.notes)
    write_planetoid(tmp_path, "citeseer")
    whole = loaded(PlanetoidGraph(name="CiteSeer"), tmp_path)
    assert not any("no class" in note for note in whole.notes)


# --- pickles of Planetoid -------------------------------------------------------------------------


def test_a_pickle_with_code_is_refused_and_not_run(planetoid):
    sprung, path = planetoid / "sprung", planetoid / "Planetoid" / "ind.cora.tx"
    path.write_bytes(pickle.dumps(Trap(sprung), protocol=2))
    with pytest.raises(InputError, match="arrays alone"):
        loaded(PlanetoidGraph(), planetoid)
    path.write_bytes(pickle.dumps(Trap(sprung)))  # a newer protocol names things in another way
    with pytest.raises(InputError, match="arrays alone"):
        loaded(PlanetoidGraph(), planetoid)
    assert not sprung.exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", as_python_2(pickle.dumps({}, 2))])
def test_a_damaged_pickle_is_refused(planetoid, content):
    (planetoid / "Planetoid" / "ind.cora.allx").write_bytes(content)
    with pytest.raises(InputError, match=r"ind\.cora\.allx|files of Cora"):
        loaded(PlanetoidGraph(), planetoid)


def test_a_missing_file_is_named(planetoid):
    (planetoid / "Planetoid" / "ind.cora.graph").unlink()
    with pytest.raises(InputError, match=r"ind\.cora\.graph"):
        loaded(PlanetoidGraph(), planetoid)


def test_the_fingerprint_is_of_all_files(planetoid):
    source = PlanetoidGraph()
    before = source.fingerprint(planetoid)
    assert before == source.fingerprint(planetoid)
    path = planetoid / "Planetoid" / "ind.cora.test.index"
    path.write_text("\n".join(reversed(path.read_text().split())) + "\n")
    assert source.fingerprint(planetoid) != before


# --- the archives at hand -------------------------------------------------------------------------

KNOWN = [
    # source, nodes, undirected edges, features, classes
    (PlanetoidGraph(), 2708, 5278, 1433, 7),
    (PlanetoidGraph(name="CiteSeer"), 3327, 4552, 3703, 6),
    (AmazonGraph(), 7650, 119081, 745, 8),
    (AttackedGraph(), 2485, 5069, 1433, 7),
    (AttackedGraph(largest_component=False), 2708, 5278, 1433, 7),
    (AttackedGraph(name="CiteSeer"), 2110, 3668, 3703, 6),
    (AttackedGraph(name="CiteSeer", largest_component=False), 3312, 4536, 3703, 6),
    (AttackedGraph(name="PolBlogs"), 1222, 16714, 1490, 2),
    (AttackedGraph(name="PolBlogs", largest_component=False), 1490, 16715, 1490, 2),
]


@needs_archives
@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known[0].label)
def test_an_archive_has_the_known_numbers(known):
    source, nodes, edges, features, classes = known
    found = source.admitted(real_archives(), seeded(0))
    assert found.graphs.num_graphs == 1
    assert found.graphs.x.shape == (nodes, features)
    assert int(found.graphs.num_undirected_edges) == edges
    assert found.targets.y.unique().tolist() == list(range(classes))
    assert f"{nodes:,} nodes" in source.label


@needs_archives
@pytest.mark.parametrize(("name", "train"), [("Cora", 140), ("CiteSeer", 120)])
def test_public_parts_of_an_archive_have_the_known_sizes(name, train):
    data = loaded(PlanetoidGraph(name=name, parts_from="public"), real_archives())
    assert [len(part) for part in (data.train, data.validation, data.test)] == [train, 500, 1000]
