"""Killed, out of disk, on one worker or a cluster: the rows are the same, and nothing is computed
twice.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from command_line import call_apart
from hearing import hear
from patching import replace_attribute

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.reports._figures import Gallery, figures
from robust_augcl.reports.written import ENDINGS
from robust_augcl.store import files as store_files
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.store.store import Store

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def reference(finished: Path) -> dict[str, list[str]]:
    """The outcomes of an uninterrupted run, seed 0, by record."""
    return {
        path.name: path.read_text().splitlines()[1:]
        for path in sorted(finished.glob("records/*.jsonl"))
        if seed_of(path) == 0
    }


def seed_of(path: Path) -> int:
    return json.loads(path.read_text().splitlines()[0])["cell"]["seed"]


def outcomes(folder: Path) -> dict[str, list[str]]:
    return {
        path.name: path.read_text().splitlines()[1:]
        for path in sorted(folder.glob("records/*.jsonl"))
    }


def done(folder: Path) -> Counter[str]:
    """How often each step was computed and stored, by the log."""
    return Counter(re.findall(r"\d done .* \[(\S+)\] ", (folder / "run.log").read_text()))


def killed(suite: Path, out: Path, kills: int) -> dict[str, Any]:
    """What happened when runs were killed again and again, and the last one finished."""
    harness = [sys.executable, str(HERE / "killed_runs.py"), str(suite), str(out), str(kills)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "helpers")}
    answer = subprocess.run(harness, capture_output=True, text=True, timeout=300, env=environment)
    assert answer.returncode == 0, answer.stderr
    told: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return told


def test_thirty_kills_while_steps_run_change_nothing(tiny, tmp_path, reference):
    told = killed(tiny, tmp_path, 30)
    kills, runs = told["kills"], told["runs"]
    stored = [len(kill["stored"]) for kill in kills]
    print(f"results that were stored at each kill: {stored}")
    assert told["code"] == 0
    assert outcomes(tmp_path) == reference

    assert len(kills) == 30
    assert sum(bool(kill["hit"]) for kill in kills) >= 20, kills
    assert stored == sorted(stored)  # a kill costs no result
    assert 0 < stored[-1] < len(set(runs[-1]["began"])) + stored[-1]

    for number, kill in enumerate(kills):  # what is stored never begins again
        later = {key for run in runs[number + 1 :] for key in run["began"]}
        assert not later & set(kill["stored"])

    ended = Counter(key for run in runs for key in run["ended"])
    assert max(ended.values()) == 1
    interrupted = {key for kill in kills for key in kill["hit"]}
    began = Counter(key for run in runs for key in run["began"])
    assert {key for key, times in began.items() if times > 1} <= interrupted
    held = [path.stem for path in tmp_path.glob("locks/*") if Store(tmp_path).locked(path.stem)]
    assert not held


def test_the_harness_replaces_only_what_is_there():
    with pytest.raises(AttributeError, match="'no_such_name' to replace"):
        replace_attribute(store_files, "no_such_name", None)


class Fault:
    """Stands for `os` in the store: its nth write fails."""

    def __init__(self, kind: str, good: int) -> None:
        self.kind, self.left = kind, good

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(os, name)

    def _spoil(self) -> bool:
        self.left -= 1
        return self.left < 0

    def fdopen(self, handle: int, mode: str):  # type: ignore[no-untyped-def]
        file = os.fdopen(handle, mode)
        if self.kind == "rename" or not self._spoil():
            return file
        kind = self.kind

        class Faulty:
            def __enter__(self):
                return self

            def __exit__(self, *reason: object) -> None:
                file.close()

            def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
                return getattr(file, name)

            def write(self, content: bytes) -> int:
                if kind == "full":
                    file.write(content[: len(content) // 2])
                    raise OSError(errno.ENOSPC, "No space left on device")
                if kind == "error":
                    raise OSError(errno.EIO, "Input/output error")
                return file.write(content[:-1])  # a short write that nobody reports

        return Faulty()

    def replace(self, source: str, target: str) -> None:
        if self.kind == "rename" and self._spoil():
            raise OSError(errno.EACCES, "Permission denied")
        os.replace(source, target)


@pytest.mark.parametrize("kind", ["error", "short", "full", "rename"])
def test_a_fault_at_every_write_gives_a_message_and_never_a_wrong_row(
    one_victim, tmp_path, command, monkeypatch, kind
):
    """Each run fails at its second write, the first time also at its first: so every write fails
    once.
    """
    # Figures are written, again in each run of the end, and not drawn.
    monkeypatch.setattr(
        Gallery,
        "draw",
        lambda gallery, report: {f"{n}.{e}": b"drawn" for n in figures(report) for e in ENDINGS},
    )
    suite, reference = one_victim.with_name("forged.toml"), outcomes(one_victim)
    arguments = ["run", suite, "--out", tmp_path, "--workers", "1"]
    for attempt in range(60):
        monkeypatch.setattr(store_files, "os", Fault(kind, min(attempt, 1)))
        answer = command(*arguments)
        monkeypatch.setattr(store_files, "os", os)
        assert not list(tmp_path.rglob(".writing-*"))
        assert {
            name: lines for name, lines in outcomes(tmp_path).items() if lines != reference[name]
        } == {}
        if answer.code == 0:
            break
        assert answer.code == 2
        assert "error: Cannot write" in answer.err
        assert "Traceback" not in answer.err
    assert answer.code == 0
    steps = [path for name in ("artifacts", "records") for path in (one_victim / name).iterdir()]
    assert attempt >= len(steps) + len(list(tmp_path.glob("*.png")))
    assert outcomes(tmp_path) == reference
    assert max(done(tmp_path).values()) == 1


def test_a_lost_worker_costs_its_running_step_which_is_run_again(tiny, tmp_path, reference):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "robust_augcl",
            "run",
            str(tiny),
            "--out",
            str(tmp_path),
            "--workers",
            "2",
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    workers: list[int] = []

    def is_at_work(_: str) -> bool:
        workers[:] = [pid for pid in descendants(process.pid) if holds_a_lock(pid, tmp_path)]
        return bool(workers)

    heard = hear(process, is_at_work)
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    err = heard + err
    assert process.returncode == 0, err
    assert err.count("a worker process died") == 1  # the other worker's step goes on
    assert outcomes(tmp_path) == reference


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def holds_a_lock(pid: int, folder: Path) -> bool:
    try:
        return any(
            str(folder) in os.readlink(handle) and ".lock" in os.readlink(handle)
            for handle in Path(f"/proc/{pid}/fd").iterdir()
        )
    except OSError:
        return False


def test_two_runs_on_one_folder_share_the_work(tiny, tmp_path, reference):
    arguments = ["run", tiny, "--out", tmp_path, "--workers", "1", "--quiet"]
    with ThreadPoolExecutor(2) as both:
        for run in [both.submit(call_apart, *arguments) for _ in range(2)]:
            assert run.result().code == 0, run.result().err
    assert outcomes(tmp_path) == reference
    assert max(done(tmp_path).values()) == 1


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_rows(tiny, tmp_path, reference):
    pytest.importorskip("distributed")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    address_file = tmp_path / "scheduler.json"

    def start(*arguments: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
        )

    scheduler = start(
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(address_file),
        stderr=subprocess.PIPE,
    )
    hear(scheduler, lambda line: "Scheduler at" in line)
    options = [
        "--nthreads",
        "1",
        "--no-dashboard",
        "--scheduler-file",
        str(address_file),
        "--local-directory",
        str(tmp_path),
    ]
    workers = [start("distributed.cli.dask_worker", *options, "--no-nanny") for _ in range(2)]
    out = tmp_path / "run"
    try:
        address = json.loads(address_file.read_text())["address"]
        run = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "robust_augcl",
                "run",
                str(tiny),
                "--out",
                str(out),
                "--executor",
                "dask",
                "--scheduler",
                address,
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        heard = hear(run, lambda line: "victim" in line)
        workers[0].send_signal(signal.SIGKILL)
        _, err = run.communicate(timeout=180)
        assert run.returncode == 0, heard + err
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()
    assert outcomes(out) == reference


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


def test_a_failed_step_is_shown_by_status_until_it_succeeds(tiny, tmp_path, command, planted_fault):
    assert command("run", tiny, "--out", tmp_path, "--workers", "1").code == 1
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
        assert 50 < record.environment["peak_memory_mib"] < 2048


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
