"""Comparing a model of a file of results with the same model, computed again from nothing.

A file holds digests, and one bit for each target. So what is compared is whether they are the same.
Seconds, memory and machines are left out (`differences.MEASURED_ONCE`): no two runs share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Attacked, Worst
from robust_augcl.results.names import budget_text, target_text
from robust_augcl.review.differences import as_said, same
from robust_augcl.review.one_model import Chosen
from robust_augcl.review.recompute import other_arithmetic

_OF_TARGETS = ("graphs", "nodes", "labels", "classes", "label_rule")
_OF_DATA = ("draws_graphs", "tested", "training")
_OF_MODEL = ("traits", "settings", "encoder", "layers", "protocol", "notes")
_OF_TRAINING = ("epoch", "epochs")
_OF_RECORD = ("traits", "settings", "queries", "gradient_calls")
_RIGHT = ("wrong", "right")
_GONE = "nothing was computed here"
_OTHER_TARGETS = "the targets here are others"


class Compared(NamedTuple):
    """One thing that was compared.

    Args:
        what: it, in words.
        problem: what differs; empty where nothing does.
        note: what is said of it beside.
    """

    what: str
    problem: str = ""
    note: str = ""


def compared(chosen: Chosen, made: Baseline) -> Iterator[Compared]:
    """Each thing that the file says of the chosen model, and what was computed says otherwise.

    Args:
        chosen: the model, and what of its results was computed.
        made: what was computed: of this one model, and nothing else.
    """
    sides = _Sides(chosen, made)
    yield from sides.data_set()
    yield from sides.model()
    for record in chosen.records:
        yield from sides.record(record)
    for budget in chosen.budgets:
        yield from sides.worst_case(budget)


def other_machines(chosen: Chosen, made: Baseline) -> list[str]:
    """With what else than here the file's results were made, in words, each once.

    Bits may be others there.
    """
    theirs = [asdict(chosen.held.machines[record.machine]) for record in chosen.records]
    found = (other_arithmetic(their, asdict(ours)) for their in theirs for ours in made.machines)
    return list(dict.fromkeys(words for words in found if words))


class _Sides:
    """A model in the file, and the same one as it was computed here."""

    def __init__(self, chosen: Chosen, made: Baseline) -> None:
        self.chosen, self.made = chosen, made
        self.old, self.new = chosen.victim, made.victims[0]
        self.data, self.new_data = chosen.data, made.data[self.new.data]
        self.targets = self.data.targets
        self.same_targets = self.targets == self.new_data.targets

    def data_set(self) -> Iterator[Compared]:
        old, new = self.data, self.new_data
        yield Compared("data set: address", _other(old.key, new.key))
        yield Compared("data set: digest of its graphs", _other(old.digest, new.digest))
        told = [name for name in _OF_DATA if getattr(old, name) is not None]
        yield Compared(
            f"data set: {old.count} targets and their classes",
            _fields(old, new, (*_OF_TARGETS, *told)),
        )

    def model(self) -> Iterator[Compared]:
        old, new = self.old, self.new
        yield Compared("model: address", _other(old.key, new.key))
        yield Compared("model: digest of its weights", _other(old.weights, new.weights))
        told = _OF_TRAINING if old.epoch is not None else ()
        yield Compared("model: what is said of it", _fields(old, new, (*_OF_MODEL, *told)))
        yield Compared("model: clean predictions", self._bits(old.clean, new.clean, _RIGHT))

    def record(self, old: Attacked) -> Iterator[Compared]:
        about = f"{old.attack}, {budget_text(old.budget)}"
        found = [
            each
            for each in self.made.attacked
            if each.attack == old.attack and repr(each.budget) == repr(old.budget)
        ]
        if not found:
            yield Compared(f"{about}: record", _GONE)
            return
        (new,) = found
        yield Compared(f"{about}: address", _other(old.key, new.key))
        problems = [_fields(old, new, _OF_RECORD), self._threats(old, new)]
        yield Compared(f"{about}: what is said of it", "; ".join(filter(None, problems)))
        predictions = self._bits(old.attacked, new.attacked, _RIGHT)
        yield Compared(f"{about}: predictions after the edits", predictions)
        yield Compared(
            f"{about}: which targets are exact",
            self._bits(old.exact, new.exact, ("not exact", "exact")),
        )

    def worst_case(self, budget: int | float) -> Iterator[Compared]:
        """What stands, and what is proved.

        The file may know more of a target than what was computed here: from other attacks, and
        from certificates of other budgets. That differs only where the file itself has nothing
        that it could be known from.
        """
        about = f"worst case, {budget_text(budget)}"
        old = next((w for w in _worst(self.chosen) if repr(w.budget) == repr(budget)), None)
        new = next((w for w in self.made.worst if repr(w.budget) == repr(budget)), None)
        if old is None or new is None:
            yield Compared(about, "the file has none" if old is None else _GONE)
            return
        problem = self._threats(old, new)
        if old.is_certified != new.is_certified:
            problem = f"certified {'in the file' if old.is_certified else 'here'} alone"
        yield Compared(f"{about}: threat and certificate", problem)
        # What is proved or broken here is so, whatever the file holds besides.
        is_open = self._open_here(new)
        broken, proved = (
            [known and still for known, still in zip(flags, is_open, strict=True)]
            for flags in _known_otherwise(self.chosen, budget)
        )
        for what, name, words, is_known, otherwise in (
            ("which targets stand", "stands", ("broken", "standing"), False, broken),
            ("which targets are proved", "proved", ("not proved", "proved"), True, proved),
        ):
            bits = getattr(old, name), getattr(new, name)
            problem, more = self._known(*bits, words, is_known, otherwise)
            beside = f"{more} more in the file, from what was not computed here" if more else ""
            yield Compared(f"{about}: {what}", problem, beside)

    def _open_here(self, new: Worst) -> tuple[bool, ...]:
        """Of each target, whether what was computed here left it open."""
        if not self.same_targets:
            return (False,) * self.chosen.data.count
        sides = (self.made.bits(0, text) for text in (new.stands, new.proved))
        return tuple(stands and not proved for stands, proved in zip(*sides, strict=True))

    # --- parts ------------------------------------------------------------------------------------

    def _threats(self, old: Attacked | Worst, new: Attacked | Worst) -> str:
        threats = self.chosen.held.threats[old.threat], self.made.threats[new.threat]
        return "" if same(*threats) else "another threat"

    def _unpacked(self, old: str, new: str) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        return self.chosen.held.bits(self.chosen.place, old), self.made.bits(0, new)

    def _bits(self, old: str, new: str, words: tuple[str, str]) -> str:
        """Of which targets a bit is another one, in words."""
        if not self.same_targets:
            return _OTHER_TARGETS
        sides = self._unpacked(old, new)
        return self._which([a != b for a, b in zip(*sides, strict=True)], sides[0], words)

    def _known(
        self,
        old: str,
        new: str,
        words: tuple[str, str],
        is_known: bool,
        otherwise: Sequence[bool],
    ) -> tuple[str, int]:
        """The same of what is known of targets.

        Args:
            old, new: the bits of both sides.
            words: what 0 and 1 say.
            is_known: which of them is knowledge: the other one only says that there is none.
            otherwise: of which targets the file may know what was not found here.

        Returns:
            Of which targets it differs, in words, and of how many the file knows more.
        """
        if not self.same_targets:
            return _OTHER_TARGETS, 0
        sides = self._unpacked(old, new)
        more = [
            a == is_known and b != is_known and known
            for a, b, known in zip(*sides, otherwise, strict=True)
        ]
        differs = [a != b and not also for a, b, also in zip(*sides, more, strict=True)]
        return self._which(differs, sides[0], words), sum(more)

    def _which(self, differs: Sequence[bool], old: Sequence[bool], words: tuple[str, str]) -> str:
        """How many targets differ, and which is the first, in words; empty where none does."""
        count = sum(differs)
        if not count:
            return ""
        first = min(place for place, flag in enumerate(differs) if flag)
        in_file, here = words[old[first]], words[not old[first]]
        return (
            f"{count} of {len(differs)} targets, the first is {target_text(self.targets[first])}: "
            f"{in_file} in the file, {here} here"
        )


def _other(old: str, new: str) -> str:
    """Two addresses or digests in full; empty where they are one."""
    return "" if old == new else f"{old} in the file, {new} here"


def _fields(old: Any, new: Any, names: Sequence[str]) -> str:
    """Which fields of two entries differ, in words; empty where none does."""
    other = [
        name
        for name in names
        if not same(as_said(name, getattr(old, name)), as_said(name, getattr(new, name)))
    ]
    return f"other {', '.join(other)}" if other else ""


# --- what the file knows from what is not computed ------------------------------------------------


def _worst(chosen: Chosen) -> list[Worst]:
    """What the file says of the worst case of the model, under all budgets."""
    return [worst for worst in chosen.held.worst if worst.victim == chosen.place]


def _known_otherwise(
    chosen: Chosen, budget: int | float
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Which targets are broken, and which proved, by what the file has and nobody computed again.

    An attack within the budget breaks a target; an exact attack of the budget, or of a larger one,
    proves it. So does a certificate of a larger budget; and any certificate may have found edits.

    Returns:
        Of each target whether it may be known to be broken, and to be proved, otherwise.
    """
    held, place, data = chosen.held, chosen.place, chosen.data
    clean = held.bits(place, chosen.victim.clean)
    broken, proved = [False] * data.count, [False] * data.count
    for record in held.attacked:
        if record.victim != place or record in chosen.records:
            continue
        right, exact = held.bits(place, record.attacked), held.bits(place, record.exact)
        for target in range(data.count):
            stands = clean[target] and right[target]
            broken[target] |= record.budget <= budget and not stands
            proved[target] |= record.budget >= budget and stands and exact[target]
    computed = {repr(each) for each in chosen.certified}
    for worst in _worst(chosen):
        if not worst.is_certified or repr(worst.budget) in computed:
            continue
        stands_there, proved_there = held.bits(place, worst.stands), held.bits(place, worst.proved)
        for target in range(data.count):
            broken[target] |= not stands_there[target]
            proved[target] |= worst.budget > budget and proved_there[target]
    return tuple(broken), tuple(proved)
