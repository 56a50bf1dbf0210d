"""Certificates in parts, from the suite to housekeeping: any worker computes a part, and nothing
computed is lost.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from command_line import finish
from small_suites import IN_PARTS

from robust_augcl.plan.step import Step
from robust_augcl.steps import compute as steps
from robust_augcl.steps.context import Context
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parts") / "parts.toml"
    path.write_text(IN_PARTS)
    return path


@pytest.fixture(scope="module")
def certified(suite: Path) -> Path:
    """A finished run on one worker. Not to be changed."""
    return finish(suite, suite.parent / "run", "--workers", "1")


@pytest.fixture
def copy(certified: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(certified, tmp_path / "copy"))


def parts_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("artifacts/certificate_part-*"))


def merged_in(folder: Path) -> Path:
    """The certificate that was merged: of its inputs, those that are parts determine no address, so
    it is told by its threat.
    """
    (found,) = [
        p
        for p in folder.glob("artifacts/certificate-*")
        if Artifact.read(p).info["threat"]["budget"] == 2
    ]
    return found


def times(folder: Path) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns
        for path in [*folder.glob("artifacts/*"), *folder.glob("records/*")]
    }


def test_a_run_computes_and_merges_them_and_counts_the_certificate_alone(certified, command):
    parts = [Artifact.read(path) for path in parts_in(certified)]
    certificates = [part.info["certificates"][0] for part in parts]
    # All graphs lie in one portion.
    assert sorted(len(each["graphs"]) for each in certificates) == [0, 0, 18]
    log = (certified / "run.log").read_text()
    for number in (1, 2, 3):
        assert (
            f"done certificate: none, 2 layers, seed 0, budget 2, part {number} of 3 "
            "[certificate_part-" in log
        )
    assert re.search(r"done certificate: none, 2 layers, seed 0, budget 2 \[certificate-", log)
    assert "results: 4 of 4" in command("status", certified).out
    folder = RunFolder(certified)
    (measured,) = [
        m
        for m in folder.load_measurements(folder.existing_manifest())
        if m.kind == "certificate" and m.cell.budget == 2
    ]
    assert measured.seconds == sum(part.about["answer_seconds"][0] for part in parts)
    assert "\nAll 2 records and 2 certificates hold.\n" in command("replay", certified).out
    assert command("audit", certified).code in (0, 1)


@pytest.mark.thorough
def test_two_workers_give_the_same(suite, certified, tmp_path, command):
    assert command("run", suite, "--out", tmp_path, "--workers", "2").code == 0
    for path in certified.glob("artifacts/*"):
        assert (
            Artifact.read(path).digest == Artifact.read(tmp_path / "artifacts" / path.name).digest
        )


def test_another_number_of_parts_computes_nothing(suite, copy, command):
    before = times(copy)
    assert (
        command("run", suite, "--out", copy, "--workers", "1", "--set", "certificates.parts=5").code
        == 0
    )
    assert times(copy) == before


def test_a_finished_certificate_needs_its_parts_no_more(suite, copy, command):
    parts = parts_in(copy)
    answer = command("clean", copy, "--all")
    assert all(f"removed artifacts/{part.name}" in answer.out for part in parts)
    before = times(copy)
    assert command("replay", copy).code == 0
    assert command("run", suite, "--out", copy, "--workers", "1").code == 0
    assert times(copy) == before


def test_clean_keeps_parts_that_are_not_merged_yet(copy, command):
    merged_in(copy).unlink()
    parts = parts_in(copy)
    assert "results: 3 of 4" in command("status", copy).out
    command("clean", copy, "--all")
    assert parts_in(copy) == parts


def test_what_is_there_of_the_parts_is_reused(suite, copy, command):
    whole = Artifact.read(merged_in(copy)).digest
    merged_in(copy).unlink()
    (missing, damaged, kept) = parts_in(copy)
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-5])
    before = kept.stat().st_mtime_ns
    answer = command("run", suite, "--out", copy, "--workers", "1")
    assert answer.code == 0
    assert f"set aside as {damaged.name}.damaged" in answer.err
    assert kept.stat().st_mtime_ns == before
    assert Artifact.read(merged_in(copy)).digest == whole


def test_parts_of_another_victim_are_set_aside(suite, copy, command):
    merged_in(copy).unlink()
    store = RunFolder(copy).store
    (_, _, path) = parts_in(copy)
    part = Artifact.read(path)
    others = [{**each, "victim": "another"} for each in part.info["certificates"]]
    store.save(path.stem, Artifact({}, {"certificates": others}, part.about))
    assert (
        "it rests on another artifact" in command("run", suite, "--out", copy, "--workers", "1").err
    )
    assert command("replay", copy).code == 0


@pytest.mark.thorough
def test_another_number_of_parts_leaves_the_seeds_of_earlier_runs_in_the_tables(
    suite, copy, command
):
    assert (
        command(
            "run",
            suite,
            "--out",
            copy,
            "--workers",
            "1",
            "--seeds",
            "1",
            "--set",
            "certificates.parts=2",
        ).code
        == 0
    )
    assert RunFolder(copy).existing_manifest().seeds == [0, 1]


def test_a_run_that_stops_keeps_finished_parts(suite, tmp_path, command, monkeypatch):
    compute, seen = steps.compute, tmp_path / "seen"
    out = tmp_path / "out"

    def interrupted(step: Step, context: Context) -> None:
        if step.kind == "certificate_part" and "part 2" in step.title:
            os.kill(os.getppid(), signal.SIGINT)  # a user's Ctrl-C, while the worker computes
            signal.pause()
        compute(step, context)

    def noted(step: Step, context: Context) -> None:
        with seen.open("a") as file:  # the worker is a process of its own
            file.write(f"{step.title}\n")
        compute(step, context)

    monkeypatch.setattr(steps, "compute", interrupted)
    assert command("run", suite, "--out", out, "--workers", "1").code == 130
    assert len(parts_in(out)) == 1
    monkeypatch.setattr(steps, "compute", noted)
    assert command("run", suite, "--out", out, "--workers", "1").code == 0
    assert [title for title in seen.read_text().splitlines() if "budget 2, part" in title] == [
        f"none, 2 layers, seed 0, budget 2, part {n} of 3" for n in (2, 3)
    ]


def test_a_part_that_fails_takes_along_its_certificate_alone(suite, tmp_path, command, monkeypatch):
    compute = steps.compute

    def fail(step: Step, context: Context) -> None:
        if step.kind == "certificate_part" and "part 2" in step.title:
            raise RuntimeError("the planted fault")
        compute(step, context)

    monkeypatch.setattr(steps, "compute", fail)
    answer = command("run", suite, "--out", tmp_path, "--workers", "1")
    assert answer.code == 1
    assert "1 of 4 results are missing" in answer.err
    assert (
        "failed: none, 2 layers, seed 0, budget 2, part 2 of 3: RuntimeError: the planted fault"
        in command("status", tmp_path).out
    )
