"""From tables of a TOML file to frozen dataclasses.

Errors name the key, the value and what was expected.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from robust_augcl.errors import MOST_IN_VALUE, InputError, cut, shown, unknown

T = TypeVar("T")


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
        raise InputError(f"Expected {where} to be a table, got {shown(table)}")
    known = [f.name for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise unknown(f"key in {where}:", key, known)
    reader: TypeAdapter[T] = _reader(cls)  # type: ignore[arg-type]
    try:
        # Through JSON, the types are taken strictly, but for arrays, which become tuples.
        return reader.validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        raise InputError(_message(error, table, where)) from None


@functools.cache
def _reader(cls: Any) -> TypeAdapter[Any]:
    """What makes instances of a class; making it takes longer than using it."""
    return TypeAdapter(cls)


def _message(error: ValidationError, table: Mapping[str, Any], where: str) -> str:
    """One line for the first thing that is wrong."""
    first, name, expected = _first(error, table)
    if first["type"] in ("value_error", "assertion_error"):
        return f"{where}: {cut(first['msg'].removeprefix('Value error, '), 3 * MOST_IN_VALUE)}"
    if first["type"] in ("missing", "missing_argument") and isinstance(first["loc"][-1], str):
        return (
            f"{where}: Expected `{'.'.join(filter(None, (name, first['loc'][-1])))}`, got nothing"
        )
    return f"{where}: Expected `{name}` to be {expected}, got {shown(first['input'])}"


def _first(error: ValidationError, table: Any) -> tuple[ErrorDetails, str, str]:
    """The first thing that is wrong: its details, its key, and what was expected there."""
    errors = error.errors(include_url=False)
    same = [each for each in errors if each["loc"][:1] == errors[0]["loc"][:1]]
    # A value that may be of several types fails once for each of them. Where one of the types let
    # the reader go on to what is inside, that is what is wrong.
    names = [_key(each["loc"], table) for each in same]
    name = max(names, key=lambda each: each.count("."))
    here = [each for each, its_name in zip(same, names, strict=True) if its_name == name]
    words = list(dict.fromkeys(map(_expected, here)))
    if _WORDS["float_type"] in words:  # which a whole number is too
        words = [word for word in words if word != _WORDS["int_type"]]
    return here[0], name, " or ".join(words)


_WORDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "an array",
    "list_type": "an array",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "missing": "an array of more values",
    "too_long": "an array of fewer values",
}
"""Kind of error -> what was expected."""


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"])
    return _WORDS.get(error["type"], error["msg"].removeprefix("Input should be "))


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
