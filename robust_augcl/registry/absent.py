"""Which code a run's folder was made with that is not here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

from robust_augcl.errors import ConsentMissing, PackageMissing, cut
from robust_augcl.foreign import is_foreign
from robust_augcl.registry.loading import claims_to, named_in
from robust_augcl.revisions import Revision
from robust_augcl.sources import NO_DISTRIBUTION

_MADE_WITH = re.compile(r"(?P<made>[^,]{1,400}), sha256 \w*")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def refuse_absent(table: Mapping[str, Any], revisions: Mapping[str, Revision], where: str) -> None:
    """Refuse results whose plug-ins are not here, with what to do about it.

    Nothing of the packages is imported.

    Args:
        table: the suite as in the folder.
        revisions: of the code behind the folder's results.
        where: names the folder in errors.

    Raises:
        PackageMissing: a distribution that made a plug-in is not installed.
        ConsentMissing: a plug-in came from a file that the user named, and is not named now.
    """
    gone = {name: made for name, made in _distributions(revisions) if not _is_installed(name)}
    if gone:
        verb, them = ("is", "it") if len(gone) == 1 else ("are", "them")
        raise PackageMissing(
            f"{where} was made with {cut(', '.join(gone.values()))}, which {verb} not installed "
            f"here; if you trust {them}: pip install {cut(' '.join(gone))}"
        )
    for kind, name in named_in(table):
        if is_foreign(name) or claims_to(kind, name):
            continue
        for known in revisions:
            file = known.removeprefix(f"{kind} ").rpartition(":")[0]
            if file.endswith(".py") and PurePath(file).stem == name:
                raise ConsentMissing(
                    f"{where} was made with the {kind} {name} of the file {cut(file)}: pass "
                    f"--plugin PATH/{cut(file)}, with the path of the file as it lies here"
                )


def _distributions(revisions: Mapping[str, Revision]) -> Iterator[tuple[str, str]]:
    """Name, and name with version, of the distributions that made plug-ins."""
    for revision in revisions.values():
        match = _MADE_WITH.fullmatch(revision) if isinstance(revision, str) else None
        if match is None or match["made"] == NO_DISTRIBUTION:
            continue
        # Of a namespace that two share: "one and other 1 and 2", see sources.distribution_of.
        words = match["made"].split(" and ")
        middle = len(words) // 2
        last, _, first = words[middle].rpartition(" ")
        names = [*words[:middle], last]
        versions = [first, *words[middle + 1 :]]
        for name, number in zip(names, versions, strict=True):
            if _DISTRIBUTION.fullmatch(name):
                yield name, f"{name} {number}"


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
