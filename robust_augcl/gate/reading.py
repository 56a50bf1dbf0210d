"""Results to compare: a run's folder, or the file that a baseline was written to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.gate.rendering import plain
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_of import baseline_of
from robust_augcl.results.baseline_parts import MOST_BYTES
from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record
from robust_augcl.review.side_files import held_audit
from robust_augcl.store.files import write_atomically
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

Tell = Callable[[str], None]


class BaselineMissing(InputError):
    """There is no baseline to compare with."""


def read(path: Path, tell: Tell) -> Baseline:
    """What a folder or a file holds.

    Args:
        path: a run's folder, or a file of `write`.
        tell: a way to say what is left out.

    Raises:
        BaselineMissing: nothing is there.
        InputError: no finished run, or no baseline.
    """
    if path.is_dir():
        return of_folder(path, tell)
    try:
        return Baseline.load(path)
    except FileNotFoundError:
        raise BaselineMissing(
            f"Expected a baseline or a run's folder, got {path}, which is not there: "
            "`robust-augcl baseline DIR -o FILE` writes one"
        ) from None
    except ArtifactDamaged as error:
        raise InputError(str(error)) from None


def of_folder(path: Path, tell: Tell) -> Baseline:
    """What a run's folder holds.

    Raises:
        InputError: there is no finished run in it.
    """
    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    loaded = folder.load_records(manifest.records)
    if loaded.damaged:
        raise InputError(f"{path}: {loaded.damaged[0]}")
    if loaded.missing or not loaded.records:
        raise InputError(
            f"Expected a finished run in {path}, got {len(loaded.records)} of "
            f"{len(manifest.records)} records: `robust-augcl run` goes on where it stopped"
        )
    measurements = _measurements(folder, manifest, tell)
    audit = _audit(folder, loaded.records, tell)
    report = manifest.report_input(loaded.records, audit, None, measurements)
    return baseline_of(report, manifest.suite, _source(manifest), manifest.revisions)


def write(path: Path, held: Baseline) -> int:
    """Write a baseline, whole or not at all; return its bytes.

    Raises:
        InputError: it is larger than what is read back, or cannot be written.
    """
    content = held.dumps().encode()
    if len(content) > MOST_BYTES:
        raise InputError(
            f"Expected a baseline of at most {MOST_BYTES >> 20} MiB, got {len(content) >> 20} MiB"
        )
    write_atomically(path, content)
    return len(content)


def doubts(held: Baseline) -> list[str]:
    """Why a baseline should not be relied on, in sentences: no audit, or one that fails."""
    if held.audit is None:
        return ["these results are not audited: `robust-augcl audit` does it"]
    failed = [plain(found.check) for found in held.audit if found.status == "FAIL"]
    if not failed:
        return []
    return [
        f"the audit of these results fails: {'; '.join(failed)}. Against this baseline the gate "
        "does not call the same failures a regression"
    ]


def _measurements(folder: RunFolder, manifest: Manifest, tell: Tell) -> list[Measurement]:
    """The run's measurements; none where the code of today cannot say which they are."""
    try:
        return folder.load_measurements(manifest)
    except InputError as error:
        tell(f"warning: {folder.path}: without certificates and measurements: {error}")
        return []


def _audit(folder: RunFolder, records: list[Record], tell: Tell) -> Audit | None:
    """The audit of these records that the folder holds."""
    try:
        return held_audit(folder, records)
    except ArtifactDamaged as error:
        tell(f"warning: {folder.path}: without an audit: {error}")
        return None


def _source(manifest: Manifest) -> str:
    """A digest of where a run's graphs come from."""
    about = {name: manifest.table.get(name) for name in ("dataset", "split", "scale")}
    text = json.dumps({**about, "fingerprint": manifest.fingerprint}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
