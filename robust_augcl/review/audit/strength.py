"""Checks of attacks against one another, on the same graphs of the same victim.

They are paired tests, not bare comparisons.
"""

from __future__ import annotations

from robust_augcl.results.findings import Finding
from robust_augcl.results.names import target_text
from robust_augcl.results.records import Record, Target
from robust_augcl.review.audit.evidence import (
    Evidence,
    grouped,
    keys_of,
    listed,
    name_of,
)
from robust_augcl.review.audit.pairs import (
    Pair,
    allows,
    broken_though_proved,
    but_budget,
    decidedly_weaker,
    tie_of_clean,
    versus,
)

_WHITE = ("gradient", "weights")
"""The levels of access at which an attack sees into the victim."""


def more_access_does_no_less(evidence: Evidence) -> Finding:
    """White-box attacks are as strong as black-box ones, those as strong as random edits.

    They are compared at equal realised budget, and may be stronger.

    Each attack that looks at the victim is tested against each that does not; of the white-box
    attacks, the strongest against each black-box one that learns or samples. One that asks about
    every candidate is a search, not a black box's guess, and is held against the exact worst case
    instead. A graph counts only where the winner had no more edits than the loser, or the loser
    gave up.
    """
    name = "white-box at least black-box at least random"
    pairs: list[Pair] = []
    for group in evidence.same_threat():
        single = [r for r in group if not (r.traits.combines or r.is_exact)]
        random = [r for r in single if not r.traits.chooses]
        choosing = [r for r in single if r.traits.chooses]
        pairs += [(ours, theirs) for ours in choosing for theirs in random]
        white = [r for r in choosing if r.traits.access in _WHITE]
        black = [
            r for r in choosing if r.traits.access not in _WHITE and r.key not in evidence.searches
        ]
        if white:
            strongest = min(white, key=lambda record: record.robust_accuracy)
            pairs += [(strongest, theirs) for theirs in black]
    if not pairs:
        return Finding(name, "n/a", "No two attacks of different access were run on one victim.")
    bad = [pair for pair in pairs if decidedly_weaker(*pair, len(pairs), fair=True)]
    if bad:
        text = (
            "Beyond chance (paired test) weaker than an attack that knows less: "
            f"{versus(bad, 'against', lambda r: r.cell.attack)}."
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
    """No attack breaks a target that is proved to withstand the attack's budget.

    The proofs are those of attacks that claim to be exact. It warns where such a claim is not
    proved for every target.
    """
    name = "nothing below the exact worst case"
    claiming = [r for r in evidence.records if r.traits.claims_exact]
    unproved = [r for r in claiming if not r.is_exact]
    compared, broken = _compared_with_exact(evidence)
    if broken:
        shown = [f"{name_of(record)}, {target_text(first)}" for record, _, first in broken]
        text = (
            "Broken, though the exact search says that no edit breaks them (one of the two "
            f"is wrong): {listed(shown)}."
        )
        return Finding(
            name, "FAIL", text, keys_of(record for pair in broken for record in pair[:2])
        )
    if unproved:
        shown = [f"{name_of(r)}: {r.exact_share:.1%} of its graphs" for r in unproved]
        text = (
            "These attacks claim to be exact, which is not proved for all graphs, so they count "
            f"as attacks among others: {listed(shown)}."
        )
        return Finding(name, "WARN", text, keys_of(unproved))
    if not compared:
        text = "There is no exact worst case for these victims and budgets."
        return Finding(name, "n/a", text)
    return Finding(
        name,
        "PASS",
        f"{compared:,} attacked graphs: none is broken that the exact search could not break.",
    )


def _compared_with_exact(evidence: Evidence) -> tuple[int, list[tuple[Record, Record, Target]]]:
    """How many attacked targets have a proof, and which pairs of records contradict each other.

    Each pair stands with the first target that one breaks and the other is proved unable to.
    """
    compared, broken = 0, []
    for group in grouped(evidence.records, but_budget):
        for exact in (r for r in group if r.traits.claims_exact):
            proved = {o.target for o in exact.outcomes if o.exact}
            others = [r for r in group if r is not exact and not r.is_exact and allows(exact, r)]
            for record in others:
                compared += sum(o.target in proved for o in record.outcomes)
                targets = broken_though_proved(record, exact)
                if targets:
                    broken.append((record, exact, targets[0]))
    return compared, broken


def nothing_broken_that_is_proved(evidence: Evidence) -> Finding:
    """No attack breaks a target that is certified against the attack's budget."""
    name = "nothing broken that is proved"
    compared, broken = 0, []
    for record in evidence.records:
        proved = evidence.proved.get(record.key, ())
        compared += len(proved)
        targets = [o.target for o in record.outcomes if o.target in proved and not o.robust]
        if targets:
            broken.append((record, targets[0]))
    if broken:
        shown = [f"{name_of(record)}, {target_text(first)}" for record, first in broken]
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
    """What combines attacks leaves no target a larger margin than any attack that it combines.

    That attack's budget is the same or smaller.
    """
    name = "the worst of the attacks is no better than each"
    compared, bad = 0, []
    for group in grouped(evidence.records, but_budget):
        for union in (r for r in group if r.traits.combines):
            for member in (
                r for r in group if r.cell.attack in union.traits.of and allows(union, r)
            ):
                compared += 1
                margins = {o.target: o.attacked_margin for o in member.outcomes}
                tie = tie_of_clean(union)
                if any(
                    not o.attacked_margin <= margins.get(o.target, float("inf")) + tie
                    for o in union.outcomes
                ):
                    bad.append((union, member))
    if not compared:
        return Finding(name, "n/a", "Nothing here combines attacks.")
    if bad:
        return Finding(
            name,
            "FAIL",
            f"A graph fares better: {versus(bad, 'against', lambda r: r.cell.attack)}.",
            keys_of(u for u, _ in bad),
        )
    return Finding(
        name,
        "PASS",
        f"{compared} comparisons, graph by graph: no margin is larger than the attack's.",
    )
