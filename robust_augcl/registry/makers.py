"""Who made a plug-in, and by which revisions its code is known in addresses."""

from __future__ import annotations

from typing import Any

from robust_augcl import __version__, sources
from robust_augcl.registry.own import GROUPS
from robust_augcl.revisions import Revision


def is_own(kind: str, made: type[Any]) -> bool:
    """Whether a class is one of our own plug-ins of that kind."""
    return made.__module__.startswith(f"{GROUPS[kind][0]}.")


def origin(made: type[Any]) -> dict[str, str]:
    """Who made a class.

    Returns:
        "distribution" and "version" of what is installed, "name" (`module:Class`), and, where it
        is not ours, "source": the SHA-256 of its source.

    Raises:
        InputError: not ours, and its source cannot be read.

    >>> from robust_augcl.registry import load
    >>> origin(load("encoder", "gin"))["name"]
    'robust_augcl.encoders.gin:GIN'
    """
    if made.__module__.partition(".")[0] != "robust_augcl":
        return sources.origin(made)
    name = f"{made.__module__}:{made.__qualname__}"
    return {"distribution": "robust-augcl", "version": __version__, "name": name}


def revisions_of(kind: str, what: object) -> dict[str, Revision]:
    """What a plug-in's code is known by in addresses: its name, and its revision.

    Args:
        kind: e.g. "attack".
        what: its class, or an instance of it.

    Returns:
        Of our own: {"attack beam": 2}. Of other people's: {"attack acme.attacks:Flip":
        "acme-attacks 1.2, sha256 ..."}, the distribution, its version and the digest of the source,
        and the revisions of our own plug-ins that it derives from.
    """
    made = what if isinstance(what, type) else type(what)
    found: dict[str, Revision] = {
        f"{kind} {base.__module__.rpartition('.')[2]}": base.revision
        for base in made.__mro__
        if is_own(kind, base) and hasattr(base, "revision")
    }
    if not is_own(kind, made):
        by = origin(made)
        found[f"{kind} {by['name']}"] = (
            f"{by['distribution']} {by['version']}".strip() + f", sha256 {by.get('source', '')}"
        )
    return found
