"""Sound attacks, and attacks that break one rule each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from robust_augcl.adversary.attack_base import (
    Attack,
    CombiningAttack,
    GrowingAttack,
    LearningAttack,
)
from robust_augcl.adversary.victim import Access
from robust_augcl.models.margins import margins
from robust_augcl.threat.perturbations import Perturbation


def pick(candidates, places):
    """Of each graph the candidate at a place of its list, nothing where there is none."""
    return [
        candidates.perturbation(torch.arange(*within(first + place, last)))
        for first, last, place in zip(
            candidates.ptr[:-1].tolist(), candidates.ptr[1:].tolist(), places, strict=True
        )
    ]


def within(place, last):
    """The ends of a range of one place, or of none where it is beyond the last."""
    return (place, place + 1) if place < last else (0, 0)


def first_of(threat, graphs):
    return pick(threat.enumerate(graphs), [0] * graphs.num_graphs)


@dataclass(frozen=True)
class Sound(Attack):
    """Take the first candidate."""

    access = Access.NONE
    times: int = 1

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: first_of(threat, graphs)


def variant(body: Any = None, **attributes: Any) -> Attack:
    """The sound attack with another proposer `body(self, view, threat, generator, graphs)`."""

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: body(victim, threat, generator, graphs)

    own = {} if body is None else {"prepare": prepare}
    made = dataclass(frozen=True)(type("Faulty", (Sound,), {**own, **attributes}))
    # Where a pickle finds it again.
    made.__module__, made.__qualname__ = __name__, "Faulty"
    globals()["Faulty"] = made
    return made()


@dataclass
class Thawed(Attack):
    access = Access.NONE
    prepare = Sound.prepare


class Bare(Sound):
    pass


@dataclass(frozen=True)
class Odd(Sound):
    tools: Any = dataclasses.field(default_factory=lambda: {1, 2})


@dataclass(frozen=True)
class Lambda(Sound):
    def __reduce__(self):
        return Lambda, (self.times + 1,)


@dataclass(frozen=True)
class Learns(LearningAttack):
    """Learn which place of the list to take."""

    access = Access.QUERY

    def prepare(self, victim, fit, threat, generator, report=None):
        place = torch.randint(3, (1,), generator=generator)
        proposer = self.restore({"place": place}, victim, threat)
        proposer.curve = [(1, 0.5, 0.5)]
        return proposer

    def restore(self, state, victim, threat):
        class Proposer:
            def __call__(self, graphs):
                return pick(threat.enumerate(graphs), [int(state["place"])] * graphs.num_graphs)

            def state(self):
                return dict(state)

        return Proposer()


@dataclass(frozen=True)
class Forgets(Learns):
    def prepare(self, victim, fit, threat, generator, report=None):
        found = super().prepare(victim, fit, threat, generator, report)
        found.state = lambda: {"place": torch.tensor([7])}
        return found


@dataclass(frozen=True)
class Combines(CombiningAttack):
    access = Access.NONE
    of: tuple[str, ...] = ()

    def combine(self, found, victim, threat):
        def propose(graphs):
            mine = found["attack"] == 0
            answers = []
            for graph in range(graphs.num_graphs):
                at = mine & (found["graph"] == graph)
                pairs, added = found["pairs"][:, at], found["added"][at]
                answers.append(Perturbation(pairs[:, added], pairs[:, ~added]))
            return answers

        return propose


@dataclass(frozen=True)
class Invents(Combines):
    def combine(self, found, victim, threat):
        def propose(graphs):
            candidates = threat.enumerate(graphs)
            return pick(candidates, [max(0, n - 1) for n in candidates.counts.tolist()])

        return propose


@dataclass(frozen=True)
class Picky(Combines):
    of: tuple[str, ...] = ("beam",)


@dataclass(frozen=True)
class Grows(GrowingAttack):
    """Take as many candidates from the first as a budget allows, and ask once for each."""

    access = Access.QUERY

    def grow(self, victim, threats, generator):
        def search(graphs):
            candidates, asked = threats[-1].enumerate(graphs), 0
            for threat in threats:
                for _ in range(asked, self.asks_for(threat, threats)):
                    victim.logits(graphs)
                asked = self.asks_for(threat, threats)
                yield [
                    candidates.perturbation(torch.arange(first, min(first + many, last)))
                    for first, last, many in zip(
                        candidates.ptr[:-1].tolist(),
                        candidates.ptr[1:].tolist(),
                        self.edits_for(threat, threats, graphs, generator),
                        strict=True,
                    )
                ]

        return search

    def edits_for(self, threat, threats, graphs, generator):
        return threat.budgets(graphs).tolist()

    def asks_for(self, threat, threats):
        return int(max(threat.budget, 1))


@dataclass(frozen=True)
class LooksAhead(Grows):
    def edits_for(self, threat, threats, graphs, generator):
        spared = len(threats) - 1  # for the budgets that are still to come
        return [max(0, most - spared) for most in threat.budgets(graphs).tolist()]


@dataclass(frozen=True)
class AsksAhead(Grows):
    def asks_for(self, threat, threats):
        return int(max(threats[-1].budget, 1))


@dataclass(frozen=True)
class DrawsInTurn(Grows):
    def edits_for(self, threat, threats, graphs, generator):
        return [
            int(torch.randint(most + 1, (), generator=generator))
            for most in threat.budgets(graphs).tolist()
        ]


@dataclass(frozen=True)
class OwnForOne(Grows):
    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: first_of(threat, graphs)


def raises(view, threat, generator, graphs):
    raise ValueError("no such thing")


def ends(view, threat, generator, graphs):
    raise SystemExit(3)


def adds_only(view, threat, generator, graphs):
    for operation in threat.operations:
        {"add": 1}[operation]
    return first_of(threat, graphs)


def asks(view, threat, generator, graphs):
    view.logits(graphs)
    return first_of(threat, graphs)


def writes(view, threat, generator, graphs):
    graphs.x.mul_(2)
    return first_of(threat, graphs)


def too_many(view, threat, generator, graphs):
    candidates = threat.enumerate(graphs)
    return [
        candidates.perturbation(torch.arange(first, last))
        for first, last in zip(candidates.ptr[:-1], candidates.ptr[1:], strict=True)
    ]


def whole_graphs_only(view, threat, generator, graphs):
    assert graphs.target_node is None
    return first_of(threat, graphs)


def needs_a_candidate(view, threat, generator, graphs):
    candidates = threat.enumerate(graphs)
    return [candidates.perturbation(first.reshape(1)) for first in candidates.ptr[:-1]]


def by_torch(view, threat, generator, graphs):
    counts = threat.enumerate(graphs).counts.tolist()
    return pick(threat.enumerate(graphs), [int(torch.rand(()) * n) for n in counts])


def by_numpy(view, threat, generator, graphs):
    counts = threat.enumerate(graphs).counts.tolist()
    places = [int(np.random.rand() * n) for n in counts]  # noqa: NPY002
    return pick(threat.enumerate(graphs), places)


def by_company(view, threat, generator, graphs):
    counts = threat.enumerate(graphs).counts.tolist()
    return pick(threat.enumerate(graphs), [max(0, n - 1) if len(counts) > 1 else 0 for n in counts])


@dataclass(frozen=True)
class Thorough(Attack):
    """Try every candidate."""

    access = Access.QUERY
    exact = True
    max_budget = 1

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            candidates = threat.enumerate(graphs)
            if not len(candidates):
                return [Perturbation() for _ in range(graphs.num_graphs)]
            logits = victim.candidate_logits(graphs, candidates)
            margin, clean = margins(logits, graphs.y[candidates.graph]), victim.logits(graphs)
            answers = []
            for graph, value in enumerate(margins(clean, graphs.y).tolist()):
                own = (candidates.graph == graph).nonzero().flatten()
                best = own[margin[own].argmin()] if len(own) else None
                worse = best is not None and float(margin[best]) < value
                answers.append(candidates.perturbation(best[None]) if worse else Perturbation())
            return answers

        return propose
