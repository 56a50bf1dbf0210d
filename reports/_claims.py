"""Published claims beside what a run measured: a table of a report, and text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from robust_augcl.errors import printable
from robust_augcl.reports._comparison_words import power_text
from robust_augcl.reports._marks import MARK, NOT_AT_REST, noted
from robust_augcl.reports._words import TOGETHER, UNBROKEN, sentence, with_minus
from robust_augcl.reports.tables import escape, markdown_table
from robust_augcl.results import claim_cells
from robust_augcl.results.claim_cells import ClaimCell
from robust_augcl.results.claim_held import ClaimBracket
from robust_augcl.results.claim_rows import ClaimRow
from robust_augcl.results.claims import Claim
from robust_augcl.results.names import Names

COLUMNS = 80
_LABEL = 12
_NOTHING = "-"
_MARKS = {claim_cells.FAILED: MARK, claim_cells.NOT_AT_REST: NOT_AT_REST}


HEADER = ["Claim", "Claimed", "Reproduced", "Exact", "Bracket", "Verdict"]
_WIDE = "no interval"


def claims_section(rows: Sequence[ClaimRow], names: Names) -> str:
    """The claims that a run says something of, as a table, and how many it says nothing of."""
    silent = _silent(rows)
    told = [row for row in rows if row.is_told]
    if not told:
        return f"{silent}\n"
    body = [[escape(cell) for cell in _cells(row, names)] for row in told]
    why = "".join(f"- {escape(row.claim.name)}: {escape(sentence(_why(row)))}.\n" for row in told)
    parts = [_caption(body), noted(markdown_table(HEADER, body, left=2)), why]
    return "\n\n".join(part.strip("\n") for part in (*parts, *([silent] if silent else []))) + "\n"


def claims_in_short(rows: Sequence[ClaimRow], names: Names) -> str:
    """A line a claim that a run says something of, as Markdown, and how many it says none of."""
    lines = [
        f"- {escape(row.claim.source)} claims: {escape(claimed(row.claim, names))}. "
        f"{sentence(row.verdict.word)}: {escape(_why(row))}."
        for row in rows
        if row.is_told
    ]
    silent = _silent(rows)
    return "\n".join([*lines, *([f"- {silent}"] if silent else [])])


def as_rows(rows: Sequence[ClaimRow], names: Names) -> dict[str, Any]:
    """The same as plain cells, without markup, for a page."""
    told = [row for row in rows if row.is_told]
    cells = [_cells(row, names) for row in told]
    whys = [f"{sentence(_why(row))}." for row in told]
    return {
        "caption": _caption(cells),
        "header": HEADER,
        "rows": [{"cells": own, "why": why} for own, why in zip(cells, whys, strict=True)],
        "silent": _silent(rows),
    }


def _silent(rows: Sequence[ClaimRow]) -> str:
    """Of how many claims a run says nothing; empty where there are none."""
    told = [row for row in rows if row.is_told]
    if len(told) == len(rows):
        return ""
    above = "" if not told else ", including this one" if len(told) == 1 else ", including these"
    return f"{_tested(rows, 'This run', above)} `robust-augcl claims` says of each what is missing."


def _tested(rows: Sequence[ClaimRow], who: str, including: str = "") -> str:
    """How many claims runs test. Of the others that they hold numbers of, it is told why not.

    `including` says of those that stand above that they are counted.
    """
    tested = sum(row.is_told and row.verdict.word != "not measured here" for row in rows)
    verb = "tests" if who == "This run" else "test"
    return f"{who} {verb} {tested or 'none'} of the {len(rows)} published claims{including}."


def _caption(rows: Sequence[Sequence[str]]) -> str:
    """What the columns mean, and the words in them that need it."""
    wide = any(_WIDE in cell for row in rows for cell in row)
    few = " No interval: with so few seeds it contains every possible difference."
    return (
        "What others published, and what this run says of it. Differences are in points. "
        "Reproduced: measured with the attacks and the protocol that the claim names. The 95 % "
        f"intervals are corrected for all numbers of the claim: {TOGETHER}. Exact: the difference "
        "of robust accuracy in the exact worst case. Bracket: the bounds of the worst case of each "
        "method. The lower bound counts graphs proved safe. The upper bound counts "
        f"graphs {UNBROKEN}. Where there are several numbers, the largest is shown. "
        f"The verdict rests on the column Reproduced alone.{few if wide else ''}"
    )


def _cells(row: ClaimRow, names: Names) -> list[str]:
    """A row of the table."""
    return [
        f"{row.claim.name} ({row.claim.read})",
        claimed(row.claim, names),
        _largest(row.claim, row.reproduced),
        _largest(row.claim, row.exact),
        _widest(row, names),
        row.verdict.word,
    ]


def claims_text(rows: Iterable[ClaimRow], names: Names, runs: int = 1) -> str:
    """Claims as text of at most 80 columns: several lines each, those without numbers last.

    Args:
        rows: of one or several runs.
        names: what methods and attacks are called.
        runs: how many there are.
    """
    rows = list(rows)
    told = [row for row in rows if row.is_told]
    blocks = [_block(row, names) for row in told]
    others = [row for row in rows if not row.is_told]
    if others:
        who = "This run" if runs == 1 else f"These {runs} runs"
        lines = _wrapped(f"{_tested(rows, who)} What the other {len(others)} lack:", "")
        reasons: dict[str, list[str]] = {}
        for row in others:
            reasons.setdefault(row.verdict.why, []).append(row.claim.name)
        for why, claims in reasons.items():
            lines += _wrapped(f"  {', '.join(claims)}: {why}", "    ")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _block(row: ClaimRow, names: Names) -> str:
    """One claim in lines."""
    claim = row.claim
    lines = _wrapped(f"{claim.name}: {row.verdict.word}", "  ")
    for label, told in (
        ("why", [_why(row)]),
        ("source", [f"{claim.source}, {claim.read}; {claim.where}"]),
        ("protocol", [claim.protocol]),
        ("claimed", [claimed(claim, names)]),
        ("reproduced", _all(claim, row.reproduced)),
        ("exact", _all(claim, row.exact)),
        ("bracket", [_bracket(claim, each, names) for each in row.brackets]),
    ):
        for place, text in enumerate(told or [_NOTHING]):
            head = label if place == 0 else ""
            lines += _wrapped(f"  {head:{_LABEL}}{text}", " " * (_LABEL + 2))
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    """Lines of a text, which keep numbers and their units together."""
    kept = printable(text).replace(" %", "\xa0%")
    lines = textwrap.wrap(kept, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def claimed(claim: Claim, names: Names) -> str:
    """What a claim says, in words."""
    left, value = names.method(claim.left), claim.value or 0.0
    if claim.how == "accuracy":
        return f"{left} {100 * value:.2f} %"
    right = names.method(claim.right or "")
    if claim.how == "better":
        return f"{left} above {right}, the value is not at hand"
    if claim.how == "count":
        return f"{left} above {right} on {value:.0f} data sets"
    up_to = "up to " if claim.how == "maximum" else ""
    return f"{left} above {right} by {up_to}{100 * value:.1f} points"


def cell_text(claim: Claim, cell: ClaimCell) -> str:
    """What was measured in a cell: the difference in points, or the accuracy in percent."""
    sign, unit = ("", " %") if claim.how == "accuracy" else ("+z", " points")
    text = f"{100 * cell.mean:{sign}.1f}{unit}"
    if cell.low is not None and cell.high is not None:
        wide = cell.low <= -1 and cell.high >= 1  # it leaves nothing out
        interval = f" ({100 * cell.low:{sign}.1f} to {100 * cell.high:{sign}.1f})"
        text += f" ({_WIDE})" if wide else interval
    return with_minus(text)


def bracket_text(claim: Claim, bracket: ClaimBracket, names: Names) -> str:
    """The brackets of a cell: both ends of each method, in percent."""
    sides = [(claim.left, bracket.left)]
    if claim.right is not None and bracket.right is not None:
        sides.append((claim.right, bracket.right))
    return ", ".join(f"{names.method(label)} {_ends(*ends)}" for label, ends in sides)


def _bracket(claim: Claim, bracket: ClaimBracket, names: Names) -> str:
    """A bracket under its cell's name, with what is said against it."""
    return "; ".join([f"{bracket.name}: {bracket_text(claim, bracket, names)}", *bracket.notes])


def _ends(lower: float | None, upper: float) -> str:
    if lower is None:
        return f"at most {100 * upper:.1f} %"
    if lower == upper:
        return f"{100 * upper:.1f} % (exact)"
    return f"{100 * lower:.1f} to {100 * upper:.1f} %"


def _all(claim: Claim, cells: Sequence[ClaimCell]) -> list[str]:
    """Every cell, with what is said against it."""
    return [
        f"{cell.name}: {cell_text(claim, cell)}" + "".join(f"; {note}" for note in cell.notes)
        for cell in cells
    ]


def _largest(claim: Claim, cells: Sequence[ClaimCell]) -> str:
    """The largest of some cells."""
    if not cells:
        return _NOTHING
    text = cell_text(claim, max(cells, key=lambda cell: cell.mean)) + _marks(cells)
    return text if len(cells) == 1 else f"{text}, the largest of {len(cells)}"


def _marks(cells: Sequence[ClaimCell] | Sequence[ClaimBracket]) -> str:
    """The marks of what is said against any of some cells."""
    notes = {note for cell in cells for note in cell.notes}
    return "".join(mark for note, mark in _MARKS.items() if note in notes)


def _widest(row: ClaimRow, names: Names) -> str:
    """The bracket that allows the left method the most."""
    if not row.brackets:
        return _NOTHING

    def most(each: ClaimBracket) -> float:
        return each.left[1] - ((each.right[0] or 0.0) if each.right else 0.0)

    return bracket_text(row.claim, max(row.brackets, key=most), names) + _marks(row.brackets)


def _why(row: ClaimRow) -> str:
    """Why the verdict is what it is, and what the seeds could show."""
    text = row.verdict.why
    known = [c for c in row.reproduced if c.detectable is not None]
    if not known or "in 4 of 5 runs" in text:
        return text
    weakest = max(known, key=lambda cell: cell.detectable or 0.0)
    shown = power_text(weakest.n_seeds, weakest.detectable or 0.0)
    return f"{text}. {shown}"
