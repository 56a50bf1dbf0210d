"""`status` and `clean` while other processes write into the folder, and after some were killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
from time_limits import HANGS

from robust_augcl.store import files as store_files
from robust_augcl.store.files import write_atomically
from robust_augcl.store.housekeeping import remove, survey
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.store.store import Store

ATTACK, VICTIM = "attack-0123456789abcdef0123", "victim-0123456789abcdef0123"
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def folder(tmp_path):
    """A folder of a run without results."""
    found = RunFolder(tmp_path / "run")
    found.claim([0], lambda seeds: Manifest("tiny", {"name": "tiny"}, None, list(seeds), []))
    return found


def write_slowly(path, begun, go_on):
    def fsync(handle):
        begun.set()
        go_on.wait(HANGS)

    store_files.os.fsync = fsync  # this process's own
    write_atomically(path, b"whole")


@pytest.fixture
def writer(folder):
    """Starts processes that stop half way through writing a file of the folder."""
    started = []

    def start(name):
        begun, go_on = FORK.Event(), FORK.Event()
        process = FORK.Process(target=write_slowly, args=(folder.path / name, begun, go_on))
        process.start()
        started.append(process)
        assert begun.wait(HANGS)
        return process, go_on

    yield start
    for process in started:
        process.kill()
        process.join()


def half_written(folder):
    return sorted(folder.path.rglob(".writing-*"))


@pytest.mark.parametrize(
    "name",
    ["audit.json", "transfer.json", f"records/{ATTACK}.jsonl", f"artifacts/{VICTIM}.safetensors"],
)
def test_what_another_process_is_writing_stays(folder, writer, command, name):
    process, go_on = writer(name)
    (there,) = half_written(folder)
    assert "would remove" not in command("clean", folder.path, "--all", "--dry-run").out
    answer = command("clean", folder.path, "--all")
    assert (answer.code, "removed" in answer.out) == (0, False)
    assert half_written(folder) == [there]
    go_on.set()
    process.join(HANGS)
    assert process.exitcode == 0
    assert (folder.path / name).read_bytes() == b"whole"
    assert half_written(folder) == []


def test_what_a_killed_process_left_half_written_goes(folder, writer, command):
    process, _ = writer("audit.json")
    os.kill(process.pid, signal.SIGKILL)
    process.join(HANGS)
    (there,) = half_written(folder)
    assert f"would remove {there.name}" in command("clean", folder.path, "--dry-run").out
    assert half_written(folder) == [there]
    assert f"removed {there.name}" in command("clean", folder.path).out
    assert half_written(folder) == []
    assert not (folder.path / "audit.json").exists()


def test_a_file_that_is_whole_since_it_was_found_is_left(folder, writer):
    process, go_on = writer("audit.json")
    (there,) = half_written(folder)
    go_on.set()
    process.join(HANGS)
    assert not remove(there, folder.store)
    assert (folder.path / "audit.json").read_bytes() == b"whole"


def write_often(path, rounds, enough):
    while not enough.is_set():
        write_atomically(path, b"%d" % rounds.value)
        rounds.value += 1
    write_atomically(path, b"the last")


def test_writers_and_cleaners_at_once_do_not_disturb_each_other(folder):
    names, enough = ("audit.json", "transfer.json"), FORK.Event()
    rounds = [FORK.Value("i", 0) for _ in names]
    writers = [
        FORK.Process(target=write_often, args=(folder.path / name, written, enough))
        for name, written in zip(names, rounds, strict=True)
    ]
    for process in writers:
        process.start()
    cleaned = 0
    try:
        while cleaned < 20 or min(written.value for written in rounds) < 300:
            for path in survey(folder).superfluous:
                remove(path, folder.store)
            cleaned += 1
            if not all(process.is_alive() for process in writers):
                break
    finally:
        enough.set()
        for process in writers:
            process.join(HANGS)
    assert [process.exitcode for process in writers] == [0, 0]
    assert {(folder.path / name).read_bytes() for name in names} == {b"the last"}
    assert half_written(folder) == []


def test_a_file_that_its_writer_removes_meanwhile_is_gone(folder, monkeypatch):
    """A writer does so that could not lock its new file, as a cleaner looked at it just then."""
    path = folder.path / ".writing-0000new0"
    path.write_bytes(b"")

    def is_of_then_gone(name, handle):
        os.unlink(name)
        return True

    monkeypatch.setattr(store_files, "_is_of", is_of_then_gone)
    assert remove(path, folder.store)
    assert not path.exists()


def test_without_locks_only_old_files_are_thought_abandoned(folder, monkeypatch):
    monkeypatch.setattr(store_files, "_lock", lambda handle: None)
    new, old = folder.path / ".writing-0000new0", folder.path / ".writing-0000old0"
    for path in (new, old):
        path.write_bytes(b"half")
    day_ago = time.time() - 86_400
    os.utime(old, (day_ago, day_ago))
    assert survey(folder).superfluous == [old]
    assert [remove(path, folder.store) for path in (new, old)] == [False, True]


def hold(folder, key, begun):
    with Store(folder).claim(key) as mine:
        assert mine
        begun.set()
        signal.pause()


def test_the_lock_of_a_killed_process_is_shown_to_be_superfluous_and_goes(folder, command):
    begun = FORK.Event()
    process = FORK.Process(target=hold, args=(folder.path, VICTIM, begun))
    process.start()
    assert begun.wait(HANGS)
    lock = folder.store.locks / f"{VICTIM}.lock"
    assert survey(folder).running == [VICTIM]
    assert not remove(lock, folder.store)
    process.kill()
    process.join()
    assert command("status", folder.path).code == 0
    assert lock.exists()  # looking changes nothing
    assert f"removed locks/{VICTIM}.lock" in command("clean", folder.path).out
    assert not lock.exists()
