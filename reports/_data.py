"""What came in as data: features, what was mended, and what no edit can touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robust_augcl.results.measurements import Measurement
from robust_augcl.results.report_input import ReportInput


def of_data(report: ReportInput, dataset: str) -> list[Measurement]:
    """What is known of a data set, one measurement a seed."""
    found = [m for m in report.measurements if (m.kind, m.cell.dataset) == ("dataset", dataset)]
    return sorted(found, key=lambda m: m.cell.seed)


def data_lines(known: Sequence[Measurement]) -> Iterator[str]:
    """What a reader should know of a data set, in a few lines; none where nothing is known."""
    if not known:
        return
    widths = {_width(m) for m in known}
    yield f"Features of a node: {' or '.join(sorted(widths))}"
    if notes := _notes(known):
        yield f"What came in: {'; '.join(notes)}"
    yield f"Targets that no allowed edit can touch: {_counts(known)}"


def untouched(known: Sequence[Measurement]) -> str | None:
    """A warning of targets that are robust for free; None where there are none."""
    touched = [m for m in known if m.values["untouched"]]
    if not touched:
        return None
    return (
        f"No allowed edit can touch {_counts(touched)}: where these are classified right, they "
        "count as robust for free."
    )


def warnings_of(report: ReportInput) -> Iterator[str]:
    """The warnings of all data sets of a report."""
    for dataset in dict.fromkeys(record.cell.dataset for record in report.records):
        text = untouched(of_data(report, dataset))
        if text is not None:
            yield f"{dataset}: {text}"


def came_in(report: ReportInput) -> Iterator[str]:
    """What was mended, numbered anew or not used when graphs came in, a line a data set."""
    for dataset in dict.fromkeys(record.cell.dataset for record in report.records):
        if notes := _notes(of_data(report, dataset)):
            yield f"{dataset}: {'; '.join(notes)}"


def _notes(known: Sequence[Measurement]) -> list[str]:
    return list(dict.fromkeys(note for m in known for note in m.values["notes"]))


def _width(known: Measurement) -> str:
    number = known.values["features"]
    alike = ", the same for all nodes" if known.values["constant"] else ""
    return f"{number} number{'s' if number != 1 else ''}{alike}"


def _counts(known: Sequence[Measurement]) -> str:
    """So many of so many test targets, seed by seed where they differ."""
    by_seed = {m.cell.seed: (m.values["untouched"], m.values["targets"]) for m in known}
    if len(set(by_seed.values())) == 1:
        few, many = next(iter(by_seed.values()))
        every = " of every seed" if len(by_seed) > 1 else ""
        return f"{few:,} of {many:,} test targets{every}"
    return ", ".join(
        f"{few:,} of {many:,} test targets of seed {seed}" for seed, (few, many) in by_seed.items()
    )
