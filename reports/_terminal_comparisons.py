"""The primary comparisons of methods for a terminal: a table, or a line each where it is narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from robust_augcl.errors import printable
from robust_augcl.reports._comparison_words import (
    SEEDS_MEAN,
    SEEDS_TO_SETTLE,
    points_text,
    seeds_needed_text,
    sentences,
    size_text,
    verdict_text,
)
from robust_augcl.reports._pairs import Pair
from robust_augcl.reports._rest import rest_mark
from robust_augcl.reports._sections import Section
from robust_augcl.reports._verdicts import Verdicts
from robust_augcl.reports._words import TOGETHER
from robust_augcl.results.method_tests import Judged
from robust_augcl.results.names import difference_name, joined, layers_text

_HEADS = ("", "Points (95 % interval)", "Verdict", SEEDS_TO_SETTLE)
_GAP = "  "


class Compared(NamedTuple):
    """What a terminal shows of the comparisons of methods.

    Args:
        caption: what the table is of, to be wrapped; empty where no comparison is primary.
        table: its lines, none of which is too long.
        sentences: on the other comparisons, to be wrapped.
    """

    caption: str
    table: list[str]
    sentences: list[str]


def compared(verdicts: Verdicts, width: int) -> Compared:
    """The primary comparisons as a table of at most `width` columns, the others in sentences.

    Where the table is wider, each comparison is a sentence too.
    """
    found = list(_primary(verdicts))
    others = sentences(verdicts, verdicts.leading, primary=False)
    if not found:
        return Compared("", [], others)
    caption = _caption(verdicts.section, [judged for *_, judged in found])
    rows = [_row(verdicts.section, *each) for each in found]
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    if sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        return Compared(caption, [], [*map(_in_a_line, rows), *others])
    lines = [
        _GAP.join(f"{cell:<{own}}" for cell, own in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADS, *rows)
    ]
    return Compared(caption, lines, others)


def _primary(verdicts: Verdicts) -> Iterator[tuple[Pair, int, Judged]]:
    """Each primary comparison of the leading pairs: the pair, the layers, what is said."""
    for pair in verdicts.leading:
        for (_, layers), judged in verdicts.by_attack(*pair).items():
            if verdicts.is_primary(judged):
                yield pair, layers, judged


def _caption(section: Section, found: Sequence[Judged]) -> str:
    """What the table is of, and what its words mean."""
    what = f"robust accuracy in the exact worst case, {section.threat.edits}"
    text = f"Primary comparisons: {what}; the left {section.noun} minus the right one, in points."
    if any(each.low is not None for each in found):
        text += f" The intervals are corrected: {TOGETHER}."
    undecided = [each for each in found if each.verdict == "undecided"]
    if not undecided:
        return text
    margin = undecided[0].margin
    small = "" if margin is None else f", nor that it is below {size_text(margin)} points"
    return f"{text} Undecided: the seeds do not show a difference{small}. {SEEDS_MEAN}"


def _row(section: Section, pair: Pair, layers: int, found: Judged) -> tuple[str, ...]:
    name = joined(
        difference_name(*(section.method_name(method) for method in pair)),
        layers_text(layers) if len(section.layers) > 1 else "",
    )
    cell = points_text(found) + rest_mark(section, layers, *pair)
    return printable(name), cell, verdict_text(found), seeds_needed_text(found)


def _in_a_line(row: Sequence[str]) -> str:
    """A row as a sentence."""
    name, cell, verdict, seeds = row
    needed = "" if seeds == "-" else f"; {seeds} seeds to settle"
    return f"{name}: {cell}, {verdict}{needed}."
