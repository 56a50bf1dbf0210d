"""Every field of a JSON value with another value in its place, one at a time."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

OTHERS = (
    None,
    True,
    7,
    1.5,
    math.nan,
    math.inf,
    2**70,
    2**140,
    -1,
    "text",
    "\ud800",
    [],
    [[1, 2, 3]],
    {"a": 1},
)
"""What is put in the place of a field; those of its own type apart, where they are lawful."""


def spoilt(
    value: Any, free: Sequence[str] = (), nullable: Sequence[str] = ()
) -> Iterator[tuple[str, Any]]:
    """Copies of a JSON value in which one thing is not as it was: what, and the copy.

    Each field is once of each other type, once missing; each table once has an unknown field. An
    int in the place of a float is left out: it is the same number.

    Args:
        value: what is written.
        free: names of fields that hold tables of any JSON, whose inside is left out.
        nullable: names of fields that may be null, or that hold lists of what may be null.
    """
    for path in paths(value, free):
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        old = _at(value, path)
        for new in OTHERS:
            is_free = bool(path) and path[-1] in free and isinstance(new, dict)
            if not (is_free or _is_lawful(old, new, name in nullable)):
                yield f"{_text(path)} = {new!r}", replaced(value, path, new)
        if path and isinstance(path[-1], str):
            yield f"{_text(path)} missing", replaced(value, path, _MISSING)
        if isinstance(old, dict) and not (path and path[-1] in free):
            yield f"{_text(path)}.extra", replaced(value, (*path, "extra"), 1)


def _is_lawful(old: Any, new: Any, may_be_null: bool) -> bool:
    """Whether a value may stand where another one did, for all that types and ranges say."""
    if new is None:
        return old is None or may_be_null
    if old is None:  # of what else it may be, its name says nothing
        return True
    if isinstance(old, float) and type(new) is int:
        return new < 2**128  # it is the same number
    if type(old) is not type(new):
        return False
    if isinstance(new, float):
        return math.isfinite(new)
    if isinstance(new, str):
        return new != "\ud800"
    return new not in (2**70, 2**140, -1, [[1, 2, 3]], {"a": 1})


_MISSING = object()


def paths(
    value: Any, free: Sequence[str] = (), path: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """The path of every field, the first two entries of each list."""
    if path:
        yield path
    if path and path[-1] in free:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, free, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value[:2]):
            yield from paths(item, free, (*path, place))


def _at(value: Any, path: Sequence[Any]) -> Any:
    for part in path:
        value = value[part]
    return value


def replaced(value: Any, path: Sequence[Any], new: Any) -> Any:
    """A copy of a JSON value with another field at a path."""
    made = copy.deepcopy(value)
    holder = _at(made, path[:-1])
    if new is _MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = new
    return made


def _text(path: Sequence[Any]) -> str:
    return ".".join(map(str, path))


# --- checksums computed again ---------------------------------------------------------------------


def compact(value: Any) -> str:
    """JSON as records are written."""
    return json.dumps(value, separators=(",", ":"))


def record_text(header: Any, lines: Sequence[str]) -> str:
    """A record of this header and these lines, with a right checksum."""
    header = {name: value for name, value in header.items() if name != "digest"}
    digest = hashlib.sha256("\n".join([compact(header), *lines]).encode()).hexdigest()
    return "\n".join([compact({**header, "digest": digest}), *lines]) + "\n"


def sealed(content: Any) -> str:
    """An audit or transfers with a right checksum."""
    content = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps({**content, "digest": hashlib.sha256(text.encode()).hexdigest()})
