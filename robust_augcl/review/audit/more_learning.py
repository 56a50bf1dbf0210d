"""Trials of attacks that learn: what they break after they have learned on.

What an attack has learned goes on learning, from where it stopped, for half as many steps again
(`LearningAttack.go_on`). One that can only begin anew learns twice as long instead. Then both are
turned on the same graphs: all validation and test graphs of the data set. Test graphs are fair
here: nothing is chosen by what is found.

How many graphs show two points? The two attackers break nearly the same graphs; say that one graph
in 25 changes hands. Then the difference of n graphs has a standard deviation of sqrt(0.04 / n), and
two of these are two points where n is 400. So this is `rest.ENOUGH_GRAPHS`. With fewer the
difference must be larger to be seen, and the check says so.

It costs, for each attack and protocol, half of what learning took on each of three victims at the
most (twice what it took, of attacks that begin anew): one victim for each method, the first of its
seeds and budgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import FitGraphs, Fitted, LearningAttack
from robust_augcl.adversary.guard import fit_attack, learn_on, run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.plan.step import Step
from robust_augcl.review.audit.evidence import LearningFacts
from robust_augcl.review.audit.probes import carefully
from robust_augcl.seeds import generator
from robust_augcl.steps.drift import steady
from robust_augcl.threat.model import ThreatModel

MOST_VICTIMS = 3
"""Victims on which an attack goes on learning, at the most."""


def sample(steps: Iterable[Step]) -> list[Step]:
    """Of the steps of one attack, in the order of cells, those that are tried: one a method."""
    first: dict[str, Step] = {}
    for step in steps:
        assert step.cell is not None
        first.setdefault(step.cell.method, step)
    return list(first.values())[:MOST_VICTIMS]


def try_learning_on(
    attack: LearningAttack,
    victim: Victim,
    fitted: Fitted,
    graphs: PackedGraphs,
    threat: ThreatModel,
    *,
    fit: FitGraphs,
    name: str,
    records: Sequence[str] = (),
) -> LearningFacts | None:
    """Let an attack learn on, and hold what it breaks then against what it broke before.

    Args:
        attack: as it learned.
        victim: that it learned on.
        fitted: what it has learned.
        graphs: those that both are turned on.
        threat: what is allowed.
        fit: the graphs that it learned on, and was chosen by.
        name: the attack and the victim, for people.
        records: keys of the attack's records.

    Returns:
        None where the attack can neither go on nor learn longer.
    """
    effort = attack.effort
    spent = getattr(attack, effort) if effort else None
    if effort is None or not isinstance(spent, int):
        return None
    about = (tuple(records), name, graphs.num_graphs, effort, spent)

    def probe() -> LearningFacts | None:
        with steady(victim, graphs, "the audit's"):
            return learned_on()

    def learned_on() -> LearningFacts | None:
        draws = generator("learning on", name)
        after = learn_on(attack, victim, threat, fitted.state, fit=fit, generator=draws)
        more = max(spent // 2, 1)
        judged = attack
        if after is None:
            more = spent
            changed: dict[str, Any] = {effort: 2 * spent}
            try:
                judged = replace(attack, **changed)  # type: ignore[type-var]
            except ValueError:  # an effort that another setting does not allow
                return None
            after = fit_attack(judged, victim, threat, fit=fit, generator=draws)
        before = _broken(attack, victim, fitted, graphs, threat)
        then = _broken(judged, victim, after, graphs, threat)
        only = int((before & ~then).sum()), int((then & ~before).sum())
        return LearningFacts(*about, more, *only)

    def stopped(error: str, grave: bool) -> LearningFacts | None:
        return LearningFacts(*about, error=error, grave=grave)

    return carefully(probe, attack, stopped)


def _broken(
    attack: LearningAttack,
    victim: Victim,
    fitted: Fitted,
    graphs: PackedGraphs,
    threat: ThreatModel,
) -> Tensor:
    """Which graphs (G,) are right when clean, and wrong after the edits."""
    none = graphs.select(torch.arange(0))
    result = run_attack(
        attack,
        victim,
        graphs,
        threat,
        fit=FitGraphs(none, none),
        generator=generator("learned on"),
        fitted=fitted,
    )
    return (result.clean_prediction == graphs.y) & (result.attacked_prediction != graphs.y)
