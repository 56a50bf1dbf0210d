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
    return [(container, held) for container, held in before if not _holds(container, held)]


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


def _holds(container: Container, held: tuple[Any, ...]) -> bool:
    """Whether it holds these very things, and where it has an order, in this one."""
    now = _held(container)
    if isinstance(container, set):  # which is in another order when it was filled anew
        return set(map(id, now)) == set(map(id, held))
    return len(now) == len(held) and all(map(operator.is_, now, held))
