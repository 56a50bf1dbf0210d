"""What replay proves of certificates of two and three edits of a classifier that branch and bound
does not know.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from finished_runs import finish
from small_suites import PROVED

from robust_augcl.oracle import certifier
from robust_augcl.oracle.certifier import SLACK, MostTried
from robust_augcl.oracle.head_bounds import MarginBounds
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step
from robust_augcl.plan.suite import load_suite
from robust_augcl.results.measurements import stored_certificate
from robust_augcl.review import again
from robust_augcl.review.certificate_proof import check_certificate
from robust_augcl.review.proofs import Proof
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.certifying import compute_certificate
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.model import ThreatModel

SUITE = (
    PROVED.replace("layers = [2]", "layers = [4]")
    .replace("nodes = [15, 20]", "nodes = [9, 12]\nedge_probability = 0.3")
    .replace("[1, 2, 3]", "[3]")
    .replace('name = "proved"', 'name = "proved"\nseeds = [2]')
)
"""A seed with which one, two and three edits break graphs, and the bound leaves some others."""


class Run:
    """A finished run: its certificate, and what replay says of it if it said something else."""

    def __init__(self, folder: Path, step: Step) -> None:
        store = RunFolder(folder).store
        held = {role: store.load(needed.key) for role, needed in step.inputs.items()}
        self._step, self._held, self._store = step, held, store
        self.told = store.load(step.key).info
        self._inputs = dataset_of(held["dataset"]), victim_of(held["victim"]), "components"
        self.subject = Subject(*self._inputs)

    @property
    def threat(self) -> ThreatModel:
        return self._step.settings["threat"]

    def forget(self) -> None:
        """Search all again."""
        self.subject = Subject(*self._inputs)

    def proof(self, info: dict[str, Any] | None = None, most: MostTried | None = None) -> Proof:
        settings = self._step.settings
        stored = stored_certificate(self.told if info is None else info, self._step.key)
        if most is None:
            most = MostTried(*(settings[name] for name in ("pairs", "evaluations", "sets")))
        return check_certificate(stored, self.subject, settings["threat"], most)

    def certified(self, most: MostTried) -> dict[str, Any]:
        """What a step with these limits would have stored."""
        settings = {**self._step.settings, **most._asdict()}
        inputs = {role: self._held[role] for role in ("dataset", "victim")}
        step = replace(self._step, settings=settings, inputs={})
        return compute_certificate(step, Inputs(inputs, {}), Context(self._store)).info

    def proof_by_few(self, monkeypatch: pytest.MonkeyPatch) -> Proof:
        """The same of all claims, where replay searches next to nothing again."""
        monkeypatch.setattr(again, "MOST_SETS", 1)
        monkeypatch.setattr(again, "MOST_PAIRS", 1)
        self.forget()
        proof = self.proof()
        self.forget()
        return proof

    def place(self, edits: int | None) -> int:
        """The first graph with a witness of so many edits; None: that is certified."""
        return next(
            place
            for place, witness in enumerate(self.told["witnesses"])
            if (edits is None and self.told["certified"][place])
            or (witness is not None and sum(map(len, witness)) == edits)
        )


def run_of(suite: str, path: Path) -> Run:
    """A finished run of a suite with one certificate."""
    path.write_text(suite)
    folder = finish(path, path.parent / "run", "--workers", "1")
    (step,) = [
        step for _, step in plan(load_suite(str(path))).measurements if step.kind == "certificate"
    ]
    return Run(folder, step)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(SUITE, tmp_path_factory.mktemp("larger") / "suite.toml")


@pytest.fixture(scope="module")
def run_of_pairs(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two edits: all pairs are tried, and no bound is computed."""
    suite = SUITE.replace("budget = [3]", "budget = [2]")
    return run_of(suite, tmp_path_factory.mktemp("pairs") / "suite.toml")


def test_what_is_searched_again_is_proved(run):
    assert all(run.told["settled"])
    assert run.proof().problems == []
    assert "certified again" in run.proof().proved
    assert "on trust" not in run.proof().proved


def test_a_search_that_is_too_long_is_taken_on_trust_and_said(run, monkeypatch):
    proof = run.proof_by_few(monkeypatch)
    assert proof.problems == []
    assert "certified on trust: not all their sets of edits are searched again" in proof.proved


@pytest.mark.parametrize("edits", [1, 2, 3])
def test_a_graph_that_edits_break_cannot_be_called_certified(run, edits):
    info, place = copy.deepcopy(run.told), run.place(edits)
    info["certified"][place], info["witnesses"][place] = True, None
    info["lower_margin"][place] = 0.0005
    run.forget()
    assert "the certificate does not hold for graph" in run.proof(info).problems[0]


@pytest.mark.parametrize("edits", [None, 2, 3])
def test_what_the_search_settles_cannot_be_left_open(run, edits):
    info, place = copy.deepcopy(run.told), run.place(edits)
    info["certified"][place], info["settled"][place] = False, False
    info["witnesses"][place] = None
    assert any(
        "open, though all its sets of edits are tried," in each for each in run.proof(info).problems
    )


@pytest.mark.parametrize("name", ["run", "run_of_pairs"])
def test_no_lower_margin_can_be_moved(name, request):
    run = request.getfixturevalue(name)
    for place, margin in enumerate(run.told["lower_margin"]):
        others = {None, 0.5} if margin is None else {None, margin + 0.5, margin - 0.5}
        for other in others - {margin}:
            info = copy.deepcopy(run.told)
            info["lower_margin"][place] = other
            (problem,) = run.proof(info).problems
            assert problem.startswith("the lower margin does not hold for graph")


def test_what_some_edits_break_has_no_lower_margin(run):
    for edits in (1, 2):
        assert run.told["lower_margin"][run.place(edits)] is None
    others = zip(run.told["lower_margin"], run.told["witnesses"], strict=True)
    assert any(margin is not None for margin, witness in others if witness is None)


def test_pairs_that_were_tried_without_a_bound_are_proved(run_of_pairs):
    told = run_of_pairs.told
    certified = [place for place, holds in enumerate(told["certified"]) if holds]
    assert max(told["lower_margin"][place] for place in certified) > SLACK  # no bound has such ones
    assert run_of_pairs.proof().problems == []
    assert "certified again" in run_of_pairs.proof().proved


def test_pairs_that_are_not_searched_again_hold(run_of_pairs, monkeypatch):
    """Some are proved by the bound, whose margins are lower than those of a search."""
    proof = run_of_pairs.proof_by_few(monkeypatch)
    assert proof.problems == []
    assert "on trust" in proof.proved


def few_open_pairs(model, graphs, candidates, budgets):
    """A bound that holds where all pairs leave a margin of 1: it proves most pairs harmless."""
    start = torch.ones(graphs.num_graphs, model.num_classes).double()
    start.scatter_(1, graphs.y.unsqueeze(1), torch.inf)
    cost = torch.zeros(len(candidates), model.num_classes).double()
    cost[candidates.ptr[:-1][candidates.counts > 0]] = -1
    return MarginBounds(start, cost, torch.zeros(graphs.num_graphs).double())


def test_a_search_beside_a_bound_does_not_refute_a_margin_that_was_found(run_of_pairs, monkeypatch):
    """More pairs than replay tries, of which the bound leaves few: it tries all of these."""
    pairs = run_of_pairs.subject.again(run_of_pairs.threat).pairs
    certified = torch.tensor(run_of_pairs.told["certified"])
    safe = certified & (torch.tensor([x or 0.0 for x in run_of_pairs.told["lower_margin"]]) > 1)
    monkeypatch.setattr(again, "MOST_PAIRS", int(pairs[safe].max()) - 1)
    monkeypatch.setattr(again, "_BEGINNING", 1)
    monkeypatch.setattr(certifier, "margin_bounds", few_open_pairs)
    run_of_pairs.forget()
    proof = run_of_pairs.proof()
    found = run_of_pairs.subject.again(run_of_pairs.threat)
    run_of_pairs.forget()
    assert (safe & found.searched & (found.bound > -torch.inf)).any()
    assert proof.problems == []


def test_margins_that_are_searched_again_cannot_be_moved_where_no_bound_is_known(
    run_of_pairs, monkeypatch
):
    """As of a head that is one linear layer."""

    def nowhere(model, graphs, *_):
        return torch.zeros_like(graphs.y, dtype=torch.bool)

    for module in (certifier, again):
        monkeypatch.setattr(module, "searched_without_bound", nowhere)
    monkeypatch.setattr(certifier, "margin_bounds", lambda *_: None)
    run_of_pairs.forget()
    proof = run_of_pairs.proof()
    info = copy.deepcopy(run_of_pairs.told)
    place = run_of_pairs.place(None)
    info["lower_margin"][place] = round(info["lower_margin"][place] / 2, 6)
    moved = run_of_pairs.proof(info)
    run_of_pairs.forget()
    assert proof.problems == []
    (problem,) = moved.problems
    assert problem.startswith("the lower margin does not hold for graph")


def test_a_certificate_with_a_limit_below_all_pairs_rests_on_the_bound(run_of_pairs):
    """Where its pairs were too many for it, replay may try them all the same."""
    most = MostTried(1, 1, 1)
    assert "the lower margin does not hold" in run_of_pairs.proof(most=most).problems[0]
    limited = dict(run_of_pairs.certified(most))
    assert limited["lower_margin"] != run_of_pairs.told["lower_margin"]
    assert run_of_pairs.proof(limited, most).problems == []
