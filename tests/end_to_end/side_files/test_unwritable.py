"""In folders that cannot be written, what cannot be kept is printed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from side_files import (
    edit_page,
)

from robust_augcl.plan.claims_file import published_claims
from robust_augcl.store import files


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write meets a file system that is read only."""

    def refuse(folder: Path) -> tuple[int, str]:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files, "_temporary", refuse)


def unkept(err: str) -> str:
    """What could not be kept: one line."""
    (line,) = [line for line in err.splitlines() if "not kept" in line]
    return line


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("there", [True, False])
def test_an_audit_that_cannot_be_kept_is_printed(copied, command, there):
    expected = command("audit", copied, "--format", "json").out
    if not there:
        (copied / "audit.json").unlink()
    answer = command("audit", copied, "--format", "json")
    assert answer.code == 1  # for what it found
    assert json.loads(answer.out) == json.loads(expected)
    assert "audit.json (Read-only file system)" in unkept(answer.err)
    assert "checks fail" in answer.err


@pytest.mark.usefixtures("read_only")
def test_transfers_that_cannot_be_kept_are_printed(copied, command):
    (copied / "transfer.json").unlink()
    answer = command("transfer", copied, "--format", "json")
    assert answer.code == 0
    assert len(json.loads(answer.out)) > 0
    assert "transfer.json (Read-only file system)" in unkept(answer.err)


@pytest.mark.usefixtures("read_only")
def test_a_report_that_cannot_be_kept_is_printed(copied, command):
    page = (copied / "report.md").read_text()
    edit_page(copied)
    answer = command("report", copied)
    assert answer.code == 0
    assert answer.out == page
    assert "audit.json, transfer.json, report.md (Read-only" in unkept(answer.err)


@pytest.mark.usefixtures("read_only")
def test_where_a_report_is_asked_to_go_it_must_go(copied, tmp_path, command):
    answer = command("report", copied, "--out", tmp_path / "elsewhere")
    assert answer.code == 2
    assert "Cannot write" in answer.err
    assert answer.out == ""


@pytest.mark.usefixtures("read_only")
def test_replay_and_show_write_nothing(copied, command):
    for name in ("audit.json", "transfer.json"):
        (copied / name).unlink()
    assert command("replay", copied).code == 0
    assert command("show", copied).code == 0


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """For the superuser, whom permissions do not bind: be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def read_what_is_installed(command, folder: Path) -> None:
    """Nobody else may be allowed to read where the package is installed: what is read while it
    works (claims, templates) is read before, and kept by this process."""
    published_claims()
    assert command("report", folder).code == 0


def test_a_folder_without_permission_to_write(finished, command):
    """Permissions as they are; every command as another user than the superuser."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        folder = Path(shutil.copytree(finished, Path(place) / "run"))
        expected = {name: command(name, folder) for name in ("audit", "transfer")}
        read_what_is_installed(command, folder)
        page = (folder / "report.md").read_text()
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        with as_nobody():
            if os.access(folder, os.W_OK, effective_ids=True):
                pytest.skip("permissions do not bind here")
            if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
                pytest.skip("nobody else may look into the folder of temporary files")
            answers = {name: command(name, folder) for name in ("audit", "transfer", "report")}
            shown = command("show", folder)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
    for name, answer in expected.items():
        assert answers[name].code == answer.code
        found, wanted = (text.rpartition("\n\n") for text in (answers[name].out, answer.out))
        assert found[0] == wanted[0]  # but the seconds in the last line
        assert "(Permission denied)" in unkept(answers[name].err)
    assert answers["report"].code == 0
    assert answers["report"].out == page
    assert "(Permission denied)" in unkept(answers["report"].err)
    assert "warning" not in shown.err
