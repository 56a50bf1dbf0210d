"""What dictionaries, lists and sets hold, for a comparison later."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, TypeAlias

Container: TypeAlias = dict[Any, Any] | list[Any] | set[Any]
"""What can be changed in place."""


def contents(values: Iterable[Any]) -> tuple[tuple[Container, tuple[Any, ...]], ...]:
    """The containers among values, and those in them, each with what it holds now.

    Example:
        >>> known = {"one": [1]}
        >>> before = contents([known])
        >>> known["one"].append(2)
        >>> [fill(*each) for each in changed(before)], known
        ([None], {'one': [1]})
    """
    found: dict[int, tuple[Container, tuple[Any, ...]]] = {}
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if type(value) in (dict, list, set) and id(value) not in found:
            held = _held(value)
            found[id(value)] = value, held
            waiting += held
    return tuple(found.values())


def changed(
    before: Iterable[tuple[Container, tuple[Any, ...]]],
) -> list[tuple[Container, tuple[Any, ...]]]:
    """The containers that hold other things now, each with what it held."""
    return [each for each in before if not _same(_held(each[0]), each[1])]


def fill(container: Container, held: tuple[Any, ...]) -> None:
    """Let a container hold what it held, and nothing else."""
    container.clear()
    if isinstance(container, dict):
        half = len(held) // 2
        container.update(zip(held[:half], held[half:], strict=True))
    elif isinstance(container, set):
        container.update(held)
    else:
        container.extend(held)


def _held(container: Container) -> tuple[Any, ...]:
    """What it holds: of a dictionary the keys, then the values."""
    if isinstance(container, dict):
        return (*container, *container.values())
    return tuple(container)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether they are the same things, in the same order."""
    return len(one) == len(other) and all(map(operator.is_, one, other))
