"""Running suites: the same rows on any number of workers, nothing computed twice, nothing lost."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hearing import hear
from promised_columns import COLUMNS
from time_limits import HANGS

from robust_augcl import registry
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder

SECONDS = ("seconds", "pretrain_seconds", "train_seconds", "fit_seconds")


@pytest.fixture
def pair_copied(pair: Path, tmp_path: Path) -> Path:
    """A copy of the finished run of two methods and one seed, to spoil."""
    return Path(shutil.copytree(pair, tmp_path / "copy"))


def rows_of(command, folder: Path) -> list[dict]:
    answer = command("show", folder, "--format", "json")
    assert answer.code == 0
    return [
        {key: value for key, value in row.items() if key not in SECONDS}
        for row in json.loads(answer.out)
    ]


def times(folder: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns
        for path in [*folder.glob("artifacts/*"), *folder.glob("records/*")]
    }


def test_rows_are_complete_and_consistent(finished, command):
    rows = json.loads(command("show", finished, "--format", "json").out)
    assert len(rows) == 24
    for row in rows:
        assert set(row) >= set(COLUMNS)
        assert row["n_graphs"] == 18
        assert (
            0 <= row["robust_accuracy"] <= min(row["clean_accuracy"], row["attacked_accuracy"]) <= 1
        )
        assert len(row["robust_accuracy_by_class"]) == 3
        assert (row["pretrain_seconds"] > 0) == (row["method"] != "none")


def test_exhaustive_is_the_worst_of_all_attacks_in_every_cell(finished, command):
    rows = rows_of(command, finished)
    worst = {
        (row["method"], row["seed"]): row["robust_accuracy"]
        for row in rows
        if row["attack"] == "exhaustive"
    }
    assert all(row["robust_accuracy"] >= worst[row["method"], row["seed"]] for row in rows)


def test_two_workers_give_the_rows_and_weights_of_one(tiny, finished, tmp_path, command):
    assert command("run", tiny, "--out", tmp_path, "--seeds", "0,1", "--workers", "2").code == 0
    assert rows_of(command, tmp_path) == rows_of(command, finished)
    for path in finished.glob("artifacts/*"):
        assert (
            Artifact.read(path).digest == Artifact.read(tmp_path / "artifacts" / path.name).digest
        )
    mine, theirs = (
        {p.name: p.read_text().splitlines()[1:] for p in f.glob("records/*")}
        for f in (tmp_path, finished)
    )
    assert mine == theirs


def test_a_finished_run_called_again_computes_nothing(tiny, copied, command):
    before = times(copied)
    answer = command("run", tiny, "--out", copied, "--seeds", "0,1", "--workers", "1")
    assert answer.code == 0
    assert times(copied) == before


def test_only_what_is_missing_is_computed(tiny, copied, command):
    before = times(copied)
    victim = next(path for path in before if "victim-" in path)
    record = next(path for path in before if path.endswith(".jsonl"))
    Path(victim).unlink()
    Path(record).unlink()
    assert command("run", tiny, "--out", copied, "--seeds", "0,1", "--workers", "1").code == 0
    after = times(copied)
    changed = {path for path in after if after[path] != before.get(path)}
    assert record in changed
    assert changed <= {
        victim,
        record,
    }  # the victim is computed again only if the record's attack needs it


def test_more_seeds_extend_a_run(pair_suite, pair_copied, command):
    before = times(pair_copied)
    answer = command("run", pair_suite, "--out", pair_copied, "--seeds", "2", "--workers", "1")
    assert answer.code == 0
    assert {row["seed"] for row in rows_of(command, pair_copied)} == {0, 2}
    assert {path: when for path, when in times(pair_copied).items() if path in before} == before


def test_one_changed_attack_parameter_recomputes_that_attack_alone(
    pair_suite, pair_copied, command
):
    before = times(pair_copied)
    changed = ["--set", "attacks.rl_s2v.steps=21"]
    answer = command("run", pair_suite, "--out", pair_copied, "--workers", "1", *changed)
    assert answer.code == 0
    assert "settings" in answer.err
    new = [path for path in times(pair_copied) if path not in before]
    assert len(new) == 4
    assert all("records" in path or "attacker-" in path for path in new)
    assert len(rows_of(command, pair_copied)) == 8


def test_a_damaged_artifact_or_record_is_set_aside_and_computed_again(
    pair_suite, pair, pair_copied, command
):
    record = sorted(pair_copied.glob("records/*"))[0]
    record.write_text(record.read_text()[:-30])
    for victim in pair_copied.glob("artifacts/victim-*"):
        victim.write_bytes(victim.read_bytes()[:-10])
    answer = command("run", pair_suite, "--out", pair_copied, "--workers", "1")
    assert answer.code == 0
    assert "set aside" in answer.err
    assert record.with_name(record.name + ".damaged").exists()
    assert rows_of(command, pair_copied) == rows_of(command, pair)


@pytest.mark.thorough
def test_results_of_another_victim_are_set_aside_and_computed_again(
    pair_suite, pair, pair_copied, command
):
    run = ("run", pair_suite, "--out", pair_copied, "--workers", "1")
    store = RunFolder(pair_copied).store
    path = next(iter(pair_copied.glob("artifacts/victim-*")))
    victim = Artifact.read(path)
    changed = {
        name: tensor * (1 + 1e-3) if tensor.is_floating_point() else tensor
        for name, tensor in victim.tensors.items()
    }
    # As if it had taken no time, however busy the machine was: replay trains it again.
    about = {**victim.about, "seconds": 0.0}
    store.save(path.stem, Artifact(changed, victim.info, about))
    assert command("replay", pair_copied).code == 1
    answer = command(*run)
    assert answer.code == 0
    assert "it rests on another artifact" in answer.err
    # Its results are of the victim that is there now. That it is not the trained one, replay tells.
    answer = command("replay", pair_copied)
    assert answer.code == 1
    assert answer.err == "error: 1 of 2 victims do not hold\n"
    assert "remove its file and run the suite" in answer.out
    path.unlink()
    assert command(*run).code == 0
    assert command("replay", pair_copied).code == 0
    assert rows_of(command, pair_copied) == rows_of(command, pair)


def test_a_baseline_and_augcl_share_their_warm_up(finished):
    assert len(list(finished.glob("artifacts/warm_up-*"))) == 2  # one a seed
    assert len(list(finished.glob("artifacts/pretraining-*"))) == 4


@pytest.mark.thorough
def test_an_interrupted_run_goes_on_where_it_stopped(pair_suite, pair, tmp_path, command):
    arguments = [
        sys.executable,
        "-m",
        "robust_augcl",
        "run",
        pair_suite,
        "--out",
        tmp_path,
        "--workers",
        "2",
    ]
    process = subprocess.Popen(
        arguments,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # tests that run in the background inherit a deaf one
    )
    hear(process, lambda line: "victim" in line)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob(".writing-*"))
    kept = times(tmp_path)
    assert command("run", pair_suite, "--out", tmp_path, "--workers", "1").code == 0
    assert {path: when for path, when in times(tmp_path).items() if path in kept} == kept
    assert rows_of(command, tmp_path) == rows_of(command, pair)


@pytest.mark.parametrize("name", registry.suite_texts())
def test_the_suites_of_the_package_are_valid(name):
    from robust_augcl.plan.planner import plan
    from robust_augcl.plan.suite import load_suite

    suite = load_suite(name)
    assert suite.name == name
    attacks = [(attack.label, budget) for attack in suite.attacks for budget in attack.budgets]
    about = attacks, suite.methods, suite.encoder.layers, suite.protocols, suite.seeds
    assert len(plan(suite).attacks) == math.prod(map(len, about))


def test_protocols_differ_in_what_they_say_they_do(tiny, tmp_path, command):
    # The method that does most: it pretrains, shares a warm-up, and fits a weighter.
    changes = ('protocols=["strict","paper"]', "methods=[{name='augcl', passes=2}]")
    options = [part for change in changes for part in ("--set", change)]
    assert command("run", tiny, "--out", tmp_path, "--workers", "1", *options).code == 0
    records = (
        RunFolder(tmp_path).load_records(RunFolder(tmp_path).existing_manifest().records).records
    )
    by_protocol = {p: [r for r in records if r.cell.protocol == p] for p in ("strict", "paper")}
    assert {r.threat["allow_existing"] for r in by_protocol["strict"]} == {False}
    assert {r.threat["allow_existing"] for r in by_protocol["paper"]} == {True}
    directions = {
        p: {r.attack_settings.get("directions") for r in rs} - {None}
        for p, rs in by_protocol.items()
    }
    assert directions == {"strict": {"summed"}, "paper": {"apart"}}
    assert not {r.victim.key for r in by_protocol["strict"]} & {
        r.victim.key for r in by_protocol["paper"]
    }
    assert command("replay", tmp_path).code == 0
