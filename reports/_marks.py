"""The marks beside numbers and names in tables and figures: who gets one, and what each means.

This is the one place that makes them. Whoever shows the name of a method takes it from
`reports._rest`, or marks what it says of the method.
"""

from __future__ import annotations

from robust_augcl.results.findings import Audit
from robust_augcl.results.records import Record

MARK = "†"
"""Stands beside a number whose attack failed its audit."""

NOT_AT_REST = "‡"
"""Stands beside a method, or a comparison of methods, whose victims were not at rest."""

MEANINGS = {
    MARK: "The attack, or what it rests on, failed its audit. Do not rely on this number before "
    "you have read why.",
    NOT_AT_REST: "Some models of this method were still getting better when their training ended. "
    "So it may differ from others only in how far its training came.",
}
"""What each mark means, in a report."""

_IN_SHORT = {
    MARK: "failed its audit: see `robust-augcl audit`",
    NOT_AT_REST: "the model was still getting better when its training ended",
}


def at_rest(audit: Audit | None, *records: Record) -> bool | None:
    """Whether the audit found the victims of these records at rest; None where nobody can tell."""
    found = audit.at_rest if audit else None
    return None if found is None else not any(record.key in found.cells for record in records)


def mark_of_rest(moving: bool) -> str:
    """The mark of what rests on victims, some of which were not at rest."""
    return NOT_AT_REST if moving else ""


def marks(failed: bool, rest: bool | None) -> str:
    """The marks of a number: whether its audit failed, and whether its victims were at rest."""
    return (MARK if failed else "") + mark_of_rest(rest is False)


def noted(table: str) -> str:
    """A table in Markdown, with the meaning of each mark under it that is in it.

    Example:
        >>> noted("| 61.0 |\\n")
        '| 61.0 |\\n'
        >>> noted("| 61.0† |\\n").splitlines()[-1][:13]
        '† The attack,'
    """
    return "\n".join(
        [table, *(f"{mark} {text}\n" for mark, text in MEANINGS.items() if mark in table)]
    )


def footnotes(text: str) -> str:
    """The meaning of each mark in a text for terminals, below an empty line; empty without any.

    Example:
        >>> footnotes("61.0‡")
        '\\n‡ the model was still getting better when its training ended\\n'
    """
    told = [f"{mark} {meaning}\n" for mark, meaning in _IN_SHORT.items() if mark in text]
    return "".join(["\n", *told]) if told else ""
