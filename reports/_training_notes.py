"""What trainings noted of themselves; what several seeds of one method noted is one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from robust_augcl.reports._methods import UNSUPERVISED
from robust_augcl.reports._words import seeds_text
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.note_words import in_present_words, taken_apart
from robust_augcl.results.records import Cell
from robust_augcl.results.report_input import ReportInput

WHAT_FOLLOWS = (
    "What is noted of a method tells how its pretraining went. It makes no number wrong. It may "
    "explain why the method gains little, or why its seeds differ."
)
"""What a reader concludes from such notes."""
_FEW = 3
"""So many shares are written one by one, of more the least and the greatest."""


@dataclass(frozen=True, order=True)
class _Models:
    """Trainings that differ in their seed alone."""

    dataset: str
    protocol: str
    method: str
    layers: int


class Noted(NamedTuple):
    """A note, and of which trainings it is.

    Args:
        of: method and seeds; data set, protocol and layers where the report has several.
        text: what is noted.
    """

    of: str
    text: str


def training_notes(report: ReportInput) -> list[Noted]:
    """What trainings noted: a line a note and method, whose seeds are joined."""
    trained = list(_trained(report))
    found: dict[tuple[_Models, str, str], dict[int, str]] = {}
    for models, seed, notes in trained:
        for note in map(in_present_words, notes):
            before, share, after = taken_apart(note)
            found.setdefault((models, before, after), {})[seed] = share
    every = {models for models, _, _ in trained}
    return [
        Noted(_of(report, models, every, sorted(shares)), _told(before, shares, after))
        for (models, before, after), shares in sorted(found.items())
    ]


def _trained(report: ReportInput) -> Iterator[tuple[_Models, int, list[str]]]:
    """Every training that a report knows of, with its notes.

    Of the encoders that were pretrained for scores without labels, only measurements tell.
    """

    def of(cell: Cell, protocol: str, notes: Any) -> tuple[_Models, int, list[str]]:
        return _Models(cell.dataset, protocol, cell.method, cell.layers), cell.seed, list(notes)

    for record in report.records:
        yield of(record.cell, f"{record.cell.protocol} protocol", record.notes)
    for measured in report.measurements:
        if measured.kind == "pretraining" and measured.cell.protocol == UNSUPERVISED:
            yield of(measured.cell, "without labels", measured.values.get("notes", []))


def _of(
    report: ReportInput, models: _Models, every: Iterable[_Models], seeds: Iterable[int]
) -> str:
    """Method and seeds in words, and what else tells these trainings from the report's others."""
    every, seeds = list(every), list(seeds)
    dataset, protocol, layers = (
        len({getattr(each, name) for each in every}) > 1
        for name in ("dataset", "protocol", "layers")
    )
    return joined(
        report.names.method(models.method),
        models.dataset if dataset else "",
        models.protocol if protocol else "",
        layers_text(models.layers) if layers else "",
        f"seed{'s' if len(seeds) > 1 else ''} {seeds_text(seeds)}",
    )


def _told(before: str, shares: Mapping[int, str], after: str) -> str:
    """A note with the shares of its seeds, in the order of the seeds."""
    told = list(dict.fromkeys(share for _, share in sorted(shares.items()) if share))
    if not told:
        return before + after
    if len(told) > _FEW:
        least, most = min(told, key=size_of_share), max(told, key=size_of_share)
        text = f"{least} to {most}"
    else:
        text = " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
    return f"{before}for {text} of the anchors{after}"


def size_of_share(share: str) -> tuple[int, int]:
    """A share in words as what it is sorted by: "under 1 %" is less than "1 %"."""
    number = int("".join(filter(str.isdigit, share)))
    return number, -1 if share.startswith("under") else int(share.startswith("over"))
