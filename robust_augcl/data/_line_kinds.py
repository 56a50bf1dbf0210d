"""What the fields of a line of a file of graphs hold, in words for whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from robust_augcl.errors import InputError, cut

_EXAMPLE = '{"edges": [[0, 1]], "num_nodes": 2, "y": 0}'
_NUMBER = (int, float)
_KINDS: dict[str, tuple[str, int, tuple[type, ...]]] = {
    "edges": ("a list of pairs of nodes, as [[0, 1], [1, 2]]", 2, (int,)),
    "x": ("rows of numbers, one row a node, as [[1.0], [2.0]]", 2, _NUMBER),
    "num_nodes": ("a whole number, as 3", 0, (int,)),
    "y": ("the number of a class, as 0", 0, _NUMBER),
    "edge_attr": ("rows of numbers, one row for each of `edges`, as [[1.0], [2.0]]", 2, _NUMBER),
    "part": ('"train", "validation" or "test"', 0, (str,)),
    "target_node": ("the number of a node, as 0", 0, (int,)),
}
"""Field -> what it holds in words, in how many lists it lies, and the types of what lies there."""
_MAY_BE_NULL = _KINDS.keys() - {"edges"}  # as if the field were not there


def refuse_kinds(at: str, raw: Any) -> None:
    """Refuse a line for the first value that is of another kind than its field.

    Args:
        at: the file and the line.
        raw: what JSON the line holds.

    Raises:
        InputError: the line is no object, or a field of it is of another kind.

    >>> refuse_kinds("my.jsonl, line 1", {"edges": [[0, 1]], "num_nodes": 2, "y": True})
    Traceback (most recent call last):
    robust_augcl.errors.InputError: my.jsonl, line 1: expected a graph, its `y` to be the number \
of a class, as 0, got true
    """
    if not isinstance(raw, dict):
        raise InputError(
            f"{at}: expected a graph as a JSON object, as {_EXAMPLE}, got {_as_json(raw)}"
        )
    for name, (words, depth, kinds) in _KINDS.items():
        for place, value in _values(name, raw.get(name), depth):
            if value is None and place == name and (name not in raw or name in _MAY_BE_NULL):
                continue
            if type(value) not in kinds or (depth and place.count(".") < depth):
                where = "" if place == name else f" at `{place}`"
                raise InputError(
                    f"{at}: expected a graph, its `{name}` to be {words}, got "
                    f"{_as_json(value)}{where}"
                )


def _values(place: str, value: Any, depth: int) -> Iterable[tuple[str, Any]]:
    """The values in so many lists, with their places; or what stands in the place of a list."""
    if depth and type(value) is list:
        for number, each in enumerate(value):
            yield from _values(f"{place}.{number}", each, depth - 1)
    else:
        yield place, value


def _as_json(value: object) -> str:
    """A value as the file has it, cut where it is long."""
    return cut(json.dumps(value, ensure_ascii=False))
