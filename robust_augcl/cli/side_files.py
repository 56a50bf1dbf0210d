"""What `show` and `replay` say of the files beside a run's records: audit, transfers, report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from robust_augcl.cli.words import say
from robust_augcl.errors import InputError
from robust_augcl.reports import written
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record
from robust_augcl.review.side_files import AGAIN, AUDIT, Held, held
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

if TYPE_CHECKING:
    from robust_augcl.reports._figures import Elsewhere


def warn(folder: RunFolder, manifest: Manifest, records: Sequence[Record]) -> Held:
    """Say on the error stream, by stamps, what is not of these records; return what is."""
    there = warn_of_audit(folder, manifest, records)
    lines = [f"{name}: {problem}" for name, problem in there.problems.items() if name != AUDIT]
    for line in (*lines, *_told_of_report(folder, manifest, records, there, folder.path)):
        _warn(line)
    return there


def warn_of_audit(folder: RunFolder, manifest: Manifest, records: Sequence[Record]) -> Held:
    """Say on the error stream why no result is marked, where the audit is not of these records."""
    there = held(folder, records)
    if AUDIT in there.problems:
        _warn(f"{AUDIT}: {there.problems[AUDIT]}")
    elif there.audit is None and len(records) == len(manifest.records):
        _warn(f"{AUDIT}: missing, so no record is marked; {AGAIN[AUDIT]}")
    return there


def differing(
    folder: RunFolder, manifest: Manifest, records: Sequence[Record], report_in: Path
) -> Iterator[tuple[str, str]]:
    """By stamps, what is not of these records: the name of each file, and why."""
    there = held(folder, records)
    yield from there.problems.items()
    for line in _told_of_report(folder, manifest, records, there, report_in):
        name, _, problem = line.partition(": ")
        yield name, problem


def proved(
    folder: RunFolder,
    manifest: Manifest,
    records: Sequence[Record],
    report_in: Path,
    processes: int,
    quick_seconds: float,
) -> Iterator[tuple[str, str, list[str]]]:
    """What lies beside the records, made again and compared; nothing is written.

    Args:
        folder: the run's.
        manifest: the folder's.
        records: those of the folder, which hold.
        report_in: where the report lies, if there is one.
        processes: with 2, another one draws the figures where this one can be copied.
        quick_seconds: attacks learn on again where each learned no longer, by its own word.

    Yields:
        The name of each file that is there, what is proved of it, and what is not so.

    Raises:
        InputError: the folder's manifest holds no valid suite.
    """
    from robust_augcl.review.side_file_proofs import prove_side_files

    has_report = written.is_there(report_in)
    with _drawing(folder, manifest, records, has_report and processes > 1) as drawn:
        beside = prove_side_files(folder, manifest, records, quick_seconds)
        for name, proof in beside.proofs.items():
            yield name, proof.proved, proof.problems
        if has_report:
            from robust_augcl.reports._figures import Gallery
            from robust_augcl.reports.markdown import files

            measurements = folder.load_measurements(manifest)
            report = manifest.report_input(records, beside.audit, beside.transfers, measurements)
            report = replace(report, read_back=written.is_read_back(report_in))
            gallery = Gallery()
            gallery.take(report, drawn())
            yield from written.compared(report, files(report, gallery), report_in)


@contextlib.contextmanager
def _drawing(
    folder: RunFolder, manifest: Manifest, records: Sequence[Record], is_wanted: bool
) -> Iterator[Callable[[], Elsewhere]]:
    """Draw the figures of records in a second process; yields what waits for them.

    There are none where that is not wanted, or cannot be.
    """
    from robust_augcl.reports._figures import Elsewhere, drawn_elsewhere
    from robust_augcl.review.beside import Beside, can_share

    if not is_wanted or not can_share():
        yield Elsewhere
        return

    def draw() -> Iterator[Elsewhere]:
        measurements = folder.load_measurements(manifest)
        # No audit is proved yet. Where the folder's own turns out to be right, so do these marks.
        there = held(folder, records)
        yield drawn_elsewhere(
            manifest.report_input(records, there.audit, there.transfers, measurements)
        )

    with Beside(draw) as other:
        yield lambda: next(other.arrived(wait=True), Elsewhere())


def _warn(line: str) -> None:
    say(f"warning: {line}")


def _told_of_report(
    folder: RunFolder,
    manifest: Manifest,
    records: Sequence[Record],
    there: Held,
    report_in: Path,
) -> Iterator[str]:
    measurements: list[Measurement] = []
    unknown = {
        part
        for part, content in (("audit", there.audit), ("transfers", there.transfers))
        if content is None
    }
    try:
        measurements = folder.load_measurements(manifest)
    except InputError:  # of which suite they are, nobody can tell today
        unknown.add("measurements")
    report = manifest.report_input(records, there.audit, there.transfers, measurements)
    yield from written.told(report, report_in, unknown)
