"""Same weights on both sides: attack, oracle or data code changed. Targets are compared one by one.

A target is proved, broken or open (`results.baseline.Worst`). One side proves it and the other
breaks it: one of the two is wrong, and no such target is tolerated. A proof that is lost is a
regression, since proofs do not depend on chance. A break that is lost, or gained, is the attacks'
work, which may depend on chance: so is the record of each attack. Both are compared by McNemar's
exact test, all of them corrected together (Holm).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from robust_augcl.gate.matching import Pairing, budget_text, other_threat
from robust_augcl.gate.questions import Answer, counted
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Worst
from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.results.method_tests import correct

_REGIME: Final = "same weights"
_ROUNDING = 0.01
"""Of one target in a hundred a clean prediction may differ where arithmetic is fast and the
processor another: as replay believes it."""


@dataclass(frozen=True)
class _Counts:
    """Targets of one record, or of one worst case, on both sides.

    Args:
        about: what they are about, in words.
        seed: the suite's.
        lost, gained: broken on one side alone: by the baseline's attacks, by the new ones.
        total: targets.
    """

    about: str
    seed: int
    lost: int
    gained: int
    total: int

    @property
    def p_value(self) -> float:
        return mcnemar(self.lost, self.gained)


def same_weights(pairings: Sequence[Pairing]) -> list[Answer]:
    """What is said of all models whose weights are the same on both sides."""
    answers: list[Answer] = []
    counts: list[_Counts] = []
    for pairing in pairings:
        if not pairing.same_weights:
            continue
        answers.append(_clean(pairing))
        for budget, why_not in _worst_cases(pairing):
            about = f"{pairing.model.text}: worst case, {budget_text(budget)}"
            if why_not:
                answers.append(Answer(about, _REGIME, "not comparable", why_not))
                continue
            answers.append(_proofs(pairing, budget, about))
            counts += _breaks(pairing, budget, f"{about}, known edits")
        for about, own, why_not in _attacks(pairing):
            counts += own
            if why_not:
                answers.append(Answer(about, _REGIME, "not comparable", why_not))
    return [*answers, *_strength(counts)]


# --- before any attack ----------------------------------------------------------------------------


def _clean(pairing: Pairing) -> Answer:
    """Do the same weights predict the same?"""
    about, other, total, shares = f"{pairing.model.text}: clean accuracy", 0, 0, [0, 0]
    for seed in pairing.same_weights:
        sides = [side.bits(seed, side.victim(seed).clean) for side in (pairing.base, pairing.new)]
        other += sum(a != b for a, b in zip(*sides, strict=True))
        total += len(sides[0])
        shares = [known + sum(side) for known, side in zip(shares, sides, strict=True)]
    base, new = (count / total for count in shares)
    if not other:
        return Answer(about, _REGIME, "holds", "every prediction is the same", base=base, new=new)
    why = f"the same weights predict otherwise for {counted(other, 'target')} of {total}"
    if other <= _ROUNDING * total and not _same_bits(pairing.base.held, pairing.new.held):
        why += ", which rounding may be: arithmetic is fast, and processors or libraries differ"
        return Answer(about, _REGIME, "cannot tell", why, base=base, new=new)
    return Answer(about, _REGIME, "regressed", why, base=base, new=new, drop=base - new)


def _same_bits(base: Baseline, new: Baseline) -> bool:
    """Whether both sides compute the same bits: portable arithmetic, or one machine."""
    if all(each.arithmetic == "portable" for each in (*base.machines, *new.machines)):
        return True
    both = [(m.processor, m.device, m.threads, sorted(m.versions.items())) for m in base.machines]
    return len(both) == 1 and all(
        (m.processor, m.device, m.threads, sorted(m.versions.items())) == both[0]
        for m in new.machines
    )


# --- what is proved -------------------------------------------------------------------------------


def _worst_cases(pairing: Pairing) -> Iterator[tuple[float, str]]:
    """The budgets of the baseline, and why they cannot be compared."""
    found: dict[str, tuple[float, str]] = {}
    for seed in pairing.same_weights:
        new = pairing.new.worst(seed)
        for budget, worst in pairing.base.worst(seed).items():
            known = found.get(budget, (worst.budget, ""))[1]
            found[budget] = worst.budget, known or _why_not_worst(pairing, worst, new.get(budget))
    yield from found.values()


def _why_not_worst(pairing: Pairing, base: Worst, new: Worst | None) -> str:
    if new is None:
        return "the new results have nothing under this budget"
    threats = pairing.base.held.threats[base.threat], pairing.new.held.threats[new.threat]
    return other_threat(*threats)


def _states(pairing: Pairing, seed: int, budget: float) -> Iterator[tuple[tuple[bool, bool], ...]]:
    """Of each target, whether it stands and is proved: on the baseline's side, on the new one."""
    sides = []
    for side in (pairing.base, pairing.new):
        worst = side.worst(seed)[repr(budget)]
        stands, proved = side.bits(seed, worst.stands), side.bits(seed, worst.proved)
        sides.append(tuple(zip(stands, proved, strict=True)))
    yield from zip(*sides, strict=True)


def _with_budget(pairing: Pairing, budget: float) -> list[int]:
    """The seeds with the same weights that have something under a budget on both sides."""
    return [
        seed
        for seed in pairing.same_weights
        if repr(budget) in pairing.base.worst(seed) and repr(budget) in pairing.new.worst(seed)
    ]


def _proofs(pairing: Pairing, budget: float, about: str) -> Answer:
    """Is any target proved by one side and broken by the other, or a proof lost?"""
    wrong, lost, gained, settled, total = 0, 0, 0, [0, 0], 0
    proved = [0, 0]
    for seed in _with_budget(pairing, budget):
        for (stood, was_proved), (stands, is_proved) in _states(pairing, seed, budget):
            total += 1
            wrong += (was_proved and not stands) or (is_proved and not stood)
            lost += was_proved and not is_proved and stands
            gained += is_proved and not was_proved and stood
            proved = [proved[0] + was_proved, proved[1] + is_proved]
            settled = [
                settled[0] + (was_proved or not stood),
                settled[1] + (is_proved or not stands),
            ]
    told = f"proved {proved[0]}, now {proved[1]} of {total}; settled {settled[0]}, now {settled[1]}"
    base, new = (count / total for count in proved)
    found = Answer(f"{about}, proofs", _REGIME, "regressed", "", base=base, new=new)
    if wrong:
        what = f"{counted(wrong, 'target')} of {total}"
        why = f"{what} proved by one side and broken by the other: one of them is wrong"
        return replace(found, why=why)
    if lost:
        why = f"{counted(lost, 'target')} no longer proved, and not broken: {told}"
        return replace(found, why=why)
    return replace(found, outcome="holds", why=told, improved=gained > 0)


def _breaks(pairing: Pairing, budget: float, about: str) -> list[_Counts]:
    """Which targets known edits break on one side and not on the other, seed by seed."""
    found = []
    for seed in _with_budget(pairing, budget):
        states = list(_states(pairing, seed, budget))
        found.append(
            _Counts(
                about,
                seed,
                sum(not base[0] and new[0] for base, new in states),
                sum(base[0] and not new[0] for base, new in states),
                len(states),
            )
        )
    return found


# --- how strong attacks are -----------------------------------------------------------------------


def _attacks(pairing: Pairing) -> Iterator[tuple[str, list[_Counts], str]]:
    """Each attack and budget of the baseline: in words, its counts, and why there are none."""
    found: dict[tuple[str, str], tuple[str, list[_Counts], str]] = {}
    for seed in pairing.same_weights:
        there = pairing.new.attacked(seed)
        for key, base in pairing.base.attacked(seed).items():
            about = f"{pairing.model.text}: attack {base.attack}, {budget_text(base.budget)}"
            new = there.get(key)
            _, counts, why_not = found.get(key, (about, [], ""))
            if new is None:
                why_not = "the new results have no record of it"
            else:
                threats = (
                    pairing.base.held.threats[base.threat],
                    pairing.new.held.threats[new.threat],
                )
                why_not = why_not or other_threat(*threats)
                # A target that was wrong when clean is no work of the attack.
                bases = pairing.base.bits(seed, base.attacked)
                news = pairing.new.bits(seed, new.attacked)
                clean = pairing.base.bits(seed, pairing.base.victim(seed).clean)
                both = [(b, n) for b, n, c in zip(bases, news, clean, strict=True) if c]
                lost = sum(not b and n for b, n in both)
                gained = sum(b and not n for b, n in both)
                counts = [*counts, _Counts(about, seed, lost, gained, len(bases))]
            found[key] = about, [] if why_not else counts, why_not
    yield from found.values()


def _strength(counts: Sequence[_Counts]) -> list[Answer]:
    """What is said of attacks: one answer each, by the record that is furthest from chance."""
    corrected = correct([each.p_value for each in counts])[0] if counts else []
    grouped: dict[str, list[tuple[float, _Counts]]] = {}
    for p_value, each in zip(corrected, counts, strict=True):
        grouped.setdefault(each.about, []).append((p_value, each))
    return [_strength_of(about, own) for about, own in grouped.items()]


def _strength_of(about: str, own: Sequence[tuple[float, _Counts]]) -> Answer:
    weaker = [(p, c) for p, c in own if p <= ALPHA and c.lost > c.gained]
    stronger = [(p, c) for p, c in own if p <= ALPHA and c.gained > c.lost]
    lost, gained = sum(c.lost for _, c in own), sum(c.gained for _, c in own)
    total = sum(c.total for _, c in own)
    drop = (gained - lost) / total
    if weaker:
        p_value, worst = min(weaker, key=lambda each: each[0])
        why = (
            f"breaks {worst.lost} targets no more and {worst.gained} others, of seed {worst.seed} "
            f"(corrected p = {p_value:.2g}): the attack is weaker"
        )
        return Answer(about, _REGIME, "regressed", why, drop=drop)
    if not lost and not gained:
        return Answer(about, _REGIME, "holds", "breaks the same targets", drop=0.0)
    why = f"breaks {lost} targets no more and {gained} others, of {total}"
    why += ": the attack is stronger" if stronger else ": no more than chance explains"
    return Answer(about, _REGIME, "holds", why, improved=bool(stronger), drop=drop)
