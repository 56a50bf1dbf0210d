"""Results as plain rows, one a record: for JSON, CSV, Markdown and the terminal."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust_augcl.reports._marks import at_rest, footnotes, marks
from robust_augcl.results.findings import Audit
from robust_augcl.results.records import Record

Row = dict[str, Any]

_FOR_READING = ("table", "markdown")
_NOTHING, _MODEL = "-", "model"
_ABOUT = (
    *("suite", "dataset", "method", "encoder", "layers", "protocol", "setting", "class_stays"),
    *("budget", "attack", "seed"),
)
_SHORT: dict[str, str] = {
    "clean_accuracy": "clean %",
    "attacked_accuracy": "attacked %",
    "robust_accuracy": "robust %",
    "robust_accuracy_by_class": "robust % by class",
    "n_graphs": "graphs",
    "seconds": "seconds",
}


def rows(records: Iterable[Record], audit: Audit | None = None) -> list[Row]:
    """One flat row a record, sorted by cell, accuracies from 0 to 1.

    `audit` holds the checks that it failed, separated by semicolons: empty if none, None if it was
    not audited. `at_rest` says whether the audit found its victim so; None where nobody can tell.
    """

    def audited(record: Record) -> str | None:
        return None if audit is None else "; ".join(audit.failed.get(record.key, ()))

    return [
        {**record.row(), "audit": audited(record), "at_rest": at_rest(audit, record)}
        for record in sorted(records, key=lambda record: record.cell)
    ]


def render_rows(records: Iterable[Record], format: str, audit: Audit | None = None) -> str:
    """The rows as text.

    Args:
        records: in any order.
        format: "json" and "csv" hold every field at full precision, accuracies from 0 to 1, a class
            in CSV in a column of its own, an accuracy over no graphs as null or an empty field;
            "markdown" and "table" (for the terminal) are for reading: accuracies in percent, and
            what all rows share stands once above them, and the setting where targets are nodes.
        audit: of these records; those that failed it are marked.

    Raises:
        ValueError: another format.
    """
    renderer = FORMATS.get(format)
    if renderer is None:
        raise ValueError(f"Expected `format` to be one of {', '.join(FORMATS)}, got {format!r}")
    records = list(records)
    table = rows(records, audit)
    if format in _FOR_READING and not any(record.of_nodes for record in records):
        # Graphs are never poisoned, so their setting tells nothing.
        table = [{name: row[name] for name in row if name != "setting"} for row in table]
    return renderer(table)


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal, without the sign; a dash where there is none."""
    return "-" if share is None or math.isnan(share) else f"{100 * share:.1f}"


def markdown_table(header: Sequence[str], body: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table of cells that are Markdown already.

    Its first `left` columns stand to the left, all others to the right.
    """
    rule = [":---" if column < left else "---:" for column in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *body]) + "\n"


def escape(text: object) -> str:
    """Text as Markdown that shows it as it is, inside a table too."""
    flat = " ".join(str(text).split())
    flat = re.sub(r"([\\`*\[\]<>|#~])", r"\\\1", flat)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", flat)


def _json(table: list[Row]) -> str:
    return (
        json.dumps(
            [{name: _known(value) for name, value in row.items()} for row in table],
            indent=2,
            allow_nan=False,
        )
        + "\n"
    )


def _csv(table: list[Row]) -> str:
    if not table:
        return ""
    out = io.StringIO()
    flattened = [flat(row) for row in table]
    # Rows of fewer classes leave the others empty.
    names = list(dict.fromkeys(name for row in flattened for name in row))
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _field(value) for name, value in row.items()} for row in flattened)
    return out.getvalue()


def _markdown(table: list[Row]) -> str:
    if not table:
        return "No records.\n"
    about, shared = _split(table)
    body = [[*(escape(_text(row[name])) for name in about), *_measured(row)] for row in table]
    return (
        f"{escape(shared)}\n\n"
        + markdown_table([*_heads(table, about), *_SHORT.values()], body, left=len(about))
        + footnotes("".join(cell for row in table for cell in _measured(row)))
    )


def _terminal(table: list[Row]) -> str:
    if not table:
        return "No records.\n"
    about, shared = _split(table)
    grid = Table(
        box=SIMPLE_HEAD, pad_edge=False, title=Text(shared, style="bold"), title_justify="left"
    )
    for name, head in zip(about, _heads(table, about), strict=True):
        text = not all(isinstance(row[name], int | float) for row in table)
        grid.add_column(head, justify="left" if text else "right", no_wrap=True)
    for head in _SHORT.values():
        grid.add_column(head, justify="right", no_wrap=True)
    measured = [_measured(row) for row in table]
    for row, cells in zip(table, measured, strict=True):
        grid.add_row(*(Text(_text(row[name])) for name in about), *map(Text, cells))
    out = io.StringIO()
    # Wide enough that nothing is cut: a terminal wraps long lines, and a pipe must get them whole.
    Console(file=out, width=10_000, color_system=None).print(grid)
    return (
        "\n".join(line.rstrip() for line in out.getvalue().strip("\n").rstrip().splitlines())
        + "\n"
        + footnotes("".join(cell for cells in measured for cell in cells))
    )


FORMATS: dict[str, Callable[[list[Row]], str]] = {
    "table": _terminal,
    "json": _json,
    "csv": _csv,
    "markdown": _markdown,
}
"""Renderers of rows by name."""


def _split(table: list[Row]) -> tuple[list[str], str]:
    """The names of what differs between rows, and a line on what all of them share."""
    about = _about(table)
    differs = [
        name
        for name in about
        if name in ("method", "attack") or any(row[name] != table[0][name] for row in table)
    ]
    return differs, ", ".join(f"{name} {table[0][name]}" for name in about if name not in differs)


def _about(table: list[Row]) -> list[str]:
    """What rows are about; of given models nobody has said which encoder and layers they have."""
    unknown = ("encoder", "layers") if _are_given(table) else ()
    return [name for name in _ABOUT if name in table[0] and name not in unknown]


def _heads(table: list[Row], about: Sequence[str]) -> list[str]:
    """The heads of columns: given models are no methods of ours."""
    return [_MODEL if name == "method" and _are_given(table) else name for name in about]


def _are_given(table: list[Row]) -> bool:
    """Whether all rows are about given models, whose layers nobody has said."""
    return all(row["layers"] is None for row in table)


def _text(value: object) -> str:
    return _NOTHING if value is None else str(value)


def _measured(row: Row) -> list[str]:
    by_class = " / ".join(percent(share) for share in row["robust_accuracy_by_class"])
    shares = [
        percent(row[name]) for name in ("clean_accuracy", "attacked_accuracy", "robust_accuracy")
    ]
    shares[-1] += marks(bool(row["audit"]), row["at_rest"])
    return [*shares, by_class, str(row["n_graphs"]), f"{row['seconds']:.1f}"]


def _known(value: Any) -> Any:
    """JSON has no NaN: an accuracy over no graphs is unknown."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def flat(row: Row) -> Row:
    """A row without lists: the value of each class has a column of its own."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, list):
            for label, share in enumerate(value):
                found[f"{name.removesuffix('_by_class')}_class_{label}"] = share
        else:
            found[name] = value
    return found


def _field(value: Any) -> Any:
    return "" if _known(value) is None else value


def image(description: str, name: str) -> str:
    """A figure of a report as Markdown."""
    return f"![{description}]({name}.png)\n\n[The same as SVG]({name}.svg)"
