"""Results to compare: a run's folder, or the file that a baseline was written to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.gate.rendering import plain
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import with_inputs
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_of import About, baseline_of
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


def of_folder(
    path: Path, tell: Tell, seeds: Sequence[int] | None = None, *, partly: bool = False
) -> Baseline:
    """What a run's folder holds.

    Args:
        path: of the folder.
        tell: a way to say what is left out.
        seeds: that are taken; None: all of the run.
        partly: whether a run that is not finished will do.

    Raises:
        InputError: there is no finished run in it, or none of these seeds.
    """
    folder = RunFolder(path)
    manifest = folder.existing_manifest()
    whole = folder.load_records(manifest.records)
    if whole.damaged:
        raise InputError(f"{path}: {whole.damaged[0]}")
    if not partly and seeds is None and whole.missing:
        raise _unfinished(path, len(whole.records), len(manifest.records))
    own = manifest if seeds is None else _of_seeds(folder, manifest, seeds)
    records = [record for record in whole.records if record.key in set(own.records)]
    if not records or (len(records) < len(own.records) and not partly):
        raise _unfinished(path, len(records), len(own.records))
    measurements = _measurements(folder, own, tell)
    audit = _audit(folder, whole.records, tell)
    report = own.report_input(records, audit, None, measurements)
    about = About(
        manifest.suite,
        _source(manifest),
        manifest.revisions,
        manifest.fingerprint,
        len(own.records) - len(records),
        _seconds(folder, own, tell),
    )
    return baseline_of(report, about)


def _unfinished(path: Path, there: int, wanted: int) -> InputError:
    return InputError(
        f"Expected a finished run in {path}, got {there} of {wanted} records: "
        "`robust-augcl run` goes on where it stopped, and --partly takes what there is"
    )


def _of_seeds(folder: RunFolder, manifest: Manifest, seeds: Sequence[int]) -> Manifest:
    """The manifest of a run, of some of its seeds alone.

    Raises:
        InputError: it has no such seed.
    """
    if unknown := sorted(set(seeds) - set(manifest.seeds)):
        known = ", ".join(map(str, manifest.seeds))
        raise InputError(f"Expected seeds of {folder.path} ({known}), got {unknown[0]}")
    made_for = folder.plan(manifest)
    attacks = [step.key for step in made_for.attacks if step.cell and step.cell.seed in seeds]
    beside = [step.key for cell, step in made_for.measurements if cell.seed in seeds]
    return replace(
        manifest,
        seeds=sorted(set(seeds)),
        records=[key for key in manifest.records if key in set(attacks)],
        measurements=[key for key in manifest.measurements if key in set(beside)],
    )


def _seconds(folder: RunFolder, manifest: Manifest, tell: Tell) -> dict[str, float]:
    """The seconds that the steps of a run took, by kind; those of lost steps are not known."""
    found: dict[str, float] = {}
    try:
        steps = list(with_inputs(folder.plan(manifest).steps))
    except InputError as error:
        tell(f"warning: {folder.path}: without the seconds of its steps: {error}")
        return {}
    for step in steps:
        # What parts took stands in what they are parts of.
        if KINDS[step.kind].is_part or not folder.store.path(step).exists():
            continue
        if KINDS[step.kind].stores == "record":
            seconds = folder.load_record(step.key).attack_seconds
        else:
            seconds = folder.store.load(step.key).about["seconds"]
        found[step.kind] = found.get(step.kind, 0.0) + seconds
    return found


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
