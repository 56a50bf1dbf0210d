"""A run's log is a regular file of its folder, or there is none and a note says so."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from robust_augcl.workers.run_log import RunLog
from robust_augcl.workers.watcher import Watcher


class Notes(Watcher):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


@pytest.mark.parametrize(
    ("lay", "words"),
    [
        (os.mkfifo, ": "),
        (lambda path: path.symlink_to(path.parent / "elsewhere"), ": it is a link"),
        (lambda path: path.symlink_to("/dev/null"), ": it is a link"),
        (lambda path: path.symlink_to(path), ": it is a link"),
        (lambda path: path.hardlink_to(path.parent / "elsewhere"), ": it has a second name"),
        (os.mkdir, ": Is a directory"),
        (listen, ": "),
    ],
)
def test_what_is_no_regular_file_is_no_log(tmp_path, monkeypatch, lay, words):
    monkeypatch.chdir(tmp_path)
    path, told = tmp_path / "run.log", Notes()
    (tmp_path / "elsewhere").write_text("kept\n")
    lay(path)
    with RunLog(path, told) as log:
        log.note("goes on")
    assert told.notes[0].startswith(f"No log is kept: {path}{words}")
    assert told.notes[1:] == ["goes on"]
    assert "None" not in told.notes[0]
    assert (tmp_path / "elsewhere").read_text() == "kept\n"


def test_a_pipe_that_somebody_reads_is_no_log(tmp_path):
    path, told = tmp_path / "run.log", Notes()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with RunLog(path, told) as log:
        log.note("goes on")
    assert told.notes == [f"No log is kept: {path}: it is no regular file", "goes on"]
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_lines_are_added_to_a_log_that_is_there(tmp_path):
    path = tmp_path / "run.log"
    path.write_text("before\n")
    with RunLog(path, Notes()) as log:
        log.note("after")
    before, after = path.read_text().splitlines()
    assert (before, after.split(" ", 1)[1]) == ("before", "after")
