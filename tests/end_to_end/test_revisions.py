"""A folder that other revisions of the code made: what has changed is computed again, the rest is
reused, nothing is mixed or lost.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from robust_augcl import registry
from robust_augcl.plan.step import Step
from robust_augcl.steps import compute as steps
from robust_augcl.steps.context import Context
from robust_augcl.store.run_folder import RunFolder

REVISED = f"attack rl_s2v ({registry.load('attack', 'rl_s2v').revision}, now 99)"


def files(folder: Path) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns
        for path in [*folder.glob("artifacts/*"), *folder.glob("records/*")]
    }


def attacks_of(folder: Path, names: set[str]) -> list[str]:
    return [
        json.loads((folder / "records" / name).read_text().splitlines()[0])["cell"]["attack"]
        for name in names
        if "jsonl" in name
    ]


@pytest.fixture
def revised(copied, monkeypatch) -> Path:
    """A finished run, after which the code of RL-S2V was revised."""
    monkeypatch.setattr(registry.load("attack", "rl_s2v"), "revision", 99)
    return copied


def rows(command, folder: Path) -> list[dict]:
    seconds = ("seconds", "pretrain_seconds", "train_seconds", "fit_seconds")
    return [
        {k: v for k, v in row.items() if k not in seconds}
        for row in json.loads(command("show", folder, "--format", "json").out)
    ]


def test_a_run_goes_on_and_computes_the_revised_attack_alone(tiny, revised, command):
    before, shown = files(revised), rows(command, revised)
    answer = command("run", tiny, "--out", revised, "--seeds", "0,1", "--workers", "1")
    assert answer.code == 0
    assert f"{REVISED}; what they determine is computed again" in answer.err
    assert "32 of 44 steps are there already" in answer.err
    assert (
        f"Revised since the last run in {revised}: {REVISED}" in (revised / "run.log").read_text()
    )
    after = files(revised)
    new = set(after) - set(before)
    assert sorted(re.sub("-.*", "", name) for name in new) == ["attack"] * 6 + ["attacker"] * 6
    assert attacks_of(revised, new) == ["rl_s2v"] * 6
    assert {
        name: after[name] for name in before
    } == before  # what was there is reused, and nothing of it is lost
    listed = RunFolder(revised).existing_manifest()
    assert listed.revisions["attack rl_s2v"] == 99
    assert {f"{key}.jsonl" for key in listed.records} >= {name for name in new if "jsonl" in name}
    assert rows(command, revised) == shown  # only the new ones are shown; here the code is the same
    assert command("replay", revised).code == 0
    assert command("show", revised).err == ""
    assert (
        "revised"
        not in command(
            "run", tiny, "--out", revised, "--seeds", "0,1", "--workers", "1"
        ).err.lower()
    )

    old = {
        name
        for name in before
        if name.endswith(".jsonl") and name.removesuffix(".jsonl") not in listed.records
    }
    assert attacks_of(revised, old) == ["rl_s2v"] * 6
    command("clean", revised)
    assert set(files(revised)) == set(after) - old
    assert len(rows(command, revised)) == 24


def test_before_that_run_what_only_reads_works_and_says_so_and_the_rest_is_refused(
    revised, command
):
    before = sorted(revised.rglob("*"))
    shown = command("show", revised)
    assert shown.code == 0
    assert (
        f"warning: revised since these records were computed: {REVISED}; `robust-augcl run`"
        in shown.err
    )
    status = command("status", revised)
    assert status.code == 0
    assert "results: 24 of 24" in status.out
    assert f"revised since: {REVISED}" in status.out
    for name in ("report", "replay", "audit", "transfer"):
        answer = command(name, revised)
        assert answer.code == 2
        assert REVISED in answer.err
        assert "`robust-augcl run`" in answer.err
        assert answer.err.count("\n") == 1
    assert (
        "removed" not in command("clean", revised).out
    )  # what was computed stays until a run has taken its place
    assert sorted(revised.rglob("*")) == before


@pytest.mark.thorough
def test_a_step_that_failed_before_its_code_was_revised_is_no_failure_any_more(
    tiny, tmp_path, command, monkeypatch
):
    compute = steps.compute

    def fail(step: Step, context: Context) -> None:
        if step.kind == "attacker":
            raise RuntimeError("the planted fault")
        compute(step, context)

    monkeypatch.setattr(steps, "compute", fail)
    arguments = ["run", tiny, "--out", tmp_path, "--workers", "1"]
    assert command(*arguments).code == 1
    monkeypatch.setattr(steps, "compute", compute)
    monkeypatch.setattr(registry.load("attack", "rl_s2v"), "revision", 99)
    assert "the planted fault" in command("status", tmp_path).out  # until a run has taken it up
    assert command(*arguments).code == 0
    assert "the planted fault" not in command("status", tmp_path).out
    command("clean", tmp_path)
    assert not list(tmp_path.glob("failures/*"))


def test_seeds_that_the_next_run_leaves_out_are_named(tiny, revised, command):
    answer = command("run", tiny, "--out", revised, "--seeds", "0", "--workers", "1")
    assert answer.code == 0
    assert "Seeds 1 of that run are not computed now: name them in --seeds too" in answer.err
    assert "3 of 24 records are missing" in command("show", revised).err


def test_a_suite_that_asks_for_other_results_than_it_did_is_refused_in_one_line(copied, command):
    manifest = json.loads((copied / "run.json").read_text())
    manifest["table"]["training"]["epochs"] = 6  # as if the code had another default
    (copied / "run.json").write_text(json.dumps(manifest))
    (copied / "audit.json").unlink()
    for name in ("report", "audit"):
        answer = command(name, copied)
        assert answer.code == 2
        assert "does not ask for today" in answer.err.splitlines()[-1]
        assert "Traceback" not in answer.err
    assert command("show", copied).code == 0
