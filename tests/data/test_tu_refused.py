"""TU archives that cannot be right are refused by name, before anybody asks the network."""

from __future__ import annotations

import os
import zipfile

import pytest
from tu_archives import CLASSES, load, some_graphs, tables_of, write_archive

from robust_augcl.data.tu import TUGraphs
from robust_augcl.errors import InputError
from robust_augcl.graphs import tu_files


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
