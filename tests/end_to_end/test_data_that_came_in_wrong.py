"""Archives that are odd or wrong, from the command line: one line and exit code 2, or a run whose
report says what came in.
"""

from __future__ import annotations

import json
import socket

import pytest
from small_suites import MOLECULES
from tu_archives import some_graphs, star, tables_of, write_archive

from robust_augcl.data import tu
from robust_augcl.store.run_folder import RunFolder

SUITE = (
    """
name = "odd"
[dataset]
source = "tu"
name = "{name}"
"""
    + MOLECULES
    + """batch_size = 2
augmentations = [{{ name = "subgraph", ratio = 0.2 }}, {{ name = "node_drop", ratio = 0.2 }}]
[training]
epochs = 2
batch_size = 2
[threat]
operations = [{operations}]
[certificates]
[[methods]]
name = "none"
[[methods]]
name = "graphcl"
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "exhaustive"
"""
)
CLASSES = [number % 2 for number in range(60)]


@pytest.fixture
def run(tmp_path, command, monkeypatch):
    """Run the suite on an archive, without a network."""

    def fail(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(tu, "download_url", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)

    def call(name, tables, operations='"add", "delete"', **how):
        write_archive(tmp_path, name, tables, **how)
        suite = tmp_path / f"{name}.toml"
        suite.write_text(SUITE.format(name=name, operations=operations))
        more = ["--archives", tmp_path, "--out", tmp_path / name, "--workers", "1"]
        return command("run", suite, *more)

    return call


@pytest.mark.thorough(but=["TARGET-*", "NOLABELS-*", "RAGGED-*", "ONECLASS-*"])
@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("TARGET", {"graph_labels": None, "graph_attributes": ["0.5"] * 60}, "no classes"),
        ("TARGETS3", {"graph_labels": None, "graph_attributes": ["1, 2, 3"] * 60}, "no classes"),
        ("MULTI", {"graph_labels": ["0, 1"] * 60}, "one class label"),
        ("NOLABELS", {"graph_labels": None}, "NOLABELS_graph_labels.txt"),
        ("ONECLASS", {"graph_labels": ["1"] * 60}, "two classes"),
        ("NOEDGES", {"A": None}, "NOEDGES_A.txt"),
        ("RAGGED", {"node_labels": ["0", "1, 2"] * 30}, "line 2"),
        ("NAN", {"graph_labels": ["nan"] * 60}, "'nan'"),
        ("AWAY", {"A": ["1, 100000"]}, "'1, 100000'"),
    ],
)
def test_what_is_wrong_is_one_line(run, name, change, named):
    tables = {**tables_of(some_graphs(), CLASSES), **change}
    answer = run(name, {ending: lines for ending, lines in tables.items() if lines is not None})
    assert answer.code == 2
    line = answer.err.splitlines()[-1]
    assert line.startswith("error: ")
    assert named in line
    assert f"{name}.zip" in line or name == "ONECLASS"
    assert "Traceback" not in answer.err


def test_files_of_another_name_are_one_line_and_no_network(run):
    answer = run("OTHERPREFIX", tables_of(some_graphs(), CLASSES), prefix="OTHER")
    assert answer.code == 2
    assert "OTHERPREFIX_A.txt" in answer.err.splitlines()[-1]


def test_edges_in_one_direction_are_one_line(run):
    answer = run("EDGEONCE", tables_of(some_graphs(), CLASSES, both_ways=False))
    assert answer.code == 2
    assert "graph 0 has the edge (0, 1) in one direction only" in answer.err.splitlines()[-1]


def test_a_set_half_of_whose_graphs_have_no_nodes_runs_to_its_end_and_says_so(
    run, tmp_path, command
):
    graphs = [(2, [(0, 1)]) if k % 2 else (0, []) for k in range(60)]
    answer = run("EMPTY", tables_of(graphs, [k // 2 % 2 for k in range(60)]), operations='"add"')
    assert answer.code == 0
    out = tmp_path / "EMPTY"
    told = "No allowed edit can touch 9 of 9 test targets: where these are classified right"
    page = (out / "report-appendix.md").read_text()
    assert page.count(told) == 1
    assert "Targets that no allowed edit can touch: 9 of 9 test targets" in page
    assert "graphs without nodes: 30 of 60 left out, the first is graph 0" in page
    assert told in answer.err
    shown = command("show", out, "--format", "json")
    assert told in shown.err
    for row in json.loads(shown.out):
        assert row["n_graphs"] == 9
        assert row["robust_accuracy"] == row["clean_accuracy"]
    assert command("replay", out).code == 0


def test_the_report_says_what_was_used_and_how_many_targets_edits_can_touch(run, tmp_path):
    """Every third graph is complete: nothing can be added to it. By plain loops."""
    graphs = [(3, [(0, 1), (0, 2), (1, 2)]) if k % 3 == 0 else star(5) for k in range(60)]
    tables = tables_of(graphs, [k % 2 for k in range(60)])
    tables["A"] += ["1, 1", "1, 2"]
    answer = run("THIRDS", {**tables, "edge_labels": ["1"]}, operations='"add"')
    assert answer.code == 0
    out = tmp_path / "THIRDS"
    folder = RunFolder(out)
    manifest = folder.existing_manifest()
    (record, *_) = folder.load_records(manifest.records).records
    complete = sum(outcome.graph % 3 == 0 for outcome in record.outcomes)
    assert 0 < complete < len(record.outcomes) == 18
    (told,) = [m for m in folder.load_measurements(manifest) if m.kind == "dataset"]
    assert (told.values["untouched"], told.values["targets"]) == (complete, 18)
    page = (out / "report-appendix.md").read_text()
    assert f"No allowed edit can touch {complete} of 18 test targets" in page
    settings = page.split("## Settings")[1]
    assert "Features of a node: 3 numbers" in settings
    for note in (
        "features: node labels, one-hot, 3 columns",
        "not used: edge labels",
        "self-loops: 1 dropped, the first in graph 0",
        "repeated edges: 1 dropped",
    ):
        assert note in settings


def test_an_archive_that_changes_after_it_was_planned_is_noticed(run, tmp_path, monkeypatch):
    tables = tables_of(some_graphs(), CLASSES)
    load = tu.TUGraphs.fingerprint
    asked = []

    def fingerprint(source, archives):
        asked.append(archives)
        if len(asked) == 2:  # when the step is computed
            write_archive(tmp_path, "CHANGED", tables_of(some_graphs(58), CLASSES[:58]))
        return load(source, archives)

    monkeypatch.setattr(tu.TUGraphs, "fingerprint", fingerprint)
    answer = run("CHANGED", tables)
    assert answer.code == 2
    assert "CHANGED" in answer.err.splitlines()[-1]
    assert "have changed" in answer.err.splitlines()[-1]
