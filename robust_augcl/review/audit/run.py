"""Auditing the records of a run's folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robust_augcl.results.findings import Audit
from robust_augcl.results.records import Record
from robust_augcl.review.side_files import audit_stamp
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

if TYPE_CHECKING:
    from robust_augcl.review.audit.gather_evidence import Gatherer


def make_gatherer(folder: RunFolder, manifest: Manifest) -> Gatherer:
    """What gathers evidence about the folder's run.

    Raises `InputError` where the manifest holds no valid suite.
    """
    from robust_augcl.review.audit.gather_evidence import Gatherer

    return Gatherer(folder, {step.key: step for step in folder.plan(manifest).attacks})


def audit_records(
    folder: RunFolder,
    manifest: Manifest,
    records: Sequence[Record],
    gatherer: Gatherer | None = None,
    learn_on: bool = True,
    processes: int = 1,
) -> Audit:
    """Audit the records of a folder. Nothing is written.

    Args:
        folder, manifest: the run's.
        records: what is audited.
        gatherer: may have looked at some already.
        learn_on: whether attacks that learned may learn on, which takes longest; if not, nothing
            is found of whether they are at rest.
        processes: two or more share that.

    Raises:
        InputError: the folder's manifest holds no valid suite, or one that asks for other records.
    """
    from robust_augcl.review.audit.all_checks import examine

    start = time.perf_counter()
    # Another run may have entered seeds of its own since the other gatherer was made.
    now = make_gatherer(folder, manifest)
    if gatherer is not None:
        now.take_over(gatherer)
    folder.require_planned((record.key for record in records), now.steps)
    measurements = folder.load_measurements(manifest)
    evidence = now.gather(records, measurements, learn_on, processes)
    audit = Audit(audit_stamp(folder, records), examine(evidence))
    return replace(audit, seconds=round(now.seconds_ahead + time.perf_counter() - start, 3))
