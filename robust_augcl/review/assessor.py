"""What stands beside a run's records in its report: the audit, what edits do to other victims, and
what else was measured.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from robust_augcl.errors import ArtifactDamaged

if TYPE_CHECKING:  # whoever only reads what is stored needs none of what makes it
    from robust_augcl.results.findings import Audit
    from robust_augcl.results.measurements import Measurement
    from robust_augcl.results.records import Cell, Record
    from robust_augcl.results.transfers import Transfers
    from robust_augcl.review.audit.gather import Gatherer
    from robust_augcl.review.transfer import Turner
    from robust_augcl.store.run_folder import RunFolder

    Draw = Callable[[Sequence[Record], Sequence[Measurement]], object]

_LOOK_SECONDS = 0.5
_NICE = 10


class Beside(NamedTuple):
    """What a report shows beside the records; `transfers` are None where a victim is damaged or
    gone, `settings` those of the suite.
    """

    audit: Audit | None
    transfers: Transfers | None
    measurements: list[Measurement]
    settings: dict[str, Any]


class Assessor:
    """Makes what stands beside the records of a run. Audit and transfers are kept in its folder,
    and made again when the records change.

    Args:
        folder: the run's.
        tell: a way to say something to the user.
    """

    def __init__(self, folder: RunFolder, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._gatherer: Gatherer | None = None
        self._turner: Turner | None = None
        self._thread: threading.Thread | None = None
        self._enough = threading.Event()

    def beside(self, records: Sequence[Record]) -> Beside:
        """Everything; raises `InputError` where the folder cannot be written, or its manifest holds
        no valid suite.
        """
        manifest = self._folder.existing_manifest()
        return Beside(
            self.audit(records),
            self.transfers(records),
            self._folder.load_measurements(manifest),
            manifest.table,
        )

    def stored_audit(self, records: Sequence[Record]) -> Audit | None:
        """The audit of these records that the folder holds, if any."""
        from robust_augcl.review.audit.run import stored_audit

        return stored_audit(self._folder, records)

    def audit(self, records: Sequence[Record], again: bool = False) -> Audit:
        """The audit that the folder holds, or a new one."""
        known = None if again else self.stored_audit(records)
        if known is not None:
            return known
        from robust_augcl.review.audit.run import audit_records
        from robust_augcl.steps.this_process import one_thread

        self._tell(f"Auditing {len(records)} results")
        with one_thread():
            return audit_records(
                self._folder, self._folder.existing_manifest(), records, self._gatherer
            )

    def transfers(self, records: Sequence[Record]) -> Transfers | None:
        """What the records' edits do to the other victims: as the folder holds it, or computed;
        None where a victim is damaged or gone.
        """
        from robust_augcl.review.transfer import stored_transfers, transfer_records
        from robust_augcl.steps.this_process import one_thread

        known = stored_transfers(self._folder, records)
        if known is not None:
            return known
        try:
            with one_thread():
                return transfer_records(self._folder, records, self._turner)
        except ArtifactDamaged as error:
            self._tell(f"warning: no transfers: {error}")
            return None

    def begin_ahead(self, draw: Draw) -> None:
        """Begin with the records that are there, in a thread that takes what processor time the
        workers leave; `end_ahead` ends it.

        `draw` is called once, with the records and measurements there are, when the records of the
        smallest budget are complete.
        """
        self._enough.clear()
        self._thread = threading.Thread(target=self._work_ahead, args=(draw,), daemon=True)
        self._thread.start()

    def end_ahead(self, seconds: float | None = None) -> bool:
        """End what `begin_ahead` began, where it did; what was looked at is kept, the rest is done
        when it is asked for.

        Waits for it, `seconds` at the most; returns whether it has ended.
        """
        self._enough.set()
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return False
            self._thread = None
        return True

    def _work_ahead(self, draw: Draw) -> None:
        if sys.platform == "linux":  # elsewhere threads have no priority of their own
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        with contextlib.suppress(
            Exception
        ):  # who asks for the result meets the error again, and tells it
            self._look_ahead(draw)

    def _look_ahead(self, draw: Draw) -> None:
        from robust_augcl.review.audit.run import make_gatherer
        from robust_augcl.review.transfer import Turner
        from robust_augcl.steps.this_process import one_thread

        enough = self._enough.is_set
        with one_thread():
            manifest = self._folder.existing_manifest()
            gatherer, turner = make_gatherer(self._folder, manifest), Turner(self._folder)
            self._gatherer, self._turner = gatherer, turner
            gatherer.look_ahead_of_records(enough)
            cells = {
                key: step.cell for key, step in gatherer.steps.items() if step.cell is not None
            }
            smallest = min(cell.budget for cell in cells.values())
            undrawn = {key for key, cell in cells.items() if cell.budget == smallest}
            others: dict[Cell, list[Record]] = {}
            looked_at: list[Record] = []
            left = list(manifest.records)
            while left and not self._enough.wait(_LOOK_SECONDS):
                there = [key for key in left if self._folder.store.record_path(key).exists()]
                left = [key for key in left if key not in there]
                for key in there:
                    if enough():
                        return
                    with contextlib.suppress(Exception):
                        record = self._folder.load_record(key)
                        gatherer.look_ahead(record)
                        group = others.setdefault(replace(record.cell, method=""), [])
                        group.append(record)
                        looked_at.append(record)
                        turner.look_ahead(group, enough)
                if not enough() and undrawn and undrawn <= {record.key for record in looked_at}:
                    undrawn = set()
                    draw(looked_at, self._folder.load_measurements(manifest))
