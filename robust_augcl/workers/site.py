"""Where the steps of a run are computed, and from which source: the same for all of them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Site:
    """What every task of a run is told beside its step; it travels to workers.

    Args:
        folder: the run's, under the same path for all workers.
        device: of models and graphs: "cpu", "cuda", or "auto", which each worker resolves itself.
        archives: a folder of data set archives, or None.
        commit: of the source tree that runs, if known.
    """

    folder: Path
    device: str = "cpu"
    archives: Path | None = None
    commit: str | None = None


def commit_of_source() -> str | None:
    """The commit of the checkout that this package runs from, marked where files were changed.

    None where the package is installed elsewhere, or git does not answer.
    """
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        commit = _git(source, "rev-parse", "HEAD")
        changed = _git(source, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def _git(source: Path, *arguments: str) -> str:
    command = ["git", "-C", str(source), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
