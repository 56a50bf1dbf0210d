"""Commands and scripts as a user's shell runs them, and what the tutorial shows of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from time_limits import HANGS
from tree import TREE

from robust_augcl.arithmetic import VARIABLES

EXAMPLES = TREE / "examples"
TUTORIAL = (TREE / "docs" / "tutorial.md").read_text()
INSTALLED = "## Your model\n"
"""Where the reader has installed all, and stands in a folder with the examples."""
YOUR_DATA = "## Your data\n"
"""Where nothing rests any more on what was made before."""
_CHANGES = (
    (r"-[0-9a-f]{20}\b", "-KEY"),
    (r"(not )?computed again( \(took longer than 0.1 s\))?", "computed again or too slow"),
    (r"\d[\d,]*(\.\d+)?", "#"),
    (r"[─\s]+", " "),
)


def lines_of(text: str) -> list[str]:
    """The lines of a text that hold words, without what may differ elsewhere."""
    for pattern, instead in _CHANGES:
        text = "\n".join(re.sub(pattern, instead, line).strip() for line in text.splitlines())
    return [line for line in text.splitlines() if line]


def blocks(text: str) -> list[tuple[str, str]]:
    """The blocks of a part of the tutorial: language and text."""
    return re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)


def folder_of_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh folder with a copy of the examples."""
    found = tmp_path_factory.mktemp("work")
    for path in EXAMPLES.glob("own_*.*"):
        shutil.copy(path, found)
    return found


def called(folder: Path, command: str) -> str:
    """What a command prints, called in a folder where nothing of this project lies.

    It does not inherit the arithmetic of these tests: no user's shell has chosen one.
    """
    environment = {name: told for name, told in os.environ.items() if name not in VARIABLES}
    environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    command = command.partition("  # ")[0].replace("\\\n", " ")
    program, *words = command.split()
    ways = {"python": [sys.executable], "robust-augcl": [sys.executable, "-m", "robust_augcl"]}
    done = subprocess.run(
        [*ways[program], *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def assert_shown(shown: str, printed: str) -> None:
    """That lines which the tutorial shows were printed, in their order."""
    there = iter(lines_of(printed))
    for line in lines_of(shown):
        assert line in there, f"{line}\n\n{printed}"
