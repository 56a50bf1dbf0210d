"""Files of graphs, against the standard library's JSON; errors name line and field."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import fields
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_undirected
from tree import TREE

import robust_augcl as ra
from robust_augcl.data import _graph_files as graph_files
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def write(folder, *lines, name="some.jsonl") -> Path:
    """A file of these lines, tables as JSON and text as it is."""
    path = folder / name
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def same_floats(value):
    """The value with each decimal as the 32-bit float that it is the shortest decimal of."""
    if isinstance(value, dict):
        return {name: same_floats(of) for name, of in value.items()}
    if isinstance(value, list):
        return [same_floats(of) for of in value]
    return float(np.float32(value)) if isinstance(value, float) else value


@st.composite
def tables(draw):
    """Lines of a file, all with the same fields."""
    width, of_edges = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    number = draw(st.sampled_from([FLOATS, st.integers(-(2**24), 2**24)]))
    featured, labelled, parted = (draw(st.booleans()) for _ in range(3))
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        nodes = draw(st.integers(0, 5))
        pairs = [list(pair) for pair in combinations(range(nodes), 2)]
        edges = sorted(draw(st.lists(st.sampled_from(pairs), unique_by=tuple))) if pairs else []
        line = {"edges": edges}
        rows = st.lists(number, min_size=width, max_size=width)
        if featured:
            line["x"] = [draw(rows) for _ in range(nodes)]
        else:
            line["num_nodes"] = nodes
        if of_edges:
            row = st.lists(FLOATS, min_size=of_edges, max_size=of_edges)
            line["edge_attr"] = [draw(row) for _ in edges]
        if labelled:
            line["y"] = draw(st.integers(-5, 2**40))
        if parted:
            line["part"] = draw(st.sampled_from(["train", "validation", "test"]))
        lines.append(line)
    return lines


@given(lines=tables())
def test_what_is_read_is_what_the_lines_say(lines, tmp_path_factory):
    folder = tmp_path_factory.mktemp("read")
    graphs = ra.read_graphs(write(folder, *lines))
    assert len(graphs) == len(lines)
    for graph, line in zip(graphs, lines, strict=True):
        assert graph.num_nodes == line.get("num_nodes", len(line.get("x", ())))
        expected = {}
        rows = line.get("edge_attr", [None] * len(line["edges"]))
        for (i, j), row in zip(line["edges"], rows, strict=True):
            expected[i, j] = expected[j, i] = row
        carried = [None] * graph.num_edges if "edge_attr" not in line else graph.edge_attr.tolist()
        pairs = map(tuple, graph.edge_index.T.tolist())
        assert dict(zip(pairs, carried, strict=True)) == expected
        assert graph.num_edges == 2 * len(line["edges"])
        assert ("x" in graph) == ("x" in line)
        if line.get("x"):
            assert graph.x.tolist() == line["x"]
        assert (graph.y.item() if "y" in graph else None) == line.get("y")
        assert getattr(graph, "part", None) == line.get("part")


@given(lines=tables(), compressed=st.booleans())
def test_what_was_read_is_written_as_it_was(lines, compressed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    name = "again.jsonl.gz" if compressed else "again.jsonl"
    path = write(folder, *lines)
    notes = ra.write_graphs(folder / name, ra.read_graphs(path))
    assert notes == ()
    content = (folder / name).read_bytes()
    text = (gzip.decompress(content) if compressed else content).decode()
    written = [json.loads(line) for line in text.splitlines()]
    assert same_floats(written) == lines
    ra.write_graphs(folder / name, ra.read_graphs(folder / name))
    assert (folder / name).read_bytes() == content
    assert len(list(folder.iterdir())) == 2


def test_all_forms_of_graphs_are_written_alike(tmp_path):
    edges = to_undirected(torch.tensor([[0, 1, 2], [1, 2, 0]]))
    graphs = [
        Data(x=torch.full((3, 1), 0.1), edge_index=edges, y=torch.tensor([k])) for k in (1, 0)
    ]
    forms = [graphs, PackedGraphs.from_data_list(graphs), Batch.from_data_list(graphs)]
    for number, form in enumerate(forms):
        ra.write_graphs(tmp_path / f"{number}.jsonl", form)
    first, *others = ((tmp_path / f"{number}.jsonl").read_bytes() for number in range(len(forms)))
    assert others == [first, first]
    line = {"edges": [[0, 1], [0, 2], [1, 2]], "x": [[0.1]] * 3, "y": 1}
    assert json.loads(first.splitlines()[0]) == line


def test_a_target_node_and_loops_and_other_attributes(tmp_path):
    edges = torch.tensor([[0, 1, 1, 1], [1, 0, 1, 1]])
    graph = Data(edge_index=edges, num_nodes=3, y=torch.tensor([4]), pos=torch.zeros(3, 2))
    graph.target_node = torch.tensor([2])
    path = tmp_path / "one.jsonl"
    assert ra.write_graphs(path, [graph]) == ("not used: pos",)
    expected = {"edges": [[0, 1]], "num_nodes": 3, "y": 4, "target_node": 2}
    assert json.loads(path.read_text()) == expected
    (back,) = ra.read_graphs(path)
    assert back.target_node.tolist() == [2]
    looped = write(tmp_path, {"edges": [[0, 1], [1, 1]], "num_nodes": 2, "edge_attr": [[1], [2]]})
    (found,) = ra.read_graphs(looped)
    assert found.edge_index.T.tolist() == [[0, 1], [1, 1], [1, 0]]
    assert found.edge_attr.tolist() == [[1], [2], [1]]


@pytest.mark.parametrize(
    ("graphs", "message"),
    [
        ([Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)], "in one direction only"),
        ([Data(edge_index=torch.zeros(2, 0).long(), num_nodes=1, y=0.5)], "no class"),
        ([Data(edge_index=torch.zeros(2, 0).long(), x=torch.tensor([[float("inf")]]))], "finite"),
        ([Data(edge_index=torch.zeros(2, 0).long(), num_nodes=1, part="fit")], "`part` of graph 0"),
        (
            [
                Data(edge_index=torch.zeros(2, 0).long(), num_nodes=1, part="test"),
                Data(edge_index=torch.zeros(2, 0).long(), num_nodes=1),
            ],
            "graph 1 has none",
        ),
        ("graphs", "list of graphs"),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(tmp_path, graphs, message):
    with pytest.raises(InputError, match=message):
        ra.write_graphs(tmp_path / "none.jsonl", graphs)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path):
    graph = Data(edge_index=torch.zeros(2, 0).long(), num_nodes=1)
    with pytest.raises(InputError, match=r"Cannot write .*No such file"):
        ra.write_graphs(tmp_path / "nowhere" / "one.jsonl", [graph])


# --- refused by line and field --------------------------------------------------------------------

FINE = {"edges": [[0, 1]], "x": [[1.0], [2.0]], "y": 0}
REFUSED = {
    "no JSON": ("{", "line 3: expected a graph as JSON"),
    "a list": ("[]", "line 3: expected a graph"),
    "a number": ("5", "line 3: expected a graph"),
    "NaN": ('{"edges": [], "x": [[NaN]], "y": 0}', "line 3: .*NaN is no finite number"),
    "infinity": ('{"edges": [], "x": [[1e999]], "y": 0}', "line 3: .*`x.0.0`"),
    "too large": ({**FINE, "x": [[3.45e38], [1.0]]}, "line 3: .*`x` .*hold, got larger"),
    "twice": ('{"edges": [], "edges": [], "num_nodes": 1}', "line 3: .*'edges' stands twice"),
    "deep": ("[" * 99 + "]" * 99, "line 3: .*nested"),
    "unknown": ({**FINE, "colour": 1}, "line 3: .*unknown field `colour`"),
    "no edges": ({"x": [[1.0]], "y": 0}, "line 3: .*none of its field `edges`"),
    "text for an edge": ({**FINE, "edges": [["0", 1]]}, "line 3: .*`edges.0.0`"),
    "true for a node": ({**FINE, "edges": [[True, 0]]}, "line 3: .*`edges.0.0`"),
    "a float for a node": ({**FINE, "edges": [[0.0, 1]]}, "line 3: .*`edges.0.0`"),
    "three ends": ({**FINE, "edges": [[0, 1, 1]]}, "line 3: .*`edges.0`"),
    "a missing node": ({**FINE, "edges": [[0, 2]]}, r"line 3: .*`edges.0` .*below 2, got \[0, 2\]"),
    "a negative node": ({**FINE, "edges": [[-1, 0]]}, "line 3: .*`edges.0.0`"),
    "an edge twice": (
        {**FINE, "edges": [[0, 1], [1, 0]]},
        r"line 3: .*\[1, 0\] again at `edges.1`",
    ),
    "true for a feature": ({**FINE, "x": [[True], [1.0]]}, "line 3: .*`x.0.0`"),
    "text for a feature": ({**FINE, "x": [["1"], [1.0]]}, "line 3: .*`x.0.0`"),
    "ragged": ({**FINE, "x": [[1.0], [1.0, 2.0]]}, "line 3: .*`x.1` to be 1 numbers.*got 2"),
    "another width": (
        {**FINE, "x": [[1.0, 2.0]] * 2},
        "line 3: .*`x` to be 1 numbers, as in line 1",
    ),
    "rows": ({**FINE, "num_nodes": 3}, "line 3: .*`x` to be 3 rows.*got 2"),
    "whole": ({**FINE, "x": [[2**24 + 1], [1]]}, "line 3: .*`x` .*exactly, got 16777217"),
    "whole beside floats": ({**FINE, "x": [[2**24 + 1], [0.5]]}, "line 3: .*exactly, got 16777217"),
    "huge": ({**FINE, "x": [[10**30], [1]]}, r"line 3: .*`x` .*up to 2\*\*53"),
    "nodes": ({"edges": [], "y": 0}, "line 3: .*`x` or `num_nodes`, got neither"),
    "negative nodes": ({**FINE, "num_nodes": -1}, "line 3: .*`num_nodes`"),
    "real target": ({**FINE, "y": 0.5}, "line 3: .*`y` .*no class, got 0.5"),
    "several labels": ({**FINE, "y": [0, 1]}, "line 3: .*`y"),
    "true for a label": ({**FINE, "y": True}, "line 3: .*`y"),
    "text for a label": ({**FINE, "y": "toxic"}, "line 3: .*`y"),
    "huge label": ({**FINE, "y": 2**60}, "line 3: .*`y"),
    "no label": ({**FINE, "y": None}, "line 3: expected a graph with `y`, as line 1 has it"),
    "no features": ({"edges": [], "num_nodes": 2, "y": 0}, "line 3: .*with `x`, as line 1 has it"),
    "part": ({**FINE, "part": "fit"}, "line 3: .*`part` to be 'train'"),
    "part of some": ({**FINE, "part": "test"}, "line 1: .*`part`, as line 3 has it, got none"),
    "target": ({**FINE, "target_node": 2}, "line 3: .*`target_node` to be below 2, got 2"),
    "target of some": ({**FINE, "target_node": 1}, "line 1: .*`target_node`, as line 3 has it"),
    "attributes": ({**FINE, "edge_attr": []}, "line 3: .*`edge_attr` to be a row for each of 1"),
    "attributes of some": ({**FINE, "edge_attr": [[1.0]]}, "line 1: .*`edge_attr`, as line 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_line_that_is_no_graph_is_refused_by_line_and_field(tmp_path, name):
    line, message = REFUSED[name]
    path = write(tmp_path, FINE, "", line)
    with pytest.raises(InputError, match=f"some.jsonl, {message}") as refused:
        ra.read_graphs(path)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 320 + len(str(path))


OTHER_KINDS = ("a", True, 1.5, [], {}, [1], [[True]], [["a"]], [[None]], [[[1]]], {"a": 1}, None)
FULL = {**FINE, "num_nodes": 2, "edge_attr": [[1.0]], "part": "test", "target_node": 0}


@pytest.mark.parametrize("field", FULL)
def test_a_value_of_another_kind_is_told_in_plain_words(tmp_path, field):
    told, held = 0, {**FULL} if field != "edges" else {**FINE}
    for value in OTHER_KINDS:
        path = write(tmp_path, {**held, field: value})
        try:
            ra.read_graphs(path)
        except InputError as error:
            told += 1
            text = str(error)
            assert re.search(rf"some.jsonl, line 1: expected a graph, its `{field}\b", text)
            assert not re.search(r"\bvalid\b|Input|List|dict|int\b|None|True|``", text), text
    assert told >= 8


@pytest.mark.parametrize("line", ["[1, 2]", "1", "null", "true", '"a"'])
def test_a_line_that_is_no_object_is_told_what_one_looks_like(tmp_path, line):
    with pytest.raises(InputError) as refused:
        ra.read_graphs(write(tmp_path, line))
    assert str(refused.value).endswith(
        "some.jsonl, line 1: expected a graph as a JSON object, as "
        f'{{"edges": [[0, 1]], "num_nodes": 2, "y": 0}}, got {line}'
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "got no line"),
        ("a.jsonl", b"\n \n", "got no line"),
        ("a.jsonl", b"\xff\xfe", "no text in UTF-8"),
        ("a.jsonl.gz", b"no gzip", "Cannot read .*a.jsonl.gz"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"edges": [], "num_nodes": 1}', mtime=0)[:-9],
            "Cannot read",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        ra.read_graphs(tmp_path / name)


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(InputError, match="Cannot read"):
            ra.read_graphs(path)


def test_limits_are_held(tmp_path, monkeypatch):
    path = write(tmp_path, FINE, FINE)
    packed = tmp_path / "some.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes() * 50))
    for name, limit, message in (
        ("MOST_LINE", 20, "line 1: expected 20 characters at the most"),
        ("MOST_NODES", 3, "3 nodes at the most, got 4"),
        ("MOST_BYTES", len(packed.read_bytes()), "unpacked"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(graph_files, name, limit)
            with pytest.raises(InputError, match=message):
                ra.read_graphs(packed if name == "MOST_BYTES" else path)


def test_lines_may_end_as_on_windows_and_begin_with_a_mark(tmp_path):
    path = tmp_path / "dos.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([json.dumps(FINE).encode()] * 2) + b"\r\n")
    assert [graph.num_nodes for graph in ra.read_graphs(path)] == [2, 2]


def test_the_fields_stand_in_the_docs_as_in_the_code():
    named = set(re.findall(r"^`(\w+)`  ", graph_files.__doc__, flags=re.M))
    assert named == {field.name for field in fields(graph_files._Line)}
    page = (TREE / "docs" / "data.md").read_text(encoding="utf-8")
    table = page.partition("## A file of your own")[2].partition("\n\n##")[0]
    assert named <= set(re.findall(r"^\| `(\w+)` ", table, flags=re.M))
