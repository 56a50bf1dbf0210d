"""The lines of a record, looked at as text before they are parsed."""

from __future__ import annotations

from collections.abc import Sequence

from robust_augcl.errors import ArtifactDamaged, shown

MOST_HEADER = 4 << 20
"""The most letters of a header."""
MOST_LINE = 16 << 20
"""The most letters of an outcome: a million edits."""


def check_lengths(header: str, lines: Sequence[str]) -> None:
    """Raise `ValueError` for a line that is longer than what is read."""
    if len(header) > MOST_HEADER:
        raise ValueError(f"a header of more than {MOST_HEADER} letters")
    if len(max(lines, key=len, default="")) > MOST_LINE:
        raise ValueError(f"a line of more than {MOST_LINE} letters")


def check_fields(lines: Sequence[str], count: int, source: str) -> None:
    """Raise `ArtifactDamaged` unless each line is a table with so many keys, and no other text.

    The keys are the only texts in an outcome. So where each field is read from it, none stands
    twice.

    Example:
        >>> check_fields(['{"graph":7,"label":1}'], 2, "file")
    """
    for number, line in enumerate(lines, start=2):
        if line.count('"') != 2 * count or line[0] != "{" or line[-1] != "}":
            raise ArtifactDamaged(
                f"{source}: expected a record, line {number} to be an outcome with each of its "
                f"{count} fields once, got {shown(line)}"
            )
