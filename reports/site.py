"""Many runs as one static site: a leaderboard by suite, with links to each report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from robust_augcl.reports._marks import MEANINGS
from robust_augcl.reports._notices import verdict_on
from robust_augcl.reports._page_cells import cell_of, head
from robust_augcl.reports._page_tables import budget_text, worst_text
from robust_augcl.reports._rest import drawn_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports._view import View
from robust_augcl.reports._words import seeds_text, setting_text
from robust_augcl.reports.html import render
from robust_augcl.reports.tables import percent
from robust_augcl.results.names import CLEAN, joined, layers_text

INDEX = "index.html"


@dataclass(frozen=True)
class Shown:
    """One run on a site.

    Args:
        name: of its folder there: letters, digits, hyphens, underscores and dots.
        view: what its report says.
        graphs: the files of attacked graphs beside its report, by name, and what each holds.
    """

    name: str
    view: View
    graphs: dict[str, str] = field(default_factory=dict)


def index_page(runs: Sequence[Shown]) -> str:
    """The page of all runs, one row a model and budget; it links to `NAME/report.html`.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("Expected at least one run, got none")
    rows = [row for run in runs for row in _rows(run)]
    rows.sort(key=lambda row: (row["order"], row["budget"], -row["worst"]))
    columns = [
        head("Suite", "suite", text=True),
        head("Data, encoder, protocol", "where", text=True),
        head("Budget", "budget"),
        head("Method", "method", text=True),
        head("Clean, %"),
        head("Worst case, %"),
        head("Under the strongest attack, %"),
        head("Seeds"),
        head("Audit", text=True),
        head("Report", text=True),
    ]
    for row in rows:
        for column, cell in zip(columns, row["cells"], strict=True):
            cell["name"] = column["name"]
    shown = "".join(cell["value"] + cell["mark"] for row in rows for cell in row["cells"])
    return render(
        "site.html",
        title="Robustness of graph classifiers: results",
        columns=columns,
        rows=rows,
        filters=_filters(rows),
        runs=[_told(run) for run in runs],
        footnotes=[f"{mark} {text}" for mark, text in MEANINGS.items() if mark in shown],
    )


def folder_name(name: str, taken: Sequence[str] = ()) -> str:
    """A name for a folder of a site, made of a run's; with a number where it is taken.

    Example:
        >>> folder_name("a run/<b>"), folder_name("quick", ["quick"])
        ('a-run-b', 'quick-2')
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:80] or "run"
    number = 1
    found = plain
    while found in taken:
        number += 1
        found = f"{plain}-{number}"
    return found


def _rows(run: Shown) -> list[dict[str, Any]]:
    return [
        _row(run, section, layers, method)
        for section in run.view.sections
        for layers, method in section.columns
    ]


def _row(run: Shown, section: Section, layers: int, method: str) -> dict[str, Any]:
    clean = section.robust(CLEAN, layers, method)
    worst = run.view.worst(section, layers, method)
    strongest = section.strongest
    fact = run.view.fact(section, strongest, layers, method) if strongest else None
    several = layers_text(layers) if len(section.layers) > 1 else ""
    name = joined(drawn_name(section, layers, method), several)
    encoder = "given models" if section.is_given else section.encoder
    setting = setting_text(section.records)
    where = joined(section.dataset, encoder, section.protocol, setting)
    audit = section.report.audit
    seeds = clean.n_seeds if clean else 0
    share = fact.share if fact else None
    about = f"{section.attack_name(strongest)}: " if strongest else ""
    cells = [
        cell_of(section.suite, section.suite, text=True),
        cell_of(where, where, text=True),
        cell_of(budget_text(section.budget), repr(float(section.budget))),
        cell_of(name, name, text=True),
        cell_of(percent(clean.mean if clean else None), repr(clean.mean) if clean else ""),
        cell_of(worst_text(worst), repr(worst.high.mean) if worst else ""),
        {
            **cell_of(
                about + percent(share.mean if share else None), repr(share.mean) if share else ""
            ),
            "mark": fact.mark if fact else "",
            "interval": f"{percent(share.low)} to {percent(share.high)}" if share else "",
        },
        cell_of(str(seeds), str(seeds)),
        cell_of(
            audit.summary if audit else "not audited", audit.summary if audit else "", text=True
        ),
        {**cell_of(run.name, run.name, text=True), "link": f"{run.name}/report.html"},
    ]
    data = [
        ("suite", section.suite),
        ("where", where),
        ("budget", budget_text(section.budget)),
        ("method", name),
    ]
    return {
        "cells": cells,
        "data": data,
        "heavy": False,
        "order": (section.suite, where),
        "budget": float(section.budget),
        "worst": worst.high.mean if worst else 0.0,
    }


def _filters(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A filter for each thing that rows differ in."""
    titles = {
        "suite": "Suite",
        "where": "Data, encoder, protocol",
        "budget": "Budget",
        "method": "Method",
    }
    found = []
    for name, title in titles.items():
        values = list(dict.fromkeys(dict(row["data"])[name] for row in rows))
        if len(values) > 1:
            found.append(
                {
                    "name": name,
                    "title": title,
                    "options": [(value, value) for value in values],
                    "chosen": "",
                }
            )
    return found


def _told(run: Shown) -> dict[str, Any]:
    """What is said of a run under the table."""
    suites = sorted({section.suite for section in run.view.sections})
    seeds = sorted({seed for section in run.view.sections for seed in section.seeds})
    return {
        "name": run.name,
        "about": f"suite {', '.join(suites)}, seeds {seeds_text(seeds)}",
        "verdict": verdict_on(run.view),
        "graphs": list(run.graphs.items()),
    }
