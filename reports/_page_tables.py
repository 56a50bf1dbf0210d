"""The tables of the page that sort and filter: means, and comparisons of methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from robust_augcl.reports._aggregated import Comparison, comparisons
from robust_augcl.reports._assumed import assumed
from robust_augcl.reports._comparison_words import (
    SEEDS_MEAN,
    SEEDS_TO_SETTLE,
    UNROUNDED,
    p_text,
    points,
    verdict_text,
)
from robust_augcl.reports._differences import models_caption
from robust_augcl.reports._families import not_run_text
from robust_augcl.reports._marks import MEANINGS
from robust_augcl.reports._page_cells import cell_of, head
from robust_augcl.reports._rest import drawn_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports._view import Fact, Missed, View, Worst
from robust_augcl.reports._words import TOGETHER, UNBROKEN
from robust_augcl.reports.tables import percent
from robust_augcl.results.names import difference_name, joined, layers_text, targets_text
from robust_augcl.results.power import MOST_SEEDS_NEEDED

Cell = dict[str, Any]
ALL = "all classes"
BOUNDS = " (bounds)"
"""Follows two numbers, so that nobody takes them for a confidence interval."""


def means_table(view: View) -> dict[str, Any]:
    """The table of means, with what it is filtered by."""
    facts = view.facts
    where = _where(view.sections)
    columns = [
        *([head("Where", "where", text=True)] if where else []),
        head("Method", "method", text=True),
        head("Attack", "attack", text=True),
        head("Budget", "budget"),
        head("Class", "class", text=True),
        head("Stays right, %"),
        head("Missed, points"),
        head("Worst case, %"),
    ]
    rows = [_row_of(columns, fact, where) for fact in facts]
    first = view.families[0][0]
    targets = targets_text(view.report.records)
    marks = {mark for fact in facts for mark in fact.mark + fact.rest}
    return {
        "columns": columns,
        "rows": rows,
        "filters": [
            *_filters(rows, ("where", "Data, encoder, protocol"), first_of=bool(where)),
            *_filters(rows, ("method", "Method")),
            *_filters(rows, ("attack", "Attack")),
            *_filters(rows, ("budget", "Budget"), chosen=str(first.budget)),
            *_filters(rows, ("class", "Class"), chosen=ALL),
        ],
        "caption": (
            f"Stays right: the share of test {targets} that are right before and after the attack. "
            f"The numbers are {first.intervals}. Budget: the most edits of one {targets[:-1]}. "
            f"Missed: {targets} that other edits break and this attack did not, in points. Worst "
            "case: what stays right whatever allowed edits are made. Two numbers there are "
            f"bounds, and no confidence interval: the lower one counts {targets} "
            f"proved safe, the upper one counts {targets} {UNBROKEN}."
            f"{_assumed(view.sections)}{_not_run(view)} Click a column's head to sort."
        ),
        "footnotes": [f"{mark} {MEANINGS[mark]}" for mark in MEANINGS if mark in marks],
    }


def _assumed(sections: Sequence[Section]) -> str:
    """That classes are assumed to stay, in a sentence that begins with a space, or nothing."""
    return f" {text}" if (text := assumed(*sections)) else ""


def _not_run(view: View) -> str:
    """Which attacks were not run with which budgets, in sentences that begin with a space."""
    found = [text for section in view.sections if (text := not_run_text(section))]
    return "".join(f" {text}" for text in dict.fromkeys(found))


def _row_of(
    columns: Sequence[dict[str, Any]], fact: Fact, where: Callable[[Section], str] | None
) -> dict[str, Any]:
    section = fact.section
    method = joined(
        drawn_name(section, fact.layers, fact.method),
        layers_text(fact.layers) if _several(section) else "",
    )
    attack = section.attack_name(fact.attack)
    label = ALL if fact.label is None else section.class_name(fact.label)
    budget = budget_text(section.budget)
    cells = [
        *([_text(where(section))] if where else []),
        _text(method),
        _text(attack),
        {**_text(budget), "text": False, "sort": repr(float(section.budget))},
        _text(label),
        _share(fact),
        _missed(fact.missed),
        _worst(fact.worst),
    ]
    data = [
        ("method", method),
        ("attack", attack),
        ("budget", str(section.budget)),
        ("class", label),
    ]
    if where:
        data.append(("where", where(section)))
    return _row(columns, cells, data, heavy=fact.attack == section.exact, budget=budget)


def _several(section: Section) -> bool:
    return len(section.layers) > 1


def _share(fact: Fact) -> Cell:
    share = fact.share
    by_seed = fact.by_seed if share.n_seeds > 1 else []
    return cell_of(
        percent(share.mean),
        repr(share.mean),
        mark=fact.mark,
        interval=f"{percent(share.low)} to {percent(share.high)}",
        more=", ".join(f"{seed}: {percent(each)}" for seed, each in by_seed),
    )


def _missed(missed: Missed | None) -> Cell:
    if missed is None:
        return cell_of("", "")
    if missed.most is None:
        return cell_of(f"at least {percent(missed.least)}", repr(missed.least))
    if missed.least != missed.most:
        ends = f"{percent(missed.least)} to {percent(missed.most)}{BOUNDS}"
        return cell_of(ends, repr(missed.least))
    cell = cell_of(percent(missed.least), repr(missed.least))
    if missed.low is not None:
        cell["interval"] = f"{percent(missed.low)} to {percent(missed.high)}"
    return cell


def _worst(worst: Worst | None) -> Cell:
    return cell_of(worst_text(worst), repr(worst.high.mean) if worst else "")


def worst_text(worst: Worst | None) -> str:
    """The worst case as one number where it is exact, else as both ends, in percent."""
    if worst is None:
        return "not known"
    high = percent(worst.high.mean)
    if worst.exact:
        return f"{high} exact"
    return (
        f"at most {high}" if worst.low is None else f"{percent(worst.low.mean)} to {high}{BOUNDS}"
    )


def budget_text(budget: int | float) -> str:
    """A budget for readers: edits, or a share of a graph's edges."""
    return f"{100 * budget:g} % of edges" if isinstance(budget, float) else str(budget)


def comparisons_table(view: View) -> dict[str, Any]:
    """Methods less one another, the primary comparisons first."""
    found = sorted(comparisons(view), key=lambda each: not each.is_primary)
    where = _where(view.sections)
    columns = [
        *([head("Where", "where", text=True)] if where else []),
        head("Difference", "pair", text=True),
        head("Attack", "attack", text=True),
        head("Budget", "budget"),
        head("Points"),
        head("p, corrected"),
        head("Verdict", text=True),
        head(SEEDS_TO_SETTLE),
        head("Family", "family", text=True),
    ]
    rows = [_comparison_row(columns, each, where) for each in found]
    family = "primary" if any(each.is_primary for each in found) else ""
    given = [
        ("where", "Data, encoder, protocol"),
        ("pair", "Difference"),
        ("attack", "Attack"),
        ("budget", "Budget"),
    ]
    filters = [each for pair in given for each in _filters(rows, pair)]
    return {
        "columns": columns,
        "rows": rows,
        "filters": [*filters, *_filters(rows, ("family", "Family"), chosen=family)],
        "caption": _comparisons_caption(found),
    }


def _comparisons_caption(found: Sequence[Comparison]) -> str:
    """What the columns mean."""
    if not found:
        return ""
    if all(each.models is not None for each in found):
        return f"{models_caption(found[0].section)}{_assumed([each.section for each in found])}"
    first = next(each for each in found if each.models is None)
    margin = first.judged.margin
    equivalent = (
        ""
        if margin is None
        else f" Equivalent: the two are shown to differ by less than {100 * margin:.1f} points; "
        "the suite states this margin."
    )
    shared = (
        f" The seeds share {first.section.targets}, so all this speaks for this data set only."
        if first.section.shared
        else ""
    )
    no_equal = "" if margin is None else ", nor that they are equivalent"
    return (
        f"Points: the share of {first.section.targets} that stay right with the left method, minus "
        "that with the right one, mean over the seeds. (In the rows Clean it is the share that is "
        f"right before any edit.) {UNROUNDED} The 95 % intervals are corrected for the number of "
        f"comparisons in the family: {TOGETHER}. So is p. A small p speaks against equal methods. "
        "Primary are the comparisons that the suite names before it runs; only these can be bold, "
        "and they are bold where a difference is shown. Undecided: so many seeds do not show that "
        f"the two differ{no_equal}.{equivalent} {SEEDS_MEAN}{shared}"
        f"{_assumed([each.section for each in found])}"
    )


def _comparison_row(
    columns: Sequence[dict[str, Any]],
    each: Comparison,
    where: Callable[[Section], str] | None,
) -> dict[str, Any]:
    section, judged = each.section, each.judged
    pair = difference_name(
        *(drawn_name(section, each.layers, method) for method in (each.left, each.right))
    )
    about = joined(pair, layers_text(each.layers) if _several(section) else "")
    family = "primary" if each.is_primary else "secondary"
    low, high = (each.models.low, each.models.high) if each.models else (judged.low, judged.high)
    difference = cell_of(points(judged.difference), repr(judged.difference))
    difference["mark"] = each.mark
    if low is not None and high is not None:
        difference["interval"] = f"{points(low)} to {points(high)}"
    p_value = each.models.p_value if each.models else judged.corrected
    shown = p_value is not None and judged.verdict != "no verdict"
    cells = [
        *([_text(where(section))] if where else []),
        _text(about),
        _text(section.attack_name(each.attack)),
        {**_text(budget_text(section.budget)), "text": False, "sort": repr(float(section.budget))},
        difference,
        cell_of(p_text(p_value), repr(p_value))
        if shown and p_value is not None
        else cell_of("", ""),
        _text(verdict_text(judged)),
        _needed(judged.verdict, judged.seeds_needed),
        _text(family),
    ]
    data = [
        ("pair", about),
        ("attack", section.attack_name(each.attack)),
        ("budget", str(section.budget)),
        ("family", family),
    ]
    if where:
        data.append(("where", where(section)))
    heavy = judged.decided and each.is_primary
    budget = budget_text(section.budget)
    return _row(columns, cells, data, heavy=heavy, budget=budget)


def _needed(verdict: str, needed: int | None) -> Cell:
    if verdict != "undecided":
        return cell_of("", "")
    if needed is None:
        return cell_of(f"over {MOST_SEEDS_NEEDED:,}", str(MOST_SEEDS_NEEDED + 1))
    return cell_of(f"{needed:,}", str(needed))


def _where(found: Sequence[Section]) -> Callable[[Section], str] | None:
    """Names data set, encoder and protocol, as far as they differ; None where none does."""
    parts = ("suite", "dataset", "encoder", "protocol")
    varying = [part for part in parts if len({getattr(each, part) for each in found}) > 1]
    if not varying:
        return None
    return lambda section: joined(*(str(getattr(section, part)) for part in varying))


def _filters(
    rows: Iterable[dict[str, Any]], about: tuple[str, str], chosen: str = "", first_of: bool = False
) -> list[dict[str, Any]]:
    """A filter by what rows say of themselves under one name; none where all say the same."""
    name, title = about
    options: dict[str, str] = {}
    for row in rows:
        value = dict(row["data"]).get(name)
        if value is not None:
            options.setdefault(value, row["budget"] if name == "budget" else value)
    if len(options) < 2:
        return []
    first = next(iter(options))
    picked = first if first_of else chosen
    return [{"name": name, "title": title, "options": list(options.items()), "chosen": picked}]


def _row(
    columns: Sequence[dict[str, Any]],
    cells: Sequence[Cell],
    data: list[tuple[str, str]],
    **more: Any,
) -> dict[str, Any]:
    """A row: its cells know which column they stand in, so that it can be hidden."""
    named = [{**cell, "name": column["name"]} for column, cell in zip(columns, cells, strict=True)]
    return {"cells": named, "data": data, **more}


def _text(value: str) -> Cell:
    return cell_of(value, value, text=True)
