"""Attacked graphs as plain files: what is written is read, by NumPy alone too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import robust_augcl as ra
from robust_augcl.data._attacked_files import AttackedGraphs, archive_of, edge_list_of
from robust_augcl.errors import InputError
from robust_augcl.threat.perturbations import Perturbation


def drawn(seed: int, targets: int = 4, of_nodes: bool = False) -> AttackedGraphs:
    """Random graphs with random edits; with nodes as targets all are of one graph."""
    draws = np.random.default_rng(seed)
    sizes = [9] if of_nodes else draws.integers(3, 8, targets).tolist()
    edges, ptr = [], np.concatenate([[0], np.cumsum(sizes)])
    for graph, size in enumerate(sizes):
        pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
        edges += [(graph, *pair) for pair in pairs if draws.random() < 0.4]
    graph = np.zeros(targets, dtype=int) if of_nodes else np.arange(targets)
    added, removed = [], []
    for target in range(targets):
        size, own = sizes[graph[target]], {e[1:] for e in edges if e[0] == graph[target]}
        for pair in [(i, j) for i in range(size) for j in range(i + 1, size)]:
            if draws.random() < 0.2:
                (removed if pair in own else added).append((target, *pair))
    triples = [np.array(rows, dtype=int).reshape(-1, 3) for rows in (edges, added, removed)]
    numbers = draws.integers(0, 2, (3, targets))
    return AttackedGraphs(
        {"attack": "drawn", "seed": seed},
        ptr,
        draws.normal(size=(ptr[-1], 2)).astype(np.float32),
        triples[0],
        graph,
        graph + 10,
        np.arange(targets) if of_nodes else np.full(targets, -1),
        *numbers,
        *triples[1:],
    )


@pytest.mark.parametrize("of_nodes", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_is_read(tmp_path, seed, of_nodes):
    made = drawn(seed, of_nodes=of_nodes)
    path = tmp_path / "some.npz"
    path.write_bytes(archive_of(made))
    found = ra.load_attacked(path)
    assert found.about == made.about
    for field in dataclasses.fields(AttackedGraphs)[1:]:
        assert np.array_equal(getattr(found, field.name), getattr(made, field.name)), field.name
    assert archive_of(found) == path.read_bytes()


@pytest.mark.parametrize("of_nodes", [False, True])
def test_attacked_graphs_are_the_clean_ones_with_the_edits_applied(of_nodes):
    made = drawn(5, of_nodes=of_nodes)
    for target in range(len(made)):
        own = [
            torch.from_numpy(edits[edits[:, 0] == target, 1:].T)
            for edits in (made.added, made.removed)
        ]
        expected = Perturbation(*own).apply(made.data(target, attacked=False))
        found = made.data(target)
        assert torch.equal(
            found.edge_index[:, (found.edge_index[0] * 99 + found.edge_index[1]).argsort()],
            expected.edge_index,
        )
        assert ("target_node" in found) == of_nodes


def test_lists_of_edges_are_those_of_the_attacked_graphs():
    made = drawn(6)
    lines = [tuple(map(int, line.split())) for line in edge_list_of(made).decode().splitlines()[1:]]
    expected = [(t, *pair) for t in range(len(made)) for pair in made.pairs(t).tolist()]
    assert lines == expected


def test_of_one_graph_with_edits_for_each_target_the_clean_edges_stand_once():
    made = drawn(7, of_nodes=True)
    rows = np.array(
        [line.split() for line in edge_list_of(made).decode().splitlines()[1:]], dtype=int
    )
    clean = {tuple(row[1:3]) for row in rows[rows[:, 0] == -1]}
    assert clean == set(map(tuple, made.pairs(0, attacked=False).tolist()))
    for target in range(len(made)):
        own = rows[rows[:, 0] == target]
        graph = clean | {tuple(row[1:3]) for row in own if row[3]}
        graph -= {tuple(row[1:3]) for row in own if not row[3]}
        assert graph == set(map(tuple, made.pairs(target).tolist()))


def test_edits_of_all_targets_stand_once(tmp_path):
    """A global attack's graph is the same for every target, written once and read as such."""
    own = drawn(7, of_nodes=True)
    tables = (own.added, own.removed)
    first = [table[table[:, 0] == 0] for table in tables]
    every = {
        name: np.concatenate([edits + np.array([k, 0, 0]) for k in range(4)])
        for name, edits in zip(("added", "removed"), first, strict=True)
    }
    spelled_out = dataclasses.replace(own, **every)
    once = [edits - np.array([1, 0, 0]) for edits in first]
    shared = dataclasses.replace(own, added=once[0], removed=once[1])
    assert len(shared.added) == len(spelled_out.added) / 4 > 0
    path = tmp_path / "some.npz"
    path.write_bytes(archive_of(shared))
    found = ra.load_attacked(path)
    assert found.is_one_graph
    for target in range(4):
        assert found.pairs(target).tolist() == spelled_out.pairs(target).tolist()
    assert edge_list_of(found) == edge_list_of(spelled_out)
    several = dataclasses.replace(drawn(1), added=once[0])
    path.write_bytes(archive_of(several))
    with pytest.raises(InputError, match=r"`added` .*of graphs or targets"):
        ra.load_attacked(path)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ptr", np.array([0, 1]), "`ptr` .*ascending"),
        ("graph", np.array([0, 1, 2, 9]), "`graph` .*below 4"),
        ("added", np.array([[0, 2, 1]]), "`added` .*pairs i < j"),
        ("removed", np.array([[3, 0, 1], [0, 0, 1]]), "`removed` .*sorted"),
        ("y", np.array([1]), "`y` .*one number for each of 4"),
        ("node", np.array([-1, -1, 99, -1]), "`node` .*nodes of their graph"),
        ("edges", np.zeros((1, 2), dtype=int), "`edges` .*triples"),
        ("x", np.zeros((2, 2), dtype=int), "`x` .*numbers in 2"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, value, text):
    path = tmp_path / "some.npz"
    path.write_bytes(archive_of(dataclasses.replace(drawn(1), **{name: value})))
    with pytest.raises(InputError, match=text):
        ra.load_attacked(path)


def test_no_archive_and_pickles_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "pickled.npz", about=np.array({"a": 1}, dtype=object))
    for name in ("text.npz", "pickled.npz", "missing.npz"):
        with pytest.raises(InputError, match="archive of attacked graphs"):
            ra.load_attacked(tmp_path / name)
