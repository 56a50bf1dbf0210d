"""What a run gives to readers: means in a terminal, tables for a paper, frames, a site."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest

import robust_augcl as ra
from robust_augcl.errors import InputError
from robust_augcl.registry.families import write_mark
from robust_augcl.reports.written import TEXTS
from robust_augcl.store.run_folder import RunFolder


def test_show_prints_means_at_the_width_of_the_terminal(finished, command, monkeypatch):
    for columns in (60, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = command("show", finished).out
        assert max(map(len, out.splitlines()[:-2])) <= columns  # the last line names the folder
        assert "Exact worst case" in out
        assert "means over 2 seeds" in " ".join(out.split())
    by_seed = command("show", finished, "--by-seed").out.splitlines()
    assert any("attacked %" in line and "seed" in line.split() for line in by_seed)


def test_other_formats_hold_one_row_a_result(finished, command):
    rows = json.loads(command("show", finished, "--format", "json").out)
    table = list(csv.DictReader(io.StringIO(command("show", finished, "--format", "csv").out)))
    assert len(rows) == len(table) == len(ra.load(finished).records)
    for row, line in zip(rows, table, strict=True):
        for label, share in enumerate(row["robust_accuracy_by_class"]):
            assert float(line[f"robust_accuracy_class_{label}"]) == share


def test_a_run_ends_with_ten_lines(tiny, copied, command):
    answer = command("run", tiny, "--out", copied, "--seeds", "0,1", "--workers", "1")
    assert answer.code == 0
    assert len(answer.out.splitlines()) <= 10
    assert "\nPage: " in answer.out


def test_a_failed_audit_fails_a_run_where_that_is_asked(pair_suite, pair, tmp_path, command):
    copy = shutil.copytree(pair, tmp_path / "copy")
    asked = ("run", pair_suite, "--out", copy, "--workers", "1")
    assert command(*asked).code == 0
    answer = command(*asked, "--fail-on-audit")
    assert answer.code == 1
    assert "checks fail" in answer.err
    assert command("audit", copy).err.splitlines()[-1] == answer.err.splitlines()[-1]


def test_a_paper_gets_tables_and_figures(copied, command, tmp_path):
    answer = command("report", copied, "--format", "latex", "--width", "page")
    assert answer.code == 0
    made = {path.name for path in (copied / "paper").iterdir()}
    assert {"tables.tex", "accuracy.pdf", "accuracy.svg"} <= made
    assert {Path(line).name for line in answer.out.splitlines()} == made
    assert command("report", copied, "--format", "latex", "--out", tmp_path / "x").code == 0
    assert {path.name for path in (tmp_path / "x").iterdir()} == made
    assert "warning" not in command("show", copied).err  # it is no part of the report


def test_frames_of_a_run(finished):
    pytest.importorskip("pandas")
    run = ra.load(finished)
    assert len(run.frame()) == sum(record.num_graphs for record in run.records)
    assert len(run.frame("records")) == len(run.records)
    means = run.frame("means").set_index(["method", "attack", "budget"])["stays_right"]
    records = run.frame("records").groupby(["method", "attack", "budget"])["robust_accuracy"]
    for place, mean in records.mean().items():
        assert means[place] == pytest.approx(mean)
    assert set(run.frame("differences")["family"]) <= {"primary", "secondary"}
    with pytest.raises(InputError, match="Unknown frame"):
        run.frame("else")


def test_a_site_of_two_runs(finished, pair, tmp_path, command):
    out = tmp_path / "site"
    answer = command("site", finished, pair, "-o", out)
    assert answer.code == 0, answer
    index = (out / "index.html").read_text()
    names = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert len(names) == 2
    for name in names:
        assert f'href="{name}/report.html"' in index
        assert set(TEXTS) <= {path.name for path in (out / name).iterdir()}
    assert (out / "tiny" / "report.html").read_bytes() == (finished / "report.html").read_bytes()
    first = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert command("site", finished, pair, "-o", out).code == 0
    assert {p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()} == first


def test_the_graphs_of_a_site_are_those_that_the_attack_made(pair, tmp_path, command):
    assert command("site", pair, "-o", tmp_path / "site").code == 0
    records = {record.key[-8:]: record for record in ra.load(pair).records}
    paths = list((tmp_path / "site").rglob("*.npz"))
    assert paths
    check_attacked(paths, pair, records)
    index = (tmp_path / "site" / "index.html").read_text()
    assert all(f"graphs/{path.name}" in index for path in paths)


def check_attacked(paths, folder, records):
    """Files of attacked graphs hold the clean graphs with the edits of their records."""
    for path in paths:
        record, found = records[path.stem[-8:]], ra.load_attacked(path)
        dataset = RunFolder(folder).load_artifact(record.dataset).tensors
        graphs = [found.data(target) for target in range(len(found))]
        assert (path.parent / f"{path.stem}.edges.txt").exists()
        for graph, outcome in zip(graphs, record.outcomes, strict=True):
            first, end = dataset["ptr"][outcome.graph : outcome.graph + 2].tolist()
            inside = (dataset["edge_index"][0] >= first) & (dataset["edge_index"][0] < end)
            clean = {tuple(pair) for pair in (dataset["edge_index"][:, inside] - first).T.tolist()}
            edits = {tuple(each) for i, j in outcome.added for each in ((i, j), (j, i))}
            assert {tuple(pair) for pair in graph.edge_index.T.tolist()} == clean | edits
            assert int(graph.y) == outcome.label


def test_exported_graphs_are_those_that_attacks_made(pair, tmp_path, command):
    out = tmp_path / "files"
    answer = command("export", pair, "-o", out)
    assert answer.code == 0, answer
    records = {record.key[-8:]: record for record in ra.load(pair).records}
    paths = list(out.glob("*.npz"))
    assert {path.stem[-8:] for path in paths} == set(records)
    check_attacked(paths, pair, records)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert command("export", pair, "-o", out).code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    few = tmp_path / "few"
    label = next(iter(records.values())).cell.attack
    assert command("export", pair, "-o", few, "--attack", label).code == 0
    assert {path.name for path in few.glob("*.npz")} == {
        path.name for path in paths if records[path.stem[-8:]].cell.attack == label
    }
    answer = command("export", pair, "-o", few, "--attack", "nobody")
    assert answer.code == 2
    assert "Unknown attack 'nobody'" in answer.err
    assert command("export", pair, "-o", pair / "files").code == 2


def test_commands_take_the_folder_of_a_family(pair, tmp_path, command):
    family = tmp_path / "tu"
    write_mark(family, "tu")
    for member in ("tu-mutag", "tu-dd"):
        shutil.copytree(pair, family / member)
    answer = command("show", family, "--format", "csv")
    assert answer.code == 0, answer
    alone = command("show", pair, "--format", "csv").out
    assert answer.out == alone * 2
    assert "tu-mutag:" in answer.err
    answer = command("export", family, "-o", tmp_path / "files")
    assert answer.code == 2
    assert "Expected the folder of one run, like" in answer.err


def test_a_site_inside_a_run_is_refused(pair, tmp_path, command):
    copy = shutil.copytree(pair, tmp_path / "copy")
    answer = command("site", copy, "-o", copy / "site")
    assert answer.code == 2
    assert "Expected -o to be no part of the run" in answer.err
    assert not os.path.exists(copy / "site")
