"""Runs of the command line in this process."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import NamedTuple, NoReturn

from time_limits import HANGS

from robust_augcl import Campaign, Machines
from robust_augcl.cli import main as cli
from robust_augcl.plan.suite import load_suite
from robust_augcl.workers.watcher import Watcher


class Answer(NamedTuple):
    """What a command left: exit code, output, error stream."""

    code: int
    out: str
    err: str


def call(*arguments: object) -> Answer:
    """Call the command line in this process, as a user gets it, with streams that encode."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    argv, sys.argv = sys.argv, ["robust-augcl", *map(str, arguments)]
    code = 0
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = argv
    out, err = (_content(stream) for stream in streams)
    return Answer(code, out, err)


def _content(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def call_apart(*arguments: object, seconds: float = HANGS) -> Answer:
    """Call the command line in a copy of this process, which has everything imported.

    A process that the system starts anew would spend seconds on imports. What the command starts
    by copying itself must end with it.

    Raises:
        AssertionError: that takes too long.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        over, held = os.pipe()  # the system closes it when the last copy has ended
        child = os.fork()
        if child == 0:
            os.close(over)
            _become(arguments, out.fileno(), err.fileno())
        os.close(held)
        is_over, _, _ = select.select([over], [], [], seconds)
        os.close(over)
        if not is_over:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        assert is_over, f"a process lives on after {seconds:.0f} s: {texts}"
        return Answer(os.waitstatus_to_exitcode(status), *texts)


def _become(arguments: Sequence[object], out: int, err: int) -> NoReturn:
    """Call the command line in this process, which was forked for it, and end."""
    code = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(handle, "w"), encoding="utf-8") for handle in (1, 2)
        )
        forkserver._forkserver.__init__()  # type: ignore[misc]  # another process's is none of ours
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.argv = ["robust-augcl", *map(str, arguments)]
        cli.main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def finish(suite: Path, out: Path, *options: str) -> Path:
    """Run a suite to its end; return its folder."""
    argv, sys.argv = sys.argv, ["robust-augcl", "run", str(suite), "--out", str(out), *options]
    try:
        cli.main()
    finally:
        sys.argv = argv
    return out


def compute(suite: Path, out: Path, seed: int, archives: Path | None = None) -> None:
    """Compute what is missing of a suite with one seed, and write no report."""
    machines = Machines(workers=1, archives=archives)
    campaign = Campaign(load_suite(str(suite), (), [seed]), out, machines)
    with campaign.open_log(Watcher()) as log:
        assert campaign.compute(log).missing == 0
