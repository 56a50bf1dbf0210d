"""Checks of what records rest on: victims, attacks on victims built for them, the split."""

from __future__ import annotations

from robust_augcl.results.findings import Finding
from robust_augcl.review.audit.evidence import Evidence, VictimFacts, keys_of, listed, name_of

_SAME = 1e-4  # relative: the same graph alone and among others
_MOST_ZERO = 0.5


def victim_is_deterministic(evidence: Evidence) -> Finding:
    """The victim gives the same graph the same logits.

    Twice in a row they are the same to the bit, alone or among others up to rounding.
    """
    name = "the victim is deterministic"
    targets, target = evidence.targets, evidence.target
    if not evidence.victims:
        return Finding(name, "n/a", "No victim was looked at.")
    if drifted := {key: facts.drift for key, facts in evidence.victims.items() if facts.drift}:
        text = f"{len(drifted)} of {len(evidence.victims)} victims answer otherwise after the "
        text += f"audit's questions than before: {next(iter(drifted.values()))}."
        return Finding(name, "FAIL", text, _on(evidence, list(drifted)))
    bad = [
        key
        for key, facts in evidence.victims.items()
        if not (facts.repeat_change == 0 and facts.batch_change <= _SAME)
    ]
    if bad:
        facts = evidence.victims[bad[0]]
        return Finding(
            name,
            "FAIL",
            f"{len(bad)} of {len(evidence.victims)} victims answer differently to the same "
            f"{target} (in training mode?): "
            f"by {facts.repeat_change:.2g} when asked twice, by {facts.batch_change:.2g} when "
            "asked one by one.",
            _on(evidence, bad),
        )
    largest = max(facts.batch_change for facts in evidence.victims.values())
    looked = sum(facts.num_graphs for facts in evidence.victims.values())
    return Finding(
        name,
        "PASS",
        f"{len(evidence.victims)} models were asked twice about some {targets}, {looked} in "
        f"all: both answers are the same to the bit. Asked one by one, they differ by at most "
        f"{largest:.1g} of their size.",
    )


def gradients_are_usable(evidence: Evidence) -> Finding:
    """The gradients that white-box attacks follow are finite and not zero."""
    name = "the victim's gradients are finite and not zero"
    targets = evidence.targets
    with_gradients = {
        key: facts for key, facts in evidence.victims.items() if facts.no_gradients is None
    }
    white = [r for r in evidence.records if r.traits.access == "gradient"]
    without = sorted(
        {r.victim.key for r in white} & evidence.victims.keys() - with_gradients.keys()
    )
    if without:
        text = (
            "Attacks follow gradients, but a model has none: "
            f"{evidence.victims[without[0]].no_gradients}."
        )
        return Finding(name, "FAIL", text, keys_of(r for r in white if r.victim.key in without))
    if not with_gradients:
        return Finding(
            name,
            "n/a",
            "No victim was looked at, or none has gradients, and no attack follows them.",
        )

    def unusable(facts: VictimFacts, share: float) -> bool:
        return facts.nonfinite_gradients > 0 or facts.zero_gradients > share * facts.num_graphs

    bad = [key for key, facts in with_gradients.items() if unusable(facts, _MOST_ZERO)]
    some = [key for key, facts in with_gradients.items() if unusable(facts, 0)]
    if bad or some:
        facts = with_gradients[(bad or some)[0]]
        text = (
            f"An attack that follows gradients is blind on some {targets} of {len(bad or some)} of "
            f"{len(with_gradients)} models. Of one of them: of {facts.num_graphs} "
            f"{targets}, the gradient of {facts.zero_gradients} is zero, and that of "
            f"{facts.nonfinite_gradients} is not finite."
        )
        return Finding(
            name,
            "FAIL" if bad else "WARN",
            text,
            keys_of(r for r in white if r.victim.key in (bad or some)),
        )
    looked = sum(facts.num_graphs for facts in with_gradients.values())
    return Finding(
        name,
        "PASS",
        f"{len(with_gradients)} models, {looked} {targets} in all: every gradient is finite, and "
        "none is zero.",
    )


def attack_works_on_planted_victims(evidence: Evidence) -> Finding:
    """An attack breaks a victim that any edit breaks, and cannot break a constant one."""
    name = "breaks a broken victim, not a constant one"
    targets = evidence.targets
    if not evidence.planted:
        return Finding(name, "n/a", "No attack was run on planted victims.")
    bad = [
        f
        for f in evidence.planted
        if f.untried is None and (f.error or f.constant_broken or f.fragile_broken < f.num_graphs)
    ]
    if bad:
        shown = [
            f"{f.name}: {f.error}"
            if f.error
            else f"{f.name} breaks {f.fragile_broken} of {f.num_graphs} {targets} of a model that "
            f"any edit breaks, and {f.constant_broken} of a model that no edit can break"
            for f in bad
        ]
        spoiled = {key for facts in bad for key in facts.records}
        return Finding(
            name,
            "FAIL",
            f"{listed(shown)}.",
            keys_of(r for r in evidence.records if r.key in spoiled),
        )
    tried = [f for f in evidence.planted if f.untried is None]
    untried = dict.fromkeys(f"{f.name} ({f.untried})" for f in evidence.planted if f.untried)
    text = ""
    if tried:
        names = ", ".join(dict.fromkeys(f.name for f in tried))
        text = (
            f"Each of these breaks all {tried[0].num_graphs} {targets} of a model that any "
            f"edit breaks, and none of a model that no edit can break: {names}."
        )
    if untried:  # an attack that excuses itself does not pass
        return Finding(name, "WARN", f"{text} Not tried: {'; '.join(untried)}.".strip())
    return Finding(name, "PASS", text)


def no_test_graph_was_used_before(evidence: Evidence) -> Finding:
    """Under the strict protocol no test graph chose the victim's epoch or taught an attack."""
    name = "no test target used for selection or learning"
    targets, target = evidence.targets, evidence.target
    strict = [r for r in evidence.records if r.cell.protocol == "strict" and r.key in evidence.uses]
    if not strict:
        return Finding(name, "n/a", "Nothing here claims the strict protocol.")
    bad = [r for r in strict if evidence.uses[r.key].selection or evidence.uses[r.key].fit]
    mixed = [r for r in strict if (facts := evidence.data.get(r.dataset.key)) and facts.overlap]
    if bad or mixed:
        shown = [
            f"{name_of(r)}: {evidence.uses[r.key].selection or 0} chose the model's epoch, "
            f"the attack learned on {evidence.uses[r.key].fit or 0}"
            for r in bad
        ]
        shown += [f"{name_of(r)}: the parts of its data set overlap" for r in mixed if r not in bad]
        return Finding(
            name,
            "FAIL",
            f"Test {targets} were used: {listed(shown)}.",
            keys_of([*bad, *mixed]),
        )
    unknown = [r for r in strict if evidence.uses[r.key].fit is None]
    if unknown:
        return Finding(
            name,
            "WARN",
            f"What these learned on was not kept: {listed([name_of(r) for r in unknown])}.",
            keys_of(unknown),
        )
    given = [r for r in strict if evidence.uses[r.key].selection is None]
    own = len(strict) - len(given)
    told = [f"{own} results: no test {target} chose a model's epoch, and no attack learned on one."]
    if given:
        told = told if own else []
        told.append(
            f"{len(given)} results of given models: no attack learned on a test {target}. On which "
            f"{target}s the models were trained is not known here."
        )
    return Finding(name, "PASS", " ".join(told))


def parts_of_the_data_differ(evidence: Evidence) -> Finding:
    """Message passing can tell each test graph from those for training and validation."""
    name = "test targets differ from the other parts"
    targets, target = evidence.targets, evidence.target
    if not evidence.data:
        return Finding(name, "n/a", "No data set was looked at.")
    twins = {key: facts for key, facts in evidence.data.items() if facts.duplicates}
    if twins:
        shown = [f"{f.duplicates} of {len(f.edges)} in {f.name}" for f in twins.values()]
        text = (
            f"Message passing cannot tell some test {targets} from {targets} for "
            f"training or validation: {listed(shown)}."
        )
        return Finding(
            name, "WARN", text, keys_of(r for r in evidence.records if r.dataset.key in twins)
        )
    looked = sum(len(f.edges) for f in evidence.data.values())
    return Finding(
        name,
        "PASS",
        f"{looked:,} test {targets} of {len(evidence.data)} data sets: message passing can "
        f"tell each from every {target} for training or validation.",
    )


def _on(evidence: Evidence, victims: list[str]) -> tuple[str, ...]:
    return keys_of(record for record in evidence.records if record.victim.key in victims)
