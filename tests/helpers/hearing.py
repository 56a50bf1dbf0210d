"""Waiting for what a process says, instead of looking again and again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable


def hear(process: subprocess.Popen[str], wanted: Callable[[str], object]) -> str:
    """Read lines of a process's error stream until one is wanted; return all that was read.

    Raises:
        AssertionError: it ended without such a line.
    """
    assert process.stderr is not None
    heard = ""
    for line in process.stderr:
        heard += line
        if wanted(line):
            return heard
    raise AssertionError(f"the process ended, and said only: {heard}")
