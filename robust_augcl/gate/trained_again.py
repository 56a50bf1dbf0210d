"""Models that were trained again: compared as methods are, over seeds (`gate.drop`).

One comparison is primary: the worst case under the smallest budget, of one method. It alone decides
between "holds" and "cannot tell", at the level 0.05 by itself. All others stand in one family
(Holm) of the level 0.02, and can only find regressions. So nothing but chance is called a
regression in at most 3.5 of 100. Regressed: the drop differs from 0 and is above the tolerance.
Holds: its interval ends below the tolerance.

With one trained model on a side nothing is said of a training. Two models can be compared as they
are (`Rules.one_model`): by the interval of their difference over the targets (Bonett and Price).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from robust_augcl.gate.drop import Drop, paired, unpaired
from robust_augcl.gate.matching import Pairing, Side, other_threat
from robust_augcl.gate.questions import Answer, Rules, counted, points, says_nothing, signed
from robust_augcl.results.intervals import ALPHA, mcnemar, paired_interval
from robust_augcl.results.method_tests import holm_corrected
from robust_augcl.results.names import budget_text
from robust_augcl.results.seed_differences import SeedDifferences

_REGIME: Final = "trained again"
LEVEL_OF_OTHERS = 0.02
"""Of all comparisons but the primary one, together. Both sides of each test have half of it."""

Flags = dict[int, tuple[bool, ...]]
"""Of each seed, what holds of each target."""


@dataclass(frozen=True)
class Question:
    """One quantity of one model on both sides.

    Args:
        about: what it is, in words.
        pairing: of which model.
        base, new: whether each target counts, by seed.
        why_not: why it cannot be compared.
        may_be_primary: whether it is the worst case under the smallest budget.
    """

    about: str
    pairing: Pairing
    base: Flags
    new: Flags
    why_not: str = ""
    may_be_primary: bool = False

    @property
    def seeds(self) -> tuple[list[int], list[int]]:
        """The seeds that are compared, of each side."""
        if self.pairing.is_paired:
            both = sorted(set(self.base) & set(self.new))
            return both, both
        return sorted(self.base), sorted(self.new)

    @property
    def weights(self) -> tuple[int, int]:
        """How many models each side has."""
        sides = zip((self.pairing.base, self.pairing.new), self.seeds, strict=True)
        base, new = (len({side.victim(seed).weights for seed in seeds}) for side, seeds in sides)
        return base, new

    @property
    def test_to_train(self) -> float | None:
        """r of the rule; None where nobody knows whether seeds share graphs."""
        known = [
            side.held.data[side.victim(seed).data].test_to_train
            for side, seeds in zip((self.pairing.base, self.pairing.new), self.seeds, strict=True)
            for seed in seeds
        ]
        return None if None in known or not known else max(each or 0.0 for each in known)


def trained_again(pairings: Sequence[Pairing], rules: Rules, stated: Sequence[str]) -> list[Answer]:
    """What is said of all models that were trained again.

    Args:
        pairings: those that can be compared.
        rules: how.
        stated: labels of methods, in the order in which the suite's comparisons name them.
    """
    questions = [q for p in pairings if p.trained_again for q in _questions(p)]
    asked = [question for question in questions if not question.why_not]
    answers = [
        Answer(question.about, _REGIME, "not comparable", question.why_not)
        for question in questions
        if question.why_not
    ]
    primary = _primary(asked, rules, stated)
    others = [question for question in asked if question is not primary]
    if primary is not None:
        answers += _family([primary], rules, decides=True)
    return answers + _family(others, rules, decides=primary is None)


def _primary(questions: Sequence[Question], rules: Rules, stated: Sequence[str]) -> Question | None:
    """The question that decides: of the method that is named, stated first, or comes last."""
    possible = [question for question in questions if question.may_be_primary]
    for label in (rules.method, *stated):
        for question in possible:
            if question.pairing.model.method == label:
                return question
    return possible[-1] if possible else None


# --- what is asked --------------------------------------------------------------------------------


def _questions(pairing: Pairing) -> Iterator[Question]:
    """What is asked of one model: worst cases, clean accuracy, each attack.

    An attack that is the worst case, as an exhaustive search is, is asked for once.
    """
    name = pairing.text
    worst = list(_worst_cases(pairing, name))
    yield from worst
    base, new = (_clean(side) for side in (pairing.base, pairing.new))
    yield Question(f"{name}: clean accuracy", pairing, base, new)
    asked = [(question.base, question.new) for question in worst if not question.why_not]
    for question in _attacks(pairing, name):
        if (question.base, question.new) not in asked:
            yield question


def _clean(side: Side) -> Flags:
    return {seed: side.bits(seed, side.victim(seed).clean) for seed in side.victims}


def _worst_cases(pairing: Pairing, name: str) -> Iterator[Question]:
    known = [
        {seed: side.worst(seed) for seed in side.victims} for side in (pairing.base, pairing.new)
    ]
    budgets = {key: worst for own in known[0].values() for key, worst in own.items()}
    least = min((worst.budget for worst in budgets.values()), default=None)
    for key, worst in budgets.items():
        threats = [
            side.held.threats[own[key].threat]
            for side, of_side in zip((pairing.base, pairing.new), known, strict=True)
            for own in of_side.values()
            if key in own
        ]
        differ = next((text for each in threats if (text := other_threat(threats[0], each))), "")
        stands, proved = (
            [_flags(side, key, what) for side in (pairing.base, pairing.new)]
            for what in ("stands", "proved")
        )
        exact = stands == proved
        why_not = differ or ("" if stands[1] else "the new results have nothing under this budget")
        about = (
            f"{name}: {'exact worst case' if exact else 'worst case'}, {budget_text(worst.budget)}"
        )
        is_least = worst.budget == least
        what = "" if exact else ", what no known edits break"
        yield Question(f"{about}{what}", pairing, stands[0], stands[1], why_not, is_least)
        if not exact and any(any(flags) for side in proved for flags in side.values()):
            yield Question(f"{about}, what is proved", pairing, proved[0], proved[1], why_not)


def _flags(side: Side, budget: str, what: str) -> Flags:
    """One kind of bits of a worst case, by seed."""
    return {
        seed: side.bits(seed, getattr(known[budget], what))
        for seed in side.victims
        if budget in (known := side.worst(seed))
    }


def _attacks(pairing: Pairing, name: str) -> Iterator[Question]:
    sides = pairing.base, pairing.new
    known = [{seed: side.attacked(seed) for seed in side.victims} for side in sides]
    for key, record in {k: r for own in known[0].values() for k, r in own.items()}.items():
        about = f"{name}: under {record.name}, {budget_text(record.budget)}"
        base, new = (
            {
                seed: _robust(side, seed, own[key].attacked)
                for seed, own in of_side.items()
                if key in own
            }
            for side, of_side in zip(sides, known, strict=True)
        )
        threat = pairing.base.held.threats[record.threat]
        others = (
            pairing.new.held.threats[own[key].threat] for own in known[1].values() if key in own
        )
        differ = next((text for each in others if (text := other_threat(threat, each))), "")
        why_not = differ or ("" if new else "the new results have no record of it")
        yield Question(about, pairing, base, new, why_not)


def _robust(side: Side, seed: int, attacked: str) -> tuple[bool, ...]:
    """Whether each target is right when clean and when attacked."""
    clean = side.bits(seed, side.victim(seed).clean)
    return tuple(a and b for a, b in zip(clean, side.bits(seed, attacked), strict=True))


# --- what is answered -----------------------------------------------------------------------------


def _family(questions: Sequence[Question], rules: Rules, decides: bool) -> list[Answer]:
    """The answers to questions that are corrected together."""
    drops = [_drop(question) for question in questions]
    tested = [drop.p_value if drop is not None else 1.0 for drop in drops]
    corrected = holm_corrected(tested)[0] if tested else []
    # A smaller level is as if there were more comparisons: what decides has the whole of it.
    more = 1.0 if decides else ALPHA / LEVEL_OF_OTHERS
    size = more * len(questions)
    return [
        _answer(question, drop, more * p_value, size, rules, decides)
        if drop is not None
        else _one_model(question, size, rules, decides)
        for question, drop, p_value in zip(questions, drops, corrected, strict=True)
    ]


def _drop(question: Question) -> Drop | None:
    """The drop over seeds; None with one model on a side, or where r is not known."""
    base, new = question.seeds
    r = question.test_to_train
    if min(len(base), len(new), *question.weights) < 2 or r is None:
        return None
    targets = _distinct(question.pairing.base, base, r), _distinct(question.pairing.new, new, r)
    if question.pairing.is_paired:
        values = tuple(_share(question.base[s]) - _share(question.new[s]) for s in base)
        return paired(SeedDifferences(values, targets[0], min(question.weights), r))
    shares = [_share(question.base[s]) for s in base], [_share(question.new[s]) for s in new]
    return unpaired(*shares, targets, r)


def _distinct(side: Side, seeds: Sequence[int], test_to_train: float) -> int:
    """The number of targets over seeds; those that seeds share count once."""
    return len(
        {
            ("" if test_to_train else side.digest(seed), target)
            for seed in seeds
            for target in side.targets(seed)
        }
    )


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def _means(question: Question) -> tuple[float, float]:
    """The mean share of each side."""
    sides = zip((question.base, question.new), question.seeds, strict=True)
    base, new = (sum(_share(flags[s]) for s in seeds) / len(seeds) for flags, seeds in sides)
    return base, new


def _answer(
    question: Question, drop: Drop, corrected: float, size: float, rules: Rules, decides: bool
) -> Answer:
    """The answer over seeds."""
    low, high = drop.interval(size)
    base, new = _means(question)
    found = Answer(
        question.about,
        _REGIME,
        "cannot tell",
        "",
        decides,
        corrected <= ALPHA and drop.mean < 0,
        base,
        new,
        drop.mean,
        low,
        high,
        drop.detectable(rules.tolerance, size),
    )
    how = "paired" if question.pairing.is_paired else "unpaired"
    seeds = counted(drop.seeds[1], f"{how} seed")
    text = f"{_moved(drop.mean, low, high)} over {seeds}"
    allowed = f"the tolerance of {points(rules.tolerance)}"
    if corrected <= ALPHA and drop.mean > rules.tolerance:
        return dataclasses.replace(found, outcome="regressed", why=f"{text}, beyond {allowed}")
    if high < rules.tolerance:
        return dataclasses.replace(found, outcome="holds", why=f"{text}, within {allowed}")
    needed = drop.seeds_needed(rules.tolerance, size)
    more = f"about {needed:,} seeds a side would tell" if needed else "no number of seeds would"
    why = f"{text}: {allowed} lies within the interval, {more}"
    if says_nothing(low, high):
        why = (
            f"{seeds} cannot tell: the mean {_moved(drop.mean)}, but its 95 % interval is so wide "
            f"that it leaves no change out; by the spread of these seeds, {more}"
        )
    elif high >= rules.tolerance and low >= rules.tolerance:
        why = f"{text}, beyond {allowed}, but not after the correction for all comparisons"
    return dataclasses.replace(found, why=why, seeds_needed=needed)


def _moved(mean: float, low: float = -1.0, high: float = 1.0) -> str:
    """A drop or a rise in words, with its interval where that says something."""
    if says_nothing(low, high):
        return f"{'rose' if mean < 0 else 'fell'} by {points(abs(mean))}"
    if mean < 0:
        return f"rose by {points(-mean)} (95 % interval {signed(-high)} to {signed(-low)})"
    return f"fell by {points(mean)} (95 % interval {signed(low)} to {signed(high)})"


def _one_model(question: Question, size: float, rules: Rules, decides: bool) -> Answer:
    """The answer with one trained model on a side."""
    seeds = question.seeds
    if not seeds[0] or not seeds[1]:
        return Answer(question.about, _REGIME, "not comparable", "no seed has it on both sides")
    base, new = _means(question)
    drop = base - new
    empty = Answer(
        question.about, _REGIME, "cannot tell", "", decides, base=base, new=new, drop=drop
    )
    if question.test_to_train is None and min(question.weights) > 1:
        why = "nobody knows whether its seeds share graphs: the run's measurements are not here"
        return dataclasses.replace(empty, why=why)
    if question.weights != (1, 1) or not question.pairing.is_paired:
        return dataclasses.replace(empty, why="one trained model on a side says nothing of methods")
    both = [
        pair
        for seed in seeds[0][:1]
        for pair in zip(question.base[seed], question.new[seed], strict=True)
    ]
    lost, gained = sum(b and not n for b, n in both), sum(n and not b for b, n in both)
    low, high = paired_interval(lost, gained, len(both))
    found = dataclasses.replace(empty, low=max(low, -1.0), high=min(high, 1.0))
    text = f"{_moved(drop, low, high)} on {counted(len(both), 'target')}, of these two models"
    if not rules.one_model:
        why = f"one trained model on a side says nothing of the training ({text}): train more seeds"
        return dataclasses.replace(found, why=why, seeds_needed=2)
    is_apart = size * mcnemar(lost, gained) <= ALPHA
    if is_apart and low > 0 and drop > rules.tolerance:
        return dataclasses.replace(found, outcome="regressed", why=text)
    if high < rules.tolerance:
        return dataclasses.replace(found, outcome="holds", why=text, improved=is_apart and high < 0)
    why = f"{text}: the tolerance of {points(rules.tolerance)} lies within the interval"
    return dataclasses.replace(found, why=f"{why}, more graphs would tell")
