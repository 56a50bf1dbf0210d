"""Downloads of TU archives: made once, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from generators import seeded
from tiny_tu import load
from tu_archives import CLASSES, expected, plain, some_graphs, tables_of, write_archive

from robust_augcl.data import tu
from robust_augcl.data.tu import TUGraphs
from robust_augcl.errors import InputError


def test_a_failed_download_says_what_to_do(monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise OSError("no network\nmore lines")

    monkeypatch.setattr(tu, "download_url", fail)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"'TINY' \(no network\).*ROBUST_AUGCL_ARCHIVES"):
        load(None)


def test_a_download_is_read_like_an_archive_and_made_once(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "there", "MINE", tables_of(some_graphs(), CLASSES))
    asked = []

    def copy(url, folder, log, filename):
        asked.append(url)
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / filename).write_bytes(archive.read_bytes())

    monkeypatch.setattr(tu, "download_url", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = (TUGraphs("MINE").load(None, seeded(0)) for _ in range(2))
    assert plain(first) == expected(some_graphs())
    assert first.same_as(second)
    assert len(asked) == 1
    assert asked[0].endswith("/MINE.zip")


def test_a_download_that_breaks_off_leaves_nothing_behind(tmp_path, monkeypatch):
    def half(url, folder, log, filename):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / filename).write_bytes(b"PK half")
        raise OSError("the line went dead")

    monkeypatch.setattr(tu, "download_url", half)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="the line went dead"):
        TUGraphs("MINE").load(None, seeded(0))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
