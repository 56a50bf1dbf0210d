"""What commands leave outside the run's folder: nothing. And what steps leave in their process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from command_line import call_apart
from small_suites import ONE_ATTACK
from time_limits import HANGS

from robust_augcl.store.run_folder import RunFolder


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files of this process and of those that it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_no_command_leaves_a_file_in_the_temporary_folder(temporary, tmp_path):
    out, suite = tmp_path / "out", tmp_path / "suite.toml"
    suite.write_text(ONE_ATTACK.replace("{attack}", "grad_argmax"))
    first = ("run", suite, "--out", out, "--workers", "2", "--quiet")
    before = os.umask(0o027)
    try:
        done = subprocess.run(  # what Python itself removes, it removes when a process ends
            [sys.executable, "-m", "robust_augcl", *map(str, first)],
            capture_output=True,
            timeout=HANGS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert list(temporary.rglob("*")) == []
        for command in (
            ("list",),
            ("run", suite, "--out", out, "--workers", "1", "--seeds", "0,1", "--quiet"),
            ("report", out),
            ("replay", out),
        ):
            code, _, told = call_apart(*command)
            assert code == 0, told
            assert list(temporary.rglob("*")) == [], command
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()}
    assert {name: oct(mode) for name, mode in modes.items() if mode != 0o640} == {}


@pytest.mark.thorough
def test_the_path_of_the_temporary_folder_may_be_long(tmp_path):
    """The path of a socket may have a hundred bytes or so."""
    temporary = tmp_path / "t".ljust(150 - len(str(tmp_path)) - 1, "t")
    assert len(str(temporary)) >= 150
    temporary.mkdir()
    out, suite = tmp_path / "out", tmp_path / "suite.toml"
    suite.write_text(ONE_ATTACK.replace("{attack}", "grad_argmax"))
    done = subprocess.run(
        [sys.executable, "-m", "robust_augcl", "run", suite, "--out", out, "--workers", "2"],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (out / "report.md").exists()
    assert list(temporary.rglob("*")) == []


LEAVING = """
import os, random
from dataclasses import dataclass

import torch
from torch import nn

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access

HELD = []


@dataclass(frozen=True)
class Leaves(Attack):
    access = Access.NONE

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            candidates = threat.enumerate(graphs)
            self.leave()
            return [candidates.perturbation(first.reshape(1)) for first in candidates.ptr[:-1]]

        return propose

    def leave(self):
        pass


class Hook(Leaves):
    def leave(self):
        nn.modules.module.register_module_forward_hook(lambda m, given, out: out * 0)


class Autocast(Leaves):
    def leave(self):
        HELD.append(torch.autocast("cpu", torch.bfloat16))
        HELD[-1].__enter__()


class Double(Leaves):
    def leave(self):
        torch.set_default_dtype(torch.float64)


class Threads(Leaves):
    def leave(self):
        torch.set_num_threads(3)


class Elsewhere(Leaves):
    def leave(self):
        os.chdir("/")
        os.environ["OMP_NUM_THREADS"] = "9"


class Relu(Leaves):
    def leave(self):
        torch.relu = torch.nn.functional.relu = lambda x: x * 0
"""
NAMED = {
    "Hook": "hooks of all modules",
    "Autocast": "autocast",
    "Double": "the default dtype",
    "Threads": "the number of threads",
    "Elsewhere": "environment variables, the current folder",
    "Relu": "replaced functions",
}


@pytest.mark.thorough(but=["1"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_a_step_leaves_behind_is_said_and_changes_no_other(tmp_path, workers):
    plug_in, suite = tmp_path / "leaving.py", tmp_path / "suite.toml"
    plug_in.write_text(LEAVING)
    entries = [f"{plug_in}:{name}" for name in ("Leaves", *NAMED)] + ["grad_argmax", "exhaustive"]
    text = ONE_ATTACK.replace("{attack}", "rand_sampling")
    suite.write_text(text + "".join(f'[[attacks]]\nname = "{name}"\n' for name in entries))
    out = tmp_path / "out"
    code, _, told = call_apart("run", suite, "--out", out, "--workers", workers)
    assert code == 0, told
    for name, what in NAMED.items():
        warning = f"warning: attack: {name} on none, 2 layers, seed 0 left global state changed"
        assert f"{warning}, which was put back: {what}\n" in told
        assert warning in (out / "run.log").read_text()
    assert told.count("left global state") == len(NAMED)

    folder = RunFolder(out)
    loaded = folder.load_records(folder.existing_manifest().records).records
    records = {record.cell.attack: record for record in loaded}
    assert len(records) == len(NAMED) + 4
    for name in NAMED:  # the same edits, so the same verdicts, and no other clean margins
        assert records[name].outcomes == records["Leaves"].outcomes
    clean = [[outcome.clean_margin for outcome in record.outcomes] for record in loaded]
    assert all(margins == clean[0] for margins in clean)
    found = [outcome.attacked_margin for outcome in records["exhaustive"].outcomes]
    assert len(set(found)) > 1
    assert Path(out / "report.md").exists()
