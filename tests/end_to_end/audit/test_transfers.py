"""Transfers of whole runs."""

from __future__ import annotations

import csv
import io
import json

import torch
from audited_runs import records_of

from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.perturbations import Perturbation


def test_transfers_equal_predicting_again_by_hand(learned, command):
    folder = RunFolder(learned)
    records = {(r.cell.method, r.cell.attack): r for r in records_of(learned)}
    rows = json.loads(command("transfer", learned, "--format", "json").out)
    by_place = {(row["attack"], row["made_for"], row["attacked"]): row for row in rows}
    assert {attack for attack, *_ in by_place} == {
        "worst_case",
        "grad_argmax",
        "rl_s2v",
        "exhaustive",
    }  # random edits are for nobody
    for (attack, made_for, attacked), row in by_place.items():
        source, target = records[made_for, attack], records[attacked, attack]
        dataset, victim = (
            dataset_of(folder.store.load(source.dataset.key)),
            victim_of(folder.store.load(target.victim.key)),
        )
        right = 0
        for outcome in source.outcomes:
            graph = dataset.graphs[outcome.graph]
            added, removed = (
                torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
                for pairs in (outcome.added, outcome.removed)
            )
            edited = Perturbation(added, removed).apply(graph)
            right += all(
                int(victim.logits([each]).argmax()) == outcome.label for each in (graph, edited)
            )
        assert row["robust_accuracy"] == right / len(source.outcomes)
        assert row["low"] <= row["robust_accuracy"] <= row["high"]


def test_the_transfer_command_in_its_formats(learned, command):
    wanted = json.loads(
        command("transfer", learned, "--attack", "exhaustive", "--format", "json").out
    )
    assert len(wanted) == 4
    table = list(
        csv.DictReader(
            io.StringIO(
                command("transfer", learned, "--attack", "exhaustive", "--format", "csv").out
            )
        )
    )
    assert [float(row["robust_accuracy"]) for row in table] == [
        row["robust_accuracy"] for row in wanted
    ]
    for form in ("table", "markdown"):
        text = command("transfer", learned, "--attack", "exhaustive", "--format", form).out
        assert all(f"{100 * row['robust_accuracy']:.1f}" in text for row in wanted)
    page = (learned / "report-appendix.md").read_text()
    assert "### Edits made for one victim, turned on another" in page
    assert "| Exact worst case | 2 layers | GraphCL‡ |" in page
    answer = command("transfer", learned, "--attack", "exhaustiv")
    assert answer.code == 2
    assert "did you mean 'exhaustive'" in answer.err


def test_a_missing_victim_costs_the_transfers_and_no_more(spoilt, command):
    (spoilt / "transfer.json").unlink()
    RunFolder(spoilt).store.artifact_path(records_of(spoilt)[0].victim.key).unlink()
    answer = command("transfer", spoilt)
    assert answer.code == 2
    assert "to hold the victims" in answer.err
    answer = command("report", spoilt)
    assert answer.code == 0
    assert "no transfers" in answer.err
