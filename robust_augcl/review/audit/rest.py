"""Checks of whether what was trained is at rest."""

from __future__ import annotations

import math

from robust_augcl.results.findings import AT_REST, ATTACKERS_AT_REST, Finding, Status
from robust_augcl.results.names import Names, joined, layers_text
from robust_augcl.results.rest import FEWEST_EPOCHS, SHARE_OF_EPOCHS, Rest
from robust_augcl.review.audit.evidence import Evidence, LearningFacts, keys_of, listed

ENOUGH_GRAPHS = 400
"""Graphs that show a fall of two points (`review.audit.more_learning` says why)."""
_FLAT = 0.02  # a fall of robust accuracy that more learning may bring


def victims_are_at_rest(evidence: Evidence) -> Finding:
    """No victim's best epoch lies near the end of its training.

    Else methods may differ in how far their victims have come.
    """
    victims = {rest.cell: rest for rest in evidence.rests.values()}
    if not victims:
        return Finding(AT_REST, "n/a", "Nobody has said how these victims were trained.")
    moving = [victims[cell] for cell in sorted(victims) if not victims[cell].at_rest]
    if moving:
        records = (
            record
            for record in evidence.records
            if record.key in evidence.rests and not evidence.rests[record.key].at_rest
        )
        names = Names.of(evidence.records)
        text = (
            f"{len(moving)} of {len(victims)} models were not at rest when their training ended. "
            f"Fewer than {FEWEST_EPOCHS} epochs, or than {100 * SHARE_OF_EPOCHS:.0f} % of all, "
            f"came after the best one: {listed([_named(rest, names) for rest in moving])}."
        )
        return Finding(AT_REST, "WARN", text, keys_of(records))
    fewest = min(victims.values(), key=lambda rest: rest.epochs - rest.epoch)
    return Finding(
        AT_REST,
        "PASS",
        f"Each of {len(victims)} models was trained for {fewest.epochs - fewest.epoch} epochs or "
        f"more after its best one. The rule asks for {FEWEST_EPOCHS}, and for "
        f"{100 * SHARE_OF_EPOCHS:.0f} % of all.",
    )


def attackers_are_at_rest(evidence: Evidence) -> Finding:
    """An attack that learned finds hardly more after it has learned on.

    It was tried on a sample of victims. What it shows there it shows of the attack, so it speaks
    against all of the attack's records.
    """
    tried = evidence.learned_on
    if not tried:
        return Finding(ATTACKERS_AT_REST, "n/a", "Nothing here learned that could learn on.")
    if stopped := [facts for facts in tried if facts.error]:
        status: Status = "FAIL" if any(facts.grave for facts in stopped) else "WARN"
        shown = listed([f"{facts.name}: {facts.error}" for facts in stopped])
        return Finding(ATTACKERS_AT_REST, status, f"{shown}.", _cells(evidence, stopped))
    moving = [facts for facts in tried if _moves(facts)]
    if moving:
        shown = listed([_learning(facts, evidence.targets) for facts in moving])
        text = f"{len(moving)} of {len(tried)} attacks got better when they learned on: {shown}."
        return Finding(ATTACKERS_AT_REST, "WARN", text, _cells(evidence, moving))
    fewest = min(facts.num_graphs for facts in tried)
    few = (
        f" Fewer than {ENOUGH_GRAPHS} {evidence.targets} cannot show a change of two points."
        if fewest < ENOUGH_GRAPHS
        else ""
    )
    most = max(tried, key=lambda facts: facts.damage)
    change = _learning(most, evidence.targets)
    text = f"{len(tried)} attacks learned on. The largest change: {change}.{few} "
    text += "At rest means that more learning brings little, and not that the worst case is found."
    return Finding(ATTACKERS_AT_REST, "PASS", text)


def _moves(facts: LearningFacts) -> bool:
    """Whether more learning brought more than two points, beyond two standard deviations.

    The difference of two paired counts has a standard deviation of the root of their sum, where
    neither attacker is stronger.
    """
    gained = facts.only_after - facts.only_before
    chance = 2 * math.sqrt(facts.only_after + facts.only_before)
    return gained > _FLAT * facts.num_graphs and gained > chance


def _learning(facts: LearningFacts, targets: str) -> str:
    more = f"{facts.spent + facts.more} {facts.what} instead of {facts.spent}"
    change = f"the share of {targets} that stay right changes by {-100 * facts.damage:+z.1f} points"
    return (
        f"{facts.name}: with {more}, {change} (on {facts.num_graphs} {targets} for validation "
        "and test)"
    )


def _cells(evidence: Evidence, against: list[LearningFacts]) -> tuple[str, ...]:
    keys = {key for facts in against for key in facts.records}
    return keys_of(record for record in evidence.records if record.key in keys)


def _named(rest: Rest, names: Names) -> str:
    cell = rest.cell
    about = joined(names.method(cell.method), layers_text(cell.layers), f"seed {cell.seed}")
    protocol = f" ({cell.protocol})" if cell.protocol != "strict" else ""
    return f"{about}{protocol}: {rest.text}"
