"""Checks of attacks against one another, on the same graphs of the same victim: paired tests, not
bare comparisons.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

from robust_augcl.adversary.victim import Access
from robust_augcl.results.findings import Finding, Status, worst
from robust_augcl.results.records import Outcome, Record
from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.review.audit.evidence import (
    Evidence,
    grouped,
    iterations_of,
    keys_of,
    listed,
    name_of,
)

# margins may differ by this much, relative to their size, between two ways of computing them
TIE = 1e-4
_FLAT = 0.02  # a change of robust accuracy that more iterations may bring
_FEW_GRAPHS = 1  # of a dozen: a graph more or less is no sign
_LEFT = (
    0.1  # of the graphs that random edits break, what an attack with the same large budget may miss
)

Pair = tuple[Record, Record]


def larger_budgets_do_no_less(evidence: Evidence) -> Finding:
    """The same attack with a larger budget, on the same graphs, leaves no more of them standing,
    beyond chance.

    What an exact search breaks with the smaller budget, it breaks with the larger one, graph by
    graph: there chance has no part.
    """
    name = "larger budgets never do less damage"

    def cell(record: Record) -> Any:
        threat = {key: value for key, value in record.threat.items() if key != "budget"}
        fraction = isinstance(record.cell.budget, float)
        return (
            record.victim.key,
            json.dumps(threat),
            record.cell.protocol,
            record.cell.attack,
            fraction,
        )

    pairs: list[Pair] = []
    for group in grouped(evidence.records, cell):
        group.sort(key=lambda record: record.cell.budget)
        pairs += zip(group[1:], group, strict=False)
    if not pairs:
        return Finding(name, "n/a", "Every attack was run with one budget.")
    exact = [pair for pair in pairs if evidence.of(pair[0]).exact and _only_broken_by(*pair[::-1])]
    worse = [pair for pair in pairs if _decidedly_weaker(*pair, len(pairs)) and pair not in exact]
    bad = [*exact, *(pair for pair in worse if evidence.of(pair[0]).chooses)]
    if bad or worse:
        text = (
            "More graphs stand with the larger budget: "
            f"{_versus(bad or worse, 'than with', lambda r: str(r.cell.budget))}."
        )
        return Finding(name, "FAIL" if bad else "WARN", text, keys_of(r for r, _ in bad or worse))
    drops = [smaller.robust_accuracy - larger.robust_accuracy for larger, smaller in pairs]
    return Finding(
        name,
        "PASS",
        f"{len(pairs)} pairs of budgets: the larger one does {min(drops):+.1%} to "
        f"{max(drops):+.1%} more damage.",
    )


def more_access_does_no_less(evidence: Evidence) -> Finding:
    """White-box attacks are at least as strong as black-box ones, those at least as strong as
    random edits, at equal realised budget.

    Each attack that looks at the victim is tested against each that does not; of the white-box
    attacks, the strongest against each black-box one that learns or samples. One that asks about
    every candidate is a search, not a black box's guess, and is held against the exact worst case
    instead. A graph counts only where the winner had no more edits than the loser, or the loser
    gave up.
    """
    name = "white-box at least black-box at least random"
    pairs: list[Pair] = []
    for group in evidence.same_threat():
        single = [r for r in group if not evidence.of(r).combines and not evidence.of(r).exact]
        random = [r for r in single if not evidence.of(r).chooses]
        choosing = [r for r in single if evidence.of(r).chooses]
        pairs += [(ours, theirs) for ours in choosing for theirs in random]
        white = [r for r in choosing if evidence.of(r).access == Access.GRADIENT]
        black = [
            r
            for r in choosing
            if evidence.of(r).access < Access.GRADIENT and not evidence.of(r).searches
        ]
        if white:
            strongest = min(white, key=lambda record: record.robust_accuracy)
            pairs += [(strongest, theirs) for theirs in black]
    if not pairs:
        return Finding(name, "n/a", "No two attacks of different access were run on one victim.")
    bad = [pair for pair in pairs if _decidedly_weaker(*pair, len(pairs), fair=True)]
    if bad:
        text = (
            "Beyond chance (paired test) weaker than an attack that knows less: "
            f"{_versus(bad, 'against', lambda r: r.cell.attack)}."
        )
        return Finding(name, "FAIL", text, keys_of(ours for ours, _ in bad))
    behind = sum(ours.robust_accuracy > theirs.robust_accuracy for ours, theirs in pairs)
    return Finding(
        name,
        "PASS",
        f"In {len(pairs)} paired tests none that knows more is decidedly weaker ({behind} "
        "times it is behind).",
    )


def nothing_below_the_exact_worst_case(evidence: Evidence) -> Finding:
    """A graph that the exact search could not break is broken by no attack with the same budget or
    a smaller one.
    """
    name = "nothing below the exact worst case"
    compared, broken = 0, []
    for group in grouped(evidence.records, _but_budget):
        for exact in (r for r in group if evidence.of(r).exact):
            others = [r for r in group if not evidence.of(r).exact and _allows(exact, r)]
            for record in others:
                compared += record.num_graphs
                graphs = _only_broken_by(record, exact)
                if graphs:
                    broken.append((record, exact, graphs))
    if not compared:
        return Finding(name, "n/a", "There is no exact worst case for these victims and budgets.")
    if broken:
        shown = [f"{name_of(record)}, graph {graphs[0]}" for record, _, graphs in broken]
        text = (
            "Broken, though the exact search says that no edit breaks them (one of the two "
            f"is wrong): {listed(shown)}."
        )
        return Finding(
            name, "FAIL", text, keys_of(record for pair in broken for record in pair[:2])
        )
    return Finding(
        name,
        "PASS",
        f"{compared:,} attacked graphs: none is broken that the exact search could not break.",
    )


def nothing_broken_that_is_proved(evidence: Evidence) -> Finding:
    """A graph that is certified against a budget is broken by no attack with that budget or a
    smaller one.
    """
    name = "nothing broken that is proved"
    compared, broken = 0, []
    for record in evidence.records:
        proved = evidence.proved.get(record.key, ())
        compared += len(proved)
        graphs = [o.graph for o in record.outcomes if o.graph in proved and not o.robust]
        if graphs:
            broken.append((record, graphs))
    if broken:
        shown = [f"{name_of(record)}, graph {graphs[0]}" for record, graphs in broken]
        text = (
            "Broken, though a certificate proves that no allowed edits break them (one of "
            f"the two is wrong): {listed(shown)}."
        )
        return Finding(name, "FAIL", text, keys_of(record for record, _ in broken))
    if not compared:
        return Finding(name, "n/a", "Nothing is certified here.")
    return Finding(
        name, "PASS", f"{compared:,} times an attack met a certified graph: it broke none."
    )


def worst_of_attacks_is_the_worst(evidence: Evidence) -> Finding:
    """What combines attacks leaves no graph a larger margin than any attack that it combines, with
    its budget or a smaller one.
    """
    name = "the worst of the attacks is no better than each"
    compared, bad = 0, []
    for group in grouped(evidence.records, _but_budget):
        for union in (r for r in group if evidence.of(r).combines):
            for member in (
                r for r in group if r.cell.attack in evidence.of(union).of and _allows(union, r)
            ):
                compared += 1
                margins = {o.graph: o.attacked_margin for o in member.outcomes}
                if any(
                    o.attacked_margin > margins.get(o.graph, float("inf")) + _tie(o)
                    for o in union.outcomes
                ):
                    bad.append((union, member))
    if not compared:
        return Finding(name, "n/a", "Nothing here combines attacks.")
    if bad:
        return Finding(
            name,
            "FAIL",
            f"A graph fares better: {_versus(bad, 'against', lambda r: r.cell.attack)}.",
            keys_of(u for u, _ in bad),
        )
    return Finding(
        name,
        "PASS",
        f"{compared} comparisons, graph by graph: no margin is larger than the attack's.",
    )


def more_iterations_change_little(evidence: Evidence) -> Finding:
    """An attack that runs longer does no more damage than it did, give or take two points.

    Looked at: two records of one attack that differ in its iterations alone; for an attack that
    learns, whether the second half of its learning still lowered the robust accuracy on the graphs
    that it is chosen by; for another, what half its iterations do to a few graphs.
    """
    name = "more iterations change little"
    seen, moving = [], []
    for group in grouped(
        evidence.records, lambda r: (_but_budget(r), r.cell.budget, json.dumps(_but_iterations(r)))
    ):
        lengths = [(length, record) for record in group if (length := _length(record)) is not None]
        lengths.sort(key=lambda item: item[0])
        for (short, less), (long, more) in itertools.pairwise(lengths):
            if short < long:
                seen.append(less.robust_accuracy - more.robust_accuracy)
                if seen[-1] > _FLAT and _decidedly_weaker(less, more, 1):
                    moving.append(
                        (
                            less,
                            f"{name_of(less)}: {seen[-1]:+.1%} damage with {long} instead of "
                            f"{short}",
                        )
                    )
    for record in evidence.records:
        curve = evidence.curves.get(record.key, ())
        half = [accuracy for step, _, accuracy in curve if curve and step <= curve[-1][0] / 2]
        if half:
            seen.append(min(half) - min(accuracy for *_, accuracy in curve))
            if seen[-1] > _FLAT:
                moving.append(
                    (
                        record,
                        f"{name_of(record)}: {seen[-1]:.1%} in the second half of its learning",
                    )
                )
    by_key = {record.key: record for record in evidence.records}
    for facts in evidence.halved:
        seen.append((facts.only_full - facts.only_half) / facts.num_graphs)
        if facts.only_full - facts.only_half > _FEW_GRAPHS:
            text = (
                f"{facts.name}: {facts.only_full} of {facts.num_graphs} graphs break with "
                f"{facts.full} iterations, not with {facts.half}"
            )
            moving += [(by_key[key], text) for key in facts.records if key in by_key]
    if not seen:
        return Finding(
            name,
            "n/a",
            "No attack here was run with two numbers of iterations, or has a curve of its "
            "learning.",
        )
    if moving:
        text = (
            "Robust accuracy still falls: "
            f"{listed(list(dict.fromkeys(text for _, text in moving)))}."
        )
        return Finding(name, "WARN", text, keys_of(record for record, _ in moving))
    return Finding(
        name,
        "PASS",
        f"More iterations lowered robust accuracy by {max(seen):.1%} at the most, in "
        f"{len(seen)} cases.",
    )


def large_budget_reaches_what_can_be_broken(evidence: Evidence) -> Finding:
    """With a large budget, an attack breaks what random edits of that budget can break; the rest is
    what the threat spares.
    """
    name = "a large budget reaches what can be broken"
    if not evidence.large:
        return Finding(
            name, "n/a", "No attack here takes a budget larger than its own without learning again."
        )
    statuses: list[Status] = []
    for facts in evidence.large:
        if facts.error:
            statuses.append("WARN")
            continue
        found = facts.broken + facts.only_random
        weaker = facts.only_random > facts.only_attack
        if weaker and mcnemar(facts.only_random, facts.only_attack) < ALPHA / len(evidence.large):
            statuses.append("FAIL")
        else:
            statuses.append("WARN" if weaker and facts.only_random > _LEFT * found else "PASS")
    status = worst(statuses)
    shown = [
        f"{facts.name} with {facts.budget} edits: {facts.error}"
        if facts.error
        else f"{facts.name} with {facts.budget} edits breaks {facts.broken} of "
        f"{facts.num_graphs}, random edits {facts.only_random} others"
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


# --- pairs of records -----------------------------------------------------------------------------


def _decidedly_weaker(ours: Record, theirs: Record, tests: int, fair: bool = False) -> bool:
    """Whether ours breaks fewer graphs than theirs by McNemar's exact test, corrected for `tests`
    tests.

    With `fair`, a graph counts only where the winner had no more edits than the loser, or the loser
    gave up and made none.
    """
    others = {o.graph: o for o in theirs.outcomes}
    wins = losses = 0
    for mine in ours.outcomes:
        other = others.get(mine.graph)
        if other is None or mine.broken == other.broken:
            continue
        winner, loser = (mine, other) if mine.broken else (other, mine)
        if not fair or _count(winner) <= _count(loser) or _count(loser) == 0:
            wins, losses = wins + mine.broken, losses + other.broken
    return losses > wins and mcnemar(wins, losses) < ALPHA / tests


def _only_broken_by(ours: Record, theirs: Record) -> list[int]:
    """Graphs that ours breaks and theirs does not, by more than what margins may differ by."""
    others = {o.graph: o for o in theirs.outcomes}
    return [
        o.graph
        for o in ours.outcomes
        if o.broken
        and o.graph in others
        and not others[o.graph].broken
        and others[o.graph].attacked_margin - o.attacked_margin > _tie(o)
    ]


def _but_budget(record: Record) -> Any:
    threat = {key: value for key, value in record.threat.items() if key != "budget"}
    return record.victim.key, json.dumps(threat), record.cell.protocol


def _allows(record: Record, other: Record) -> bool:
    """Whether the budget of one allows what the other's does; a number of edits and a share of
    edges are not compared.
    """
    return (
        type(record.cell.budget) is type(other.cell.budget)
        and other.cell.budget <= record.cell.budget
    )


def _but_iterations(record: Record) -> dict[str, Any]:
    name = iterations_of(record.attack_settings)
    return {key: value for key, value in record.attack_settings.items() if key != name}


def _length(record: Record) -> int | None:
    name = iterations_of(record.attack_settings)
    return record.attack_settings[name] if name else None


def _count(outcome: Outcome) -> int:
    return len(outcome.added) + len(outcome.removed)


def _tie(outcome: Outcome) -> float:
    return TIE * max(1.0, abs(outcome.attacked_margin))


def _versus(pairs: Sequence[Pair], word: str, short: Callable[[Record], str]) -> str:
    return listed(
        [
            f"{name_of(a)} leaves {a.robust_accuracy:.1%}, {word} {short(b)} "
            f"{b.robust_accuracy:.1%}"
            for a, b in pairs
        ]
    )
