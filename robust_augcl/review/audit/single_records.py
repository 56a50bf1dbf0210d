"""Checks of single records: what an attack did to the graphs, and whether what is stored holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean

from robust_augcl.results.findings import Finding
from robust_augcl.results.intervals import ALPHA, mcnemar, t_interval
from robust_augcl.results.names import target_text
from robust_augcl.results.records import Outcome, Record
from robust_augcl.review.audit.evidence import (
    DataFacts,
    Evidence,
    grouped,
    keys_of,
    listed,
    name_of,
    percent,
    victim_name,
)


def never_beats_clean(evidence: Evidence) -> Finding:
    """No attack puts more graphs right than it breaks, beyond chance.

    Nor does a graph count as robust that was wrong when clean. Chance is McNemar's exact test,
    corrected for the number of records. An attack that looks at nothing may be lucky, and so may a
    model that is trained again (poisoning): a warning.
    """
    name = "the attack never beats clean"
    targets = evidence.targets
    if not evidence.records:
        return Finding(name, "n/a", "There are no records.")
    wrong: list[Record] = []
    lucky: list[Record] = []
    for record in evidence.records:
        put_right = sum(o.attacked_right and not o.clean_right for o in record.outcomes)
        broken = sum(o.broken for o in record.outcomes)
        impossible = (
            any(o.robust and not o.clean_right for o in record.outcomes)
            or record.robust_accuracy > record.clean_accuracy
        )
        if impossible or (
            put_right > broken and mcnemar(put_right, broken) < ALPHA / len(evidence.records)
        ):
            is_fault = impossible or (record.traits.chooses and not record.poisons)
            (wrong if is_fault else lucky).append(record)
    if wrong or lucky:
        shown = [
            f"{name_of(r)}: {percent(r.clean_accuracy)} of the {targets} are right before, "
            f"{percent(r.attacked_accuracy)} after"
            for r in wrong or lucky
        ]
        return Finding(
            name,
            "FAIL" if wrong else "WARN",
            f"These attacks put more {targets} right than they break: {listed(shown)}.",
            keys_of(wrong or lucky),
        )
    most = max(evidence.records, key=lambda r: r.attacked_accuracy - r.clean_accuracy)
    return Finding(
        name,
        "PASS",
        f"{len(evidence.records)} results: in none does the attack put more {targets} "
        "right than it breaks, beyond chance. The weakest attack changes accuracy by "
        f"{100 * (most.attacked_accuracy - most.clean_accuracy):+z.1f} points ({name_of(most)}).",
    )


def own_loss_rises(evidence: Evidence) -> Finding:
    """Where an attack looks at the victim, the margin of the true class falls on average.

    Graphs that are right when clean count. Under poisoning the margins before and after are those
    of two models, so it says nothing there. It fails where the mean rises beyond a 95 % interval
    over the graphs, and warns where it does not fall. The learning of an attack is to lower the
    robust accuracy on the graphs that it is chosen by.
    """
    name = "the attack's own loss rises"
    targets = evidence.targets
    rising, flat, means = [], [], []
    for record in (r for r in evidence.records if r.traits.chooses and not r.poisons):
        changes = [o.attacked_margin - o.clean_margin for o in record.outcomes if o.clean_right]
        if len(changes) < 2:
            continue
        means.append(fmean(changes))
        if not t_interval(changes)[0] <= 0:
            rising.append(record)
        elif means[-1] >= 0:
            flat.append(record)
    idle = [
        r
        for r in evidence.records
        if len(c := evidence.curves.get(r.key, ())) > 1 and min(a for *_, a in c) >= c[0][2]
    ]
    if rising:
        return Finding(
            name, "FAIL", f"The models' margins rise under: {_names(rising)}.", keys_of(rising)
        )
    if flat or idle:
        parts = [f"The models' margins do not fall under: {_names(flat)}."] if flat else []
        parts += (
            [f"These attacks never got better while they learned: {_names(idle)}."] if idle else []
        )
        return Finding(name, "WARN", " ".join(parts), keys_of([*flat, *idle]))
    if not means:
        poisoned = any(record.poisons for record in evidence.records)
        text = "After poisoning, the margins are another model's." if poisoned else ""
        return Finding(name, "n/a", text or "No attack here looks at its victim.")
    return Finding(
        name,
        "PASS",
        f"Each attack lowers the model's margin on {targets} that were right before it. The mean "
        f"change lies between {min(means):+.2f} and {max(means):+.2f} logits.",
    )


def within_budget(evidence: Evidence) -> Finding:
    """No graph has more edits than the budget allows, each undirected edge counted once.

    It warns where nothing is edited.
    """
    name = "realised budget within the nominal one"
    target = evidence.target
    over, nothing, spent = [], [], []
    for record in evidence.records:
        facts = evidence.data.get(record.dataset.key)
        # Edits that all targets share are looked at once.
        looked_at = record.outcomes[: 1 if record.shared_edits else None]
        edits = [_edits(record, o) for o in looked_at]
        allowed = [_allowed(record, o, facts) for o in looked_at]
        bad = [
            o.target
            for o, pairs, most in zip(looked_at, edits, allowed, strict=True)
            if len(pairs) > most
            or len(set(pairs)) < len(pairs)
            or any(len(pair) < 2 for pair in pairs)
            or _lies_elsewhere(record, o, pairs)
        ]
        if bad:
            over.append((record, bad))
        if record.outcomes and not any(edits):
            nothing.append(record)
        spent.append(fmean(map(len, edits)) if edits else 0.0)
    if over:
        shown = [f"{name_of(record)}, {target_text(bad[0])}" for record, bad in over]
        return Finding(
            name,
            "FAIL",
            "More edits than the budget, an edge twice, or an edit that is not where the threat "
            f"allows it: {listed(shown)}.",
            keys_of([record for record, _ in over]),
        )
    if nothing:
        return Finding(
            name,
            "WARN",
            f"These attacks make no edit at all: {_names(nothing)}.",
            keys_of(nothing),
        )
    if not spent:
        return Finding(name, "n/a", "There are no records.")
    return Finding(
        name,
        "PASS",
        f"No {target} has more edits than its budget. Attacks make "
        f"{min(spent):.2f} to {max(spent):.2f} edits a {target} on average.",
    )


def edits_reproduce_the_verdict(evidence: Evidence) -> Finding:
    """The stored edits, applied to the stored graphs, give the stored predictions again.

    It warns where a stored file cannot be read, so that nothing can be said.
    """
    name = "stored edits reproduce the verdict"
    targets = evidence.targets
    bad = [r for r in evidence.records if evidence.replayed.get(r.key)]
    if bad:
        shown = [f"{name_of(r)}: {evidence.replayed[r.key][0]}" for r in bad]
        return Finding(name, "FAIL", f"Not reproduced: {listed(shown)}.", keys_of(bad))
    unproved = [r for r in evidence.records if r.key in evidence.unproved]
    if unproved:
        reasons = list(dict.fromkeys(evidence.unproved[r.key] for r in unproved))
        return Finding(
            name,
            "WARN",
            f"Cannot be proved: {listed(reasons)}.",
            keys_of(unproved),
        )
    done = [r for r in evidence.records if r.key in evidence.replayed]
    if not done:
        return Finding(name, "n/a", "No record was replayed.")
    return Finding(
        name,
        "PASS",
        f"The stored edits of {len(done)} results were applied again to "
        f"{sum(r.num_graphs for r in done):,} {targets}: each prediction is as stored.",
    )


def label_is_preserved(evidence: Evidence) -> Finding:
    """Where the class is the number of components, an independent count gives the class."""
    name = "the label is preserved"
    targets = evidence.targets
    bad = [r for r in evidence.records if evidence.miscounted.get(r.key)]
    if bad:
        shown = [f"{name_of(r)}, graph {evidence.miscounted[r.key][0]}" for r in bad]
        return Finding(name, "FAIL", f"Edits change the true class: {listed(shown)}.", keys_of(bad))
    counted = [r for r in evidence.records if r.key in evidence.miscounted]
    if not counted:
        return Finding(
            name,
            "n/a",
            f"Nothing can prove that an edit keeps the class of these {targets}: it is assumed.",
        )
    return Finding(
        name,
        "PASS",
        f"The components of {sum(r.num_graphs for r in counted):,} attacked graphs were counted: "
        "no edit changed the true class.",
    )


def victim_has_learned(evidence: Evidence) -> Finding:
    """A victim is better than always answering the commonest class.

    Else its robust accuracy says nothing. It fails where its clean accuracy is no higher, and warns
    where it is higher by no more than chance (binomial test).
    """
    from scipy.stats import binomtest

    name = "the victim has learned its task"
    bad, unsure, leads = [], [], []
    for group in grouped(evidence.records, lambda record: record.victim.key):
        outcomes = group[0].outcomes
        if not outcomes:
            continue
        labels = [o.label for o in outcomes]
        commonest = max(labels.count(label) for label in set(labels))
        right = sum(o.clean_right for o in outcomes)
        leads.append((right - commonest) / len(outcomes))
        if right <= commonest:
            bad += group
        elif (
            binomtest(right, len(outcomes), commonest / len(outcomes), alternative="greater").pvalue
            >= ALPHA
        ):
            unsure += group
    if not leads:
        return Finding(name, "n/a", "There are no records.")
    if bad or unsure:
        shown = list(dict.fromkeys(victim_name(r) for r in bad or unsure))
        text = (
            f"These models are no better{'' if bad else ', beyond chance,'} than always answering "
            f"the commonest class: {listed(shown)}."
        )
        return Finding(name, "FAIL" if bad else "WARN", text, keys_of(bad or unsure))
    return Finding(
        name,
        "PASS",
        f"The clean accuracy of each of {len(leads)} models is at least "
        f"{100 * min(leads):.1f} points above that of always answering one class.",
    )


def _edits(record: Record, outcome: Outcome) -> list[frozenset[int]]:
    """The edits of a target as undirected pairs."""
    added, removed = record.edits_of(outcome)
    return [frozenset(pair) for pair in (*added, *removed)]


def _lies_elsewhere(record: Record, outcome: Outcome, pairs: Iterable[frozenset[int]]) -> bool:
    """Whether an edit of a target node lies at it or not, where the threat says the other."""
    at_target = [outcome.node in pair for pair in pairs]
    place = record.threat.get("at")
    return (place == "target" and not all(at_target)) or (place == "neighbours" and any(at_target))


def _allowed(record: Record, outcome: Outcome, facts: DataFacts | None) -> float:
    """Edits that the target's budget allows: the record's own, or its cell's if that is less."""
    budgets = [
        budget for budget in (record.cell.budget, record.threat.get("budget")) if budget is not None
    ]
    of_degree = record.threat.get("share_of") == "degree"
    whole = {} if facts is None else facts.degrees if of_degree else facts.edges
    known = whole.get(outcome.target, math.inf)  # of unknown graphs nothing is said
    # The same rounding as the threat model's: down, at least 1. The small term keeps 0.1 of 30
    # edges at 3.
    return min(
        budget if isinstance(budget, int) else max(1.0, known * budget + 1e-9) for budget in budgets
    )


def _names(records: list[Record]) -> str:
    return listed([name_of(record) for record in records])
