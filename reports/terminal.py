"""Means for a terminal, at its width; and the few lines with which a run ends."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from robust_augcl.errors import printable
from robust_augcl.reports._answer import on_classes
from robust_augcl.reports._comparison_words import sentences
from robust_augcl.reports._families import not_run_text
from robust_augcl.reports._marks import MEANINGS, footnotes
from robust_augcl.reports._notices import verdict_on
from robust_augcl.reports._page_tables import BOUNDS, worst_text
from robust_augcl.reports._rest import drawn_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports._short import family_title
from robust_augcl.reports._terminal_comparisons import compared
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import View, Worst, view_of
from robust_augcl.reports._words import UNBROKEN
from robust_augcl.reports.tables import percent
from robust_augcl.results.names import CLEAN, EXACT_NAME, joined, layers_text
from robust_augcl.results.report_input import ReportInput

WIDTH = 80
"""Of what is no terminal, in columns."""
MOST_LINES = 10
"""With so many lines a run ends."""
_LEAST_COLUMN, _MOST_LABEL = 7, 26
_MOST_HEAD, _MOST_SHORT_HEAD = 16, 11
_WORST = "Worst case"
_MOST_NAMED, _MOST_BUDGETS = 6, 2
"""Of so many models and budgets the last lines tell."""

_Cell = Callable[[str, int, str, bool], str]


def means_text(report: ReportInput, width: int = WIDTH) -> str:
    """The means of a report as tables that fit a width, with the verdicts on methods below.

    Args:
        report: what there is.
        width: columns of the terminal, at least 40.
    """
    if not report.records:
        return "No records.\n"
    view, width = view_of(report), max(width, 40)
    lines: list[str] = []
    for family in view.families:
        first = family[0]
        tables = [_tables(view, section, width) for section in family]
        lines += _wrapped(family_title(first), width)
        said = (
            f"The share of {first.targets}, in percent, that are right before and after the edits. "
            f"The numbers are {first.intervals}. There are {first.graphs}."
        )
        said = joined(said, first.threat.setting, by=" ")
        if not all(with_intervals for _, with_intervals in tables):
            said += " Intervals that do not fit this width are left out; report.md has them."
        lines += _wrapped(said, width)
        for section, (table, _) in zip(family, tables, strict=True):
            head = joined(_allowed(section), not_run_text(section), by=" ")
            lines += ["", *_wrapped(head, width), *table]
            lines += _wrapped(_worst_means(section, view), width)
        told = [line for text in on_classes(first) for line in _wrapped(text, width)]
        lines += [*(["", *told] if told else []), "", *_compared(first, width), ""]
    text = "\n".join(lines).rstrip("\n") + "\n"
    notes = footnotes(text).strip("\n").splitlines()
    return text + "".join(f"{line}\n" for note in notes for line in _wrapped(note, width, "  "))


def _compared(section: Section, width: int) -> list[str]:
    """The comparisons of methods: the primary ones as a table, then sentences."""
    found = compared(verdicts_of(section), width)
    told = [line for text in found.sentences for line in _wrapped(text, width, "  ")]
    between = [""] if found.table and told else []
    return [*_wrapped(found.caption, width), *found.table, *between, *told]


def last_lines(report: ReportInput, folder: Path, width: int = WIDTH) -> str:
    """What a run says when it is done: the numbers, the verdicts, the audit, where to read on.

    They are ten lines at the most, at the width of the terminal.
    """
    view = view_of(report)
    ends = [
        *_wrapped(f"Audit: {verdict_on(view)}", width, "  ")[:2],
        _cut(f"Page: {folder / 'report.html'}", width),
        _cut(f"Tables: robust-augcl show {folder}", width),
    ]
    told: list[str] = []
    for family in view.families:
        verdicts = verdicts_of(family[0])
        clean, first, *others = _in_brief(view, family)
        # What is last is cut where there is no room: that must not be the verdicts.
        texts = [clean, first, *sentences(verdicts, verdicts.leading, brief=True), *others]
        told += [line for text in texts for line in _wrapped(text, width, "  ")]
    room = MOST_LINES - len(ends)
    if len(told) > room:
        told = [*told[: room - 1], "..."]
    return "\n".join([*told, *ends]) + "\n"


def _in_brief(view: View, family: Sequence[Section]) -> Iterator[str]:
    """The numbers of a family: before any edit, and the worst case of the first budgets."""
    first = family[0]
    columns = first.columns[:_MOST_NAMED]
    clean = [
        f"{drawn_name(first, layers, method)} {percent(found.mean)}"
        for layers, method in columns
        if (found := first.robust(CLEAN, layers, method))
    ]
    more = (
        f" and {len(first.columns) - len(columns)} more"
        if len(first.columns) > len(columns)
        else ""
    )
    yield f"Right before any edit, %: {', '.join(clean)}{more}."
    for section in family[:_MOST_BUDGETS]:
        if section.threat.poisoning:
            yield f"{_poisoned(section, columns)}{more}."
            continue
        known = [view.worst(section, *column) for column in columns]
        exact = all(each is not None and each.exact for each in known)
        worst = [
            f"{drawn_name(first, *column)} "
            f"{percent(each.high.mean) if exact and each is not None else worst_text(each)}"
            for column, each in zip(columns, known, strict=True)
        ]
        name = EXACT_NAME if exact else _WORST
        assumed = "" if section.keeps_classes else ", assumed to keep the class"
        yield f"{name}, {section.threat.edits}{assumed}: {', '.join(worst)}{more}."


def _poisoned(section: Section, columns: Sequence[tuple[int, str]]) -> str:
    """What is left of each model under the strongest attack: no worst case is known."""
    about = f"Poisoning (no worst case is known), {section.threat.edits}"
    assumed = "" if section.keeps_classes else ", assumed to keep the class"
    if section.strongest is None:
        return f"{about}{assumed}: no attack was run by itself"
    left = [
        f"{drawn_name(section, *column)} {percent(found.mean)}"
        for column in columns
        if (found := section.robust(section.strongest, *column))
    ]
    return f"{about}{assumed}, {section.attack_name(section.strongest)}: {', '.join(left)}"


def _allowed(section: Section) -> str:
    text = section.threat.text
    return f"{text[0].upper()}{text[1:]}."


def _worst_means(section: Section, view: View) -> str:
    """What the two numbers of the last row count; empty where there are none."""
    found = [view.worst(section, *column) for column in section.columns]
    if all(each is None or each.exact or each.low is None for each in found):
        return ""
    return (
        f"Bounds of the worst case: the lower number counts {section.targets} proved safe, the "
        f"upper number counts {section.targets} {UNBROKEN}."
    )


def _tables(view: View, section: Section, width: int) -> tuple[list[str], bool]:
    """The table of a section, and whether with intervals; several where its columns do not fit.

    Those below each other have all of them intervals or none.
    """

    def cell(attack: str, layers: int, method: str, with_interval: bool) -> str:
        if attack == _WORST:
            # The row's name says that these are bounds.
            worst = _worst(view.worst(section, layers, method), short=not with_interval)
            return worst.removesuffix(BOUNDS)
        fact = view.fact(section, attack, layers, method)
        if fact is None:
            return "-"
        share = fact.share
        text = percent(share.mean) + fact.mark
        if not with_interval:
            return text
        return f"{text} ({percent(share.low)} to {percent(share.high)})"

    rows = [(attack, section.attack_name(attack)) for attack in section.attacks]
    if section.exact is None and any(view.worst(section, *each) for each in section.columns):
        rows.append((_WORST, f"{_WORST}, bounds" if _worst_means(section, view) else _WORST))
    label = min(max(len(name) for _, name in rows), _MOST_LABEL)
    lines: list[str] = []
    left = list(section.columns)
    _, with_interval = _fitting(section, left, rows, cell, width - label)
    while left:
        taken, _ = _fitting(section, left, rows, cell, width - label)
        lines += _table(section, left[:taken], rows, cell, label, with_interval, width)
        left = left[taken:]
        if left:
            lines.append("")
    return lines, with_interval


def _worst(worst: Worst | None, short: bool) -> str:
    """The worst case as `worst_text`, or in as few letters as can be."""
    if not short or worst is None or worst.exact or worst.low is None:
        return worst_text(worst)
    return f"{percent(worst.low.mean)}-{percent(worst.high.mean)}"


def _fitting(
    section: Section,
    columns: Sequence[tuple[int, str]],
    rows: Sequence[tuple[str, str]],
    cell: _Cell,
    space: int,
) -> tuple[int, bool]:
    """How many of these columns fit, and whether with their intervals."""
    for with_interval in (True, False):
        widths = [_width(section, column, rows, cell, with_interval) + 2 for column in columns]
        if sum(widths) <= space:
            return len(columns), with_interval
    taken = 0
    while taken < len(columns) and sum(widths[: taken + 1]) <= space:
        taken += 1
    return max(taken, 1), False


def _width(
    section: Section,
    column: tuple[int, str],
    rows: Sequence[tuple[str, str]],
    cell: _Cell,
    with_interval: bool,
) -> int:
    """The width of a column; its head is cut to what its cells need, within reason."""
    widest = max(len(cell(attack, *column, with_interval)) for attack, _ in rows)
    most = _MOST_HEAD if with_interval else _MOST_SHORT_HEAD
    return max(widest, min(len(_head(section, column)), most), _LEAST_COLUMN)


def _table(
    section: Section,
    columns: Sequence[tuple[int, str]],
    rows: Sequence[tuple[str, str]],
    cell: _Cell,
    label: int,
    with_interval: bool,
    width: int,
) -> list[str]:
    widths = _widened(
        [
            min(_width(section, column, rows, cell, with_interval), width - label - 2)
            for column in columns
        ],
        [_head(section, column) for column in columns],
        width - label,
    )
    heads = [
        f"{_cut(_head(section, column), own):>{own}}"
        for column, own in zip(columns, widths, strict=True)
    ]
    lines = [f"{'':{label}}  {'  '.join(heads)}"]
    for attack, name in rows:
        cells = [
            f"{_cut(cell(attack, *column, with_interval), own):>{own}}"
            for column, own in zip(columns, widths, strict=True)
        ]
        lines.append(f"{_cut(name, label):{label}}  {'  '.join(cells)}")
    return [line.rstrip() for line in lines]


def _widened(widths: Sequence[int], heads: Sequence[str], space: int) -> list[int]:
    """The widths of columns, whose heads are whole as far as the space that is left allows."""
    free = max(space - sum(own + 2 for own in widths), 0)
    found = []
    for own, head in zip(widths, heads, strict=True):
        more = min(max(len(head) - own, 0), free)
        found.append(own + more)
        free -= more
    return found


def _head(section: Section, column: tuple[int, str]) -> str:
    layers, method = column
    several = layers_text(layers) if len(section.layers) > 1 else ""
    return printable(joined(drawn_name(section, layers, method), several))


def _cut(text: str, width: int) -> str:
    """A text in one line of this width."""
    flat = printable(" ".join(text.split()))
    if len(flat) <= width:
        return flat
    mark = flat[-1] if flat[-1] in MEANINGS else ""  # which must not get lost
    return f"{flat[: max(width - 1 - len(mark), 0)]}…{mark}"


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of a text; a number and its sign of percent stay together."""
    kept = printable(text).replace(" %", "\xa0%")
    lines = textwrap.wrap(kept, width, subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]
