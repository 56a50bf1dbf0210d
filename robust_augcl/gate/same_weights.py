"""Same weights on both sides: attack, oracle or data code changed. Targets are compared one by one.

A target is proved, broken or open (`results.baseline.Worst`). One side proves it and the other
breaks it: one of the two is wrong, and no such target is tolerated. A proof that is lost is a
regression, since proofs do not depend on chance. A break that is lost, or gained, is the attacks'
work, which may depend on chance: so is the record of each attack. Both are compared by McNemar's
exact test, seed by seed and over all seeds at once, all of them corrected together (Holm). Over all
seeds, because an attack that is a little weaker everywhere is so in no single record beyond chance.
A target whose clean prediction is another one counts there, and in nothing else: it says nothing of
proofs and attacks. Where arithmetic is fast and the processor another, rounding turns a prediction,
or a proof whose worst margin is near 0: of few targets that is not told from a bug.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from robust_augcl.gate.matching import Pairing, other_threat
from robust_augcl.gate.questions import Answer, counted
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Worst
from robust_augcl.results.intervals import ALPHA, mcnemar
from robust_augcl.results.method_tests import holm_corrected
from robust_augcl.results.names import budget_text

_REGIME: Final = "same weights"
_ROUNDING = 0.01
"""Of one target in a hundred a clean prediction, or what is proved, may differ where arithmetic is
fast and the processor another: as replay believes it."""
_BY_ROUNDING = (
    ", which may come from rounding: arithmetic is fast, and processors or libraries differ"
)


@dataclass(frozen=True)
class _Counts:
    """Targets of one record, or of one worst case, on both sides.

    Args:
        about: what they are about, in words.
        seed: the suite's; None over all seeds.
        lost, gained: broken on one side alone: by the baseline's attacks, by the new ones.
        total: targets.
    """

    about: str
    seed: int | None
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
        answers += _gone(pairing)
        answers.append(_clean(pairing))
        for budget, why_not in _worst_cases(pairing):
            about = f"{pairing.text}: worst case, {budget_text(budget)}"
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


def _gone(pairing: Pairing) -> list[Answer]:
    """Seeds that the baseline alone has: nobody compares what was found of them."""
    gone = sorted(set(pairing.base.victims) - set(pairing.new.victims))
    if not gone:
        return []
    named = ", ".join(map(str, gone[:5])) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
    why = f"the new results lack {counted(len(gone), 'seed')} of the baseline: {named}"
    return [Answer(f"{pairing.text}: seeds", _REGIME, "not comparable", why)]


# --- before any attack ----------------------------------------------------------------------------


def _clean(pairing: Pairing) -> Answer:
    """Do the same weights predict the same?"""
    about, other, total, shares = f"{pairing.text}: clean accuracy", 0, 0, [0, 0]
    for seed in pairing.same_weights:
        sides = _cleans(pairing, seed)
        other += sum(a != b for a, b in zip(*sides, strict=True))
        total += len(sides[0])
        shares = [known + sum(side) for known, side in zip(shares, sides, strict=True)]
    base, new = (count / total for count in shares)
    if not other:
        why = "every prediction is right or wrong as before"
        return Answer(about, _REGIME, "holds", why, base=base, new=new)
    why = f"the same weights predict otherwise for {counted(other, 'target')} of {total}"
    if _may_be_rounding(pairing, other, total):
        return Answer(about, _REGIME, "cannot tell", why + _BY_ROUNDING, base=base, new=new)
    return Answer(about, _REGIME, "regressed", why, base=base, new=new, drop=base - new)


def _may_be_rounding(pairing: Pairing, other: int, total: int) -> bool:
    """Whether rounding may be why so many targets of all differ."""
    return other <= _ROUNDING * total and not _same_bits(pairing.base.held, pairing.new.held)


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


_State = tuple[bool, bool]
"""Of a target: whether it stands, and whether that is proved."""


def _states(pairing: Pairing, seed: int, budget: float) -> Iterator[tuple[_State, _State, bool]]:
    """Of each target its state on both sides, and whether it was as right before any attack."""
    sides = []
    for side in (pairing.base, pairing.new):
        worst = side.worst(seed)[repr(budget)]
        stands, proved = side.bits(seed, worst.stands), side.bits(seed, worst.proved)
        sides.append(tuple(zip(stands, proved, strict=True)))
    same = (before == after for before, after in zip(*_cleans(pairing, seed), strict=True))
    yield from zip(*sides, same, strict=True)


def _cleans(pairing: Pairing, seed: int) -> list[tuple[bool, ...]]:
    """Whether each target is right before any attack: on the baseline's side, on the new one."""
    return [side.bits(seed, side.victim(seed).clean) for side in (pairing.base, pairing.new)]


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
        for (stood, was_proved), (stands, is_proved), same in _states(pairing, seed, budget):
            total += 1
            wrong += same and ((was_proved and not stands) or (is_proved and not stood))
            lost += same and was_proved and not is_proved and stands
            gained += same and is_proved and not was_proved and stood
            proved = [proved[0] + was_proved, proved[1] + is_proved]
            settled = [
                settled[0] + (was_proved or not stood),
                settled[1] + (is_proved or not stands),
            ]
    told = (
        f"proved {proved[0]}, now {proved[1]} of {total}; "
        f"proved or broken {settled[0]}, now {settled[1]}"
    )
    base, new = (count / total for count in proved)
    found = Answer(f"{about}, proofs", _REGIME, "regressed", "", base=base, new=new)
    doubts = []
    if wrong:
        what = f"{counted(wrong, 'target')} of {total}"
        doubts.append(f"{what} proved by one side and broken by the other: one of them is wrong")
    if lost:
        doubts.append(f"{counted(lost, 'target')} no longer proved, and not broken: {told}")
    if doubts and _may_be_rounding(pairing, wrong + lost, total):
        return replace(found, outcome="cannot tell", why="; ".join(doubts) + _BY_ROUNDING)
    if doubts:
        return replace(found, why=doubts[0])
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
                sum(same and not base[0] and new[0] for base, new, same in states),
                sum(same and base[0] and not new[0] for base, new, same in states),
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
            about = f"{pairing.text}: {base.name}, {budget_text(base.budget)}"
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
                clean = map(all, zip(*_cleans(pairing, seed), strict=True))
                both = [(b, n) for b, n, c in zip(bases, news, clean, strict=True) if c]
                lost = sum(not b and n for b, n in both)
                gained = sum(b and not n for b, n in both)
                counts = [*counts, _Counts(about, seed, lost, gained, len(bases))]
            found[key] = about, [] if why_not else counts, why_not
    yield from found.values()


def _strength(counts: Sequence[_Counts]) -> list[Answer]:
    """What is said of attacks: one answer each, by what is furthest from chance."""
    grouped: dict[str, list[_Counts]] = {}
    for each in counts:
        grouped.setdefault(each.about, []).append(each)
    tested = {about: [*own, *_over_seeds(own)] for about, own in grouped.items()}
    every = [each.p_value for own in tested.values() for each in own]
    corrected = iter(holm_corrected(every)[0] if every else [])
    return [
        _strength_of(about, [(next(corrected), each) for each in own])
        for about, own in tested.items()
    ]


def _over_seeds(own: Sequence[_Counts]) -> list[_Counts]:
    """The counts of all seeds together; nothing where there is one seed alone."""
    if len(own) == 1:
        return []
    sums = (sum(getattr(each, name) for each in own) for name in ("lost", "gained", "total"))
    return [_Counts(own[0].about, None, *sums)]


def _strength_of(about: str, tested: Sequence[tuple[float, _Counts]]) -> Answer:
    own = [counts for _, counts in tested if counts.seed is not None]
    weaker = [(p, c) for p, c in tested if p <= ALPHA and c.lost > c.gained]
    stronger = [(p, c) for p, c in tested if p <= ALPHA and c.gained > c.lost]
    lost, gained = sum(c.lost for c in own), sum(c.gained for c in own)
    total = sum(c.total for c in own)
    drop = (lost - gained) / total  # of what it breaks: above 0 where it is weaker
    if weaker:
        p_value, worst = min(weaker, key=lambda each: each[0])
        where = "over all seeds" if worst.seed is None else f"of seed {worst.seed}"
        why = (
            f"{_changed(worst.lost, worst.gained)}, {where} "
            f"(corrected p = {p_value:.2g}): the attack is weaker"
        )
        return Answer(about, _REGIME, "regressed", why, drop=drop)
    if not lost and not gained:
        return Answer(about, _REGIME, "holds", "breaks the same targets", drop=0.0)
    why = f"{_changed(lost, gained)}, of {total}"
    why += ": the attack is stronger" if stronger else ": no more than chance explains"
    return Answer(about, _REGIME, "holds", why, improved=bool(stronger), drop=drop)


def _changed(lost: int, gained: int) -> str:
    """What an attack breaks no longer, and newly."""
    return f"no longer breaks {counted(lost, 'target')}, and newly breaks {gained}"
