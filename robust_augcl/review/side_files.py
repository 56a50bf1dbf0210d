"""What a run's folder keeps beside its records, the audit and the transfers, and of which records.

Both carry a stamp of what they are about: of its content, so that a copied folder keeps them. This
reads them and compares stamps; `side_file_proofs` makes them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged, one_line
from robust_augcl.plan.kinds import KINDS
from robust_augcl.results.findings import Audit
from robust_augcl.results.records import Record
from robust_augcl.results.transfers import Transfers
from robust_augcl.store import file_sizes
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.validation import read_text

AUDIT = "audit.json"
TRANSFER = "transfer.json"
AGAIN = {
    AUDIT: "`robust-augcl audit` makes it again",
    TRANSFER: "`robust-augcl transfer` makes it again",
}


@dataclass(frozen=True)
class Held:
    """The audit and the transfers that a folder holds of its records.

    Args:
        audit, transfers: None where it holds none of these records.
        problems: of each file that is there and is not of them, why.
    """

    audit: Audit | None
    transfers: Transfers | None
    problems: dict[str, str]


def held(folder: RunFolder, records: Sequence[Record]) -> Held:
    """The audit and the transfers of these records, as far as the folder holds them."""
    problems: dict[str, str] = {}
    audit, transfers = None, None
    try:
        audit = held_audit(folder, records)
    except ArtifactDamaged as error:
        problems[AUDIT] = _of(AUDIT, error)
    try:
        transfers = held_transfers(folder, records)
    except ArtifactDamaged as error:
        problems[TRANSFER] = _of(TRANSFER, error)
    return Held(audit, transfers, problems)


def held_audit(folder: RunFolder, records: Sequence[Record]) -> Audit | None:
    """The audit of these records that the folder holds; None where it holds no audit.

    Raises:
        ArtifactDamaged: what it holds is not one that was written, or one of other records.
    """
    text = _text(folder.path / AUDIT, file_sizes.AUDIT)
    if text is None:
        return None
    audit = Audit.loads(text, AUDIT)
    if audit.of != audit_stamp(folder, records):
        raise ArtifactDamaged(f"{AUDIT}: not the audit of these results")
    return audit


def held_transfers(folder: RunFolder, records: Sequence[Record]) -> Transfers | None:
    """The transfers between these records that the folder holds; None where it holds no transfers.

    Raises:
        ArtifactDamaged: what it holds is not what was written, or of other records.
    """
    text = _text(folder.path / TRANSFER, file_sizes.TRANSFER)
    if text is None:
        return None
    transfers = Transfers.loads(text, TRANSFER)
    if transfers.of != folder.stamp(records):
        raise ArtifactDamaged(f"{TRANSFER}: not the transfers between these results")
    return transfers


def audit_stamp(folder: RunFolder, records: Sequence[Record]) -> str:
    """Tells the records, and the certificates that attacks are held against, from any others."""
    listed = folder.existing_manifest().measurements
    return folder.stamp(records, (key for key in listed if _is_read(key)))


def _is_read(key: str) -> bool:
    """Whether an artifact is of a kind that is read to the type, as certificates are.

    A key that is none is not: who takes the manifest at its word says so.
    """
    kind = KINDS.get(key.partition("-")[0])
    return kind is not None and kind.read is not None


def _text(path: Path, most: int) -> str | None:
    """The text of a file; None where there is none."""
    try:
        return read_text(path, most)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactDamaged(f"{path.name}: expected JSON ({one_line(error)})") from None


def _of(name: str, error: ArtifactDamaged) -> str:
    """A problem without the file's name, and what mends it."""
    return f"{str(error).removeprefix(f'{name}: ')}; {AGAIN[name]}"
