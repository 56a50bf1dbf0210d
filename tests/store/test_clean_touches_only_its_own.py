"""`clean` removes what the store made, and never follows a link out of the folder."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from robust_augcl.store import files
from robust_augcl.store.housekeeping import remove, survey
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

KEY = "victim-0123456789abcdef0123"
RECORD = "attack-0123456789abcdef0123"
OWN = [
    f"artifacts/{KEY}.safetensors.damaged",
    "artifacts/.writing-0123abcd",
    f"records/{RECORD}.jsonl",
    f"records/{RECORD}.jsonl.damaged",
    f"failures/{KEY}.json",
    f"locks/{KEY}.lock",
    ".writing-abcd_123",
]
"""What nothing needs, of the store's own."""


@pytest.fixture
def folder(tmp_path):
    found = RunFolder(tmp_path / "run")
    found.claim([0], lambda seeds: Manifest("tiny", {"name": "tiny"}, None, list(seeds), []))
    for place in ("artifacts", "records", "failures", "locks"):
        (found.path / place).mkdir()
    # A step that failed and was done since, as far as its name tells: a folder, which stays.
    (found.path / "artifacts" / f"{KEY}.safetensors").mkdir()
    return found


@pytest.fixture
def strangers(tmp_path):
    """A folder of somebody else, with files of all the store's names and of others."""
    path = tmp_path / "strangers"
    for name in (*OWN, "notes.txt", "thesis.damaged"):
        for at in (path / name, path / Path(name).name):
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text("mine")
    return path


def everything(path):
    """Each path with its kind, inode and content."""
    return {
        found: (found.lstat().st_mode, found.lstat().st_ino, found.is_file() and found.read_bytes())
        for found in sorted(path.rglob("*"))
    }


def clean(folder):
    """Remove all that is superfluous, as the command does; return the names."""
    found = survey(folder, everything=True).superfluous
    return sorted(
        str(path.relative_to(folder.path)) for path in found if remove(path, folder.store)
    )


def test_what_the_store_made_and_nothing_needs_goes(folder):
    for name in OWN:
        (folder.path / name).write_text("x")
    assert clean(folder) == sorted(OWN)


@pytest.mark.parametrize(
    "name",
    [
        "artifacts/notes.txt",
        "artifacts/thesis.damaged",
        "artifacts/victim-my-own.safetensors",
        "artifacts/.writing-a-letter",
        "records/notes.md",
        "records/attack.jsonl",
        f"records/{RECORD}.JSONL",
        f"records/{RECORD}.jsonl.damaged.bak",
        f"failures/{KEY}.json.txt",
        "locks/door.lock",
        f"locks/{KEY}.lock.old",
        ".writing-a-novel",
        "report.md.damaged",
        "audit.json.damaged",
        "artifacts.damaged",
    ],
)
def test_files_of_other_names_stay(folder, name):
    (folder.path / name).write_text("mine")
    before = everything(folder.path)
    assert clean(folder) == []
    assert everything(folder.path) == before


@pytest.mark.parametrize("place", ["artifacts", "records", "failures", "locks"])
def test_a_folder_that_is_a_link_is_not_entered(folder, strangers, place):
    shutil.rmtree(folder.path / place)
    (folder.path / place).symlink_to(strangers / place)
    before = everything(strangers)
    assert clean(folder) == []
    for path in (folder.path / place).glob("*"):
        assert not remove(path, folder.store)
    assert everything(strangers) == before


@pytest.mark.parametrize("name", OWN)
def test_a_link_to_a_file_stays_and_so_does_the_file(folder, strangers, name):
    (folder.path / name).symlink_to(strangers / name)
    before = everything(strangers), everything(folder.path)
    assert clean(folder) == []
    assert not remove(folder.path / name, folder.store)
    assert (everything(strangers), everything(folder.path)) == before


@pytest.mark.parametrize("name", OWN)
def test_a_link_to_nothing_makes_nothing(folder, tmp_path, name):
    (folder.path / name).symlink_to(tmp_path / "not there")
    assert clean(folder) == []
    assert not (tmp_path / "not there").exists()


@pytest.mark.parametrize("name", OWN)
def test_of_a_hard_link_only_the_name_in_the_folder_goes(folder, strangers, name):
    os.link(strangers / name, folder.path / name)
    assert clean(folder) == [name]
    assert (strangers / name).read_text() == "mine"


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("kind", ["folder", "pipe", "socket"])
def test_what_is_no_file_stays(folder, name, kind, monkeypatch):
    path = folder.path / name
    monkeypatch.chdir(path.parent)
    if kind == "folder":
        path.mkdir()
        (path / "inside").write_text("mine")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        socket.socket(socket.AF_UNIX).bind(path.name)
    before = path.lstat().st_ino
    assert clean(folder) == []
    assert not remove(path, folder.store)
    assert path.lstat().st_ino == before


@pytest.mark.parametrize("name", OWN)
def test_paths_that_lead_out_are_refused(folder, strangers, name):
    before = everything(strangers)
    for path in (
        folder.path / "artifacts" / ".." / ".." / "strangers" / name,
        strangers / name,
        folder.path / ".." / "strangers" / Path(name).name,
    ):
        assert path.exists()
        assert not remove(path, folder.store)
    assert everything(strangers) == before


def test_a_folder_swapped_for_a_link_since_it_was_looked_at_is_not_followed(folder, strangers):
    path = folder.path / "records" / f"{RECORD}.jsonl"
    (folder.path / "records").rmdir()
    (folder.path / "records").symlink_to(strangers / "records")
    before = everything(strangers)
    assert not files.unlink_inside(path, folder.path)
    assert everything(strangers) == before


def test_a_run_in_a_folder_reached_by_a_link_is_cleaned(folder, tmp_path):
    (folder.path / OWN[0]).write_text("x")
    (tmp_path / "link").symlink_to(folder.path)
    assert clean(RunFolder(tmp_path / "link")) == [OWN[0]]


def test_a_lock_that_is_a_link_is_not_followed(folder, tmp_path):
    (folder.path / f"locks/{KEY}.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(files.InputError, match="Cannot write"), folder.store.claim(KEY):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077])
def test_who_may_read_a_file_the_umask_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        for content in (b"new", b"written again"):
            files.write_atomically(tmp_path / "file", content)
            assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    finally:
        os.umask(before)
