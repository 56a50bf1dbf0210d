"""Checks of what more budget and more effort do for one attack."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from robust_augcl.results.findings import Finding, Status, worst
from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.results.records import Record
from robust_augcl.review.audit.evidence import (
    Evidence,
    LargeBudgetFacts,
    grouped,
    keys_of,
    listed,
    name_of,
)
from robust_augcl.review.audit.pairs import (
    Pair,
    broken_though_proved,
    but_budget,
    decidedly_weaker,
    versus,
)

_FLAT = 0.02  # a change of robust accuracy that more effort may bring
_FEW_GRAPHS = 1  # of a dozen: a graph more or less is no sign
_MISSED = 0.1  # of the graphs that random edits break, what an attack of that budget may miss


def larger_budgets_do_no_less(evidence: Evidence) -> Finding:
    """The same attack with a larger budget leaves no more graphs standing, beyond chance.

    What is proved to withstand the larger budget cannot be broken with the smaller one: there
    chance has no part. Under poisoning it only warns: each budget trains a model of its own.
    """
    name = "larger budgets never do less damage"
    targets = evidence.targets
    pairs: list[Pair] = []
    for group in grouped(evidence.records, _but_size_of_budget):
        group.sort(key=lambda record: record.cell.budget)
        pairs += zip(group[1:], group, strict=False)
    if not pairs:
        return Finding(name, "n/a", "Every attack was run with one budget.")
    exact = [pair for pair in pairs if broken_though_proved(pair[1], pair[0])]
    worse = [pair for pair in pairs if decidedly_weaker(*pair, len(pairs)) and pair not in exact]
    bad = [*exact, *(pair for pair in worse if pair[0].traits.chooses and not pair[0].poisons)]
    if bad or worse:
        text = (
            f"An attack leaves more {targets} right with the larger budget: "
            f"{versus(bad or worse, lambda r: f'with budget {r.cell.budget} it')}."
        )
        return Finding(name, "FAIL" if bad else "WARN", text, keys_of(r for r, _ in bad or worse))
    drops = [smaller.robust_accuracy - larger.robust_accuracy for larger, smaller in pairs]
    return Finding(
        name,
        "PASS",
        f"{len(pairs)} pairs of budgets: with the larger one, the share of {targets} that "
        f"stay right changes by {_points(-max(drops))} to {_points(-min(drops))} points.",
    )


def more_iterations_change_little(evidence: Evidence) -> Finding:
    """An attack that runs longer does no more damage than it did, give or take two points.

    What is looked at: two records of one attack that differ in its effort alone; of an attack that
    learns nothing, what half its effort does to a few graphs. Of attacks that learn,
    `rest.attackers_are_at_rest` says what more learning does.
    """
    name = "more iterations change little"
    targets = evidence.targets
    if stopped := [facts for facts in evidence.halved if facts.error]:
        keys = {key for facts in stopped for key in facts.records}
        return Finding(
            name,
            "FAIL" if any(facts.grave for facts in stopped) else "WARN",
            f"{listed([f'{f.name} with {f.what} {f.half}: {f.error}' for f in stopped])}.",
            keys_of(record for record in evidence.records if record.key in keys),
        )
    changes = [*_by_effort(evidence), *_by_halves(evidence)]
    if not changes:
        return Finding(
            name,
            "n/a",
            "No attack here was run with two numbers of iterations, or can be tried with half.",
        )
    moving = [change for change in changes if change.text]
    if moving:
        texts = dict.fromkeys(change.text for change in moving)
        return Finding(
            name,
            "WARN",
            f"With more iterations, attacks still break more {targets}: {listed(list(texts))}.",
            keys_of(record for change in moving for record in change.records),
        )
    return Finding(
        name,
        "PASS",
        f"{len(changes)} comparisons: more iterations lowered the share of {targets} that "
        f"stay right by at most {100 * max(c.damage for c in changes):z.1f} points.",
    )


class _Change(NamedTuple):
    """What more effort did.

    Args:
        damage: robust accuracy with less of it, less that with more.
        records: the records that it speaks against.
        text: what it says against them; empty where it is no sign of anything.
    """

    damage: float
    records: tuple[Record, ...] = ()
    text: str = ""


def _points(share: float) -> str:
    """A change in points, with its sign."""
    return f"{100 * share:+z.1f}"


def _by_effort(evidence: Evidence) -> Iterator[_Change]:
    """Two records of one attack that differ in its effort alone."""
    for group in grouped(evidence.records, _but_effort):
        efforts = [(effort, r) for r in group if (effort := _effort(r)) is not None]
        efforts.sort(key=lambda item: item[0])
        for (little, less), (much, more) in itertools.pairwise(efforts):
            if little < much:
                damage = less.robust_accuracy - more.robust_accuracy
                if damage > _FLAT and decidedly_weaker(less, more, 1):
                    text = (
                        f"{name_of(less)} leaves {100 * damage:.1f} points fewer right with "
                        f"{much} iterations than with {little}"
                    )
                    yield _Change(damage, (less,), text)
                else:
                    yield _Change(damage)


def _by_halves(evidence: Evidence) -> Iterator[_Change]:
    """What half the effort does to a few graphs."""
    targets = evidence.targets
    for facts in evidence.halved:
        more = facts.only_full - facts.only_half
        damage = more / facts.num_graphs
        if more > _FEW_GRAPHS:
            records = tuple(r for r in evidence.records if r.key in facts.records)
            text = (
                f"{facts.name} breaks {facts.only_full} of {facts.num_graphs} {targets} only "
                f"with {facts.what} {facts.full}, and not with {facts.half}"
            )
            yield _Change(damage, records, text)
        else:
            yield _Change(damage)


def _but_effort(record: Record) -> Any:
    """What two records share that differ in their attack's effort alone."""
    settings = dict(record.attack_settings)
    settings.pop(record.traits.effort or "", None)
    return but_budget(record), record.cell.budget, json.dumps(settings)


def _effort(record: Record) -> int | None:
    """How long the attack ran, in its own measure; None where it has none."""
    effort = record.attack_settings.get(record.traits.effort or "")
    return effort if isinstance(effort, int) else None


def _but_size_of_budget(record: Record) -> Any:
    """What records of one attack share that differ in their budgets alone."""
    return but_budget(record), record.cell.attack, isinstance(record.cell.budget, float)


def large_budget_reaches_what_can_be_broken(evidence: Evidence) -> Finding:
    """With a large budget, an attack breaks what random edits of that budget can break.

    The rest is what the threat spares.
    """
    name = "a large budget reaches what can be broken"
    targets = evidence.targets
    if not evidence.large:
        return Finding(
            name, "n/a", "No attack here takes a budget larger than its own without learning again."
        )
    statuses = [_reaches(facts, len(evidence.large)) for facts in evidence.large]
    status = worst(statuses)
    shown = [
        f"{facts.name} with {facts.budget} edits: {facts.error}"
        if facts.error
        else f"{facts.name}, with {facts.budget} edits, breaks {facts.broken} of "
        f"{facts.num_graphs} {targets}; random edits break {facts.only_random} of the "
        "others"
        for facts, own in zip(evidence.large, statuses, strict=True)
        if own == status
    ]
    bad = {
        key
        for facts, own in zip(evidence.large, statuses, strict=True)
        if own == status
        for key in facts.records
    }
    cells = keys_of(r for r in evidence.records if r.key in bad) if status != "PASS" else ()
    return Finding(name, status, f"{listed(shown)}.", cells)


def _reaches(facts: LargeBudgetFacts, tests: int) -> Status:
    """How an attack with a large budget stands beside random edits; one of so many `tests`."""
    if facts.error:
        return "FAIL" if facts.grave else "WARN"
    found = facts.broken + facts.only_random
    weaker = facts.only_random > facts.only_attack
    if weaker and mcnemar(facts.only_random, facts.only_attack) < ALPHA / tests:
        return "FAIL"
    return "WARN" if weaker and facts.only_random > _MISSED * found else "PASS"
