"""From tables of a TOML file to frozen dataclasses.

Errors name the key, the value and what was expected.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from robust_augcl.errors import InputError, unknown

T = TypeVar("T")

_PART = re.compile(r"""\s*(?:("(?:[^"\\]|\\.)*"|'[^']*')|([^.=]*?))\s*(\.|=|$)""")
"""One part of a dotted key, in the quotes of TOML or bare, and what follows it."""


def build(cls: type[T], table: Any, where: str) -> T:
    """Make a dataclass from a table.

    Args:
        cls: the dataclass; its `ValueError`s name values out of range.
        table: the content.
        where: names the table in errors.

    Raises:
        InputError: not a table, an unknown key (with the nearest known one), a missing key, a value
            of the wrong type or range.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Training:
        ...     epochs: int = 100
        >>> build(Training, {"epochs": 5}, "[training]").epochs
        5
    """
    if not isinstance(table, Mapping):
        raise InputError(f"Expected {where} to be a table, got {table!r}")
    known = [f.name for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise unknown(f"key in {where}:", key, known)
    try:
        # Through JSON, the types are taken strictly, but for arrays, which become tuples.
        return TypeAdapter(cls).validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        raise InputError(_message(error, table, where)) from None


def _message(error: ValidationError, table: Mapping[str, Any], where: str) -> str:
    """One line for the first thing that is wrong."""
    first, *others = error.errors()
    name = _key(first["loc"], table)
    if first["type"] in ("value_error", "assertion_error"):
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    if first["type"] in ("missing", "missing_argument"):
        return (
            f"{where}: Expected `{'.'.join(filter(None, (name, str(first['loc'][-1]))))}`, "
            "got nothing"
        )
    # A value that may be of several types fails once for each of them.
    alternatives = [
        first,
        *(
            other
            for other in others
            if other["loc"] != first["loc"] and _key(other["loc"], table) == name
        ),
    ]
    expected = " or ".join(
        dict.fromkeys(each["msg"].removeprefix("Input should be ") for each in alternatives)
    )
    return f"{where}: Expected `{name}` to be {expected}, got {first['input']!r}"


def _key(loc: tuple[int | str, ...], table: Any) -> str:
    """The dotted key of what is wrong.

    It has only those parts of `loc` that the table has; the others name validators and types.
    """
    found, inner = [], table
    for part in loc:
        entries = _entries(inner)
        if part in entries:
            found.append(str(part))
            inner = entries[part]
    return ".".join(found)


def _entries(value: Any) -> Mapping[Any, Any]:
    """What a value holds, by key or by place; nothing where it is no table and no array."""
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if isinstance(value, list | tuple) else {}


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Parse a TOML document; `source` names it in errors."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source}: Expected a TOML file, got {error}") from None


def override(table: dict[str, Any], assignment: str) -> None:
    """Set one value of a nested table in place: `dotted.key=value`.

    The value is read as in TOML; what is no TOML is a plain string.

    An element of an array of tables is named by its `label` or `name`:
    ``attacks.rl_s2v.steps=100``. A part that holds a dot or an equals sign stands in quotes, as in
    TOML: ``methods."1/mean - 0.2".delta=0.3``.

    Raises:
        InputError: no such form, or a part of the key that names nothing.

    Example:
        >>> table = {"attacks": [{"name": "beam", "width": 3}]}
        >>> override(table, "attacks.beam.width=5")
        >>> table["attacks"]
        [{'name': 'beam', 'width': 5}]
    """
    parts, text = _split(assignment)
    *path, last = parts
    dotted = assignment[: len(assignment) - len(text) - 1].strip()
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    at: Any = table
    for part in path:
        at = _child(at, part, dotted)
    if isinstance(at, list):
        raise InputError(f"Expected --set {dotted} to name a single value, got a list of tables")
    at[last] = value


def _split(assignment: str) -> tuple[list[str], str]:
    """The parts of the key, and the text of the value."""
    parts, position, after = [], 0, "."
    while after == ".":
        found = _PART.match(assignment, position)
        if found is None:
            break
        quoted, bare, after = found.groups()
        try:
            parts.append(bare if quoted is None else tomllib.loads(f"part = {quoted}")["part"])
        except tomllib.TOMLDecodeError:
            parts.append("")
        position = found.end()
    if after != "=" or not all(parts):
        raise InputError(f"Expected --set to be dotted.key=value, got {assignment!r}")
    return parts, assignment[position:]


def _child(at: Any, part: str, dotted: str) -> Any:
    if isinstance(at, list):
        labels = {
            str(entry.get("label", entry.get("name"))): entry
            for entry in at
            if isinstance(entry, dict)
        }
        if part not in labels:
            raise unknown(f"part of --set {dotted}:", part, labels)
        return labels[part]
    child = at.setdefault(part, {})
    if not isinstance(child, dict | list):
        raise InputError(f"Expected --set {dotted} to name a value, but `{part}` is {child!r}")
    return child
