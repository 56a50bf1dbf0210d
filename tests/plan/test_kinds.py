"""The table of step kinds: a new kind is one entry, and nothing else knows it by name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from census import CENSUS
from small_suites import ONE_CELL

import robust_augcl
from robust_augcl.campaign import campaign as campaigns
from robust_augcl.campaign.campaign import Campaign, Machines
from robust_augcl.errors import InputError
from robust_augcl.plan import planner
from robust_augcl.plan.attack_steps import Planned
from robust_augcl.plan.kinds import KINDS, kind_of, modules_that_compute, resolve
from robust_augcl.plan.planner import Plan
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite import load_suite, make_suite
from robust_augcl.results.records import Cell
from robust_augcl.review import stored_run
from robust_augcl.store.housekeeping import remove, survey
from robust_augcl.workers.watcher import Watcher, name_of

TABLE = {**ONE_CELL, "name": "census"}


class Told(Watcher):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.finished_steps: list[str] = []
        self.failures: list[str] = []

    def finished(self, step, seconds):
        self.finished_steps.append(name_of(step))

    def failed(self, step, message, trace):
        self.failures.append(f"{message}\n{trace}")


@pytest.fixture
def census(monkeypatch):
    """Enters the kind, and lets every plan ask for one step of it."""
    own = planner.plan

    def plan(suite, fingerprint=None):
        made = own(suite, fingerprint)
        dataset = made.attacks[0].inputs["dataset"]
        step = Step("census", "all graphs", {"by": "test"}, {"dataset": dataset})
        cell = Cell(suite.name, "", "", "", 0, 0, "", "", 0)
        return Plan(made.attacks, [*made.measurements, Planned(cell, step)])

    def enter(**changes):
        monkeypatch.setitem(KINDS, "census", dataclasses.replace(CENSUS, **changes))

    enter()
    monkeypatch.setattr(planner, "plan", plan)
    monkeypatch.setattr(campaigns, "plan", plan)
    monkeypatch.setattr(stored_run, "plan", plan)  # imported by now: not while it is replaced
    return enter


def finished(path: Path) -> tuple[Campaign, Told]:
    told = Told()
    campaign = Campaign(
        make_suite(TABLE, "here"), path, Machines(workers=1), tell=lambda text: None
    )
    summary = campaign.run(told)
    assert (summary.failed, summary.missing) == ([], 0), told.failures
    return campaign, told


def test_a_new_kind_is_planned_computed_shown_and_kept(census, tmp_path):
    campaign, told = finished(tmp_path)
    (step,) = [step for step in campaign.plan.steps if step.kind == "census"]
    assert "census: all graphs" in told.finished_steps
    assert campaign.plan.revisions["census steps"] == 1
    folder = campaign.folder
    victim, measured, data = folder.load_measurements(folder.existing_manifest())
    assert (data.kind, data.values["targets"]) == ("dataset", 9)
    assert (victim.kind, len(victim.values["losses"])) == ("victim", 2)
    assert (measured.kind, measured.values["graphs"]) == ("census", 30)
    assert measured.seconds == folder.store.load(step.key).about["seconds"]
    found = survey(folder, everything=True)
    assert (found.wanted, found.there, found.damaged) == (2, 2, [])
    assert folder.store.path(step) not in found.superfluous
    assert finished(tmp_path)[1].finished_steps == []


def test_a_damaged_result_of_a_new_kind_is_seen_and_computed_again(census, tmp_path):
    campaign, _ = finished(tmp_path)
    step = campaign.plan.steps[-1]
    path = campaign.folder.store.path(step)
    path.write_bytes(path.read_bytes()[:-10])
    assert [step.key in problem for problem in survey(campaign.folder).damaged] == [True]
    assert finished(tmp_path)[1].finished_steps == ["census: all graphs"]


def test_its_revision_is_in_its_address(census, tmp_path):
    campaign, _ = finished(tmp_path)
    census(revision=2)
    again, told = finished(tmp_path)
    assert told.finished_steps == ["census: all graphs"]
    assert again.plan.steps[0].key == campaign.plan.steps[0].key
    (old,) = survey(again.folder, everything=True).superfluous
    assert old.stem == campaign.plan.steps[-1].key
    assert remove(old, again.folder.store)


def test_one_that_others_alone_need_is_freed_when_all_is_there(tmp_path):
    campaign, _ = finished(tmp_path)
    folder = campaign.folder
    (victim,) = folder.store.artifacts.glob("victim-*")
    assert victim not in survey(folder, everything=True).superfluous
    warm_up = folder.store.artifact_path("warm_up-0123456789abcdef0123")
    warm_up.write_bytes(victim.read_bytes())
    assert survey(folder).superfluous == []
    assert survey(folder, everything=True).superfluous == [warm_up]


def test_what_is_stored_must_be_what_the_table_says(census, tmp_path):
    census(stores="record")
    told = Told()
    campaign = Campaign(
        make_suite(TABLE, "here"), tmp_path, Machines(workers=1), tell=lambda text: None
    )
    with campaign.open_log(told) as log:
        assert campaign.compute(log).failed == ["all graphs"]
    assert "the record of a step, got Artifact" in told.failures[0]


def test_every_reference_of_the_table_is_there():
    for kind in KINDS.values():
        for reference in (kind.compute, kind.read, kind.prove):
            assert reference is None or callable(resolve(reference))
    assert len(modules_that_compute()) >= 5


def test_what_others_wait_for_comes_first():
    planned = planner.plan(load_suite("standard", ["certificates.parts=3"], seeds=[0]))
    pairs = {
        (needed.kind, step.kind)
        for step in with_inputs(planned.steps)
        for needed in step.inputs.values()
        if needed.kind != step.kind  # an attack that combines others
    }
    assert ("certificate_part", "certificate") in pairs
    assert all(KINDS[first].priority < KINDS[then].priority for first, then in pairs)


def test_a_key_of_no_kind_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="'victm', did you mean 'victim'"):
        kind_of("victm-0123")


def test_no_other_module_branches_on_the_names_of_kinds():
    """Where a name must stand, a step is made (planner) or what is measured is shown (reports)."""
    allowed = {"plan/kinds.py", "plan/planner.py"}
    root = Path(robust_augcl.__file__).parent
    names = "|".join(KINDS)
    pattern = re.compile(
        rf"""(kind\s*(==|!=|in|not in)\s*\(?["']({names})["'])|["']({names})-["']"""
    )
    found = [
        f"{path.relative_to(root)}: {match.group(0)}"
        for room in ("plan", "store", "steps", "workers", "cli")
        for path in sorted((root / room).glob("*.py"))
        if str(path.relative_to(root)) not in allowed
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
