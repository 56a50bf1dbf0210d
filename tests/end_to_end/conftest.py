"""A suite of very small cells, run once; tests that spoil a run get a copy of their own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from command_line import compute
from finished_runs import finished_run
from forged_inputs import Forger
from shared import shared_folder
from small_suites import EVERYTHING, FORGED, PAIR, TINY
from tried_once import drawn_once, tried_once

from robust_augcl import foreign
from robust_augcl.cli import main as cli
from robust_augcl.models import given
from robust_augcl.plan.step import Step
from robust_augcl.steps import compute as steps
from robust_augcl.steps.context import Context


class Answer(NamedTuple):
    """What a command left: exit code, output, error stream."""

    code: int
    out: str
    err: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    folder = Path(__file__).parent
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)


@pytest.fixture(autouse=True, scope="module")
def _made_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The tests of this folder make hundreds of audits and reports of a few runs.

    New figures are drawn only for a file of tests that says `DRAWS = True`.
    """
    shared = shared_folder(tmp_path_factory)
    sketched = not getattr(request.module, "DRAWS", False)
    with drawn_once(shared, sketched), tried_once(shared):
        yield


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


@pytest.fixture
def nothing_known() -> Iterator[None]:
    """As in a new process: no module was handed over, no code named."""

    def forget() -> None:
        given.forget()
        foreign.withdraw()

    forget()
    yield
    forget()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny suite's file."""
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny suite, seeds 0 and 1, one worker. Not to be changed."""
    return finished_run(tmp_path_factory, "tiny", TINY, "--seeds", "0,1")


@pytest.fixture(scope="session")
def pair_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's file: the tiny one with two of its three methods, so with a pair of victims."""
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(PAIR)
    return path


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of it, one seed: 8 records. Not to be changed."""
    return finished_run(tmp_path_factory, "tiny", PAIR)


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


@pytest.fixture(scope="session")
def everything_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a suite that makes a file of every kind."""
    path = tmp_path_factory.mktemp("suite") / "everything.toml"
    path.write_text(EVERYTHING)
    return path


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of it. Not to be changed."""
    return finished_run(tmp_path_factory, "everything", EVERYTHING, "--seeds", "0", sketched=True)


@pytest.fixture
def forger(everything: Path, everything_suite: Path, tmp_path: Path) -> Forger:
    """A copy of that run, to be forged."""
    path = Path(shutil.copytree(everything, tmp_path / "copy"))
    return Forger(path, lambda: compute(everything_suite, path, 0))


@pytest.fixture(scope="session")
def one_victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one victim with every kind of file. Tests leave it as it was."""
    return finished_run(tmp_path_factory, "forged", FORGED, "--quiet", sketched=True)
