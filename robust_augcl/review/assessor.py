"""What stands beside a run's records in its report: the audit, transfers, measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.results.report_input import ReportInput
from robust_augcl.review.ahead import Ahead, Draw, Log
from robust_augcl.review.side_files import (
    AUDIT,
    TRANSFER,
    audit_stamp,
    held_audit,
    held_transfers,
)
from robust_augcl.store.files import reason, write_atomically, write_if_new

if TYPE_CHECKING:  # whoever only reads what is stored needs none of what makes it
    from robust_augcl.results.findings import Audit
    from robust_augcl.results.records import Record
    from robust_augcl.results.transfers import Transfers
    from robust_augcl.store.run_folder import RunFolder


class Assessor:
    """Makes what a report shows of a run, and keeps it in the run's folder.

    Args:
        folder: the run's.
        tell: a way to say something to the user.
        must_keep: whether what cannot be kept is an error. If not, `unkept` says what it is.

    Attributes:
        processes: two or more share the longest part of an audit.
        unkept: what could not be kept, file by file, and why.
    """

    def __init__(
        self, folder: RunFolder, tell: Callable[[str], None], must_keep: bool = True
    ) -> None:
        self._folder, self._tell, self._must_keep = folder, tell, must_keep
        self._audit: Audit | None = None
        self._transfers: Transfers | None = None
        self.processes = 1
        self.unkept: dict[str, str] = {}
        self.ahead: Ahead | None = None

    def report_input(self, records: Sequence[Record], again: bool = False) -> ReportInput:
        """Everything that a report of these records is made from.

        `transfers` are None where a victim is damaged or gone.

        Args:
            records: what it is about.
            again: whether audit and transfers are made again though the folder holds them.

        Raises:
            InputError: the folder cannot be written, or its manifest holds no valid suite.
            ModelMissing: they are to be made again, and the module that was named for a given model
                is another one.
        """
        from robust_augcl.models.given import ModelMissing
        from robust_augcl.review.without_model import other_modules

        if again and (why := other_modules(self._folder, records)):
            raise ModelMissing(f"Expected the modules that the records were made with: {why}")
        manifest = self._folder.existing_manifest()
        return manifest.report_input(
            records,
            self.audit(records, again),
            self.transfers(records, again),
            self._folder.load_measurements(manifest),
        )

    def stored_audit(self, records: Sequence[Record]) -> Audit | None:
        """The audit of these records that the folder holds, if any."""
        with suppress(ArtifactDamaged):  # another one is no audit of these records
            return held_audit(self._folder, records)
        return None

    def audit(self, records: Sequence[Record], again: bool = False) -> Audit:
        """The audit that the folder holds, or a new one; `again`: not one that another made."""
        from robust_augcl.review.audit.run import audit_records
        from robust_augcl.steps.this_process import one_thread

        known = self._audit if again else self.stored_audit(records)
        if known is not None and known.of == audit_stamp(self._folder, records):
            return known
        self._tell(f"Auditing {len(records)} results")
        gatherer = self.ahead.gatherer if self.ahead else None
        manifest = self._folder.existing_manifest()
        with one_thread():
            made = audit_records(
                self._folder, manifest, records, gatherer, processes=self.processes
            )
        stored = self.stored_audit(records) if self._must_keep else None
        is_there = stored is not None and replace(made, seconds=stored.seconds) == stored
        self._audit = stored if stored is not None and is_there else made
        self._keep(AUDIT, self._audit.dumps(), records)
        return self._audit

    def transfers(self, records: Sequence[Record], again: bool = False) -> Transfers | None:
        """What the records' edits do to the other victims: as the folder holds it, or computed.

        None where a victim is damaged or gone, or changes its answers; `again`: not what another
        one computed.
        """
        from robust_augcl.review.transfer import transfer_records
        from robust_augcl.steps.drift import Drifted
        from robust_augcl.steps.this_process import one_thread

        known = self._transfers if again else self._stored_transfers(records)
        if known is not None and known.of == self._folder.stamp(records):
            return known
        turner = self.ahead.turner if self.ahead else None
        try:
            with one_thread():
                self._transfers = transfer_records(self._folder, records, turner)
        except (ArtifactDamaged, Drifted) as error:
            self._tell(f"warning: no transfers: {error}")
            return None
        self._keep(TRANSFER, self._transfers.dumps(), records)
        return self._transfers

    def _stored_transfers(self, records: Sequence[Record]) -> Transfers | None:
        """The transfers between these records that the folder holds, if any."""
        with suppress(ArtifactDamaged):  # others are none of these records
            return held_transfers(self._folder, records)
        return None

    def _keep(self, name: str, text: str, records: Sequence[Record]) -> None:
        """Write a file about records into the folder.

        What was made with another module than a given model's is not kept: it would take the place
        of what more was looked at for, or of what is true.

        Where it must be kept, what is there already is not written again: a run that failed at the
        next file goes on from there.
        """
        from robust_augcl.review.without_model import other_modules

        if why := other_modules(self._folder, records):
            if self._must_keep:
                raise InputError(f"Expected the modules that the records were made with: {why}")
            self.unkept[name] = why
            return
        write = write_if_new if self._must_keep else write_atomically
        try:
            write(self._folder.path / name, text.encode())
        except InputError as error:
            if self._must_keep:
                raise
            self.unkept[name] = reason(error)

    def begin_ahead(self, draw: Draw, log: Log) -> None:
        """Begin with the records that are there, beside the steps that run; `end_ahead` ends it.

        Args:
            draw: called once, when the records of the smallest budget are complete.
            log: where faults are written.
        """
        self.ahead = Ahead(self._folder, draw, log)
        self.ahead.begin()

    def end_ahead(self, seconds: float | None = None) -> bool:
        """End what `begin_ahead` began, where it did. What was looked at is kept.

        Waits for it, `seconds` at the most; returns whether it has ended.
        """
        return self.ahead is None or self.ahead.end(seconds)
