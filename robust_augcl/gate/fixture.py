"""What the fixture `robustness` returns: a model, graphs and a threat, and what is asserted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import robust_augcl
from robust_augcl.errors import InputError, cut
from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import TOLERANCE, Rules
from robust_augcl.gate.reading import doubts, of_folder, write
from robust_augcl.gate.rendering import plain, text
from robust_augcl.reports._words import threat_text
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.names import target_text
from robust_augcl.results.records import Outcome, Record

if TYPE_CHECKING:
    from robust_augcl.threat.model import ThreatModel

ATTACKS = ("beam",)
"""What a model is attacked with where no attacks are named. Certificates search beside it."""
_MOST_EDITS_SHOWN = 5
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Place:
    """Where a call of the fixture keeps things.

    Args:
        folder: of the run.
        beside: the folder of the test's file, which baselines are relative to.
        test: the test and the call in it, in words.
        update: whether baselines are written instead of compared with.
        claim: takes the path of a baseline and what it would be of; returns what it is of.
        record: takes the name and the value of a property, for JUnit.
    """

    folder: Path
    beside: Path
    test: str
    update: bool
    claim: Callable[[Path, str], str]
    record: Callable[[str, object], None]


class Held:
    """A model under a threat. Each method asserts one thing, and returns this object.

    A model is attacked when the first method asks. What was computed in an earlier session is
    reused, as long as the model, the graphs and the settings are the same.

    Args:
        model: as `robust_augcl.evaluate` takes it.
        graphs: as there.
        threat: as there, with one budget.
        place: where things are kept.
        options: of `robust_augcl.evaluate`, e.g. `adapter`, `fit`.

    >>> def test_it_withstands_an_edge(robustness):  # doctest: +SKIP
    ...     robustness(model, graphs, ThreatModel(budget=1)).at_least(0.60)
    """

    def __init__(
        self,
        model: Any,
        graphs: Any,
        threat: ThreatModel,
        place: Place,
        options: Mapping[str, Any],
    ) -> None:
        self._model, self._graphs, self._threat = model, graphs, threat
        self._place, self._options = place, options
        self._found: dict[tuple[str, ...], _Found] = {}
        self.is_asserted = False
        """Whether any method was called: nothing is computed before."""

    def at_least(self, share: float) -> Held:
        """Assert that at least this share of targets withstands all allowed edits.

        It is decided by the exact worst case, or by what is proved: attacks that find nothing prove
        nothing.

        Raises:
            AssertionError: it does not, or that is not proved; with the numbers, the worst edits,
                and the folder of the run.
        """
        __tracebackhide__ = True
        self.is_asserted = True
        _check_share(share)
        found = self._under(ATTACKS)
        if found.proved >= share - _ROUNDING:
            return self
        wanted = f"at least {_percent(share)} of targets proved to withstand {found.what}"
        if found.standing < share - _ROUNDING:
            raise AssertionError(found.message(wanted))
        hint = (
            "\nThe model is not shown to be weaker, only not proved to be as strong. Certificates "
            "that try more pairs of edits, or fewer edits, may prove it; `not_broken_below` asks "
            "what attacks leave."
        )
        raise AssertionError(found.message(wanted) + hint)

    def not_broken_below(self, share: float, attacks: Sequence[Any] = ATTACKS) -> Held:
        """Assert that attacks leave at least this share of targets right. It proves nothing.

        Args:
            share: of all targets, those that are wrong without any edit included.
            attacks: as `robust_augcl.evaluate` takes them.

        Raises:
            AssertionError: they leave less; with the numbers, the worst edits, and the folder.
        """
        __tracebackhide__ = True
        self.is_asserted = True
        _check_share(share)
        found = self._under(attacks)
        if found.standing < share - _ROUNDING:
            names = ", ".join(plain(record.cell.attack) for record in found.records)
            wanted = f"attacks ({names}) to leave at least {_percent(share)} of targets"
            raise AssertionError(found.message(wanted))
        return self

    def no_worse_than(
        self, baseline: Path | str, tolerance: float | None = None, attacks: Sequence[Any] = ATTACKS
    ) -> Held:
        """Assert that the gate holds against a baseline.

        One model a side is compared with the other as these two models. Lists of trained copies are
        compared as trainings are, over seeds.

        Args:
            baseline: a file beside the test, which `--robustness-update` writes.
            tolerance: the drop that is accepted where the model is another one [default: 0.02].
            attacks: as `robust_augcl.evaluate` takes them.

        Raises:
            AssertionError: the gate does not hold, or there is no baseline.
            InputError: the file was written in this session already, of other results.
        """
        __tracebackhide__ = True
        self.is_asserted = True
        found = self._under(attacks)
        path = self._place.beside / baseline
        now = of_folder(found.folder, lambda line: None)
        if self._place.update:
            self._write(path, now, attacks)
            return self
        if not path.exists():
            raise AssertionError(
                f"Expected the baseline {path}, which is not there: pytest --robustness-update "
                "writes it"
            )
        rules = Rules(TOLERANCE if tolerance is None else tolerance, one_model=True)
        gate = decide(Baseline.load(path), now, rules)
        self._place.record("robustness_gate", gate.outcome)
        if gate.exit_code:
            raise AssertionError(
                f"Expected the model to be no worse than {path.name}: {gate.outcome}\n"
                f"{text(gate)}{found.edits()}Folder: {found.folder}"
            )
        return self

    def _write(self, path: Path, now: Baseline, attacks: Sequence[Any]) -> None:
        """Write a baseline, of one result only: of two the last would win, and the other fail."""
        of = f"{self._place.test}, attacks {', '.join(map(str, _key(attacks)))}"
        known = self._place.claim(path, of)
        if known != of:
            raise InputError(
                f"Expected one result for the baseline {path.name}, got two: of {cut(known, 200)}, "
                f"and of {cut(of, 200)}. Each needs a file of its own"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, now)
        self._place.record("robustness_gate", "updated")
        for doubt in doubts(now):
            warnings.warn(f"{path.name}: {doubt}", stacklevel=3)

    def _under(self, attacks: Sequence[Any]) -> _Found:
        """What these attacks find, computed once."""
        key = _key(attacks)
        if key not in self._found:
            number = len(self._found)
            folder = self._place.folder if not number else self._place.folder / f"more-{number}"
            result = robust_augcl.evaluate(
                self._model,
                self._graphs,
                threat=self._threat,
                attacks=attacks,
                out=folder,
                **{"workers": 1, **self._options},
            )
            if result.failures:
                raise InputError(f"Some steps failed: {'; '.join(result.failures)}")
            found = _Found(folder, result.records, of_folder(folder, lambda line: None))
            for name, value in found.properties():
                self._place.record(name, value)
            self._found[key] = found
        return self._found[key]


@dataclass(frozen=True)
class _Shares:
    """What is known of one model: shares of its targets, means over trained copies."""

    name: str
    clean: float
    proved: float
    stands: float
    targets: int

    @property
    def text(self) -> str:
        """It in words."""
        worst = (
            f"the worst case is {_percent(self.stands)}, exactly"
            if self.proved == self.stands
            else f"proved of {_percent(self.proved)}, not broken {_percent(self.stands)}"
        )
        return f"{plain(self.name)}: clean {_percent(self.clean)}, {worst} ({self.targets} targets)"


@dataclass(frozen=True)
class _Found:
    """What is known of the models: the records of a run, and its baseline."""

    folder: Path
    records: Sequence[Record]
    held: Baseline

    @cached_property
    def shares(self) -> list[_Shares]:
        """Of each model."""
        by_name: dict[str, list[_Shares]] = {}
        for worst in self.held.worst:
            victim = self.held.victims[worst.victim]
            flags = (
                self.held.bits(worst.victim, bits)
                for bits in (victim.clean, worst.proved, worst.stands)
            )
            clean, proved, stands = (sum(each) / len(each) for each in flags)
            count = self.held.data[victim.data].count
            own = _Shares(victim.method, clean, proved, stands, count)
            by_name.setdefault(victim.method, []).append(own)
        return [
            _Shares(
                name,
                sum(each.clean for each in own) / len(own),
                sum(each.proved for each in own) / len(own),
                sum(each.stands for each in own) / len(own),
                own[0].targets,
            )
            for name, own in by_name.items()
        ]

    @property
    def proved(self) -> float:
        """The proved share of the model of which the least is proved."""
        return min(each.proved for each in self.shares)

    @property
    def standing(self) -> float:
        """What no known edits break, of the model of which that is the least."""
        return min(each.stands for each in self.shares)

    @property
    def what(self) -> str:
        """The threat in words."""
        return threat_text(self.records[0].threat)

    def properties(self) -> Iterator[tuple[str, object]]:
        """Names and values for JUnit."""
        yield "robustness_clean", f"{min(each.clean for each in self.shares):.6f}"
        yield "robustness_proved", f"{self.proved:.6f}"
        yield "robustness_not_broken", f"{self.standing:.6f}"
        yield "robustness_targets", sum(each.targets for each in self.shares)
        yield "robustness_folder", str(self.folder)

    def message(self, wanted: str) -> str:
        """What is wrong: what was wanted, what was found, the worst edits, and where it lies."""
        numbers = "\n".join(f"  {each.text}" for each in self.shares)
        return f"Expected {wanted}, got\n{numbers}\n{self.edits()}Folder: {self.folder}"

    def edits(self) -> str:
        """The most damaging edits, in lines; empty where nothing was broken."""
        broken = [
            (outcome.attacked_margin, record.cell.method, outcome)
            for record in self.records
            for outcome in record.outcomes
            if outcome.broken
        ]
        seen: dict[tuple[str, object], str] = {}
        for _, method, outcome in sorted(broken, key=lambda each: each[:2]):
            seen.setdefault((method, outcome.target), _edit_text(method, outcome))
        lines = list(seen.values())[:_MOST_EDITS_SHOWN]
        return "".join(f"{line}\n" for line in ["Worst edits:", *lines]) if lines else ""


def _edit_text(method: str, outcome: Outcome) -> str:
    """What was done to one target, in a line."""
    edits = [f"add {i}-{j}" for i, j in outcome.added]
    edits += [f"delete {i}-{j}" for i, j in outcome.removed]
    margins = f"margin {outcome.clean_margin:.3g}, then {outcome.attacked_margin:.3g}"
    return f"  {plain(method)}, {target_text(outcome.target)}: {', '.join(edits)} ({margins})"


def _key(attacks: Sequence[Any]) -> tuple[str, ...]:
    """What tells attacks from others."""
    return tuple(attack if isinstance(attack, str) else repr(attack) for attack in attacks)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _check_share(share: float) -> None:
    """Raise `InputError` for what is no share."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise InputError(f"Expected a share from 0 to 1, got {share!r}")
