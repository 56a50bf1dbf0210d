"""The source of a package of other people's attacks: one of each base, and two that claim much."""

from __future__ import annotations

ZOO = '''
"""Attacks of other people."""
from __future__ import annotations

from dataclasses import dataclass

import torch

from robust_augcl.adversary.attack_base import Attack, CombiningAttack, LearningAttack
from robust_augcl.adversary.victim import Access
from robust_augcl.models.margins import margins
from robust_augcl.threat.perturbations import Perturbation


def pick(candidates, share):
    """Of each graph the candidate at this share of its list."""
    places = (candidates.counts.double() * share).long().clamp(max=candidates.counts - 1)
    return [
        candidates.perturbation(first.reshape(1))
        for first in candidates.ptr[:-1] + places
    ]


@dataclass(frozen=True)
class Lucky(LearningAttack):
    """Learn which share of the list of candidates breaks most graphs."""

    access = Access.QUERY
    display_name = "Lucky share"
    effort = "tries"
    tries: int = 4

    def brief(self):
        return Lucky(tries=2)

    def prepare(self, victim, fit, threat, generator, report=None):
        best, curve = (2.0, 0.0), []
        for number in range(self.tries):
            share = float(torch.rand((), generator=generator))
            left = 1.0
            if fit.train.num_graphs:
                candidates = threat.enumerate(fit.train)
                places = torch.cat([p.added.new_tensor([0]) for p in pick(candidates, share)])
                chosen = candidates.ptr[:-1] + (candidates.counts.double() * share).long()
                chosen = chosen.clamp(max=len(candidates) - 1) + places
                logits = victim.candidate_logits(fit.train, candidates.take(chosen))
                left = float((logits.argmax(1) == fit.train.y).float().mean())
            curve.append((number + 1, left, left))
            best = min(best, (left, share))
        proposer = self.restore({"share": torch.tensor(best[1])}, victim, threat)
        proposer.curve = curve
        return proposer

    def restore(self, state, victim, threat):
        class Proposer:
            def __call__(self, graphs):
                return pick(threat.enumerate(graphs), float(state["share"]))

            def state(self):
                return dict(state)

        return Proposer()


@dataclass(frozen=True)
class Gather(CombiningAttack):
    """Take the edits of the attack that leaves the smallest margin."""

    access = Access.NONE
    display_name = "Gathered"
    of: tuple[str, ...] = ()

    def combine(self, found, victim, threat):
        margin = torch.cat([found["clean_margin"].unsqueeze(0), found["attacked_margin"]])
        chosen = margin.argmin(0) - 1

        def propose(graphs):
            answers = []
            for graph in range(graphs.num_graphs):
                mine = (found["graph"] == graph) & (found["attack"] == chosen[graph])
                pairs, added = found["pairs"][:, mine], found["added"][mine]
                answers.append(Perturbation(pairs[:, added], pairs[:, ~added]))
            return answers

        return propose


@dataclass(frozen=True)
class Boast(Attack):
    """Claim to be exact, and take the first candidate."""

    access = Access.NONE
    display_name = "Boast"
    exact = True
    max_budget = 1

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: pick(threat.enumerate(graphs), 0.0)


@dataclass(frozen=True)
class Thorough(Attack):
    """Claim to be exact, and try every candidate."""

    access = Access.QUERY
    display_name = "Thorough"
    exact = True
    max_budget = 1

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            candidates = threat.enumerate(graphs)
            logits = victim.candidate_logits(graphs, candidates)
            best = candidates.best(margins(logits, graphs.y[candidates.graph]))
            return [candidates.perturbation(place.reshape(1)) for place in best]

        return propose
'''
