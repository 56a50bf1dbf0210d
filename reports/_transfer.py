"""Matrices of transfer: edits made for one method's victims, turned on another's."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust_augcl.reports._assumed import assumed, assumed_of
from robust_augcl.reports._marks import at_rest, footnotes, marks, noted
from robust_augcl.reports._rest import marked_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.results.findings import Audit
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.transfers import Entry, why_none

_ABOUT = """\
Edits that an attack made for one victim (a model that is attacked), turned on another.
robust %: what stays right of the victim `on`, under the edits made for the victim `made for`.
carried over %: of the graphs that the edits broke where they were made, and that the other
victim gets right before any edit, the share that is broken there too.

"""


def matrices(section: Section, entries: Sequence[Entry]) -> str:
    """A matrix for each attack and number of layers.

    A row is the victim that the edits were made for, a column the victim attacked.
    """
    mine = [entry for entry in entries if entry.group in section.groups]
    if not mine:
        return f"{why_none(section.records)}\n"
    by_place = {(e.group.attack, e.group.layers, e.group.method, e.attacked): e for e in mine}
    methods = [
        method for method in section.methods if any(entry.attacked == method for entry in mine)
    ]
    body = []
    for attack in section.attacks[1:]:
        for layers in section.layers:
            for made_for in methods:
                cells = [by_place.get((attack, layers, made_for, attacked)) for attacked in methods]
                if any(cells):
                    marks = [
                        section.mark(cell.made_for, cell.own) if cell else "" for cell in cells
                    ]
                    shares = [_cell(cell, mark) for cell, mark in zip(cells, marks, strict=True)]
                    body.append(
                        [
                            escape(section.attack_name(attack)),
                            *([] if section.is_given else [layers_text(layers)]),
                            marked_name(section, layers, made_for),
                            *shares,
                        ]
                    )
    same = "data and seed" if section.is_given else "data, seed and layers"
    caption = (
        "Robust accuracy in percent of the victim in the column, under edits that were made "
        f"for the victim in the row: same {same}. The numbers are {section.intervals}. The "
        "interval stands in brackets. Behind the semicolon stands how far the edits carry over: "
        f"of the {section.targets} that they broke where they were made, and that the other victim "
        "gets right when clean, the share in percent broken there too. Where a column's own row is "
        "not its lowest, the attack missed something."
    )
    header = [
        "Attack",
        *([] if section.is_given else ["Layers"]),
        "Edits made for",
        *(f"on {marked_name(section, None, method)}" for method in methods),
    ]
    left = 2 + (not section.is_given)
    caption = joined(caption, assumed(section), by=" ")
    return noted(f"{caption}\n\n{markdown_table(header, body, left=left)}")


def render_transfers(entries: Sequence[Entry], format: str, audit: Audit | None = None) -> str:
    """The entries as "table" (for the terminal), "json", "csv" or "markdown".

    `audit` is of their records: what failed it is marked, and victims that were not at rest.

    Raises:
        ValueError: another format.
    """
    rows = [
        {
            **entry.row(),
            "audit": "FAIL" if _failed(entry, audit) else "",
            "at_rest": at_rest(audit, *entry.made_for, *entry.own),
        }
        for entry in entries
    ]
    if format == "json":
        return json.dumps(rows, indent=2) + "\n"
    if format == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
        if rows:
            writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()
    if format not in ("table", "markdown"):
        raise ValueError(
            f"Expected `format` to be one of table, json, csv, markdown, got {format!r}"
        )
    header = [
        "attack",
        "layers",
        "protocol",
        "budget",
        "made for",
        "on",
        "robust %",
        "95 %",
        "carried over %",
        "seeds",
    ]
    body = [
        [
            *(
                "-" if row[name] is None else str(row[name])
                for name in ("attack", "layers", "protocol", "budget", "made_for", "attacked")
            ),
            percent(row["robust_accuracy"]) + marks(bool(row["audit"]), row["at_rest"]),
            f"{percent(row['low'])} to {percent(row['high'])}",
            percent(row["carried_over"]),
            str(row["n_seeds"]),
        ]
        for row in rows
    ]
    said = _assumed(entries)
    if format == "markdown":
        table = markdown_table(header, [[escape(text) for text in line] for line in body], left=6)
        return noted(f"{said}{table}")
    return f"{_ABOUT}{said}{_terminal(header, body)}{footnotes(''.join(line[6] for line in body))}"


def _assumed(entries: Sequence[Entry]) -> str:
    """That classes are assumed to stay, as a paragraph, or nothing."""
    text = assumed_of(record for entry in entries for record in entry.own)
    return f"{text}\n\n" if text else ""


def _terminal(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table for the terminal, as wide as it takes."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(header):
        grid.add_column(name, justify="left" if place < 6 else "right", no_wrap=True)
    for line in body:
        grid.add_row(*(Text(text) for text in line))
    page = io.StringIO()
    Console(file=page, width=10_000, color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in page.getvalue().strip("\n").splitlines()) + "\n"


def _failed(entry: Entry, audit: Audit | None) -> bool:
    failed = audit.failed if audit else {}
    return any(record.key in failed for record in (*entry.made_for, *entry.own))


def _cell(entry: Entry | None, mark: str) -> str:
    if entry is None or entry.robust is None:
        return "-"
    found = entry.robust
    carried = "" if entry.attacked == entry.group.method else f"; {percent(entry.carried_over)}"
    return f"{percent(found.mean)}{mark} ({percent(found.low)} to {percent(found.high)}{carried})"
