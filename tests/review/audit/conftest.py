"""Records made by hand or by the guard, for checks to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from hand_made import make_record

from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.plan.declared import traits_of
from robust_augcl.plan.step import plain
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel


def audited_record(attack: str = "a", outcomes: Sequence[Outcome] = (), **changes) -> Record:
    """A record of one attack on the victim "v", edges added inside a component, everything else as
    changed.
    """
    threat = {
        "budget": changes.get("budget", 1),
        "operations": ["add"],
        "within_component": True,
        "allow_existing": False,
    }
    usual = {
        "attack": attack,
        "attack_settings": {"type": attack},
        "threat": threat,
        "label_rule": "components",
    }
    refs = {"dataset": ArtifactRef("dataset-d", "1"), "victim": ArtifactRef("victim-v", "2")}
    return make_record(outcomes, **{**usual, **refs, **changes})


def make_outcomes(broken: Sequence[bool], edits: int = 1, wrong: int = 0) -> list[Outcome]:
    """Graphs right when clean, broken or not; then `wrong` ones that are wrong throughout. Margins
    are 1 and -1.
    """
    pairs = [[0, other + 1] for other in range(edits)]
    right = [
        Outcome(i, i % 3, i % 3, (i + b) % 3, 1.0, -1.0 if b else 1.0, pairs, [])
        for i, b in enumerate(broken)
    ]
    first = len(right)
    return right + [
        Outcome(i, i % 3, (i + 1) % 3, (i + 1) % 3, -1.0, -1.0, pairs, [])
        for i in range(first, first + wrong)
    ]


@pytest.fixture(scope="session")
def record() -> Callable[..., Record]:
    return audited_record


@pytest.fixture(scope="session")
def outcomes() -> Callable[..., list[Outcome]]:
    return make_outcomes


@pytest.fixture(scope="session")
def attacked() -> Callable[..., Record]:
    """The record of an attack that the guard ran on a victim."""

    def run(
        attack: Attack, victim: Victim, graphs: PackedGraphs, threat: ThreatModel, label: str = "a"
    ) -> Record:
        result = run_attack(
            attack,
            victim,
            graphs,
            threat,
            fit=FitGraphs(graphs, graphs),
            generator=generator(label),
        )
        found = [
            Outcome(
                i,
                int(graphs.y[i]),
                int(result.clean_prediction[i]),
                int(result.attacked_prediction[i]),
                float(result.clean_margin[i]),
                float(result.attacked_margin[i]),
                edits.added.T.tolist(),
                edits.removed.T.tolist(),
            )
            for i, edits in enumerate(result.perturbations)
        ]
        return audited_record(
            label,
            found,
            threat=plain(threat),
            queries=result.queries,
            traits=traits_of(attack, label, type(attack).__module__.rpartition(".")[2]),
        )

    return run


@pytest.fixture
def victim(reference_model) -> Victim:
    return Victim(reference_model)


@pytest.fixture
def some(reference_graphs) -> PackedGraphs:
    return reference_graphs.select(torch.arange(0, reference_graphs.num_graphs, 3))
