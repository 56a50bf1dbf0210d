"""Reading a file of published claims: from TOML to `Claim`s, validated in full."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

from robust_augcl.errors import MOST_IN_VALUE, InputError, cut, shown, unknown
from robust_augcl.plan.toml_tables import build
from robust_augcl.plan.toml_text import MOST_BYTES, parse_toml
from robust_augcl.results.claims import Claim
from robust_augcl.validation import read_text

OURS = "published.toml"
"""The file of claims that is installed with the project."""


def parse_claims(text: str, source: str) -> list[Claim]:
    """Read claims from the text of a TOML file, an array of tables `claims`.

    Args:
        text: the content.
        source: names the file in errors.

    Raises:
        InputError: no TOML; no claim; an unknown, missing or wrong field; a name twice. The line
            names the file, the claim and the field.
    """
    table = parse_toml(text, source)
    for key in table:
        if key != "claims":
            raise unknown(f"key in {source}:", key, ["claims"])
    entries = table.get("claims")
    if not isinstance(entries, list) or not entries:
        raise InputError(
            f"{source}: Expected `claims` to be an array of tables, got {shown(entries)}"
        )
    claims = [
        build(Claim, entry, f"{source}: [[claims]] {place}")
        for place, entry in enumerate(entries, start=1)
    ]
    seen: set[str] = set()
    for claim in claims:
        if claim.name in seen:
            raise InputError(f"{source}: Expected each `name` once, got {shown(claim.name)} twice")
        seen.add(claim.name)
    return claims


def read_claims(path: Path) -> list[Claim]:
    """Read a file of claims.

    Raises:
        InputError: it cannot be read, is no regular file, is too large, or as `parse_claims`.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except UnicodeDecodeError:
        reason = "it is no text in UTF-8"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return parse_claims(text, cut(str(path), 2 * MOST_IN_VALUE))
    raise InputError(f"Cannot read the claims {cut(str(path), 2 * MOST_IN_VALUE)}: {reason}")


def published_claims() -> list[Claim]:
    """The claims that are installed with the project.

    Example:
        >>> published_claims()[0].left
        'augcl'
    """
    return parse_claims(_own_text(), f"claims/{OURS}")


@lru_cache(maxsize=1)
def _own_text() -> str:
    """The text of the installed file, which does not change while a process runs."""
    return resources.files("robust_augcl.claims").joinpath(OURS).read_text(encoding="utf-8")
