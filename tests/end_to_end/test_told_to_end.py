"""A worker that is told to end is a lost worker, wherever its step is; the step is run again."""

from __future__ import annotations

import re

import pytest
from command_line import call_apart
from small_suites import ONE_ATTACK

from robust_augcl.store.run_folder import RunFolder

# Each is told to end at its first call, by the signal, with the handler that workers have.
PLUG_INS = """
import os, signal, time
from dataclasses import dataclass
from pathlib import Path
from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
from robust_augcl.encoders.gin import GIN


def told_once():
    try:
        (Path(__file__).parent / "told").mkdir()
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)  # not over: the signal interrupts it


class Trained(GIN):
    def round(self, *arguments):
        told_once()
        return super().round(*arguments)


@dataclass(frozen=True)
class Always(Attack):
    access = Access.NONE

    def prepare(self, victim, fit, threat, generator, report=None):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)  # not over: the signal interrupts it


@dataclass(frozen=True)
class Swallows(Attack):
    access = Access.NONE

    def prepare(self, victim, fit, threat, generator, report=None):
        try:
            told_once()
        except SystemExit:
            raise ValueError("not heard") from None
        raise ValueError("the second time")
"""


@pytest.fixture
def run_with(tmp_path):
    """Run a suite of one encoder and one attack; return the exit code and what was told."""
    plug_ins = tmp_path / "plug_ins.py"
    plug_ins.write_text(PLUG_INS)

    def run(attack, encoder="structure2vec", workers="1"):
        suite = tmp_path / "suite.toml"
        text = ONE_ATTACK.replace("{attack}", attack.replace("HERE", str(plug_ins)))
        text = text.replace('"structure2vec"', f'"{encoder.replace("HERE", str(plug_ins))}"')
        suite.write_text(text)
        code, _, told = call_apart("run", suite, "--out", tmp_path / "out", "--workers", workers)
        assert "Traceback" not in told
        return code, told

    return run


@pytest.mark.thorough(but=["1"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_while_a_victim_trains(run_with, tmp_path, workers):
    code, told = run_with("rand_sampling", "HERE:Trained", workers)
    assert code == 0, told
    assert re.search(r"a worker process died at .*\(exit code 1\); running it again", told), told
    folder = RunFolder(tmp_path / "out")
    assert len(folder.load_records(folder.existing_manifest().records).records) == 1
    assert (tmp_path / "out/report.md").exists()


def test_inside_an_attack_that_is_told_every_time(run_with):
    code, told = run_with("HERE:Always")
    assert code == 1
    assert told.count("running it again") == 2
    assert re.search(r"^failed: .*its worker process died 3 times \(exit code 1\)", told, re.M)


def test_inside_an_attack_that_turns_it_into_an_error_of_its_own(run_with):
    code, told = run_with("HERE:Swallows")
    assert code == 1
    assert told.count("running it again") == 1
    assert "ValueError: the second time" in told
    assert "not heard" not in told
