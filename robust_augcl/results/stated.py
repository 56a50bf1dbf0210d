"""What a suite states of its comparisons before it runs: its table `[comparisons]`.

It decides which differences are primary and what counts as equivalent. It computes nothing, so it
is part of no address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from robust_augcl.errors import InputError, shown, unknown

TABLE = "comparisons"
"""What the table is called in a suite."""

_KEYS = ("pairs", "margin")


class Changed(NamedTuple):
    """What of a suite's comparisons is not as it was stated before results were seen.

    Args:
        what: pairs or margin.
        text: a sentence, and what follows from it.
    """

    what: Literal["pairs", "margin"]
    text: str


@dataclass(frozen=True)
class Comparisons:
    """The comparisons that a suite states.

    Args:
        pairs: labels of two methods, or of two given models, left less right: the primary ones.
        margin: within which methods are equivalent, a share above 0 and below 1; None: equivalence
            is not tested.

    Raises:
        ValueError: a pair of a label and itself, a pair that stands twice, either way round, a
            margin out of range.

    Example:
        >>> Comparisons((("augcl", "graphcl"), ("graphcl", "augcl")))
        Traceback (most recent call last):
        ValueError: Expected `comparisons.pairs[1]` to be a pair that is not named yet, got \
['graphcl', 'augcl'], which is `comparisons.pairs[0]` the other way round
    """

    pairs: tuple[tuple[str, str], ...] = ()
    margin: float | None = None

    def __post_init__(self) -> None:
        places: dict[frozenset[str], int] = {}
        for place, pair in enumerate(self.pairs):
            first = places.setdefault(frozenset(pair), place)
            if pair[0] == pair[1]:
                raise ValueError(
                    f"Expected `{at(place)}` to be two different labels, got {shown(list(pair))}"
                )
            if first != place:
                how = "again" if self.pairs[first] == pair else "the other way round"
                raise ValueError(
                    f"Expected `{at(place)}` to be a pair that is not named yet, got "
                    f"{shown(list(pair))}, which is `{at(first)}` {how}"
                )
        if self.margin is not None and not 0 < self.margin < 1:
            raise ValueError(_wrong_margin(self.margin))

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None, source: str = "suite") -> Comparisons:
        """What a suite states.

        Args:
            settings: the suite as in its file; None where it is not known.
            source: names it in errors.

        Raises:
            InputError: the table is none, or holds anything but pairs and a margin.

        Example:
            >>> Comparisons.of({"comparisons": {"pairs": [["augcl", "none"]], "margin": 0.02}})
            Comparisons(pairs=(('augcl', 'none'),), margin=0.02)
        """
        table = (settings or {}).get(TABLE, {})
        if not isinstance(table, Mapping):
            raise InputError(f"{source}: Expected `{TABLE}` to be a table, got {shown(table)}")
        for key in table:
            if key not in _KEYS:
                raise unknown(f"key in {source}: [{TABLE}]:", key, _KEYS)
        try:
            return cls(_pairs(table.get("pairs", [])), _margin(table))
        except ValueError as error:
            raise InputError(f"{source}: {error}") from None

    def since(self, first: Comparisons | None) -> tuple[Changed, ...]:
        """What of these comparisons is not as it was stated first; nothing where none is known.

        The order of pairs, and of the two in a pair, does not count. A margin that is taken away
        says nothing that it did not say before.

        Example:
            >>> [each.what for each in Comparisons(margin=0.05).since(Comparisons(margin=0.02))]
            ['margin']
        """
        if first is None:
            return ()
        changed = []
        if {*map(frozenset, self.pairs)} != {*map(frozenset, first.pairs)}:
            text = (
                "The suite names other pairs than before the first results were seen: no "
                "comparison is primary"
            )
            changed.append(Changed("pairs", text))
        if self.margin not in (None, first.margin):
            before = "none" if first.margin is None else f"{_points(first.margin)} points"
            text = (
                f"The suite states a margin of {_points(self.margin or 0.0)} points, and {before} "
                "before the first results were seen: equivalence is not tested"
            )
            changed.append(Changed("margin", text))
        return tuple(changed)


def at(place: int) -> str:
    """How messages call the pair at a place, counted from 0 as in every array."""
    return f"{TABLE}.pairs[{place}]"


def _points(share: float) -> str:
    """A share in points, with all the digits that it takes to tell it from others.

    >>> _points(0.05), _points(0.0201)
    ('5.0', '2.01')
    """
    return f"{100 * share:.1f}" if round(share, 3) == share else f"{100 * share:.10g}"


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    if not _is_list(value):
        raise ValueError(
            f"Expected `{TABLE}.pairs` to be an array of pairs of labels, got {shown(value)}"
        )
    return tuple(_pair(entry, place) for place, entry in enumerate(value))


def _pair(entry: Any, place: int) -> tuple[str, str]:
    if not _is_list(entry) or len(entry) != 2 or not all(isinstance(one, str) for one in entry):
        raise ValueError(
            f"Expected `{at(place)}` to be two labels, left less right, got {shown(entry)}"
        )
    left, right = entry
    return left, right


def _margin(table: Mapping[str, Any]) -> float | None:
    if "margin" not in table:
        return None
    value = table["margin"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(_wrong_margin(value))
    return value


def _wrong_margin(value: Any) -> str:
    return f"Expected `{TABLE}.margin` to be a share above 0 and below 1, got {shown(value)}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
