"""A page in Markdown, with the paper's table and figures of accuracy under attack."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_augcl.reports import _paper_tables as tables
from robust_augcl.reports._audit import headline
from robust_augcl.reports._audit import section as audit_section
from robust_augcl.reports._budgets import bracket_table, families
from robust_augcl.reports._figures import ENDINGS, Gallery, figures
from robust_augcl.reports._methods import UNSUPERVISED, methods_table
from robust_augcl.reports._pairs import leading_pairs
from robust_augcl.reports._sections import Section, layers_text, sections
from robust_augcl.reports._settings import of_section, shared
from robust_augcl.reports._transfer import matrices
from robust_augcl.reports.tables import escape, percent
from robust_augcl.results.brackets import brackets
from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.names import CLEAN, name_of
from robust_augcl.results.records import Record
from robust_augcl.results.transfers import Transfers, matrix

_UNEVEN = 0.2  # classes further apart than this are worth a sentence


def render(
    records: list[Record],
    out: Path,
    audit: Audit | None = None,
    transfers: Transfers | None = None,
    measurements: Sequence[Measurement] = (),
    table: Mapping[str, Any] | None = None,
    gallery: Gallery | None = None,
) -> list[Path]:
    """Write report.md and its figures, PNG and SVG, into `out`, which is made if need be.

    Figures: accuracy and by_class; budgets where there are several; mechanism where pretraining was
    diagnosed; learning where an attack has learned. The same input gives the same bytes.

    Args:
        records: in any order.
        out: the folder.
        audit: of these records; numbers that failed it are marked. None: they were not audited.
        transfers: between these records, None where they were not computed.
        measurements: of the same run.
        table: its suite as in the file, for the settings that all methods share; None: they are not
            known.
        gallery: may hold figures of these records that were drawn before.

    Returns:
        The files written, the page first.

    Raises:
        ValueError: no records, or two of one cell.
    """
    text = page(records, audit, transfers, measurements, table)
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "report.md"]
    gallery = Gallery() if gallery is None else gallery
    for name, content in gallery.draw(records, measurements).items():
        paths.append(out / name)
        paths[-1].write_bytes(content)
    paths[0].write_text(
        text, encoding="utf-8", newline="\n"
    )  # last: a page is there only with its figures
    return paths


def is_current(
    records: list[Record],
    out: Path,
    audit: Audit | None = None,
    transfers: Transfers | None = None,
    measurements: Sequence[Measurement] = (),
    table: Mapping[str, Any] | None = None,
) -> bool:
    """Whether the report in `out` is that of these records and of what stands beside them, and
    whole.
    """
    try:
        last = (out / "report.md").read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
    except (OSError, UnicodeDecodeError):
        return False
    return last == _stamp(records, audit, transfers, measurements, table) and all(
        (out / f"{name}.{ending}").exists()
        for name in figures(records, measurements)
        for ending in ENDINGS
    )


def _stamp(
    records: list[Record],
    audit: Audit | None,
    transfers: Transfers | None,
    measurements: Sequence[Measurement],
    table: Mapping[str, Any] | None,
) -> str:
    """An invisible line that tells whose report it is."""
    beside = [
        dataclasses.replace(audit, seconds=0.0).dumps() if audit else "",
        transfers.dumps() if transfers else "",
    ]
    beside += [json.dumps(table, sort_keys=True)] if table is not None else []
    beside += sorted(
        json.dumps(dataclasses.asdict(measurement), sort_keys=True) for measurement in measurements
    )
    digest = hashlib.sha256(
        "".join([*sorted(record.dumps() for record in records), *beside]).encode()
    ).hexdigest()
    return f"<!-- of records {digest} -->"


def page(
    records: list[Record],
    audit: Audit | None = None,
    transfers: Transfers | None = None,
    measurements: Sequence[Measurement] = (),
    table: Mapping[str, Any] | None = None,
) -> str:
    """The text of report.md."""
    found = sections(records, audit.failed if audit else ())
    known, drawn = brackets(records, measurements), figures(records, measurements)
    smallest = {id(family[0]): family for family in families(found)}
    first = [section for section in found if id(section) in smallest]
    entries = matrix(transfers, records) if transfers else None
    suites = ", ".join(sorted({section.suite for section in found}))
    victims = {(record.cell.protocol, record.victim) for record in records}
    lines = [
        f"# Accuracy under attack: suite {escape(suites)}",
        f"What {len(victims)} trained graph classifiers still get right when somebody edits "
        f"the graphs: {len(records)} attacks on them, "
        "one record each. In short:",
        "\n".join(
            f"- {line}"
            for line in [
                *(line for s in first for line in _headlines(s)),
                *([headline(audit)] if audit else []),
            ]
        ),
        _image("Accuracy under attack by attack, method and number of layers", "accuracy"),
        *(
            [_image("Accuracy over budgets, by method and number of layers", "budgets")]
            if "budgets" in drawn
            else []
        ),
        "## How to read this",
        " ".join(line for section in first for line in _guide(section, named=len(first) > 1)),
    ]
    for section in found:
        if id(section) not in smallest:
            lines += [
                f"## {escape(section.title)}",
                tables.comparison(section),
                "### How far each attack is from the worst case",
                tables.gaps(section),
            ]
            continue
        bracket = bracket_table(smallest[id(section)], known)
        lines += [
            f"## {escape(section.title)}",
            f"Threat: {escape(section.threat)}. Protocol: {escape(section.protocol_text)}.",
            "### Accuracy under attack",
            tables.comparison(section),
            "### Differences between methods",
            tables.differences(section),
            "### How far each attack is from the worst case",
            tables.gaps(section),
            *(["### Proved and broken", bracket] if bracket else []),
            "### Method by method",
            methods_table(section, measurements),
            "### Class by class",
            tables.by_class(section),
            "### The published measure beside this one",
            tables.attacked(section),
            *(
                ["### Edits made for one victim, turned on another", matrices(section, entries)]
                if entries is not None
                else []
            ),
            "### What it took",
            tables.costs(section),
        ]
    lines += [
        "## By class, drawn",
        _image("Accuracy under attack for each true class", "by_class"),
        *_drawn(
            drawn,
            "mechanism",
            "Where the weights lie",
            "Similarity and uncertainty of true and false negatives",
        ),
        *_drawn(
            drawn,
            "learning",
            "How the attacks learned",
            "Loss, and robust accuracy on the graphs it was chosen by, by update",
        ),
        "## The audit",
        audit_section(audit, records),
        "## Settings",
        *([shared(table)] if table is not None else []),
        *(of_section(section) for section in found),
        "## Warnings",
        _notes(records, measurements),
        _stamp(records, audit, transfers, measurements, table),
    ]
    return "\n\n".join(line.strip("\n") for line in lines) + "\n"


def _drawn(drawn: Iterable[str], name: str, heading: str, description: str) -> list[str]:
    """A figure under its own heading, if it was drawn."""
    return [f"## {heading}", _image(description, name)] if name in drawn else []


def _headlines(section: Section) -> Iterator[str]:
    """The numbers that a reader who stops here should have seen."""
    parts = [f"clean {_range(section, CLEAN)} %"]
    if strongest := section.strongest:
        parts.append(
            f"under {escape(section.attack_name(strongest))}, the strongest attack here, "
            f"{_range(section, strongest)} %"
        )
    if section.exact:
        parts.append(f"in the exact worst case {_range(section, section.exact)} %")
    yield f"**{escape(section.title)}** ({section.graphs}): accuracy {'; '.join(parts)}."
    yield from tables.verdicts(section, leading_pairs(section))


def _guide(section: Section, named: bool) -> Iterator[str]:
    """A paragraph on what to make of the numbers, written from them."""
    if named:
        yield f"**{escape(section.title)}.**"
    yield "A graph counts as robust only if it is right before the attack and right after it."
    yield (
        f"Always answering the commonest class would score {percent(section.commonest)} % in "
        "every row."
    )
    if strongest := section.strongest:
        left, name = section.mean(strongest), escape(section.attack_name(strongest))
        yield (
            f"The strongest attack, {name}, leaves {percent(left)} % standing on average "
            "over the columns;"
        )
        exact = section.mean(section.exact) if section.exact else None
        if left is None or exact is None:
            yield "a stronger one may leave less, as the exact worst case was not computed."
        else:
            yield (
                f"the exact worst case leaves {percent(exact)} %: {percent(left - exact)} "
                "points of that are what the attack missed."
            )
    worst = section.exact or strongest
    if worst:
        shares = [section.mean(worst, label) for label in range(section.num_classes)]
        known = [share for share in shares if share is not None]
        if known and max(known) - min(known) > _UNEVEN:
            listed = "; ".join(
                f"{section.class_name(label)}: {percent(share)} %"
                for label, share in enumerate(shares)
            )
            yield (
                f"Class by class, the row {escape(section.attack_name(worst))} is, on average, "
                f"{listed}. Edits break some classes far more "
                "than others, so the pooled figure says as much about where a model draws its "
                "thresholds as about how robust it is: "
                "read it by class."
            )
    if len(section.seeds) == 1:
        yield (
            "With one seed, intervals and tests speak for these trained models on these "
            "graphs, not for the methods."
        )


def _range(section: Section, attack: str) -> str:
    means = section.means(attack)
    if not means:
        return "-"
    low, high = percent(min(means)), percent(max(means))
    return low if low == high else f"{low} to {high}"


def _notes(records: Sequence[Record], measurements: Sequence[Measurement]) -> str:
    """What the runs warned of, and for which models; of the encoders that were pretrained for
    scores without labels only they tell.
    """
    noted = [(record.cell, record.cell.protocol, record.notes) for record in records]
    for m in measurements:
        if m.kind == "pretraining" and m.cell.protocol == UNSUPERVISED:
            noted.append((m.cell, "without labels", m.values.get("notes", [])))
    where: dict[str, set[str]] = {}
    for cell, protocol, notes in noted:
        for note in notes:
            model = (
                f"{cell.dataset}, {protocol}, {name_of(cell.method)}, "
                f"{layers_text(cell.layers)}, seed {cell.seed}"
            )
            where.setdefault(note, set()).add(model)
    lines = [
        f"- {escape(note)} ({'; '.join(escape(model) for model in sorted(models))})"
        for note, models in sorted(where.items())
    ]
    return "\n".join(lines) or "None."


def _image(description: str, name: str) -> str:
    return f"![{description}]({name}.png)\n\n[The same as SVG]({name}.svg)"
