"""Not a test: starts a run again and again, kills it, and lets the last one finish.

Most kills wait until a step is under way. This process has everything imported and forks each run,
so that a kill costs a moment and not the seconds of an import. A run tells through a pipe which
steps begin and end; the pipe ends when the last process of the run has ended.

Usage: killed_runs.py SUITE OUT KILLS. It prints what happened, as one line of JSON. Where KILLS is
"writes", each run is killed at one point of writing one file, at each of `POINTS`: of the kinds of
file that are named after it, or every kind of `WRITTEN`.
"""

from __future__ import annotations

import faulthandler
import fnmatch
import importlib
import itertools
import json
import multiprocessing
import os
import pkgutil
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from patching import replace_attribute
from time_limits import HANGS

import robust_augcl
from robust_augcl.cli import main as cli
from robust_augcl.results.records import Record
from robust_augcl.review.assessor import Assessor
from robust_augcl.steps import compute as steps
from robust_augcl.store import files
from robust_augcl.store.artifact import Artifact
from robust_augcl.workers import executors, processes

PATIENCE = HANGS / 5  # seconds without news of a run, and then something hangs
EARLY = 3  # so many kills wait for no step
LATEST = 0.3  # seconds from the step to the kill
SLOWNESS = 0.15  # seconds that a step takes longer: else too few are left for the last kills
WRITTEN = (
    "run.json",
    "dataset-*.safetensors",
    "victim-*.safetensors",
    "attack-*.jsonl",
    "certificate-*.safetensors",
    "audit.json",
    "transfer.json",
    "accuracy.png",
    "report.md",
    "report-stamp.json",
)
"""The files whose writing is interrupted, in the order in which a run writes them."""
POINTS = ("half written", "written", "renamed")


class Run:
    """A run in a process group of its own."""

    def __init__(
        self, suite: str, out: Path, workers: int, stop: tuple[str, str] | None = None
    ) -> None:
        self.workers, self.out = workers, out
        self.stopped: list[str] = []
        self.began: list[str] = []
        self.ended: list[str] = []
        self.over = False
        self._news, told = os.pipe()
        self.process = os.fork()
        if not self.process:
            become_run(suite, out, workers, told, stop)
        # As the run does: whoever comes first, there is a group that can be killed from now on.
        os.setpgid(self.process, self.process)
        os.close(told)

    def hear(self, seconds: float) -> bool:
        """Wait for news; return whether there were any. `over` tells that none will come."""
        if self.over or not select.select([self._news], [], [], seconds)[0]:
            return False
        news = os.read(self._news, 2**16)  # more than a pipe holds
        self.over = not news
        for line in news.decode().splitlines():
            what, key = line.split()
            {"began": self.began, "ended": self.ended, "stopped": self.stopped}[what].append(key)
        return True

    def hear_until_over(self) -> None:
        """Hear the rest, until all of its processes have ended."""
        while not self.over:
            if not self.hear(PATIENCE):
                self.give_up(f"one of its processes lives on for {PATIENCE:.0f} s")

    def wait_for_step(self, number: int) -> None:
        """Wait until a step is under way, the run's first, second, ... or a later one."""
        while len(self.began) < number or not self.under_way():
            if not self.hear(PATIENCE):
                self.give_up(f"no news for {PATIENCE:.0f} s")
            if self.over:
                self.give_up("it ended")

    def wait_for_stop(self) -> bool:
        """Wait until the run has stopped in its writing, or is over; return whether it stopped."""
        while not self.stopped and not self.over:
            if not self.hear(PATIENCE):
                self.give_up(f"no news for {PATIENCE:.0f} s")
        return bool(self.stopped)

    def give_up(self, why: str) -> NoReturn:
        """End with what can be told of a run that does not do what is waited for.

        Its processes print where they are; how a run ended that is over is told too.
        """
        told = [f"{why}; it began {self.began}, ended {self.ended}, stopped {self.stopped}"]
        if self.over:
            _, status = os.waitpid(self.process, 0)
            told.append(f"its exit code: {os.waitstatus_to_exitcode(status)}")
        else:
            os.killpg(self.process, signal.SIGUSR1)
            time.sleep(2.0)  # a failed test alone gets here: so long its processes may print
            os.killpg(self.process, signal.SIGKILL)
        log = self.out / "run.log"
        told.append(log.read_text()[-3000:] if log.exists() else "it has no log")
        sys.exit("\n".join(told))

    def under_way(self) -> list[str]:
        """The steps that began and have not ended."""
        return [key for key in self.began if key not in self.ended]

    def kill(self, *, workers_too: bool) -> None:
        """Kill its processes, or its main process alone: then its workers are to end."""
        (os.killpg if workers_too else os.kill)(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        if workers_too:
            self.hear_until_over()


class Stopping:
    """Stands for `os` in the store: a process stops at a point of writing a file, to be killed.

    It takes down what the file is, and tells it.
    """

    def __init__(self, pattern: str, point: str, told: int) -> None:
        self.pattern, self.point, self.told = pattern, point, told

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def replace(self, source: str, target: Path) -> None:
        if not fnmatch.fnmatch(Path(target).name, self.pattern):
            os.replace(source, target)
            return
        if self.point == "half written":
            os.truncate(source, os.stat(source).st_size // 2)
        elif self.point == "renamed":
            os.replace(source, target)
        os.write(self.told, f"stopped {Path(target).name}\n".encode())
        while True:
            signal.pause()


def become_run(
    suite: str, out: Path, workers: int, told: int, stop: tuple[str, str] | None
) -> None:
    """Run the suite in this process, which was forked for it, and end."""
    code = 1
    try:
        os.setpgid(0, 0)
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        replace_attribute(executors, "context", lambda *_: multiprocessing.get_context("fork"))
        replace_attribute(processes, "warm_up", lambda: None)
        # Several workers come from a server otherwise. Forked from this process, one that begins
        # while a thread looks ahead may wait for ever for a lock that this thread held.
        replace_attribute(Assessor, "begin_ahead", lambda *_: None)
        compute = steps.compute

        def tell(what: str, key: str) -> None:
            os.write(told, f"{what} {key}\n".encode())  # short: lines of processes never mix

        def compute_and_tell(step: Any, context: Any) -> None:
            tell("began", step.key)
            time.sleep(0 if stop else SLOWNESS)  # the step itself, made longer
            compute(step, context)
            tell("ended", step.key)

        replace_attribute(steps, "compute", compute_and_tell)
        if stop:
            replace_attribute(files, "os", Stopping(*stop, told))
        options = ["--out", str(out), "--workers", str(workers), "--quiet"]
        sys.argv = ["robust-augcl", "run", suite, *options]
        cli.main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def import_everything() -> None:
    for module in pkgutil.walk_packages(robust_augcl.__path__, "robust_augcl."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def stored(out: Path) -> list[str]:
    """Keys of the steps whose results are stored."""
    files = [*out.glob("artifacts/*"), *out.glob("records/*")]
    return sorted(path.stem for path in files if not path.name.startswith("."))


def whole_files(out: Path) -> list[str]:
    """The files that were written, each read and found whole; names of half-written ones apart.

    Raises:
        Exception: one is not whole.
    """
    found = []
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        if path.name.startswith(files.WRITING) or path.suffix == ".lock" or path.name == "run.log":
            continue
        if path.suffix == ".safetensors":
            Artifact.read(path)
        elif path.suffix == ".jsonl":
            Record.loads(path.read_text(), path.name)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".png":
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82"), path
        elif path.suffix == ".svg":
            assert path.read_text().rstrip().endswith("</svg>"), path
        else:
            assert path.read_text().endswith("\n"), path
        found.append(path.name)
    return found


def kill_writes(suite: str, out: Path, kinds: Sequence[str]) -> dict[str, Any]:
    """Kill a run at every point of writing these kinds of file; let the last one finish."""
    killed = []
    for pattern, point in itertools.product(kinds, POINTS):
        run = Run(suite, out, 1, (pattern, point))  # two would write the next file meanwhile
        if run.wait_for_stop():
            run.kill(workers_too=True)
        else:
            os.waitpid(run.process, 0)
        left = [path.name for path in out.rglob(f"{files.WRITING}*")]
        killed.append(
            {
                "file": pattern,
                "point": point,
                "stopped": run.stopped,
                "whole": whole_files(out),
                "half": len(left),
                "began": run.began,
            }
        )
    last = Run(suite, out, workers=1)
    _, status = os.waitpid(last.process, 0)
    last.hear_until_over()
    return {"code": os.waitstatus_to_exitcode(status), "kills": killed, "began": last.began}


def harness(suite: str, out: Path, kills: int) -> dict[str, Any]:
    """Kill so many runs and let one finish; return what happened."""
    chance, runs, killed = random.Random(0), [], []
    for number in range(kills):
        run = Run(suite, out, workers=1 + number % 2)
        runs.append(run)
        # Steps are done as kills go on, at the same pace on slow machines and fast ones: a run that
        # is behind may end a step first, one that is ahead is killed before its step can end.
        behind = len(stored(out)) < number / 3
        if number >= EARLY:
            run.wait_for_step(2 if behind else 1)
        # Kills come at any moment of a step, so this wait is for no event.
        time.sleep(chance.uniform(0, LATEST if behind else SLOWNESS / 2))
        workers_too = chance.random() < 0.5
        run.kill(workers_too=workers_too)
        for earlier in runs:
            while earlier.hear(0):
                pass
        killed.append({"workers_too": workers_too, "hit": run.under_way(), "stored": stored(out)})
    last = Run(suite, out, workers=1)
    runs.append(last)
    _, status = os.waitpid(last.process, 0)
    for run in runs:
        run.hear_until_over()
    return {
        "code": os.waitstatus_to_exitcode(status),
        "kills": killed,
        "runs": [{"workers": r.workers, "began": r.began, "ended": r.ended} for r in runs],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    import_everything()
    if sys.argv[3] == "writes":
        print(json.dumps(kill_writes(sys.argv[1], Path(sys.argv[2]), sys.argv[4:] or WRITTEN)))
    else:
        print(json.dumps(harness(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
