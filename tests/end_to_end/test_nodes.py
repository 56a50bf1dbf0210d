"""A suite about the nodes of one graph: it runs, and is reported, audited, replayed and gated."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import pytest
from command_line import call
from small_planetoid import run_on_planetoid

from robust_augcl.results.records import ArtifactRef
from robust_augcl.review.replay import replay
from robust_augcl.store.run_folder import RunFolder

SUITE = """
name = "small-nodes"
seeds = [0]
[dataset]
source = "planetoid"
[split]
test = 0.8
validation = 0.1
[encoder]
name = "gcn_prelu"
width = 6
layers = [2]
[pretraining]
base = "grace"
warm_up_epochs = 2
continued_epochs = 2
[linear]
c = [0.1, 1.0]
[targets]
choice = "sampled"
count = 24
[threat]
budget = 1
operations = ["add", "delete"]
[comparisons]
margin = 0.02
[[methods]]
name = "none"
[[methods]]
name = "progcl"
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "exhaustive"
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A finished run, the archives that it read, and what it said."""
    return run_on_planetoid(SUITE, tmp_path_factory.mktemp("nodes"))


def test_it_is_reported_with_the_accuracy_of_all_test_nodes(ran):
    text = (ran / "run" / "report-appendix.md").read_text()
    row = next(
        line
        for line in text.splitlines()
        if line.startswith("| Method") and "Clean, all test targets" in line
    )
    column = [cell.strip() for cell in row.split("|")].index("Clean, all test targets")
    run = RunFolder(ran / "run")
    told = {
        measured.cell.method: measured.values["accuracy"]["test"]
        for measured in run.load_measurements(run.existing_manifest())
        if measured.kind == "linear_victim"
    }
    assert sorted(told) == ["none", "progcl"]
    for name, method in (("No pretraining", "none"), ("ProGCL", "progcl")):
        line = next(line for line in text.splitlines() if line.startswith(f"| {name} | 2 |"))
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[column] == f"{100 * told[method]:.1f}"


def test_its_report_counts_nodes_and_no_graphs(ran):
    for name in ("report.md", "report-appendix.md"):
        text = (ran / "run" / name).read_text(encoding="utf-8")
        assert "24 test nodes" in text, name
        assert not re.findall(r"test graphs|of the graphs|(?:of|counts) graphs", text), name
    page = (ran / "run" / "report.html").read_text(encoding="utf-8")
    assert "24 test nodes" in page
    assert "McNemar: p of the exact test on the same nodes" in page
    assert "The share of nodes" in " ".join(call("show", ran / "run").out.split())


def test_it_is_audited_replayed_and_gated(ran):
    assert call("audit", ran / "run").code == 0
    answer = call("replay", ran / "run", "--archives", ran)
    assert answer.code == 0, answer.out + answer.err
    baseline = ran / "base.json"
    assert call("baseline", ran / "run", "-o", baseline).code == 0
    assert call("gate", ran / "run", "--baseline", baseline).code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda info: {**info, "accuracy": {**info["accuracy"], "test": 0.999}},
            "accuracy for test",
        ),
        (lambda info: {**info, "chosen": 1 - info["chosen"]}, "chosen is not the penalty"),
        (lambda info: {**info, "tried": info["tried"][:1], "chosen": 0}, "penalties that it tried"),
        (lambda info: {**info, "encoder": "gcn_relu"}, "encoder"),
    ],
)
def test_what_a_linear_victim_says_falsely_is_found(ran, tmp_path, change, words):
    folder = tmp_path / "forged"
    shutil.copytree(ran / "run", folder)
    run = RunFolder(folder)
    key = next(
        record.victim.key
        for record in run.load_records(run.existing_manifest().records).records
        if record.cell.method == "progcl"
    )
    victim = run.store.load(key)
    forged = replace(victim, info=change(victim.info))
    run.store.artifact_path(key).write_bytes(forged.dumps())
    for record in run.load_records(run.existing_manifest().records).records:
        if record.victim.key == key:  # as somebody writes who knows the format
            moved = replace(record, victim=ArtifactRef(key, forged.digest))
            run.store.record_path(record.key).write_text(moved.dumps())
    verdicts = replay(run, run.existing_manifest(), lambda verdict: None, quick_seconds=-1)
    found = [text for verdict in verdicts for text in verdict.problems]
    assert any(words in text for text in found), found
