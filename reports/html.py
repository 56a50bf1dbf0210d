"""The report as one page of HTML: whole in itself, read without any network, sorted by click."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from robust_augcl.reports import _claims
from robust_augcl.reports._answer import answer
from robust_augcl.reports._audit import ORDER_OF_STATUS
from robust_augcl.reports._maps import maps_of
from robust_augcl.reports._notices import ABOUT_AUDIT, notices, verdict_on, what_follows
from robust_augcl.reports._page_charts import charts
from robust_augcl.reports._page_tables import comparisons_table, means_table
from robust_augcl.reports._sections import Section
from robust_augcl.reports._short import family_title, subject
from robust_augcl.reports._summary import guide
from robust_augcl.reports._view import View, leading
from robust_augcl.reports._words import seeds_text, with_minus
from robust_augcl.results.report_input import ReportInput

TEMPLATES = Path(__file__).parent / "templates"

ABOUT_FILES = {
    "report.md": "the same in short, as Markdown",
    "report-appendix.md": "every table, as Markdown",
    "means.csv": "a row a mean: interval, worst case, what was missed, audit",
    "differences.csv": "a row a comparison of methods",
    "aggregated.json": "both, as JSON",
}
"""The names of a report's files beside the page and the figures, and what they hold."""


def html_page(view: View, drawn: Sequence[str], stamp: str) -> str:
    """The page.

    Args:
        view: what the report says.
        drawn: the names of the figures beside it.
        stamp: tells the records from any others.
    """
    report = view.report
    found = notices(view)
    status = found[0].kind if found and found[0].kind != "note" else "good"
    suites = ", ".join(sorted({record.cell.suite for record in report.records}))
    audit = report.audit
    return render(
        "report.html",
        title=f"Accuracy under attack: {suites}",
        subtitle=subject(report),
        status=status,
        verdict=verdict_on(view),
        about_audit=ABOUT_AUDIT if audit else "",
        notices=found,
        answers=[(family_title(family[0]), list(answer(view, family))) for family in view.families],
        charts=charts(view),
        means=means_table(view),
        comparisons=comparisons_table(view),
        maps=maps_of(view),
        claims=_claims.as_rows(view.claims, report.names),
        guide=[
            (family_title(section) if len(view.families) > 1 else "", list(guide(view, section)))
            for section in leading(view.families)
        ],
        what_follows=what_follows(view),
        audit_summary=audit.summary if audit else "",
        findings=sorted(audit.findings, key=lambda f: ORDER_OF_STATUS[f.status]) if audit else (),
        files=[*ABOUT_FILES.items(), *((f"{name}.svg", "figure") for name in drawn)],
        commands=_commands(report),
        suite=json.dumps(report.settings, indent=1, sort_keys=True, default=str),
        settings=_settings(view.sections),
        stamp=stamp,
    )


def render(template: str, **content: Any) -> str:
    """A page from one of our templates, with our style and script in it.

    The policy in its head lets it load nothing, and run no script but ours.
    """
    style, script = (_text(name) for name in ("style.css", "script.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = _environment().get_template(template)
    inner = {"style": Markup(style), "script": Markup(script), "script_hash": f"sha256-{digest}"}
    return f"{page.render(**inner, **content)}\n"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_with_its_sign,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["code"] = _code
    made.filters["with_minus"] = with_minus
    return made


def _with_its_sign(value: Any) -> Any:
    """A text in which no line breaks between a number and its sign of percent.

    Settings, whose lines are as they are, stay as they are.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or "\n" in value:
        return value
    return value.replace(" %", "\N{NO-BREAK SPACE}%")


def _code(text: str) -> Markup:
    """A text of ours, escaped; what stands in backticks is code."""
    kept = str(escape(_with_its_sign(text)))
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", kept))


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _commands(report: ReportInput) -> list[str]:
    """What computes and proves the same again, as lines of a shell."""
    seeds = seeds_text(sorted({record.cell.seed for record in report.records}), "-", ",")
    suites = sorted({record.cell.suite for record in report.records})
    return [
        "# In the folder of the run: proves again what follows from stored graphs, edits and",
        "# weights, and lists what is taken on trust.",
        "robust-augcl replay .",
        "# Computes everything anew in another folder, and compares.",
        "robust-augcl replay . --from-scratch",
        "# The same suite from its beginning; its settings stand below, and in run.json.",
        *(f"robust-augcl run {suite} --seeds {seeds}" for suite in suites),
    ]


def _settings(sections: Sequence[Section]) -> str:
    """Every hyper-parameter in force, and the versions and machines of the records, as JSON."""
    methods: dict[str, list[Mapping[str, Any]]] = {}
    attacks: dict[str, list[Mapping[str, Any]]] = {}
    versions: list[Any] = []
    for record in (record for section in sections for record in section.records):
        own = methods.setdefault(record.cell.method, [])
        _add(own, record.method_settings)
        _add(attacks.setdefault(record.cell.attack, []), record.attack_settings)
        about = {
            name: record.environment.get(name)
            for name in ("versions", "machine", "device", "arithmetic")
        }
        _add(versions, about)
    content = {"methods": methods, "attacks": attacks, "computed with": versions}
    return json.dumps(content, indent=1, sort_keys=True, default=str)


def _add(known: list[Any], settings: Any) -> None:
    if settings not in known:
        known.append(settings)
