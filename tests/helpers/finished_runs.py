"""Finished runs of small suites, each made once in a call of pytest."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from command_line import finish
from shared import made_once, shared_folder
from tried_once import drawn_once


def finished_run(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    text: str,
    *options: str,
    sketched: bool = False,
) -> Path:
    """The folder NAME of a finished run on one worker. The suite's file, NAME.toml, is beside it.

    The run is made once in a call of pytest. Each process has a copy of its own, so that a test
    which writes into it by mistake is noticed in the same process, and by no other one.

    Args:
        name: of the folder and of the suite's file.
        text: of the suite.
        options: of the command `run`, beside the folder and the number of workers.
        sketched: whether nobody looks at its figures (see `tried_once.drawn_once`).
    """
    shared = shared_folder(tmp_path_factory)
    key = hashlib.sha256(repr((name, text, options, sketched)).encode()).hexdigest()[:20]

    def make(at: Path) -> None:
        suite = at / f"{name}.toml"
        suite.write_text(text)
        with drawn_once(shared, sketched):
            finish(suite, at / name, "--workers", "1", *options)

    made = made_once(shared / key, make)
    own = tmp_path_factory.mktemp(name)
    shutil.copytree(made, own, dirs_exist_ok=True)
    return own / name
