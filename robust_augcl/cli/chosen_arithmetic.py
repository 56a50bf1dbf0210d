"""Which arithmetic a command asks for. Light: it must be known before PyTorch is imported.

What cannot be read here is read again by what the command calls, which says what is wrong.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_augcl.arithmetic import ARITHMETICS, DEFAULT
from robust_augcl.errors import InputError
from robust_augcl.registry import load_suite_text
from robust_augcl.validation import read_text

_KEY = "arithmetic"
_MANIFEST = "run.json"
_MOST_BYTES = 2**26


def of_suite(name_or_file: str, overrides: Sequence[str] = ()) -> str:
    """The arithmetic of a suite, with what `--set` says of it.

    Example:
        >>> of_suite("quick"), of_suite("quick", ["arithmetic=fast"])
        ('portable', 'fast')
    """
    stated = [value for key, _, value in (each.partition("=") for each in overrides) if key == _KEY]
    if stated:
        return _known({_KEY: stated[-1].strip("'\"")})
    try:
        found = load_suite_text(name_or_file)
        text = found[0] if found is not None else read_text(Path(name_or_file), _MOST_BYTES)
        return _known(tomllib.loads(text))
    except (InputError, OSError, ValueError, RecursionError):
        return DEFAULT


def of_folder(folder: Path) -> str:
    """The arithmetic of the run in a folder, or of a file of results."""
    try:
        file = folder if folder.is_file() else folder / _MANIFEST
        content = json.loads(read_text(file, _MOST_BYTES))
    except (InputError, OSError, ValueError, RecursionError):
        return DEFAULT
    return _known(content.get("table") if isinstance(content, Mapping) else None)


def _known(table: Any) -> str:
    value = table.get(_KEY) if isinstance(table, Mapping) else None
    return value if value in ARITHMETICS else DEFAULT
