"""What a folder holds stays, for other runs that use it, for commands that clean and show it."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.store.store import Store


def key_of(seed: int, version: int = 0) -> str:
    """A key as the store writes them: the kind of step and twenty hex digits."""
    return f"attack-{version:010x}{seed:010x}"


def claim(folder: str, seed: int) -> None:
    def of(seeds):
        return Manifest("tiny", {"name": "tiny"}, None, list(seeds), [*map(key_of, seeds)])

    RunFolder(Path(folder)).claim([seed], of)


def test_runs_that_enter_their_seeds_at_once_all_stay_in(tmp_path):
    context = multiprocessing.get_context("fork")
    for trial in range(20):
        folder = tmp_path / str(trial)
        processes = [context.Process(target=claim, args=(str(folder), seed)) for seed in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        manifest = RunFolder(folder).existing_manifest()
        assert manifest.seeds == [0, 1, 2]
        assert set(manifest.records) == {key_of(0), key_of(1), key_of(2)}


def test_a_folder_of_other_steps_under_the_same_settings_holds_those_of_now(tmp_path):
    """A version under development may plan other steps for the same settings: what it does not plan
    is in no table.
    """
    folder = RunFolder(tmp_path)

    def of(version):
        return lambda seeds: Manifest(
            "tiny",
            {"name": "tiny"},
            None,
            list(seeds),
            [key_of(seed, version) for seed in seeds],
        )

    old, new = 1, 2
    folder.claim([1], of(old))
    assert folder.claim([0], of(new)).records == [key_of(0, new), key_of(1, new)]
    assert folder.existing_manifest().records == [key_of(0, new), key_of(1, new)]
    assert folder.claim([0], of(new)).seeds == [0, 1]


def test_a_record_is_read_once_while_its_file_stays(copied, monkeypatch):
    folder = RunFolder(copied)
    key = folder.existing_manifest().records[0]
    first = folder.load_record(key)
    assert folder.load_record(key) is first
    path = folder.store.record_path(key)
    assert first.dumps() == path.read_text()
    path.write_text(path.read_text().replace('"clean":1', '"clean":0', 1))  # as long as before
    with pytest.raises(ArtifactDamaged, match="altered"):
        folder.load_record(key)


def test_a_report_that_is_not_that_of_the_records_is_made_again(tiny, copied, command):
    arguments = ["run", tiny, "--out", copied, "--seeds", "0,1", "--workers", "1", "--quiet"]
    page = (copied / "report.md").read_text()
    (copied / "report.md").write_text(page.replace("<!-- of records ", "<!-- of records 0"))
    (copied / "accuracy.png").unlink()
    assert command(*arguments).code == 0
    assert (copied / "report.md").read_text() == page
    assert (copied / "accuracy.png").exists()


@pytest.mark.thorough
def test_status_and_clean(tiny, copied, command):
    arguments = ["run", tiny, "--out", copied, "--seeds", "0,1", "--workers", "1"]
    assert "results: 24 of 24" in command("status", copied).out
    record = sorted(copied.glob("records/*"))[0]
    record.write_text("")
    answer = command(*arguments)  # sets the damaged one aside
    assert answer.code == 0, answer.err
    answer = command(*arguments, "--set", "attacks.rl_s2v.steps=21")
    assert answer.code == 0, answer.err
    (copied / "artifacts" / ".writing-leftby01").write_bytes(b"half")
    (copied / "my notes").mkdir()
    (copied / "my notes" / "what was.damaged").write_text("mine")
    before = set(copied.rglob("*"))
    assert "would remove" in command("clean", copied, "--dry-run").out
    assert set(copied.rglob("*")) == before
    rows = command("show", copied, "--format", "json").out
    answer = command("clean", copied)
    assert answer.code == 0
    gone = {path.name for path in before - set(copied.rglob("*"))}
    assert {record.name + ".damaged", ".writing-leftby01"} <= gone
    assert len(gone) == 2 + 6  # and the records of rl_s2v with the other number of steps
    assert command("show", copied, "--format", "json").out == rows
    answer = command("clean", copied, "--all")
    assert not list(copied.glob("artifacts/warm_up-*")), answer
    assert command("replay", copied).code == 0


def test_nothing_is_cleaned_while_a_run_computes(copied, command):
    key = "victim-0123456789abcdef0123"
    with Store(copied).claim(key):
        assert f"being computed now: {key}" in command("status", copied).out
        answer = command("clean", copied)
        assert answer.code == 2
        assert key in answer.err


def test_a_failed_step_takes_along_what_needs_it_and_is_shown_by_status_until_it_succeeds(
    tiny, tmp_path, command, planted_fault
):
    answer = command("run", tiny, "--out", tmp_path, "--workers", "1")
    assert answer.code == 1
    assert "the planted fault" in answer.err
    assert "4 of 12 results are missing" in answer.err
    folder = RunFolder(tmp_path)
    assert len(folder.load_records(folder.existing_manifest().records).records) == 8
    status = command("status", tmp_path).out
    assert "results: 8 of 12" in status
    assert "failed: graphcl, 2 layers, seed 0: RuntimeError: the planted fault" in status
    planted_fault()
    assert command("run", tiny, "--out", tmp_path, "--workers", "1").code == 0
    assert "failed" not in command("status", tmp_path).out


def test_quiet_says_nothing(tiny, copied, command):
    answer = command("run", tiny, "--out", copied, "--seeds", "0,1", "--workers", "1", "--quiet")
    assert answer == (0, "", "")


def test_records_carry_where_they_come_from(finished):
    folder = RunFolder(finished)
    for record in folder.load_records(folder.existing_manifest().records).records:
        assert set(record.environment) == {
            "versions",
            "commit",
            "machine",
            "processor",
            "device",
            "arithmetic",
            "threads",
            "peak_memory_mib",
        }
        assert record.environment["threads"] == 1
        # In another unit it would be beyond that. A worker of tests may hold much that is not its.
        assert 50 < record.environment["peak_memory_mib"] < 50 * 2**10


@pytest.mark.parametrize(
    "arguments",
    [
        ["--executor", "dask"],
        ["--scheduler", "tcp://127.0.0.1:1"],
        ["--executor", "dask", "--scheduler", "tcp://x:1", "--workers", "2"],
    ],
)
def test_dask_and_its_scheduler_are_named_together(tiny, tmp_path, command, arguments):
    answer = command("run", tiny, "--out", tmp_path / "run", *arguments)
    assert answer.code == 2
    assert ("--workers" if "--workers" in arguments else "--scheduler") in answer.err
