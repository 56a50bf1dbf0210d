"""The page of published results, from their files alone: one file a seed, or a part of one.

The same files give the same bytes, text and figures. Nothing is computed that the files do not
hold: tables, comparisons and verdicts are those of a report of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from robust_augcl.reports import _paper_tables as tables
from robust_augcl.reports._answer import answer
from robust_augcl.reports._audit import headline
from robust_augcl.reports._audit import section as audit_section
from robust_augcl.reports._budget_figure import budget_figure
from robust_augcl.reports._budgets import bracket_table
from robust_augcl.reports._claims import claims_section
from robust_augcl.reports._differences import differences
from robust_augcl.reports._marks import noted
from robust_augcl.reports._published_cost import Foreseen, cost
from robust_augcl.reports._published_embeddings import (
    embeddings,
    embeddings_in_words,
    networks,
    networks_in_words,
)
from robust_augcl.reports._published_plan import replay_command, run_command, seeds_of, there
from robust_augcl.reports._published_protocols import protocols, worth_in_words
from robust_augcl.reports._rest import heading
from robust_augcl.reports._sections import Section
from robust_augcl.reports._short import family_title
from robust_augcl.reports._summary import guide
from robust_augcl.reports._training_notes import WHAT_FOLLOWS, training_notes
from robust_augcl.reports._view import View, view_of
from robust_augcl.reports.figure import accuracy_figure, as_bytes
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.claim_rows import names_of_runs, rows_of_runs
from robust_augcl.results.published import report_of

PAGE = "README.md"
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True)
class Published:
    """The published results of one suite.

    Args:
        name: the suite's.
        files: file name -> what it holds.
        predicted: what of one seed was foreseen; empty where nothing was.
    """

    name: str
    files: Mapping[str, Baseline]
    predicted: Foreseen = field(default_factory=dict)

    @property
    def held(self) -> list[Baseline]:
        return list(self.files.values())

    @property
    def seeds(self) -> list[int]:
        """The seeds of which there is anything."""
        return seeds_of(self.held)


def published(
    files: Mapping[str, Baseline], predicted: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> list[Published]:
    """The published results, suite by suite.

    Args:
        files: file name -> what it holds, in any order.
        predicted: suite -> as `Published.predicted`, with numbers of layers as texts.

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
        Published(suite, own, _by_layers(predicted.get(suite, {})))
        for suite, own in sorted(suites.items())
    ]


def _by_layers(foreseen: Mapping[str, Mapping[str, float]]) -> Foreseen:
    return {
        kind: {int(layers): hours for layers, hours in own.items()}
        for kind, own in foreseen.items()
    }


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
        texts += _check(each, is_first=each is found[0])
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
        if missing := sum(held.missing for held in each.held):
            lines.append(
                f"**{escape(each.name)} is not finished**: {missing} planned records of these "
                f"seeds are not there. [What there is](#{each.name.lower()}) stands below; means "
                "are over what there is. A budget may lack numbers of layers that another one has."
            )
        for family in view.families:
            lines.append(f"**{escape(each.name)}: {escape(family_title(family[0]))}**")
            lines.append(noted("\n".join(f"- {escape(line)}" for line in answer(view, family))))
        if beside := [*worth_in_words(view), *embeddings_in_words(view), *networks_in_words(view)]:
            lines.append(f"**{escape(each.name)}: beside these**")
            lines.append("\n".join(f"- {escape(line)}" for line in beside))
    return "\n\n".join(lines)


def _figures(each: Published, view: View) -> dict[str, bytes]:
    """The figures of a suite, by file name: the smallest budget, and all budgets."""
    records = view.report.records
    least = min(record.cell.budget for record in records)
    own = [record for record in records if record.cell.budget == least]
    figure = accuracy_figure(replace(view.report, records=own))
    made = {f"{each.name}-accuracy.png": as_bytes(figure, "png")}
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
    yield from there(each.name, each.held)
    for family in view.families:
        yield from _numbers(view, family, len(view.families) > 1)
    yield from protocols(view)
    yield from embeddings(view)
    yield from networks(view)
    yield from _noted(view)
    yield "### The audit"
    yield from _audit(view)
    yield "### What it cost"
    yield from cost(each.held, each.predicted)


def _described(name: str) -> str:
    if name.endswith("-budgets.png"):
        return "Accuracy over budgets, by model"
    return "Accuracy under attack by attack and model"


def _numbers(view: View, family: Sequence[Section], several: bool) -> Iterator[str]:
    """The tables of a family, whose headings say which it is where there are several."""
    of = f": {escape(family_title(family[0]))}" if several else ""
    for section in family:
        yield f"### {escape(section.title)}"
        yield tables.comparison(section)
    if len(family) > 1 and (worst := bracket_table(family, view.known)):
        yield f"### The worst case within each budget{of}"
        yield worst
    yield from _by_seed(view, family[0], of)
    yield f"### Differences of methods{of}"
    yield differences(family[0])
    yield f"### How to read this{of}"
    yield "\n".join(f"- {escape(line)}" for line in guide(view, family[0]))


def _by_seed(view: View, section: Section, of: str) -> Iterator[str]:
    """The exact worst case of each seed; nothing where there is one seed, or no exact attack."""
    facts = [
        fact
        for fact in view.facts
        if fact.section is section and fact.attack == section.exact and fact.label is None
    ]
    shares = {(fact.layers, fact.method): dict(fact.by_seed) for fact in facts}
    seeds = sorted({seed for own in shares.values() for seed in own})
    if len(seeds) < 2:
        return
    header = ["Seed", *(heading(section, layers, method) for layers, method in shares)]
    rows = [[str(seed), *(percent(own.get(seed)) for own in shares.values())] for seed in seeds]
    yield f"### The exact worst case, seed by seed{of}"
    yield (
        "Methods of one seed share graphs, initial weights, and batches. Percent of the test "
        "graphs, within the smallest budget."
    )
    yield markdown_table(header, rows)


def _noted(view: View) -> Iterator[str]:
    """What trainings noted of themselves; nothing where none did."""
    if found := training_notes(view.report):
        yield "### What trainings noted"
        yield WHAT_FOLLOWS
        yield "\n".join(f"- {escape(each.of)}: {escape(each.text)}." for each in found)


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


# --- how to check it ------------------------------------------------------------------------------


def _check(each: Published, is_first: bool) -> Iterator[str]:
    """The files, where they were made, and the commands that prove one."""
    if is_first:
        yield '<a id="check-it"></a>'
    yield "### Check it"
    name, first = next(iter(each.files.items()))
    seed = first.data[0].seed
    yield (
        "This computes one model again from nothing, and its exact worst case where the file has "
        "one, and compares digests and verdicts, target by target. Without `--method` it is the "
        "cheapest model, that of no pretraining where there is one; each other model is a call of "
        "its own. Without `--all-budgets` it is the smallest budget alone:"
    )
    yield f"```sh\n{replay_command(first, f'docs/results/{name}')}\n```"
    yield "This computes a whole seed:"
    yield f"```sh\n{run_command(first, f'runs/{each.name}-{seed}', [seed])}\n```"
    rows = [
        [escape(file), ", ".join(_seeds(held)), escape(_commits(held)), escape(_processors(held))]
        for file, held in each.files.items()
    ]
    yield markdown_table(["File", "Seeds", "Commit", "Processor"], rows, left=4)


def _seeds(held: Baseline) -> list[str]:
    return sorted({str(data.seed) for data in held.data})


def _commits(held: Baseline) -> str:
    known = dict.fromkeys(machine.commit or "not known" for machine in held.machines)
    return ", ".join(_shortened(commit) for commit in known)


def _shortened(commit: str) -> str:
    """A commit without the end of its digest; that the tree had changes stays."""
    digest, plus, changes = commit.partition("+")
    return f"{digest[:12]}{plus}{changes}"


def _processors(held: Baseline) -> str:
    return "; ".join(dict.fromkeys(machine.processor for machine in held.machines))
