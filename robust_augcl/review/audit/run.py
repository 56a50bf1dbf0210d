"""Auditing a run's folder; the audit is kept there.

It is made again only when the records change.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import kind_of
from robust_augcl.results.findings import Audit
from robust_augcl.results.records import Record
from robust_augcl.store.files import write_atomically
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

if TYPE_CHECKING:
    from robust_augcl.review.audit.gather import Gatherer

AUDIT = "audit.json"


def stored_audit(folder: RunFolder, records: Sequence[Record]) -> Audit | None:
    """The audit of these records that the folder holds; None where it holds none of them.

    A damaged audit, or one of other records, is none.
    """
    path = folder.path / AUDIT
    try:
        audit = Audit.loads(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError, ArtifactDamaged):
        return None
    return audit if audit.of == _stamp(folder, records) else None


def _stamp(folder: RunFolder, records: Sequence[Record]) -> str:
    """Tells the records, and the certificates that attacks are held against, from any others."""
    return folder.stamp(
        records,
        (key for key in folder.existing_manifest().measurements if kind_of(key).read is not None),
    )


def make_gatherer(folder: RunFolder, manifest: Manifest) -> Gatherer:
    """What gathers evidence about the folder's run.

    Raises `InputError` where the manifest holds no valid suite.
    """
    # Imported here: whoever reads a stored audit needs none of what makes one.
    from robust_augcl.review.audit.gather import Gatherer

    return Gatherer(folder, {step.key: step for step in folder.plan(manifest).attacks})


def audit_records(
    folder: RunFolder,
    manifest: Manifest,
    records: Sequence[Record],
    gatherer: Gatherer | None = None,
) -> Audit:
    """Audit the records of a folder and keep the audit there.

    `gatherer` may have looked at some already.

    Raises:
        InputError: the folder's manifest holds no valid suite, or one that asks for other records,
            or the audit cannot be written.
    """
    from robust_augcl.review.audit.checks import examine

    start = time.perf_counter()
    # Another run may have entered seeds of its own since the other gatherer was made.
    now = make_gatherer(folder, manifest)
    if gatherer is not None:
        now.take_over(gatherer)
    folder.require_planned((record.key for record in records), now.steps)
    evidence = now.gather(records, folder.load_measurements(manifest))
    audit = Audit(_stamp(folder, records), examine(evidence))
    audit = replace(audit, seconds=round(now.seconds_ahead + time.perf_counter() - start, 3))
    write_atomically(folder.path / AUDIT, audit.dumps().encode())
    return audit
