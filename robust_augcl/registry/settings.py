"""The settings of a plug-in: what a suite may say of it, with defaults."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any, NamedTuple


class Setting(NamedTuple):
    """A field that a suite may set.

    Args:
        name: the key in the suite.
        type: what it may be, as the code says it.
        default: what it is otherwise, as Python writes it; empty where it must be set.
        text: what its class says of it, in one line.
    """

    name: str
    type: str
    default: str
    text: str


def settings_of(made: type[Any]) -> list[Setting]:
    """The fields of a dataclass of settings, in their order.

    >>> from robust_augcl.registry import load
    >>> [(each.name, each.default) for each in settings_of(load("attack", "beam"))]
    [('width', '1')]
    """
    if not dataclasses.is_dataclass(made):
        return []
    texts: dict[str, str] = {}
    for each in reversed(made.__mro__):  # fields are inherited, and so is what is said of them
        texts |= _arguments(each)
    return [
        Setting(field.name, _type(field.type), _default(field), texts.get(field.name, ""))
        for field in dataclasses.fields(made)
        if field.init
    ]


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    return ""


def _arguments(made: type[Any]) -> dict[str, str]:
    """What a class's docstring says below "Args:", each in one line."""
    lines = inspect.cleandoc(vars(made).get("__doc__") or "").splitlines()
    found: dict[str, list[str]] = {}
    names: list[str] = []
    within = False
    for line in lines:
        if line and not line.startswith(" "):
            within = line.strip() == "Args:"
        elif within and (match := re.fullmatch(r" {4}(\w[\w, ]*): (.*)", line)):
            names = [name.strip() for name in match[1].split(",")]
            found |= {name: [match[2]] for name in names}
        elif within and line.strip():
            for name in names:
                found[name].append(line.strip())
    return {name: " ".join(text) for name, text in found.items()}
