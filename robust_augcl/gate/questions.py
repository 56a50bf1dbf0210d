"""What the gate asks, what it answers, and what follows from all answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

Outcome = Literal["regressed", "not comparable", "cannot tell", "holds"]
ORDER: tuple[Outcome, ...] = ("regressed", "not comparable", "cannot tell", "holds")
"""The worst first."""
EXIT_CODES: dict[Outcome, int] = {
    "holds": 0,
    "regressed": 1,
    "not comparable": 3,
    "cannot tell": 4,
}
TOLERANCE = 0.02
"""The drop that is accepted where neither the user nor the suite names another."""

Regime = Literal["same weights", "trained again", "none", "beside"]


@dataclass(frozen=True)
class Rules:
    """How the gate decides.

    Args:
        tolerance: the drop that is accepted where models were trained again, a share above 0.
        method: the label of the method that the primary comparison is about; None: the first that
            the suite's stated comparisons name, else the last.
        one_model: whether two trained models, one a side, are compared as these two models. If
            not, one model each cannot tell, since it says nothing of the training.

    Raises:
        ValueError: a tolerance out of range.

    Example:
        >>> Rules(tolerance=0.05).tolerance
        0.05
    """

    tolerance: float = TOLERANCE
    method: str | None = None
    one_model: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError(
                f"Expected `tolerance` to be a share above 0 and below 1, got {self.tolerance}"
            )


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Args:
        about: what is compared, in words. Names in it are those of the results: escape them.
        regime: how it is compared; "beside" for what the weights do not decide.
        outcome: what is said.
        why: in one sentence.
        decides: whether it alone can keep the gate from holding where it cannot tell.
        improved: whether the new results are better, beyond chance.
        base, new: shares; None where there is none.
        drop, low, high: baseline less new, and its interval; None where there is none. Of an attack
            on the same weights it is the drop of what the attack breaks.
        detectable: the drop that is found with 80 % power; None where nothing is tested.
        seeds_needed: about how many seeds a side would tell; None where that is not asked.
    """

    about: str
    regime: Regime
    outcome: Outcome
    why: str
    decides: bool = True
    improved: bool = False
    base: float | None = None
    new: float | None = None
    drop: float | None = None
    low: float | None = None
    high: float | None = None
    detectable: float | None = None
    seeds_needed: int | None = None


@dataclass(frozen=True)
class Gate:
    """Whether a change may pass.

    Args:
        answers: the worst first, and what decides before what does not.
        notes: what else there is to know, in sentences: ratios of time, what was revised.
        rules: how it was decided.

    Example:
        >>> answer = Answer("the worst case", "same weights", "holds", "nothing changed")
        >>> gate = Gate((answer,), (), Rules())
        >>> gate.outcome, gate.exit_code
        ('holds', 0)
    """

    answers: tuple[Answer, ...]
    notes: tuple[str, ...]
    rules: Rules

    @cached_property
    def outcome(self) -> Outcome:
        """The worst of the answers; one that does not decide counts where it regressed alone."""
        counting = [
            answer.outcome
            for answer in self.answers
            if answer.decides or answer.outcome == "regressed"
        ]
        return min(counting, key=ORDER.index, default="not comparable")

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """Those that results fell into."""
        asked = (answer.regime for answer in self.answers if answer.regime != "beside")
        return tuple(dict.fromkeys(asked))

    @property
    def improved(self) -> tuple[Answer, ...]:
        """What became better."""
        return tuple(answer for answer in self.answers if answer.improved)

    def of(self, outcome: Outcome) -> tuple[Answer, ...]:
        """The answers of one outcome."""
        return tuple(answer for answer in self.answers if answer.outcome == outcome)

    @property
    def sentence(self) -> str:
        """The gate in one sentence."""
        first = next((a for a in self.answers if a.outcome == self.outcome), None)
        more = len([a for a in self.of(self.outcome) if a.decides or a.outcome == "regressed"]) - 1
        text = "nothing is compared" if first is None else f"{first.about}: {first.why}"
        if self.outcome == "holds":
            better = f", {len(self.improved)} improved" if self.improved else ""
            return f"None of {counted(len(self.answers), 'comparison')} regressed{better}"
        return f"{text} (and {more} more)" if more > 0 else text

    def as_json(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "regimes": list(self.regimes),
            "tolerance": self.rules.tolerance,
            "sentence": self.sentence,
            "answers": [asdict(answer) for answer in self.answers],
            "notes": list(self.notes),
        }


def sorted_answers(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The worst first; of equals what decides before what does not, else in the order of asking."""
    return tuple(sorted(answers, key=lambda a: (ORDER.index(a.outcome), not a.decides)))


def counted(number: int, what: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "target"), counted(3, "target")
        ('1 target', '3 targets')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def says_nothing(low: float, high: float) -> bool:
    """Whether an interval of a drop leaves no drop and no rise out.

    Example:
        >>> says_nothing(-1.0, 1.0), says_nothing(-1.0, 0.4)
        (True, False)
    """
    return low <= -1 and high >= 1


def points(share: float) -> str:
    """A share in points, with one decimal.

    Example:
        >>> points(0.0123)
        '1.2 points'
    """
    return f"{signed(share)} points"


def signed(share: float) -> str:
    """A share in points without their name; below 0 with a minus sign, which is no hyphen.

    Example:
        >>> signed(0.0123), signed(-0.5) == "\N{MINUS SIGN}50.0"
        ('1.2', True)
    """
    return f"{100 * share:z.1f}".replace("-", "\N{MINUS SIGN}")
