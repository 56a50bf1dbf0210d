"""One search under guard that answers several budgets: what each answer takes by itself is counted.

What it proposes is believed no more than any other answer: `guard.run_attack` takes it from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from robust_augcl.adversary.answers import copies
from robust_augcl.adversary.attack_base import GrowingAttack
from robust_augcl.adversary.global_state import NUMERIC, put_back
from robust_augcl.adversary.guard import Proposed, check_unchanged, make_ready
from robust_augcl.adversary.supported import check_supported
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import GuardViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


def search_together(
    attack: GrowingAttack,
    victim: Victim,
    graphs: PackedGraphs,
    threats: Sequence[ThreatModel],
    *,
    generator: torch.Generator,
    report: Report = silent,
) -> list[Proposed]:
    """Let an attack propose for several threats by one search, and count what each would take.

    Args:
        attack: what is run.
        victim: what is attacked; it counts the questions.
        graphs: the targets (G), with their true classes.
        threats: they differ in their budgets alone: whole numbers, ascending.
        generator: the source of all chance.
        report: told how far the search is.

    Returns:
        For each threat what `run_attack` takes as `proposed`. Queries and seconds are those up to
        its answer: what the search would take for it alone.

    Raises:
        AccessViolation, GuardViolation, ThreatViolation, ValueError: as `guard.run_attack`.

    Example: no graph is asked about a third edit before the answer with two edits is there.

    >>> from torch_geometric.data import Data
    >>> from robust_augcl import registry
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    >>> data = Data(x=torch.ones(4, 1), edge_index=path, y=torch.tensor([0]))
    >>> chance = torch.Generator().manual_seed(0)
    >>> gin = registry.load("encoder", "gin")(in_features=1, width=4, layers=2, generator=chance)
    >>> victim = Victim(GraphClassifier(gin, num_classes=2, hidden=4, generator=chance))
    >>> graphs = PackedGraphs.from_data_list([data])
    >>> beam, threats = registry.load("attack", "beam")(), [ThreatModel(2), ThreatModel(3)]
    >>> few, more = search_together(beam, victim, graphs, threats, generator=chance)
    >>> few.queries <= more.queries == victim.queries
    True
    """
    for threat in threats:
        check_supported(attack, threat)
    make_ready(attack, victim, graphs)
    told, handed = [replace(threat) for threat in threats], graphs.copy()
    made = [_Growing([], 0, 0, 0.0) for _ in threats]
    with put_back(NUMERIC):
        search = attack.grow(victim.restricted(attack.access), told, generator)
        for part in graphs.portions():
            counts, some = _Counts(victim), handed.select(part)
            own = some.copy()
            answers = search(some)
            for threat, growing in zip(threats, made, strict=True):
                growing.add(copies(_next(attack, answers), threat.budgets(own)), counts)
            check_unchanged(attack, {"attacked": (own, some)})
            done = len(made[0].perturbations)
            report(done / graphs.num_graphs, f"{done} of {graphs.num_graphs} graphs attacked")
    return [each.proposed for each in made]


class _Counts:
    """What the victim was asked, and the time, since the search of some graphs began."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self._queries, self._gradient_calls = victim.queries, victim.gradient_calls
        self._start = time.perf_counter()

    @property
    def queries(self) -> int:
        return self._victim.queries - self._queries

    @property
    def gradient_calls(self) -> int:
        return self._victim.gradient_calls - self._gradient_calls

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start


@dataclass
class _Growing:
    """What was proposed for one threat so far, and what it took."""

    perturbations: list[Perturbation]
    queries: int
    gradient_calls: int
    seconds: float

    def add(self, perturbations: list[Perturbation], counts: _Counts) -> None:
        """Add what was proposed for some more graphs, when that much was counted."""
        self.perturbations += perturbations
        self.queries += counts.queries
        self.gradient_calls += counts.gradient_calls
        self.seconds += counts.seconds

    @property
    def proposed(self) -> Proposed:
        """All of it, when all graphs are there."""
        return Proposed(self.perturbations, self.queries, self.gradient_calls, 0.0, self.seconds)


def _next(attack: GrowingAttack, answers: Iterator[list[Perturbation]]) -> list[Perturbation]:
    """The next answer of a search.

    Raises:
        GuardViolation: there is none, or it is no list.
    """
    proposed = next(answers, None)
    if type(proposed) is not list:
        raise GuardViolation(
            f"Expected a list of perturbations for each threat from {type(attack).__name__}, "
            f"got {'fewer answers' if proposed is None else type(proposed).__name__}"
        )
    return proposed
