"""What is looked at while steps run: the same is found, and it is not looked at again."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from audited_runs import Refusing, records_of, refuse
from time_limits import HANGS

from robust_augcl.errors import InputError
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.reports import _figures
from robust_augcl.reports._figures import Gallery
from robust_augcl.reports.markdown import render
from robust_augcl.results.records import Record
from robust_augcl.review.assessor import Assessor
from robust_augcl.review.audit import facts_of_attacks, facts_of_inputs
from robust_augcl.review.audit.evidence import LearningFacts
from robust_augcl.review.audit.gather_evidence import Gatherer
from robust_augcl.review.audit.run import audit_records, make_gatherer
from robust_augcl.review.beside import can_share
from robust_augcl.store.run_folder import RunFolder

DRAWS = True


def test_what_was_looked_at_ahead_is_the_same_and_not_looked_at_again(learned, monkeypatch):
    records = records_of(learned)
    folder = RunFolder(learned)
    manifest = folder.existing_manifest()
    measurements = folder.load_measurements(manifest)
    fresh = make_gatherer(folder, manifest).gather(records, measurements)
    ahead = make_gatherer(folder, manifest)
    ahead.look_ahead_of_records()
    for record in reversed(records):  # in any order
        ahead.look_ahead(record)
    for module, names in (
        (facts_of_inputs, ("check_record", "look_at_victim")),
        (
            facts_of_attacks,
            ("try_on_planted_victims", "try_large_budget", "try_half_the_iterations"),
        ),
        (Dataset, ("keys",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, refuse)
    assert ahead.gather(records, measurements) == fresh
    with pytest.raises(Refusing):
        make_gatherer(folder, manifest).gather(records, measurements)
    assert ahead.seconds_ahead > 0


@pytest.mark.skipif(not can_share(), reason="this process cannot be copied here")
def test_two_processes_let_attackers_learn_on_and_find_the_same(learned, monkeypatch):
    records, folder = records_of(learned), RunFolder(learned)
    manifest = folder.existing_manifest()

    def who(files, step, record):
        return LearningFacts((), record.key, 1, what="steps", spent=os.getpid())

    monkeypatch.setattr(facts_of_attacks, "try_learned", who)
    alone = make_gatherer(folder, manifest).gather(records).learned_on
    together = make_gatherer(folder, manifest).gather(records, processes=2).learned_on
    assert len(alone) > 1
    assert {facts.spent for facts in alone} == {os.getpid()}
    assert len({facts.spent for facts in together}) == 2
    assert [facts.name for facts in together] == [facts.name for facts in alone]


def test_a_record_that_changed_after_it_was_looked_at_is_looked_at_again(learned):
    records = records_of(learned)
    gatherer = make_gatherer(RunFolder(learned), RunFolder(learned).existing_manifest())
    for record in records:
        gatherer.look_ahead(record)
    first = records[0]
    lie = replace(first, outcomes=[replace(o, attacked=1 - o.attacked) for o in first.outcomes])
    found = gatherer.gather([lie, *records[1:]])
    assert found.replayed[first.key]
    assert not any(found.replayed[record.key] for record in records[1:])


class LookedAt:
    """Tells which records were looked at ahead."""

    def __init__(self) -> None:
        self._keys: queue.Queue[str] = queue.Queue()

    def note(self, record: Record) -> None:
        self._keys.put(record.key)

    def wait_for(self, records: Sequence[Record]) -> None:
        """Wait until these were looked at."""
        missing = {record.key for record in records}
        while missing:
            missing.discard(self._keys.get(timeout=HANGS))


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> LookedAt:
    told, look = LookedAt(), Gatherer.look_ahead

    def look_and_tell(gatherer: Gatherer, record: Record) -> None:
        look(gatherer, record)
        told.note(record)

    monkeypatch.setattr(Gatherer, "look_ahead", look_and_tell)
    return told


@pytest.mark.thorough
def test_what_is_begun_while_steps_run_ends_as_what_is_made_afterwards(
    learned, spoilt, monkeypatch, looked_at
):
    for name in ("audit.json", "transfer.json"):
        (spoilt / name).unlink()
    folder = RunFolder(spoilt)
    assessor = Assessor(folder, lambda text: None)
    records = folder.load_records(folder.existing_manifest().records).records
    held_back = [folder.store.record_path(record.key) for record in records[:3]]
    for path in held_back:
        path.rename(path.with_suffix(".later"))
    drawn: list[set[str]] = []
    assessor.begin_ahead(
        lambda report: drawn.append({record.key for record in report.records}), pytest.fail
    )
    looked_at.wait_for(records[3:])
    gatherer = assessor.ahead.gatherer
    for path in held_back:
        path.with_suffix(".later").rename(path)
    assessor.end_ahead()
    assert gatherer is not None
    assert gatherer.seconds_ahead > 0
    monkeypatch.setattr(facts_of_attacks, "try_on_planted_victims", refuse)
    made = assessor.report_input(records)
    kept = Assessor(RunFolder(learned), pytest.fail).report_input(records_of(learned))
    assert made.audit.findings == kept.audit.findings
    assert made.transfers.entries == kept.transfers.entries
    assert made.measurements == kept.measurements
    assert not drawn  # some of the records were still to come


def test_what_changed_since_it_was_looked_at_ahead_is_seen(spoilt):
    folder = RunFolder(spoilt)
    records = records_of(spoilt)
    for name in ("audit.json", "transfer.json"):
        (spoilt / name).unlink()
    told: list[str] = []
    assessor, done = Assessor(folder, told.append), threading.Event()
    assessor.begin_ahead(lambda report: done.set(), told.append)  # after all was looked at
    assert done.wait(HANGS)
    assert assessor.end_ahead()
    folder.store.artifact_path(records[0].victim.key).unlink()
    audit = assessor.audit(records)
    found = {finding.check: finding for finding in audit.findings}[
        "stored edits reproduce the verdict"
    ]
    assert (found.status, set(found.cells)) == (
        "WARN",
        {r.key for r in records if r.victim == records[0].victim},
    )
    assert assessor.transfers(records) is None
    assert "no transfers" in told[-1]


def test_seeds_that_another_run_enters_meanwhile_are_no_strangers(spoilt, tiny):
    folder = RunFolder(spoilt)
    manifest = folder.existing_manifest()
    (spoilt / "audit.json").unlink()
    # As if this run had begun before those seeds were entered.
    gatherer = make_gatherer(folder, replace(manifest, seeds=[7]))
    gatherer.look_ahead_of_records()
    audit = audit_records(folder, manifest, records_of(spoilt), gatherer)
    found = {finding.check: finding for finding in audit.findings}
    assert found["stored edits reproduce the verdict"].status == "PASS"


@pytest.mark.thorough
def test_figures_are_drawn_ahead_when_their_records_are_there_and_once(
    spoilt, monkeypatch, tmp_path
):
    folder = RunFolder(spoilt)
    records = folder.load_records(folder.existing_manifest().records).records
    assessor, gallery, told = Assessor(folder, lambda text: None), Gallery(), threading.Event()
    assessor.begin_ahead(lambda report: (gallery.draw(report), told.set()), pytest.fail)
    assert told.wait(HANGS)
    assessor.end_ahead()
    report = assessor.report_input(records)
    expected = {path.name: path.read_bytes() for path in render(report, tmp_path / "apart")}
    monkeypatch.setattr(_figures, "accuracy_figure", refuse)
    assert {
        path.name: path.read_bytes() for path in render(report, tmp_path / "with it", gallery)
    } == expected
    with pytest.raises(Refusing):
        render(replace(report, records=records[:-1], transfers=None), tmp_path / "other", gallery)


def test_trouble_ahead_is_told_by_what_comes_after(spoilt):
    (spoilt / "run.json").write_text("{")
    assessor = Assessor(RunFolder(spoilt), lambda text: None)
    drawn: list[int] = []
    log: list[str] = []
    assessor.begin_ahead(lambda report: drawn.append(len(report.records)), log.append)
    assert assessor.end_ahead()
    assert not drawn
    (line,) = log
    assert "looking ahead at what needs no record failed" in line
    assert "run.json" in line
    with pytest.raises(InputError, match=r"run\.json"):
        assessor.report_input([])


def test_a_fault_ahead_reaches_the_log_and_costs_no_other_record(spoilt, looked_at):
    """One record is damaged: the others are looked at, and the log names the one."""
    folder, log, done = RunFolder(spoilt), [], threading.Event()
    records = records_of(spoilt)
    path = folder.store.record_path(records[0].key)
    path.write_text(path.read_text().replace('"attacked":', '"attacked" :', 1))
    assessor = Assessor(folder, lambda text: None)

    def note(text: str) -> None:
        log.append(text)
        done.set()

    assessor.begin_ahead(lambda report: None, note)
    assert done.wait(HANGS)
    looked_at.wait_for(records[1:])
    assert assessor.end_ahead()
    seen = {text for what, text in assessor.ahead.gatherer._seen if what == "replayed"}
    assert seen == {record.dumps() for record in records[1:]}
    (line,) = log
    assert records[0].key in line
    assert "altered" in line
