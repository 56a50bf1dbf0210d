"""Killed and out of disk: the rows are the same, and nothing is computed twice."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from disturbed import done, outcomes
from patching import replace_attribute
from time_limits import HANGS

from robust_augcl.reports._figures import Gallery, figures
from robust_augcl.reports.written import ENDINGS
from robust_augcl.store import files as store_files
from robust_augcl.store.store import Store

HERE = Path(__file__).parent


def killed(suite: Path, out: Path, kills: int) -> dict[str, Any]:
    """What happened when runs were killed again and again, and the last one finished."""
    harness = [sys.executable, str(HERE / "killed_runs.py"), str(suite), str(out), str(kills)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "helpers")}
    answer = subprocess.run(harness, capture_output=True, text=True, timeout=HANGS, env=environment)
    assert answer.returncode == 0, answer.stderr
    told: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return told


@pytest.mark.thorough(only=["30"])
@pytest.mark.parametrize("count", [9, 30])
def test_kills_while_steps_run_change_nothing(pair_suite, pair, tmp_path, count):
    told = killed(pair_suite, tmp_path, count)
    kills, runs = told["kills"], told["runs"]
    stored = [len(kill["stored"]) for kill in kills]
    print(f"results that were stored at each kill: {stored}")
    assert told["code"] == 0
    assert outcomes(tmp_path) == outcomes(pair)

    assert len(kills) == count
    assert sum(bool(kill["hit"]) for kill in kills) >= (count - 3) * 2 / 3, kills
    assert stored == sorted(stored)  # a kill costs no result
    assert 0 < stored[-1] < len(set(runs[-1]["began"])) + stored[-1]

    for number, kill in enumerate(kills):  # what is stored never begins again
        later = {key for run in runs[number + 1 :] for key in run["began"]}
        assert not later & set(kill["stored"])

    ended = Counter(key for run in runs for key in run["ended"])
    assert max(ended.values()) == 1
    interrupted = {key for kill in kills for key in kill["hit"]}
    began = Counter(key for run in runs for key in run["began"])
    assert {key for key, times in began.items() if times > 1} <= interrupted
    held = [path.stem for path in tmp_path.glob("locks/*") if Store(tmp_path).locked(path.stem)]
    assert not held


def test_the_harness_replaces_only_what_is_there():
    with pytest.raises(AttributeError, match="'no_such_name' to replace"):
        replace_attribute(store_files, "no_such_name", None)


class Fault:
    """Stands for `os` in the store: its nth write fails."""

    def __init__(self, kind: str, good: int) -> None:
        self.kind, self.left = kind, good

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(os, name)

    def _spoil(self) -> bool:
        self.left -= 1
        return self.left < 0

    def fdopen(self, handle: int, mode: str):  # type: ignore[no-untyped-def]
        file = os.fdopen(handle, mode)
        if self.kind == "rename" or not self._spoil():
            return file
        kind = self.kind

        class Faulty:
            def __enter__(self):
                return self

            def __exit__(self, *reason: object) -> None:
                file.close()

            def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
                return getattr(file, name)

            def write(self, content: bytes) -> int:
                if kind == "full":
                    file.write(content[: len(content) // 2])
                    raise OSError(errno.ENOSPC, "No space left on device")
                if kind == "error":
                    raise OSError(errno.EIO, "Input/output error")
                return file.write(content[:-1])  # a short write that nobody reports

        return Faulty()

    def replace(self, source: str, target: str) -> None:
        if self.kind == "rename" and self._spoil():
            raise OSError(errno.EACCES, "Permission denied")
        os.replace(source, target)


@pytest.mark.thorough(but=["rename"])
@pytest.mark.parametrize("kind", ["error", "short", "full", "rename"])
def test_a_fault_at_every_write_gives_a_message_and_never_a_wrong_row(
    one_victim, tmp_path, command, monkeypatch, kind
):
    """Each run fails at its second write, the first time also at its first: so every write fails
    once.
    """
    # Figures are written, again in each run of the end, and not drawn.
    monkeypatch.setattr(
        Gallery,
        "draw",
        lambda gallery, report: {f"{n}.{e}": b"drawn" for n in figures(report) for e in ENDINGS},
    )
    suite, reference = one_victim.with_name("forged.toml"), outcomes(one_victim)
    arguments = ["run", suite, "--out", tmp_path, "--workers", "1"]
    for attempt in range(60):
        monkeypatch.setattr(store_files, "os", Fault(kind, min(attempt, 1)))
        answer = command(*arguments)
        monkeypatch.setattr(store_files, "os", os)
        assert not list(tmp_path.rglob(".writing-*"))
        assert {
            name: lines for name, lines in outcomes(tmp_path).items() if lines != reference[name]
        } == {}
        if answer.code == 0:
            break
        assert answer.code == 2
        assert "error: Cannot write" in answer.err
        assert "Traceback" not in answer.err
    assert answer.code == 0
    steps = [path for name in ("artifacts", "records") for path in (one_victim / name).iterdir()]
    assert attempt >= len(steps) + len(list(tmp_path.glob("*.png")))
    assert outcomes(tmp_path) == reference
    assert max(done(tmp_path).values()) == 1
