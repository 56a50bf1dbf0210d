"""Not a test: starts a run again and again, kills it, and lets the last one finish.

Most kills wait until a step is under way. This process has everything imported and forks each run,
so that a kill costs a moment and not the seconds of an import. A run tells through a pipe which
steps begin and end; the pipe ends when the last process of the run has ended.

Usage: killed_runs.py SUITE OUT KILLS. It prints what happened, as one line of JSON.
"""

from __future__ import annotations

import importlib
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
from pathlib import Path
from typing import Any

import torch
from patching import replace_attribute

import robust_augcl
from robust_augcl.cli import main as cli
from robust_augcl.steps import compute as steps
from robust_augcl.workers import executors, processes

PATIENCE = 20.0  # seconds without news of a run, and then something hangs
EARLY = 3  # so many kills wait for no step
LATEST = 0.3  # seconds from the step to the kill
SLOWNESS = 0.15  # seconds that a step takes longer: else too few are left for the last kills


class Run:
    """A run in a process group of its own."""

    def __init__(self, suite: str, out: Path, workers: int) -> None:
        self.workers = workers
        self.began: list[str] = []
        self.ended: list[str] = []
        self.over = False
        self._news, told = os.pipe()
        self.process = os.fork()
        if not self.process:
            become_run(suite, out, workers, told)
        os.close(told)

    def hear(self, seconds: float) -> bool:
        """Wait for news; return whether there were any. `over` tells that none will come."""
        if self.over or not select.select([self._news], [], [], seconds)[0]:
            return False
        news = os.read(self._news, 2**16)  # more than a pipe holds
        self.over = not news
        for line in news.decode().splitlines():
            what, key = line.split()
            (self.began if what == "began" else self.ended).append(key)
        return True

    def hear_until_over(self) -> None:
        """Hear the rest, until all of its processes have ended."""
        while not self.over:
            if not self.hear(PATIENCE):
                sys.exit(f"a process of the run lives on for {PATIENCE:.0f} s: {self.began}")

    def wait_for_step(self, number: int) -> None:
        """Wait until a step is under way, the run's first, second, ... or a later one."""
        while len(self.began) < number or not self.under_way():
            if not self.hear(PATIENCE) or self.over:
                os.killpg(self.process, signal.SIGKILL)
                sys.exit(f"the run began {len(self.began)} steps, and no more came")

    def under_way(self) -> list[str]:
        """The steps that began and have not ended."""
        return [key for key in self.began if key not in self.ended]

    def kill(self, *, workers_too: bool) -> None:
        """Kill its processes, or its main process alone: then its workers are to end."""
        (os.killpg if workers_too else os.kill)(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        if workers_too:
            self.hear_until_over()


def become_run(suite: str, out: Path, workers: int, told: int) -> None:
    """Run the suite in this process, which was forked for it, and end."""
    code = 1
    try:
        os.setsid()
        replace_attribute(executors, "context", lambda: multiprocessing.get_context("fork"))
        replace_attribute(processes, "warm_up", lambda: None)
        compute = steps.compute

        def tell(what: str, key: str) -> None:
            os.write(told, f"{what} {key}\n".encode())  # short: lines of processes never mix

        def compute_and_tell(step: Any, context: Any) -> None:
            tell("began", step.key)
            time.sleep(SLOWNESS)
            compute(step, context)
            tell("ended", step.key)

        replace_attribute(steps, "compute", compute_and_tell)
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
        time.sleep(chance.uniform(0, LATEST if behind else SLOWNESS / 2))
        workers_too = run.workers == 1 or chance.random() < 0.5
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
    print(json.dumps(harness(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
