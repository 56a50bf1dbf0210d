"""The gate's decision: two sets of results in, one outcome out.

Which regime each model falls into is found out from what both sides share. The same data and the
same weights: targets are compared one by one (`gate.same_weights`). The same data, other weights or
other seeds: models are compared as methods are (`gate.trained_again`). Other data or another
threat: not comparable, which is said with the reason. What the baseline has and the new results
lack is not comparable either: a gate must not open because a result is gone.
"""

from __future__ import annotations

from robust_augcl.gate import beside
from robust_augcl.gate.matching import Pairing, pairings
from robust_augcl.gate.questions import TOLERANCE, Answer, Gate, Rules, counted, sorted_answers
from robust_augcl.gate.same_weights import same_weights
from robust_augcl.gate.trained_again import trained_again
from robust_augcl.results.baseline import Baseline


def decide(base: Baseline, new: Baseline, rules: Rules | None = None) -> Gate:
    """Compare new results with a baseline.

    Args:
        base, new: the results.
        rules: how; None for the defaults, with the suite's own margin as the tolerance.

    Raises:
        ValueError: `rules.method` is the label of no method of the baseline, or its margin is no
            tolerance.
    """
    rules = rules or Rules(TOLERANCE if base.margin is None else base.margin)
    labels = {victim.method for victim in base.victims}
    if rules.method is not None and rules.method not in labels:
        raise ValueError(
            f"Expected the method of the primary comparison to be one of {sorted(labels)}, got "
            f"{rules.method!r}"
        )
    found = pairings(base, new)
    usable = [pairing for pairing in found if not pairing.why_not]
    answers = [
        Answer(pairing.text, "none", "not comparable", pairing.why_not)
        for pairing in found
        if pairing.why_not and pairing.base.victims
    ]
    answers += same_weights(usable)
    answers += trained_again(usable, rules, base.primary)
    if any(answer.outcome != "not comparable" for answer in answers):
        answers += beside.audits(base, new)
    notes = [*beside.notes(base, new), *_only_here(found)]
    return Gate(sorted_answers(answers), tuple(notes), rules)


def _only_here(found: list[Pairing]) -> list[str]:
    """What one side alone has, in sentences."""
    notes = [
        f"new, with nothing to compare it with: {pairing.text}"
        for pairing in found
        if not pairing.base.victims
    ]
    for pairing in found:
        alone = set(pairing.base.victims) ^ set(pairing.new.victims)
        if not pairing.why_not and pairing.is_paired and alone:
            shared = counted(len(pairing.shared), "shared seed")
            verb = "counts" if len(pairing.shared) == 1 else "count"
            notes.append(f"{pairing.text}: only the {shared} {verb}")
    return notes
