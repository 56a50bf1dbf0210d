"""What a file adds that the user names with `--plugin FILE.py`: the classes that it defines."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import NamedTuple

from robust_augcl import foreign
from robust_augcl.registry.own import base_of


class InFile(NamedTuple):
    """A plug-in of a file.

    Args:
        kind: "attack", ...
        name: the file's without its ending, where it defines one class of this kind; else
            `file.py:Class`.
        address: `path/to/file.py:Class`.
    """

    kind: str
    name: str
    address: str


def files_called(name: str) -> list[Path]:
    """The files that the user has named whose own name this is. Nothing is imported."""
    return [path for path in foreign.named_files() if path.stem == name]


def in_file(kind: str, path: Path) -> list[InFile]:
    """The plug-ins of a kind that a file defines. The file is imported.

    Raises:
        InputError: it cannot be imported.
    """
    module, base = foreign.import_named(path), base_of(kind)
    defined = [
        made.__name__
        for _, made in inspect.getmembers(module, inspect.isclass)
        if issubclass(made, base)
        and made.__module__ == module.__name__
        and not inspect.isabstract(made)
    ]
    return [
        InFile(kind, path.stem if len(defined) == 1 else f"{path.name}:{made}", f"{path}:{made}")
        for made in defined
    ]
