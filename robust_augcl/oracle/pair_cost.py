"""How long the bound of pairs takes, and the oracle for pairs without it.

Both are estimated in microseconds of one processor, from what they go through. The numbers below
were measured with widths of 64 and 256 (docs/measurements.md). Only their ratio counts. It decides
what takes less time, and changes no result.
"""

from __future__ import annotations

from typing import NamedTuple

_SAVED = 0.85
"""The share of the pairs that the oracle need not be asked about."""
_MOST_BYTES = 2**26
"""What one table of trees may take. Some seven of that size are held at once."""
_DOUBLE = 8

# Of a table's entry, for each number of its width.
_NUMBER, _PRODUCT = 0.043, 0.0003
# The same for each wrong class; and for each of its products with a hidden unit.
_NUMBER_OF_CLASS, _PRODUCT_OF_CLASS = 0.026, 0.000075
_HIDDEN_UNIT = 0.00015
# Of a pair and a wrong class.
_PAIR = 0.2
# Of a node that both edits of a pair reach: by itself, and for each number of its state.
_ROW, _NUMBER_OF_ROW = 0.5, 0.0025


class Sizes(NamedTuple):
    """What a graph, its edits and its classifier are.

    Args:
        pairs: of edits.
        rows: nodes that both edits of a pair reach, over the rounds that are computed, on average.
        entries: of the table of each two trees of a node, over all nodes.
        width: of the encoder.
        hidden: units of the head.
        wrong: classes but the true one.
    """

    pairs: int
    rows: float
    entries: int
    width: int
    hidden: int
    wrong: int


def bound_takes(of: Sizes) -> float:
    """Microseconds of the bound of all pairs."""
    number = _NUMBER + _PRODUCT * of.width
    of_class = _NUMBER_OF_CLASS + _PRODUCT_OF_CLASS * of.width + _HIDDEN_UNIT * of.hidden
    return of.entries * of.width * (number + of.wrong * of_class) + of.pairs * of.wrong * _PAIR


def pairs_take(of: Sizes) -> float:
    """Microseconds of the oracle for all pairs."""
    return of.pairs * of.rows * (_ROW + _NUMBER_OF_ROW * of.width)


def is_worth_it(of: Sizes) -> bool:
    """Whether the bound takes less time than the pairs that it saves, and fits in memory.

    Of a graph of 32 nodes with 91,378 pairs the bound is worth it; at four times its width, with
    more trees of each node, it would not be.

    >>> small = Sizes(pairs=91_378, rows=24.3, entries=20_000, width=64, hidden=32, wrong=2)
    >>> is_worth_it(small), is_worth_it(small._replace(width=256, entries=60_000))
    (True, False)
    """
    fits = of.entries * of.width * _DOUBLE <= _MOST_BYTES
    return fits and bound_takes(of) < _SAVED * pairs_take(of)
