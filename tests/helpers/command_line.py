"""Runs of the command line in this process."""

from __future__ import annotations

import sys
from pathlib import Path

from robust_augcl.cli import main as cli


def finish(suite: Path, out: Path, *options: str) -> Path:
    """Run a suite to its end; return its folder."""
    argv, sys.argv = sys.argv, ["robust-augcl", "run", str(suite), "--out", str(out), *options]
    try:
        cli.main()
    finally:
        sys.argv = argv
    return out
