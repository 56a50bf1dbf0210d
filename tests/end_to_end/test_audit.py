"""The audit and the transfers of whole runs: an honest one passes, planted faults are told, marked
and change the exit code.
"""

from __future__ import annotations

import csv
import io
import json
import os
import queue
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import finish

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.errors import InputError
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.reports import _figures
from robust_augcl.reports._figures import Gallery
from robust_augcl.reports.markdown import render
from robust_augcl.results.records import Record
from robust_augcl.review.assessor import Assessor
from robust_augcl.review.audit import facts_of_attacks, facts_of_inputs
from robust_augcl.review.audit.all_checks import examine
from robust_augcl.review.audit.evidence import LearningFacts
from robust_augcl.review.audit.gather_evidence import Gatherer
from robust_augcl.review.audit.run import audit_records, make_gatherer
from robust_augcl.review.beside import can_share
from robust_augcl.steps import attacking as attack_steps
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.perturbations import Perturbation

# Victims that have learned; so few graphs else leave them at chance, which the audit rightly
# refuses.
CHANGES = (
    "training.epochs=40",
    "training.learning_rate=0.01",
    "methods=[{name='none'}, {name='graphcl'}]",
    "attacks=[{name='rand_sampling'}, {name='worst_case'}, {name='grad_argmax'}, "
    "{name='exhaustive'},"
    " {name='rl_s2v', steps=20, burn_in=2, width=8}]",
)
OPTIONS = ["--workers", "1", *(part for change in CHANGES for part in ("--set", change))]


@pytest.fixture(scope="module")
def learned(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two methods and five attacks. Not to be changed."""
    return finish(tiny, tmp_path_factory.mktemp("learned") / "tiny", *OPTIONS)


@pytest.fixture
def spoilt(learned: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(learned, tmp_path / "spoilt"))


def findings(command, folder: Path) -> dict[str, dict]:
    answer = command("audit", folder, "--format", "json")
    return {finding["check"]: finding for finding in json.loads(answer.out)["findings"]}


def records_of(folder: Path) -> list[Record]:
    return RunFolder(folder).load_records(RunFolder(folder).existing_manifest().records).records


def test_an_honest_run_fails_no_check_and_says_so(learned, command):
    answer = command("audit", learned)
    assert answer.code == 0
    assert "FAIL" not in answer.out
    found = findings(command, learned)
    assert len(found) == 20
    applicable = {check for check, finding in found.items() if finding["status"] != "n/a"}
    # One budget, and so few steps that the learning curve is one point.
    idle = {
        "larger budgets never do less damage",
        "nothing broken that is proved",
        "more iterations change little",
    }
    assert found.keys() - applicable == idle
    page = (learned / "report-appendix.md").read_text()
    assert "The audit of the attacks: " in page
    assert "†" not in page
    assert all(
        row["audit"] == "" for row in json.loads(command("show", learned, "--format", "json").out)
    )


def test_the_audit_is_made_once(tiny, spoilt, command, monkeypatch):
    before = {
        name: (spoilt / name).stat().st_mtime_ns
        for name in ("audit.json", "transfer.json", "report.md")
    }
    answer = command("run", tiny, "--out", spoilt, *OPTIONS)
    assert answer.code == 0
    assert "Audit: " in answer.out
    assert {name: (spoilt / name).stat().st_mtime_ns for name in before} == before
    for name in ("audit.json", "transfer.json"):  # a damaged one is made again, and is the same
        kept = json.loads((spoilt / name).read_text())
        (spoilt / name).write_text((spoilt / name).read_text()[:-5])
        assert command("run", tiny, "--out", spoilt, *OPTIONS).code == 0
        assert {**json.loads((spoilt / name).read_text()), "seconds": 0, "digest": 0} == {
            **kept,
            "seconds": 0,
            "digest": 0,
        }


def test_worst_case_is_the_worst_of_the_attacks_that_it_combines(learned):
    records = records_of(learned)
    for method in ("none", "graphcl"):
        by_attack = {r.cell.attack: r for r in records if r.cell.method == method}
        union = by_attack["worst_case"]
        assert union.attack_settings["of"] == ["rand_sampling", "grad_argmax", "rl_s2v"]
        parts = [by_attack[label] for label in union.attack_settings["of"]]
        for place, outcome in enumerate(union.outcomes):
            lowest = min(
                [outcome.clean_margin, *(part.outcomes[place].attacked_margin for part in parts)]
            )
            assert outcome.attacked_margin == pytest.approx(lowest, abs=1e-5)
            assert outcome.broken == any(part.outcomes[place].broken for part in parts)
        assert union.queries == sum(part.queries for part in parts)
        assert union.fit_seconds == pytest.approx(sum(part.fit_seconds for part in parts))


def test_a_changed_attack_changes_the_worst_case_that_rests_on_it(tiny, spoilt, command):
    before = {path.name for path in spoilt.glob("records/*")}
    options = [
        option.replace("{name='grad_argmax'}", "{name='grad_argmax', directions='apart'}")
        for option in OPTIONS
    ]
    assert command("run", tiny, "--out", spoilt, *options).code == 0
    assert (
        len({path.name for path in spoilt.glob("records/*")} - before) == 4
    )  # of each victim: GradArgmax and the worst case
    assert command("replay", spoilt).code == 0


def test_test_graphs_leaked_into_rl_training(tiny, tmp_path, command, monkeypatch):
    """The fault: the graphs that a strict attack learns on are the test graphs. What it kept of
    them gives it away.
    """

    def leak(settings, dataset):
        return FitGraphs(dataset.part(dataset.test), dataset.part(dataset.test))

    monkeypatch.setattr(attack_steps, "fit_graphs", leak)
    answer = command("run", tiny, "--out", tmp_path, *OPTIONS, "--set", "methods=[{name='none'}]")
    assert answer.code == 0
    found = findings(command, tmp_path)
    (leaked,) = [record for record in records_of(tmp_path) if record.cell.attack == "rl_s2v"]
    assert {
        check: finding["cells"] for check, finding in found.items() if finding["status"] == "FAIL"
    } == {"no test graph used for selection or learning": [leaked.key]}
    answer = command("audit", tmp_path)
    assert answer.code == 1
    assert "1 of 20 checks fail, 1 record is marked" in answer.err
    rows = {
        row["attack"]: row["audit"]
        for row in json.loads(command("show", tmp_path, "--format", "json").out)
    }
    assert {attack for attack, audit in rows.items() if audit} == {"rl_s2v"}
    means = command("show", tmp_path).out
    assert [("†" in line) for line in means.splitlines() if "RL-S2V" in line] == [True]
    for form in (["--by-seed"], ["--format", "markdown"]):
        shown = command("show", tmp_path, *form).out
        assert [("†" in line) for line in shown.splitlines() if "rl_s2v" in line] == [True]
        assert shown.count("†") == 2  # and the footnote
    page = (tmp_path / "report-appendix.md").read_text()
    marked = [line for line in page.splitlines() if line.startswith("| RL-S2V") and "†" in line]
    assert (
        len(marked) == 7
    )  # accuracy, gap, three classes, published measure; costs are as they are
    assert not [
        line
        for line in page.splitlines()
        if line.startswith(("| GradArgmax", "| Clean")) and "†" in line
    ]
    assert "**FAIL** | no test graph used" in page


def test_a_victim_that_was_put_in_place_of_another_is_told(spoilt, command):
    records = records_of(spoilt)
    mine, other = (
        next(r.victim for r in records if r.cell.method == method) for method in ("none", "graphcl")
    )
    store = RunFolder(spoilt).store
    store.artifact_path(mine.key).write_bytes(store.artifact_path(other.key).read_bytes())
    finding = findings(command, spoilt)["stored edits reproduce the verdict"]
    assert (finding["status"], set(finding["cells"])) == (
        "FAIL",
        {r.key for r in records if r.victim == mine},
    )


def test_what_rests_on_a_damaged_file_cannot_be_proved(spoilt, command):
    records = records_of(spoilt)
    victim = records[0].victim
    path = RunFolder(spoilt).store.artifact_path(victim.key)
    path.write_bytes(path.read_bytes()[:-10])
    finding = findings(command, spoilt)["stored edits reproduce the verdict"]
    assert (finding["status"], set(finding["cells"])) == (
        "WARN",
        {r.key for r in records if r.victim == victim},
    )
    assert command("report", spoilt).code == 0


def test_results_that_no_step_of_the_suite_makes_are_told(learned):
    records = records_of(learned)
    evidence = Gatherer(RunFolder(learned), {}).gather(records)
    found = {finding.check: finding for finding in examine(evidence)}
    assert found["stored edits reproduce the verdict"].status == "FAIL"
    assert set(found["stored edits reproduce the verdict"].cells) == {
        record.key for record in records
    }


# --- ahead ----------------------------------------------------------------------------------------


class Refusing(Exception):
    """What was looked at ahead was looked at again."""


def refuse(*arguments, **settings):
    raise Refusing


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
            missing.discard(self._keys.get(timeout=120))


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> LookedAt:
    told, look = LookedAt(), Gatherer.look_ahead

    def look_and_tell(gatherer: Gatherer, record: Record) -> None:
        look(gatherer, record)
        told.note(record)

    monkeypatch.setattr(Gatherer, "look_ahead", look_and_tell)
    return told


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
    assert done.wait(120)
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


def test_figures_are_drawn_ahead_when_their_records_are_there_and_once(
    spoilt, monkeypatch, tmp_path
):
    folder = RunFolder(spoilt)
    records = folder.load_records(folder.existing_manifest().records).records
    assessor, gallery, told = Assessor(folder, lambda text: None), Gallery(), threading.Event()
    assessor.begin_ahead(lambda report: (gallery.draw(report), told.set()), pytest.fail)
    assert told.wait(120)
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
    assert done.wait(120)
    looked_at.wait_for(records[1:])
    assert assessor.end_ahead()
    seen = {text for what, text in assessor.ahead.gatherer._seen if what == "replayed"}
    assert seen == {record.dumps() for record in records[1:]}
    (line,) = log
    assert records[0].key in line
    assert "altered" in line


# --- transfer -------------------------------------------------------------------------------------


def test_transfers_equal_predicting_again_by_hand(learned, command):
    folder = RunFolder(learned)
    records = {(r.cell.method, r.cell.attack): r for r in records_of(learned)}
    rows = json.loads(command("transfer", learned, "--format", "json").out)
    by_place = {(row["attack"], row["made_for"], row["attacked"]): row for row in rows}
    assert {attack for attack, *_ in by_place} == {
        "worst_case",
        "grad_argmax",
        "rl_s2v",
        "exhaustive",
    }  # random edits are for nobody
    for (attack, made_for, attacked), row in by_place.items():
        source, target = records[made_for, attack], records[attacked, attack]
        dataset, victim = (
            dataset_of(folder.store.load(source.dataset.key)),
            victim_of(folder.store.load(target.victim.key)),
        )
        right = 0
        for outcome in source.outcomes:
            graph = dataset.graphs[outcome.graph]
            added, removed = (
                torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
                for pairs in (outcome.added, outcome.removed)
            )
            edited = Perturbation(added, removed).apply(graph)
            right += all(
                int(victim.logits([each]).argmax()) == outcome.label for each in (graph, edited)
            )
        assert row["robust_accuracy"] == right / len(source.outcomes)
        assert row["low"] <= row["robust_accuracy"] <= row["high"]


def test_the_transfer_command_in_its_formats(learned, command):
    wanted = json.loads(
        command("transfer", learned, "--attack", "exhaustive", "--format", "json").out
    )
    assert len(wanted) == 4
    table = list(
        csv.DictReader(
            io.StringIO(
                command("transfer", learned, "--attack", "exhaustive", "--format", "csv").out
            )
        )
    )
    assert [float(row["robust_accuracy"]) for row in table] == [
        row["robust_accuracy"] for row in wanted
    ]
    for form in ("table", "markdown"):
        text = command("transfer", learned, "--attack", "exhaustive", "--format", form).out
        assert all(f"{100 * row['robust_accuracy']:.1f}" in text for row in wanted)
    page = (learned / "report-appendix.md").read_text()
    assert "### Edits made for one victim, turned on another" in page
    assert "| Exact worst case | 2 layers | GraphCL‡ |" in page
    answer = command("transfer", learned, "--attack", "exhaustiv")
    assert answer.code == 2
    assert "did you mean 'exhaustive'" in answer.err


def test_a_missing_victim_costs_the_transfers_and_no_more(spoilt, command):
    (spoilt / "transfer.json").unlink()
    RunFolder(spoilt).store.artifact_path(records_of(spoilt)[0].victim.key).unlink()
    answer = command("transfer", spoilt)
    assert answer.code == 2
    assert "to hold the victims" in answer.err
    answer = command("report", spoilt)
    assert answer.code == 0
    assert "no transfers" in answer.err
