"""Families: suites that are run together, each in a folder of its own. Light, as all of `list`."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from robust_augcl.errors import InputError, cut
from robust_augcl.validation import read_text

FAMILY = "family"
"""The kind of what is no suite, but names several."""
MEASUREMENTS = {
    "scaling": "How time and memory of AUGCL's parts, pretraining and attacks grow; how stable "
    "its clusters are"
}
"""What `run` measures by itself, without a suite: name and one line."""
MARK = "family.json"
"""The file in the folder of a family's run that names the folders in it."""
_MOST_BYTES = 2**16


class Family(NamedTuple):
    """Suites that are run together.

    Args:
        title: one line that says what they compare.
        members: their names, in the order in which they run.
    """

    title: str
    members: tuple[str, ...]


@functools.cache
def families() -> Mapping[str, Family]:
    """All families, by name.

    >>> families()["tu"].members[0]
    'tu-mutag'
    """
    text = (files("robust_augcl.suites") / "_families.toml").read_text(encoding="utf-8")
    return {
        name: Family(entry["title"], tuple(entry["members"]))
        for name, entry in tomllib.loads(text).items()
    }


def write_mark(folder: Path, name: str) -> None:
    """Write which folders in a folder are those of a family's runs."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"family": name, "members": list(families()[name].members)}
    (folder / MARK).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def runs_in(folder: Path) -> list[Path]:
    """The folders of a family's runs in a folder, those that are there; none where it has no mark.

    Raises:
        InputError: a mark that does not say what such a file says.
    """
    if not (folder / MARK).is_file():
        return []
    try:
        content = json.loads(read_text(folder / MARK, _MOST_BYTES))
        members = [str(member) for member in content["members"]]
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"Expected {cut(str(folder / MARK))} to name members: {error}") from error
    known = {member for family in families().values() for member in family.members}
    if not set(members) <= known:
        raise InputError(f"Expected {cut(str(folder / MARK))} to name members of a family")
    return [folder / member for member in members if (folder / member).is_dir()]
