"""Not a test: starts a run again and again, kills it at a random moment, and lets the last one
finish.

It has everything imported and forks each run, so that a kill costs a moment and not the seconds of
an import. Usage: killed_runs.py SUITE OUT KILLS
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time

import torch

from robust_augcl.cli import main as cli
from robust_augcl.workers import executors


def run(suite: str, out: str) -> int:
    """Fork a run with two workers, in a process group of its own; return its number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    sys.argv = ["robust-augcl", "run", suite, "--out", out, "--workers", "2", "--quiet"]
    executors._context = lambda: multiprocessing.get_context("fork")
    executors.warm_up = lambda: None
    code = 1
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os._exit(code)


def main() -> None:
    suite, out, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(1)
    chance = random.Random(0)
    killed = 0
    while killed < kills:
        child = run(suite, out)
        time.sleep(chance.uniform(0.02, 0.5))
        done, code = os.waitpid(child, os.WNOHANG)
        if done:
            print(
                f"finished with {os.waitstatus_to_exitcode(code)} after {killed} kills", flush=True
            )
            break
        # The whole group, or the main process alone: then its workers are to notice and end.
        (os.killpg if chance.random() < 0.7 else os.kill)(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
    _, code = os.waitpid(run(suite, out), 0)
    print(f"kills {killed}")
    sys.exit(os.waitstatus_to_exitcode(code))


if __name__ == "__main__":
    main()
