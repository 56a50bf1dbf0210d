"""A suite of very small cells, run once; tests that spoil a run get a copy of their own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from command_line import finish

from robust_augcl.cli import main as cli
from robust_augcl.plan.step import Step
from robust_augcl.steps import compute as steps
from robust_augcl.steps.context import Context

TINY = """
name = "tiny"
title = "Very small cells"
[dataset]
source = "components"
nodes = [15, 20]
graphs_per_class = 30
[split]
test = 0.2
validation = 0.2
[encoder]
name = "structure2vec"
width = 16
layers = [2]
[pretraining]
warm_up_epochs = 2
continued_epochs = 2
batch_size = 32
positive_in_denominator = false
[training]
epochs = 5
[threat]
within_component = true
[[methods]]
name = "none"
[[methods]]
name = "graphcl"
[[methods]]
name = "augcl"
passes = 2
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "grad_argmax"
[[attacks]]
name = "rl_s2v"
steps = 20
burn_in = 2
width = 8
[[attacks]]
name = "exhaustive"
"""


class Answer(NamedTuple):
    """What a command left: exit code, output, error stream."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """Call the command line in this process."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["robust-augcl", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return call


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny suite's file."""
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny suite, seeds 0 and 1, one worker. Not to be changed."""
    return finish(
        tiny, tmp_path_factory.mktemp("finished") / "tiny", "--seeds", "0,1", "--workers", "1"
    )


@pytest.fixture
def planted_fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """GraphCL's victims fail, until the fault is mended by calling it."""
    compute = steps.compute

    def fail_on_graphcl(step: Step, context: Context) -> None:
        if step.kind == "victim" and "graphcl" in step.title:
            raise RuntimeError("the planted fault")
        compute(step, context)

    monkeypatch.setattr(steps, "compute", fail_on_graphcl)
    return lambda: monkeypatch.setattr(steps, "compute", compute)


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to spoil."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))
