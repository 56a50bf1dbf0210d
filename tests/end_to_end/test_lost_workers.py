"""Lost workers, two runs on one folder, a cluster: the rows are the same."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from command_line import call_apart
from disturbed import done, outcomes
from hearing import hear
from time_limits import HANGS


@pytest.fixture(scope="module")
def pair_reference(pair: Path) -> dict[str, list[str]]:
    """The outcomes of an uninterrupted run of two of its methods, by record."""
    return outcomes(pair)


def test_a_lost_worker_costs_its_running_step_which_is_run_again(
    pair_suite, tmp_path, pair_reference
):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "robust_augcl",
            "run",
            str(pair_suite),
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
        at_work = filter(partial(stopped_at_work, tmp_path), descendants(process.pid))
        workers[:] = islice(at_work, 1)
        return bool(workers)

    heard = hear(process, is_at_work)
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=HANGS)
    err = heard + err
    assert process.returncode == 0, err
    assert err.count("a worker process died") == 1  # the other worker's step goes on
    assert outcomes(tmp_path) == pair_reference


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def stopped_at_work(folder: Path, pid: int) -> bool:
    """Stop a process, and let it go on unless it computes a step of a run in this folder.

    One that goes on could end its step before it is killed. It would be lost between two steps.
    """
    if not holds_a_lock(pid, folder):
        return False
    os.kill(pid, signal.SIGSTOP)
    while state_of(pid) not in "TZ":
        time.sleep(0.001)
    if holds_a_lock(pid, folder):
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def state_of(pid: int) -> str:
    """As the system tells it: T where a process is stopped, Z where it has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def holds_a_lock(pid: int, folder: Path) -> bool:
    try:
        return any(
            str(folder) in os.readlink(handle) and ".lock" in os.readlink(handle)
            for handle in Path(f"/proc/{pid}/fd").iterdir()
        )
    except OSError:
        return False


def test_two_runs_on_one_folder_share_the_work(pair_suite, tmp_path, pair_reference):
    arguments = ["run", pair_suite, "--out", tmp_path, "--workers", "1", "--quiet"]
    with ThreadPoolExecutor(2) as both:
        for run in [both.submit(call_apart, *arguments) for _ in range(2)]:
            assert run.result().code == 0, run.result().err
    assert outcomes(tmp_path) == pair_reference
    assert max(done(tmp_path).values()) == 1


@pytest.mark.thorough
def test_a_dask_cluster_that_loses_a_worker_gives_the_same_rows(
    pair_suite, tmp_path, pair_reference
):
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
                str(pair_suite),
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
        _, err = run.communicate(timeout=HANGS)
        assert run.returncode == 0, heard + err
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()
    assert outcomes(out) == pair_reference
