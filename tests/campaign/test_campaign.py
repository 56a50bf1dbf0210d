"""A campaign as a notebook holds it, and the command line around it."""

from __future__ import annotations

import ast
import copy
import inspect
from pathlib import Path

import pytest
from small_suites import ONE_CELL

from robust_augcl import Campaign, Machines
from robust_augcl.campaign import campaign as campaigns
from robust_augcl.cli import main, running
from robust_augcl.errors import InputError
from robust_augcl.plan.suite import make_suite
from robust_augcl.review.assessor import Assessor
from robust_augcl.review.audit import run as audit_run
from robust_augcl.workers.watcher import Watcher

TABLE = {**ONE_CELL, "name": "notebook"}


def campaign(path: Path, workers: int = 1, **changes) -> Campaign:
    suite = make_suite({**copy.deepcopy(TABLE), **changes}, "here")
    return Campaign(suite, path, Machines(workers=workers), tell=lambda text: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("campaign") / "run"
    assert campaign(path).run().missing == 0
    return path


def test_nothing_is_written_before_it_runs(tmp_path):
    held = campaign(tmp_path / "run")
    assert [step.kind for step in held.plan.steps] == ["attack"]
    assert (held.there(), held.records()) == (0, [])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("looks_ahead", [True, False])
def test_whoever_writes_no_report_need_not_look_ahead(tmp_path, monkeypatch, looks_ahead):
    """`replay --from-scratch` compares what was computed, and audits nothing."""
    begun = []

    class Counted(RuntimeError):
        """The workers themselves are not needed."""

    def no_workers(size, device):
        raise Counted

    monkeypatch.setattr(Assessor, "begin_ahead", lambda *_: begun.append("ahead"))
    monkeypatch.setattr(campaigns, "LocalProcesses", no_workers)
    suite = make_suite(copy.deepcopy(TABLE), "here")
    held = Campaign(suite, tmp_path / "run", Machines(2), looks_ahead=looks_ahead)
    held.claim()
    with pytest.raises(Counted):
        held.compute(Watcher())
    assert begun == (["ahead"] if looks_ahead else [])


def test_it_computes_audits_and_reports(finished):
    held = campaign(finished)
    assert held.there() == 1
    (record,) = held.records()
    assert 0 <= record.robust_accuracy <= record.clean_accuracy <= 1
    report = held.report_input()
    assert report.audit is not None
    assert report.records == held.records()
    assert {"report.md", "audit.json", "run.log"} <= {path.name for path in finished.iterdir()}
    assert "3 of 3 steps to compute, 1 workers" in (finished / "run.log").read_text()


def test_called_again_it_computes_nothing(finished):
    summary = campaign(finished).run()
    assert (summary.computed, summary.failed, summary.missing) == (0, [], 0)


def test_what_changed_since_the_last_run_is_said(finished):
    held = campaign(finished, training={"epochs": 3}, seeds=[1])
    settings, seeds = held.claim()
    assert "The settings are not those of the last run" in settings
    assert "Seeds 0 of that run" in seeds
    assert campaign(finished).claim()[0] == settings
    with pytest.raises(InputError, match="holds a run of the suite 'notebook', not 'another'"):
        campaign(finished, name="another").claim()


@pytest.mark.thorough
def test_a_fault_beside_the_steps_reaches_the_log(tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("the planted fault")

    own = audit_run.make_gatherer
    monkeypatch.setattr(audit_run, "make_gatherer", fail)
    held, notes = campaign(tmp_path, workers=2, seeds=[0, 1]), []

    class Notes(Watcher):
        def note(self, message):
            notes.append(message)

    with held.open_log(Notes()) as log:
        assert held.compute(log).missing == 0
        assert held.end_ahead()
    assert "RuntimeError: the planted fault" in (tmp_path / "run.log").read_text()
    assert notes == []  # it is nothing that the user must know
    monkeypatch.setattr(audit_run, "make_gatherer", own)
    report = held.write_report()
    assert report is not None
    assert report.audit is not None


@pytest.mark.parametrize("function", [main.run.callback, running.run])
def test_the_command_is_a_thin_reader_of_options(function):
    source = inspect.getsource(inspect.unwrap(function))
    assert len(source.splitlines()) < 40
    assert ast.parse(source)
