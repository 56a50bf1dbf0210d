"""What a record says to be exact is tried again: no emptied search holds, and none that another
result refutes.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import finish
from forging import emptied, forge_record, problems, records_of, unclaimed, words
from small_suites import SEARCHED
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.certifier import bounded_margins
from robust_augcl.results.records import Outcome, Record
from robust_augcl.review import again
from robust_augcl.review.judge import Answer, Judge
from robust_augcl.review.proofs import threat_of
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder

BEAM = """
[[attacks]]
name = "beam"
width = 50
budgets = [2]
"""
SHORT = """
[[attacks]]
name = "exhaustive"
label = "short"
most_pairs = 1
budgets = [2]
"""
MISSED = "the word that a search of all that is allowed broke nothing does not hold"
IDLE = '''
"""Do nothing, and claim that nothing can be done."""
from __future__ import annotations

from dataclasses import dataclass

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.adversary.victim import Access
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True)
class Idle(Attack):
    access = Access.NONE
    exact = True

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: [Perturbation() for _ in range(graphs.num_graphs)]
'''


def run_of(folder: Path, certificates: str, more: str) -> Path:
    """A finished run in a folder."""
    (folder / "suite.toml").write_text(SEARCHED.format(certificates=certificates, more=more))
    return finish(folder / "suite.toml", folder / "run", "--workers", "1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs of one victim, not to be changed: certified, with beam search, with neither."""
    kinds = {"certified": ("[certificates]", ""), "beam": ("", BEAM), "alone": ("", "")}
    return {name: run_of(tmp_path_factory.mktemp(name), *kind) for name, kind in kinds.items()}


@pytest.fixture
def spoilt(runs: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of one of these runs, to spoil."""
    return Path(shutil.copytree(runs[request.param], tmp_path / "spoilt"))


def exhaustive(folder: Path, budget: int) -> Record:
    """The record of the exhaustive search."""
    return next(
        record
        for record in records_of(folder)
        if record.cell.attack == "exhaustive" and record.cell.budget == budget
    )


def broken_by_pairs(folder: Path) -> set[int]:
    """The graphs that two edits break and one does not."""
    one, two = (
        {o.graph for o in exhaustive(folder, budget).outcomes if o.broken} for budget in (1, 2)
    )
    return two - one


def search_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several edits hardly anything is searched again."""
    monkeypatch.setattr(again, "MOST_PAIRS", 10)
    monkeypatch.setattr(again, "MOST_EVALUATIONS", 1)


every_run = pytest.mark.parametrize("spoilt", ["certified", "beam", "alone"], indirect=True)


@pytest.mark.thorough(only=["1-10-certified"])
@every_run
@pytest.mark.parametrize("few", [10, again.MOST_PAIRS])
@pytest.mark.parametrize("budget", [1, 2])
def test_an_emptied_search_is_refused(spoilt, monkeypatch, budget, few):
    monkeypatch.setattr(again, "MOST_PAIRS", few)
    assert not any(problems(spoilt).values())
    record = exhaustive(spoilt, budget)
    assert any(outcome.broken for outcome in record.outcomes)
    forge_record(spoilt, record, emptied)
    found = {name: wrong for name, wrong in problems(spoilt).items() if wrong}
    assert list(found) == [f"{record.key}.jsonl"]
    assert "the claim to be exact does not hold" in found[f"{record.key}.jsonl"][0]


@every_run
def test_a_graph_that_only_pairs_break_cannot_be_kept_where_anything_tells(spoilt, monkeypatch):
    record, graphs = exhaustive(spoilt, 2), broken_by_pairs(spoilt)
    assert graphs  # or this is about nothing
    forge_record(spoilt, record, lambda o: emptied(o) if o.graph in graphs else o)
    name = f"{record.key}.jsonl"
    assert "the claim to be exact does not hold" in problems(spoilt)[name][0]  # by its pairs
    search_little(monkeypatch)
    if "beam" in {other.cell.attack for other in records_of(spoilt)} or has_certificates(spoilt):
        assert "the claim to be exact does not hold" in problems(spoilt)[name][0]
    else:
        assert (
            "exact on trust: not all their pairs of edits are searched again" in words(spoilt)[name]
        )


def has_certificates(folder: Path) -> bool:
    return any((folder / "artifacts").glob("certificate-*"))


@pytest.mark.parametrize("spoilt", ["certified"], indirect=True)
def test_what_a_certificate_beside_says_is_told_from_trust(spoilt, monkeypatch):
    search_little(monkeypatch)
    said = words(spoilt)[f"{exhaustive(spoilt, 2).key}.jsonl"]
    assert "exact by the certificate beside it" in said
    assert "on trust" not in said


@every_run
@pytest.mark.parametrize("budget", [1, 2])
def test_a_proof_that_is_hidden_is_noticed(spoilt, budget):
    record = exhaustive(spoilt, budget)
    for is_broken in (True, False):
        chosen = next(o.graph for o in record.outcomes if o.robust != is_broken and o.exact)
        forge_record(
            spoilt, record, lambda o, g=chosen: replace(o, exact=False) if o.graph == g else o
        )
        wrong = problems(spoilt)[f"{record.key}.jsonl"]
        assert f"the word that it is not exact does not hold for graph {chosen}" in wrong


def test_other_peoples_attack_is_held_to_what_it_declares(tmp_path):
    declared = IDLE.replace("    exact = True\n", "    exact = True\n    most_tried = 'pairs'\n")
    assert declared != IDLE
    (tmp_path / "idle.py").write_text(f"{declared}    pairs: int = 100\n")
    folder = run_of(tmp_path, "", '[[attacks]]\nname = "idle.py:Idle"\nlabel = "idle"')
    found = {name: wrong for name, wrong in problems(folder).items() if wrong}
    of_idle = {f"{r.key}.jsonl" for r in records_of(folder) if r.cell.attack == "idle"}
    assert found.keys() == of_idle
    assert all(MISSED in wrong[0] for wrong in found.values())


def test_a_claim_of_other_peoples_attack_stands_target_by_target(tmp_path):
    (tmp_path / "idle.py").write_text(IDLE)
    folder = run_of(tmp_path, "", '[[attacks]]\nname = "idle.py:Idle"\nlabel = "idle"')
    assert not any(problems(folder).values())
    record = next(r for r in records_of(folder) if r.cell.attack == "idle" and r.cell.budget == 1)
    exact = next(o.graph for o in record.outcomes if o.exact and o.robust)
    other = next(o.graph for o in record.outcomes if not o.exact)

    def moved(outcome: Outcome) -> Outcome:
        swapped = outcome.graph in (exact, other)
        return replace(outcome, exact=outcome.exact != swapped)

    forge_record(folder, record, moved)
    wrong = problems(folder)[f"{record.key}.jsonl"]
    assert wrong == [
        f"the claim to be exact does not hold for graph {other}",
        f"the word that it is not exact does not hold for graph {exact}",
    ]


@pytest.mark.parametrize("spoilt", ["beam"], indirect=True)
def test_edits_that_no_target_has_refute_nothing_and_do_no_harm(spoilt):
    beam = next(r for r in records_of(spoilt) if r.cell.attack == "beam")
    path = RunFolder(spoilt).store.record_path(beam.key)
    outcomes = [replace(beam.outcomes[0], added=[[0, 99], [0, 0]]), *beam.outcomes[1:]]
    path.write_text(replace(beam, outcomes=outcomes).dumps())
    found = {name for name, wrong in problems(spoilt).items() if wrong}
    assert found == {path.name}


@every_run
@pytest.mark.parametrize("few", [10, again.MOST_PAIRS])
@pytest.mark.parametrize("budget", [1, 2])
def test_an_emptied_search_without_a_claim_is_refused(spoilt, monkeypatch, budget, few):
    monkeypatch.setattr(again, "MOST_PAIRS", few)
    record = exhaustive(spoilt, budget)
    forge_record(spoilt, record, unclaimed)
    found = {name: wrong for name, wrong in problems(spoilt).items() if wrong}
    assert list(found) == [f"{record.key}.jsonl"]
    assert MISSED in found[f"{record.key}.jsonl"][0]


@every_run
def test_targets_that_only_pairs_break_are_missed_where_anything_tells(spoilt, monkeypatch):
    record, graphs = exhaustive(spoilt, 2), broken_by_pairs(spoilt)
    forge_record(spoilt, record, lambda o: unclaimed(o) if o.graph in graphs else o)
    name = f"{record.key}.jsonl"
    assert MISSED in problems(spoilt)[name][0]
    search_little(monkeypatch)
    if "beam" in {other.cell.attack for other in records_of(spoilt)} or has_certificates(spoilt):
        assert MISSED in problems(spoilt)[name][0]


def test_a_search_that_is_cut_short_may_miss_pairs_and_no_single_edit(tmp_path):
    folder = run_of(tmp_path, "[certificates]\npairs = 1\nevaluations = 1", SHORT)
    assert not any(problems(folder).values())
    short = next(r for r in records_of(folder) if r.cell.attack == "short")
    missed = {o.graph for o in short.outcomes if o.robust} & broken_by_pairs(folder)
    assert missed  # or this is about nothing
    opened = [
        place
        for step in certificates_of(folder, 2)
        for place, settled in enumerate(Artifact.read(step).info["settled"])
        if not settled
    ]
    assert opened
    forge_record(folder, short, unclaimed)
    assert MISSED in problems(folder)[f"{short.key}.jsonl"][0]


def certificates_of(folder: Path, budget: int) -> list[Path]:
    """The files of the certificates against so many edits."""
    run = RunFolder(folder)
    steps = StoredRun(run, run.existing_manifest()).beside.values()
    return [
        run.store.artifact_path(step.key)
        for step in steps
        if step.kind == "certificate" and step.settings["threat"].budget == budget
    ]


def bounds_of(folder: Path) -> list[float | None]:
    """The margins of the test graphs that the bound proves against two edits, as stored."""
    run, record = RunFolder(folder), exhaustive(folder, 2)
    subject = StoredRun(run, run.existing_manifest()).subject(record.dataset, record.victim)
    threat = threat_of(record)
    graphs = subject.targets.graphs
    asked = torch.ones(graphs.num_graphs, dtype=torch.bool)
    found = bounded_margins(subject.targets.victim, graphs, threat, asked).tolist()
    return [None if margin == float("-inf") else round(margin, 6) for margin in found]


@pytest.mark.parametrize("spoilt", ["certified"], indirect=True)
@pytest.mark.parametrize("few", [10, again.MOST_PAIRS])
@pytest.mark.parametrize("kind", ["witness", "proof"])
def test_a_certificate_cannot_leave_open_what_its_search_settles(spoilt, monkeypatch, kind, few):
    monkeypatch.setattr(again, "MOST_PAIRS", few)
    (path,) = certificates_of(spoilt, 2)
    made = Artifact.read(path)
    info: dict[str, Any] = {name: _copied(value) for name, value in made.info.items()}
    for place, bound in enumerate(bounds_of(spoilt)):
        pair = info["witnesses"][place] and sum(map(len, info["witnesses"][place])) == 2
        if pair if kind == "witness" else info["certified"][place]:
            info["witnesses"][place], info["settled"][place] = None, False
            info["certified"][place], info["lower_margin"][place] = False, bound
    assert info["settled"] != made.info["settled"]
    path.write_bytes(replace(made, info=info).dumps())
    wrong = problems(spoilt)[path.name]
    assert any("open, though all its sets of edits are tried," in problem for problem in wrong)


def _copied(value: object) -> object:
    return list(value) if isinstance(value, list) else value


@pytest.fixture
def all_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding decides every prediction but the clean ones."""
    honest = Judge.predict

    def predict(judge: Judge, graphs: PackedGraphs, places: Tensor) -> Answer:
        answer = honest(judge, graphs, places)
        return replace(answer, undecided=torch.ones_like(answer.undecided))

    monkeypatch.setattr(Judge, "predict", predict)


@pytest.mark.parametrize("spoilt", ["certified"], indirect=True)
def test_rounding_does_not_excuse_what_others_break(spoilt, monkeypatch, all_undecided):
    search_little(monkeypatch)
    record, graphs = exhaustive(spoilt, 2), sorted(broken_by_pairs(spoilt))
    name = f"{record.key}.jsonl"
    forge_record(spoilt, record, lambda o: emptied(o) if o.graph == graphs[0] else o)
    assert not problems(spoilt)[name]  # of one it is believed
    forge_record(spoilt, record, lambda o: emptied(o) if o.graph in graphs else o)
    assert "the claim to be exact does not hold" in problems(spoilt)[name][0]


@pytest.mark.parametrize("spoilt", ["alone"], indirect=True)
def test_rounding_does_not_excuse_what_a_search_breaks(spoilt, all_undecided):
    run, record = RunFolder(spoilt), exhaustive(spoilt, 2)
    subject = StoredRun(run, run.existing_manifest()).subject(record.dataset, record.victim)
    found = subject.again(threat_of(record))
    standing = torch.tensor([o.clean == o.label for o in record.outcomes])
    found.ask(standing)
    broken = torch.tensor([o.broken for o in record.outcomes])
    assert found.refuted(standing).tolist() == broken.tolist()
    one = torch.zeros_like(broken)
    one[int(broken.nonzero()[0])] = True
    assert not found.refuted(one).any()


@pytest.mark.parametrize("spoilt", ["alone"], indirect=True)
def test_a_proof_that_only_a_search_of_pairs_gives_cannot_be_hidden(spoilt):
    record, bounds = exhaustive(spoilt, 2), bounds_of(spoilt)
    graphs = {
        outcome.graph
        for outcome, bound in zip(record.outcomes, bounds, strict=True)
        if outcome.robust and outcome.exact and (bound is None or bound <= 0)
    }
    assert graphs  # or this is about nothing
    forge_record(spoilt, record, lambda o: replace(o, exact=o.exact and o.graph not in graphs))
    wrong = problems(spoilt)[f"{record.key}.jsonl"]
    assert "the word that it is not exact does not hold" in wrong[0]
