"""What the processes of one call of pytest share is made by one of them."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from shared import Kept, made_once


def make_and_tell(at: Path) -> None:
    """Make a file, and tell beside the folder that it was made once more."""
    with at.with_name("told").open("a") as file:
        file.write("made\n")
    (at / "content").write_text("whole")


def test_processes_that_need_a_folder_at_once_make_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    arguments = (tmp_path / "folder", make_and_tell)
    processes = [context.Process(target=made_once, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "told").read_text() == "made\n"
    assert (tmp_path / "folder" / "content").read_text() == "whole"


def test_a_folder_that_was_not_made_to_its_end_is_made_anew(tmp_path):
    def fail(at: Path) -> None:
        (at / "half").write_text("")
        raise RuntimeError("half made")

    with pytest.raises(RuntimeError, match="half made"):
        made_once(tmp_path / "folder", fail)
    found = made_once(tmp_path / "folder", make_and_tell)
    assert [path.name for path in found.iterdir()] == ["content"]


def test_what_one_process_kept_another_one_finds(tmp_path):
    Kept(tmp_path / "kept")["audit", 1] = {"found": [1, 2]}
    other = Kept(tmp_path / "kept")
    assert ("audit", 1) in other
    assert other["audit", 1] == {"found": [1, 2]}
    assert ("audit", 2) not in other
    with pytest.raises(KeyError):
        other["audit", 2]


def test_where_nothing_can_be_written_it_is_kept_here_alone(tmp_path):
    kept = Kept(tmp_path / "kept")
    (tmp_path / "kept").rmdir()
    kept["a"] = 1
    assert kept["a"] == 1
    assert "a" not in Kept(tmp_path / "kept")
