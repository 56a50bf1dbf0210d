"""The page of published results, from their files alone: one file a seed, or a part of one.

The same files give the same bytes, text and figures. Nothing is computed that the files do not
hold: tables, comparisons and verdicts are those of a report of the run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.planner import Plan, plan
from robust_augcl.plan.suite import make_suite
from robust_augcl.reports import _paper_tables as tables
from robust_augcl.reports._answer import answer
from robust_augcl.reports._audit import headline
from robust_augcl.reports._audit import section as audit_section
from robust_augcl.reports._budget_figure import budget_figure
from robust_augcl.reports._budgets import bracket_table
from robust_augcl.reports._claims import claims_section
from robust_augcl.reports._differences import differences
from robust_augcl.reports._sections import Section
from robust_augcl.reports._short import family_title
from robust_augcl.reports._summary import guide
from robust_augcl.reports._view import View, view_of
from robust_augcl.reports.figure import accuracy_figure, as_bytes
from robust_augcl.reports.tables import escape, markdown_table
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.claim_rows import names_of_runs, rows_of_runs
from robust_augcl.results.names import layers_text
from robust_augcl.results.published import report_of

PAGE = "README.md"
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_HOUR = 3600.0
_NOTHING = "-"


@dataclass(frozen=True)
class Published:
    """The published results of one suite.

    Args:
        name: the suite's.
        files: file name -> what it holds.
        predicted: hours of one core for one seed that were foreseen, by kind of step; empty where
            nothing was.
    """

    name: str
    files: Mapping[str, Baseline]
    predicted: Mapping[str, float] = field(default_factory=dict)

    @property
    def held(self) -> list[Baseline]:
        return list(self.files.values())

    @property
    def seeds(self) -> list[int]:
        """The seeds of which there is anything."""
        return sorted({data.seed for each in self.held for data in each.data})


def published(
    files: Mapping[str, Baseline], predicted: Mapping[str, Mapping[str, float]]
) -> list[Published]:
    """The published results, suite by suite.

    Args:
        files: file name -> what it holds, in any order.
        predicted: suite -> as `Published.predicted`.

    Raises:
        ValueError: a suite's name is no name of a file.
    """
    suites: dict[str, dict[str, Baseline]] = {}
    for name in sorted(files):
        if not _FILE_NAME.fullmatch(files[name].suite):
            raise ValueError(
                "Expected the suites of published files to have names of letters, digits, hyphens "
                f"and underscores, got {files[name].suite!r} in {name}"
            )
        suites.setdefault(files[name].suite, {})[name] = files[name]
    return [
        Published(suite, own, predicted.get(suite, {})) for suite, own in sorted(suites.items())
    ]


def page(found: Sequence[Published]) -> dict[str, bytes]:
    """The page and its figures, by file name.

    Args:
        found: of each suite.

    Raises:
        ValueError: files of one suite do not go together.
    """
    views = {each.name: view_of(report_of(each.held)) for each in found}
    texts = [_opening(found, views)]
    made: dict[str, bytes] = {}
    for each in found:
        view = views[each.name]
        drawn = _figures(each, view)
        made |= drawn
        texts += _suite(each, view, list(drawn))
    texts += _claims(views)
    text = "\n\n".join(part.strip("\n") for part in texts if part)
    return {PAGE: f"{text}\n".encode(), **made}


def _opening(found: Sequence[Published], views: Mapping[str, View]) -> str:
    """The title, and the answer of each suite."""
    lines = [
        "# Results",
        "This page is made from the files beside it, by `python docs/results/make_page.py`. Do not "
        "edit it by hand. A file holds what became of each test graph under each attack, and "
        "digests of the weights. [How to check a file](#check-it) stands below.",
        "## The answer",
    ]
    for each in found:
        view = views[each.name]
        for family in view.families:
            lines.append(f"**{escape(each.name)}: {escape(family_title(family[0]))}**")
            lines.append("\n".join(f"- {escape(line)}" for line in answer(view, family)))
    return "\n\n".join(lines)


def _figures(each: Published, view: View) -> dict[str, bytes]:
    """The figures of a suite, by file name."""
    made = {f"{each.name}-accuracy.png": as_bytes(accuracy_figure(view.report), "png")}
    if any(len(family) > 1 for family in view.families):
        made[f"{each.name}-budgets.png"] = as_bytes(budget_figure(view), "png")
    return made


def _suite(each: Published, view: View, drawn: Sequence[str]) -> Iterator[str]:
    """The section of one suite."""
    title = (each.held[0].table or {}).get("title", each.name)
    yield f"## {escape(each.name)}"
    yield escape(str(title))
    for name in drawn:
        yield f"![{_described(name)}]({name})"
    yield "### What there is"
    yield from _there(each)
    for family in view.families:
        yield from _numbers(view, family)
    yield "### The audit"
    yield from _audit(view)
    yield "### What it cost"
    yield from _cost(each)
    yield from _check(each)


def _described(name: str) -> str:
    if name.endswith("-budgets.png"):
        return "Accuracy over budgets, by model"
    return "Accuracy under attack by attack and model"


def _numbers(view: View, family: Sequence[Section]) -> Iterator[str]:
    for section in family:
        yield f"### {escape(section.title)}"
        yield tables.comparison(section)
    if len(family) > 1 and (worst := bracket_table(family, view.known)):
        yield "### The worst case within each budget"
        yield worst
    yield "### Differences of methods"
    yield differences(family[0])
    yield "### How to read this"
    yield "\n".join(f"- {escape(line)}" for line in guide(family[0]))


def _audit(view: View) -> Iterator[str]:
    audit = view.report.audit
    if audit is None:
        yield "Not all of these results were audited."
        return
    yield headline(audit)
    yield audit_section(audit, view.report.records)


def _claims(views: Mapping[str, View]) -> Iterator[str]:
    """Every claim of the registry, by all suites together."""
    reports = {name: view.report for name, view in views.items()}
    claims = next(iter(views.values())).claims
    rows = rows_of_runs(reports, [row.claim for row in claims])
    names = names_of_runs(reports)
    yield "## Published claims"
    yield claims_section(rows, names)
    silent = [row for row in rows if not row.is_told]
    if silent:
        yield "Of these claims no number is here:"
        body = [[escape(row.claim.name), escape(row.verdict.why)] for row in silent]
        yield markdown_table(["Claim", "Why"], body, left=2)


# --- what there is, and what is missing -----------------------------------------------------------


def _there(each: Published) -> Iterator[str]:
    """What of the plan there is, seed by seed, and how to go on."""
    first = each.held[0]
    planned = first.planned_seeds
    count = len(each.seeds)
    of = f"{count} seed{'' if count == 1 else 's'}"
    if planned and planned != count:
        of = f"{count} of the {planned} planned seeds"
    yield f"There are results of {of}."
    if first.table is None:
        return
    wanted = {seed: _planned(first, seed) for seed in each.seeds}
    layers = sorted({cell[0] for cells in wanted.values() for cell in cells[0]})
    rows = [
        [str(seed), *(_done(each, seed, count, *wanted[seed]) for count in layers)]
        for seed in each.seeds
    ]
    yield (
        "Finished of each seed: records (one attack on one model within one budget), and "
        "certificates (what no edits within a budget break)."
    )
    yield markdown_table(["Seed", *map(layers_text, layers)], rows)
    yield (
        f"`robust-augcl run {escape(each.name)} --out runs/{escape(each.name)}` computes all "
        "planned seeds. It goes on where it was stopped."
    )


_Cell = tuple[int, str, str, float | int, str]


def _planned(held: Baseline, seed: int) -> tuple[Counter[_Cell], Counter[_Cell]]:
    """What is planned of one seed: records and certificates."""
    made: Plan = plan(
        make_suite({**(held.table or {}), "seeds": [seed]}, "the file"), held.fingerprint
    )
    cells = (step.cell for step in made.attacks if step.cell is not None)
    records = Counter((c.layers, c.method, c.attack, c.budget, c.protocol) for c in cells)
    certificates = Counter(
        (cell.layers, cell.method, "", cell.budget, cell.protocol)
        for cell, step in made.measurements
        if step.kind == "certificate"
    )
    return records, certificates


def _done(
    each: Published, seed: int, layers: int, records: Counter[_Cell], certificates: Counter[_Cell]
) -> str:
    """How much of what is planned of a seed and a number of layers there is."""
    there, proved = set(), set()
    for held in each.held:
        for place, victim in enumerate(held.victims):
            if held.data[victim.data].seed != seed or victim.layers != layers:
                continue
            about = layers, victim.method
            there |= {
                (*about, a.attack, a.budget, victim.protocol)
                for a in held.attacked
                if a.victim == place
            }
            proved |= {
                (*about, "", w.budget, victim.protocol)
                for w in held.worst
                if w.victim == place and w.is_certified
            }
    counts = []
    for name, wanted, got in (("records", records, there), ("certificates", certificates, proved)):
        own = {cell for cell in wanted if cell[0] == layers}
        counts.append(f"{len(own & got)} of {len(own)} {name}")
    return ", ".join(counts)


# --- what it cost, and how to check it ------------------------------------------------------------


def _cost(each: Published) -> Iterator[str]:
    """Core hours by kind of step, beside those that were foreseen."""
    spent: Counter[str] = Counter()
    for held in each.held:
        spent.update(held.seconds)
    kinds = [kind for kind in KINDS if kind in spent or kind in each.predicted]
    seeds = len(each.seeds)
    rows = [
        [
            escape(KINDS[kind].title),
            f"{spent[kind] / _HOUR:.2f}",
            f"{each.predicted[kind] * seeds:.2f}" if kind in each.predicted else _NOTHING,
        ]
        for kind in kinds
    ]
    total = sum(spent.values()) / _HOUR
    foreseen = sum(each.predicted.values()) * seeds
    rows.append(["all", f"{total:.2f}", f"{foreseen:.2f}" if foreseen else _NOTHING])
    yield (
        "Hours of one core for the steps of these files, and those that docs/measurements.md "
        "foresaw for as many whole seeds from a tenth of the graphs. Other programs ran beside."
    )
    yield markdown_table(["Step", "Hours", "Foreseen"], rows)


def _check(each: Published) -> Iterator[str]:
    """The files, where they were made, and the commands that prove one."""
    yield '<a id="check-it"></a>'
    yield "### Check it"
    name, first = next(iter(each.files.items()))
    seed = first.data[0].seed
    layers = min(victim.layers for victim in first.victims)
    yield (
        "This computes one model and its exact worst case again from nothing, and compares "
        "digests and verdicts, target by target:"
    )
    yield (
        "```sh\n"
        f"robust-augcl replay --from-scratch docs/results/{name} --seed {seed} --layers {layers}\n"
        "```"
    )
    yield "This computes a whole seed:"
    yield f"```sh\nrobust-augcl run {each.name} --seeds {seed} --out runs/{each.name}-{seed}\n```"
    rows = [
        [escape(file), ", ".join(_seeds(held)), escape(_commits(held)), escape(_processors(held))]
        for file, held in each.files.items()
    ]
    yield markdown_table(["File", "Seeds", "Commit", "Processor"], rows, left=4)


def _seeds(held: Baseline) -> list[str]:
    return sorted({str(data.seed) for data in held.data})


def _commits(held: Baseline) -> str:
    known = dict.fromkeys((machine.commit or "not known")[:12] for machine in held.machines)
    return ", ".join(known)


def _processors(held: Baseline) -> str:
    return "; ".join(dict.fromkeys(machine.processor for machine in held.machines))
