"""Checks of attacks against one another, on the same graphs of the same victim.

They are paired tests, not bare comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence

from robust_augcl.results.findings import Finding, Status
from robust_augcl.results.names import target_text
from robust_augcl.results.records import Record, Target
from robust_augcl.review.audit.evidence import (
    Evidence,
    attack_name,
    grouped,
    keys_of,
    listed,
    name_of,
    percent,
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
    gave up. Under poisoning it only warns: the attacks saw another model than the one that is
    judged.
    """
    name = "attacks that see more do no less damage"
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
        status: Status = "WARN" if all(ours.poisons for ours, _ in bad) else "FAIL"
        return Finding(name, status, _weaker(pairs, bad), keys_of(ours for ours, _ in bad))
    behind = sum(ours.robust_accuracy > theirs.robust_accuracy for ours, theirs in pairs)
    return Finding(
        name,
        "PASS",
        f"{len(pairs)} paired tests: no attack that sees more of a model is weaker than one that "
        f"sees less, beyond chance. It is behind in {behind} of them.",
    )


_SEES = {
    "weights": "which sees the model's weights",
    "gradient": "which sees the model's gradients",
    "query": "which sees the model's predictions",
    "none": "which sees nothing of the model",
}
"""What attacks of each access see."""


def _sees(record: Record) -> str:
    """An attack, and what it sees."""
    traits = record.traits
    learned = ", but learned on it" if traits.access == "none" and traits.learns else ""
    return f"{attack_name(record)}, {_SEES[traits.access]}{learned},"


def _weaker(pairs: Sequence[Pair], bad: Sequence[Pair]) -> str:
    """Which attacks break fewer graphs than attacks that see less, and on how many models."""

    def kind(pair: Pair) -> tuple[str, str]:
        return _sees(pair[0]), _sees(pair[1])

    told = []
    for which in dict.fromkeys(map(kind, bad)):
        own = [pair for pair in bad if kind(pair) == which]
        models, tried = (
            len({ours.victim.key for ours, theirs in some if kind((ours, theirs)) == which})
            for some in (bad, pairs)
        )
        told.append(
            f"{which[0]} does less damage than {which[1]} on {models} of {tried} models "
            f"(for example, {versus(own[:1])})"
        )
    return (
        f"{'. '.join(told)}. A paired test says that this is more than chance. So the weaker "
        "attack makes these models look more robust than they are."
    )


def nothing_below_the_exact_worst_case(evidence: Evidence) -> Finding:
    """No attack breaks a target that is proved to withstand the attack's budget.

    The proofs are those of attacks that claim to be exact. It warns where such a claim is not
    proved for every target.
    """
    name = "nothing below the exact worst case"
    targets, target = evidence.targets, evidence.target
    claiming = [r for r in evidence.records if r.traits.claims_exact]
    unproved = [r for r in claiming if not r.is_exact]
    compared, broken = _compared_with_exact(evidence)
    if broken:
        shown = [f"{name_of(record)}, {target_text(first)}" for record, _, first in broken]
        text = (
            f"An attack broke {targets} of which the exact search says that no edit breaks "
            f"them. One of the two is wrong: {listed(shown)}."
        )
        return Finding(
            name, "FAIL", text, keys_of(record for pair in broken for record in pair[:2])
        )
    if unproved:
        shown = [f"{name_of(r)}: {percent(r.exact_share)} of its {targets}" for r in unproved]
        text = (
            f"These attacks claim to be exact. That is not proved for all {targets}, so they count "
            f"as attacks like any other. It is proved for: {listed(shown)}."
        )
        return Finding(name, "WARN", text, keys_of(unproved))
    if not compared:
        text = f"No attack here claims to be exact.{_poisoned(evidence)}"
        return Finding(name, "n/a", text)
    return Finding(
        name,
        "PASS",
        f"{compared:,} comparisons with the exact search: no attack broke a {target} "
        "that the search could not break.",
    )


def _poisoned(evidence: Evidence) -> str:
    """Why there is neither, where models are trained again; begins with a space, or is empty."""
    if not any(record.poisons for record in evidence.records):
        return ""
    return (
        " Under poisoning none can be known: each edit trains another model, and nothing is proved "
        "of all of them."
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
    targets, target = evidence.targets, evidence.target
    compared, broken = 0, []
    for record in evidence.records:
        proved = evidence.proved.get(record.key, ())
        compared += len(proved)
        hurt = [o.target for o in record.outcomes if o.target in proved and not o.robust]
        if hurt:
            broken.append((record, hurt[0]))
    if broken:
        shown = [f"{name_of(record)}, {target_text(first)}" for record, first in broken]
        text = (
            f"An attack broke {targets} of which a certificate proves that no allowed edits "
            f"break them. One of the two is wrong: {listed(shown)}."
        )
        return Finding(name, "FAIL", text, keys_of(record for record, _ in broken))
    if not compared:
        return Finding(name, "n/a", f"Nothing is certified here.{_poisoned(evidence)}")
    return Finding(
        name,
        "PASS",
        f"Attacks tried {compared:,} times to break a {target} that is proved safe: none did.",
    )


def worst_of_attacks_is_the_worst(evidence: Evidence) -> Finding:
    """What combines attacks leaves no target a larger margin than any attack that it combines.

    That attack's budget is the same or smaller.
    """
    name = "the worst of the attacks is no better than each"
    target = evidence.target
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
            f"Some {target} has a larger margin than after one of the combined "
            f"attacks: {versus(bad)}.",
            keys_of(u for u, _ in bad),
        )
    return Finding(
        name,
        "PASS",
        f"{compared} comparisons, {target} by {target}: what combines attacks leaves no {target} a "
        "larger margin than any of them.",
    )
