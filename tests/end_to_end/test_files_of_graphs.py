"""Suites on a file of graphs, from the command line: it runs, its report says what came in, and
`replay` proves what it can wherever the folder and the file lie.
"""

from __future__ import annotations

import json

import pytest
from small_suites import MOLECULES

from robust_augcl.steps.artifacts import dataset_of
from robust_augcl.store.run_folder import RunFolder

SUITE = (
    """
name = "mine"
[dataset]
source = "file"
path = "data/mine.jsonl"
{more}
"""
    + MOLECULES
    + """batch_size = 4
augmentations = [{{ name = "edge_perturbation", ratio = 0.4 }}]
[training]
epochs = 2
batch_size = 4
[threat]
operations = ["add", "delete"]
[[methods]]
name = "{method}"
[[attacks]]
name = "rand_sampling"
"""
)
PARTS = ("train", "validation", "test")


def lines_of(count: int = 24) -> list[dict]:
    """Paths and stars of 4 or 5 nodes; the class is the shape."""
    lines = []
    for k in range(count):
        nodes = 4 + k // 2 % 2
        edges = [[i - 1 if k % 2 else 0, i] for i in range(1, nodes)]
        rows = [[float(i % 2), 1.0] for i in range(len(edges))]
        part = PARTS[k // 2 % 3]
        lines.append(
            {"edges": edges, "num_nodes": nodes, "y": k % 2, "edge_attr": rows, "part": part}
        )
    return lines


def write(folder, lines):
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def without_parts(lines):
    return [{name: of for name, of in line.items() if name != "part"} for line in lines]


@pytest.fixture
def run(tmp_path, command, monkeypatch):
    """Run the suite beside the file; the current folder is another one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def call(lines, more="", method="none"):
        write(tmp_path / "suite" / "data", lines)
        suite = tmp_path / "suite" / "mine.toml"
        suite.write_text(SUITE.format(more=more, method=method))
        return command("run", suite, "--out", tmp_path / "out", "--workers", "1")

    return call


def stored(out):
    """The data set of a folder."""
    folder = RunFolder(out)
    (record, *_) = folder.load_records(folder.existing_manifest().records).records
    keys = [path.name for path in (out / "artifacts").iterdir() if path.name.startswith("dataset-")]
    assert record.cell.dataset == "mine"
    return dataset_of(folder.store.load(keys[0].partition(".")[0]))


def test_a_drawn_split_is_drawn_again_wherever_the_file_lies(run, tmp_path, command):
    assert run(without_parts(lines_of())).code == 0
    out = tmp_path / "out"
    data = stored(out)
    assert data.graphs.edge_attr is None
    page = (out / "report-appendix.md").read_text()
    assert "not used: edge_attr" in page
    assert "no features: each node has the constant 1" in page
    assert str(tmp_path) not in (out / "run.json").read_text()

    there = command("replay", out, "--archives", tmp_path / "suite" / "data")
    assert there.code == 0
    assert "24 targets, 4 distinct" in there.out
    assert "split again, made again from their source" in there.out
    without = command("replay", out)
    assert without.code == 0
    assert "split again; graphs on trust: no --archives to read them from" in without.out
    missing = command("replay", out, "--archives", tmp_path / "elsewhere")
    assert missing.code == 0
    assert f"{tmp_path}/elsewhere/mine.jsonl, there is none" in missing.out

    other = without_parts(lines_of())
    other[5]["y"] = 0
    write(tmp_path / "changed", other)
    changed = command("replay", out, "--archives", tmp_path / "changed")
    assert changed.code == 1
    assert "the file here is another one than that of the run" in changed.out
    moved = tmp_path / "moved"
    out.rename(moved)
    assert command("replay", moved, "--archives", tmp_path / "suite" / "data").code == 0


def test_a_stated_split_is_the_split_and_is_read_again_or_on_trust(run, tmp_path, command):
    lines = lines_of()
    assert run(lines).code == 2
    answer = run(lines, "stated_parts = true")
    assert answer.code == 0
    out = tmp_path / "out"
    data = stored(out)
    for name in PARTS:
        expected = [k for k, line in enumerate(lines) if line["part"] == name]
        assert getattr(data, name).tolist() == expected
    there = command("replay", out, "--archives", tmp_path / "suite" / "data")
    assert there.code == 0
    assert "split as what was read states it, made again from their source" in there.out
    without = command("replay", out)
    assert without.code == 0
    assert "graphs and split on trust: no --archives" in without.out
    lines[0]["part"] = "test"
    write(tmp_path / "changed", lines)
    assert command("replay", out, "--archives", tmp_path / "changed").code == 1


def test_edges_keep_their_attributes_through_a_run(run, tmp_path, command):
    lines = lines_of()
    more = "stated_parts = true\nedge_attributes = true\nadded_edge = [0.5, 0.5]"
    assert run(lines, more, "graphcl").code == 0
    out = tmp_path / "out"
    data = stored(out)
    for graph, line in zip(data.graphs.to_data_list(), lines, strict=True):
        carried = {
            tuple(pair): row for pair, row in zip(line["edges"], line["edge_attr"], strict=True)
        }
        for (i, j), row in zip(graph.edge_index.T.tolist(), graph.edge_attr.tolist(), strict=True):
            assert row == carried[min(i, j), max(i, j)]
    assert data.graphs.added_edge.tolist() == [0.5, 0.5]
    page = (out / "report-appendix.md").read_text()
    assert "edge attributes: 2 of each edge; an added edge carries 0.5, 0.5" in page
    assert command("replay", out, "--archives", tmp_path / "suite" / "data").code == 0


def test_what_is_wrong_is_one_line_with_the_line_of_the_file(run):
    lines = without_parts(lines_of())
    lines[7]["edges"] = [[0, 9]]
    answer = run(lines)
    assert answer.code == 2
    (line,) = [each for each in answer.err.splitlines() if each.startswith("error: ")]
    assert "mine.jsonl, line 8" in line
    assert "`edges.0`" in line
    assert "Traceback" not in answer.err


def test_a_file_that_is_not_there_is_one_line(tmp_path, command):
    suite = tmp_path / "mine.toml"
    suite.write_text(SUITE.format(more="", method="none"))
    answer = command("run", suite, "--out", tmp_path / "out")
    assert answer.code == 2
    assert f"{tmp_path}/data/mine.jsonl" in answer.err
    assert not (tmp_path / "out").exists()
