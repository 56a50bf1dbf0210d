"""The manifest of a run's folder, ``run.json``: which suite it holds, and which results are its."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_augcl import __version__
from robust_augcl.errors import ArtifactDamaged, InputError, cut, shown
from robust_augcl.plan.kinds import KINDS
from robust_augcl.results import strict
from robust_augcl.results.records import SCHEMA
from robust_augcl.results.stated import TABLE as COMPARISONS
from robust_augcl.results.stated import Comparisons
from robust_augcl.revisions import Revision
from robust_augcl.store import file_sizes
from robust_augcl.validation import read_text

if TYPE_CHECKING:  # statistics take long to import: whoever reads a manifest needs none
    from robust_augcl.results.findings import Audit
    from robust_augcl.results.measurements import Measurement
    from robust_augcl.results.records import Record
    from robust_augcl.results.report_input import ReportInput
    from robust_augcl.results.transfers import Transfers

MANIFEST = "run.json"
_WHAT = "the manifest of a run"
_NOT_KEPT: dict[str, Any] = {
    "planned_seeds": None,
    "planned_names": None,
    "planned_comparisons": None,
    "planned_before": [],
}
"""What stands for fields that were not kept in folders of before."""


@dataclass(frozen=True)
class Before:
    """What was planned of other settings that the folder held before.

    Args:
        settings: their digest (`Manifest.settings`).
        seeds, comparisons: as `planned_seeds` and `planned_comparisons` of a manifest.
        names: as `planned_names` of a manifest.
    """

    __pydantic_config__ = strict.STRICT

    settings: strict.Digest
    seeds: strict.Positive | None
    comparisons: strict.Table | None
    names: list[strict.Whole] | None = None


@dataclass(frozen=True)
class Manifest:
    """What a run's folder holds.

    Args:
        suite: the suite's name.
        table: the suite as in its file, overrides included, seeds apart.
        fingerprint: of the files that the data came from, None where there are none.
        seeds: of all runs with these settings.
        records: the keys of the records that belong to it, in the order of tables.
        measurements: the keys of the artifacts that are shown beside them.
        revisions: of the code behind them, by what they are of (`Plan.revisions`).
        planned_seeds: how many seeds the first run with these settings was asked for; None where
            that is not known, as in folders of before it was kept.
        planned_names: which seeds these were, ascending; None as above.
        planned_comparisons: the table `[comparisons]` that this run stated; None as above.
        planned_before: the same of other settings that the folder held before.
        version: of the package.
        format: the schema of records.

    Example:
        >>> one, other = (Manifest("mine", {}, None, [seed], []) for seed in (0, 1))
        >>> one.same_settings(other)
        True
    """

    __pydantic_config__ = strict.STRICT

    suite: strict.Name
    table: strict.Table
    fingerprint: strict.Name | None
    seeds: list[strict.Whole]
    records: list[strict.Key]
    measurements: list[strict.Key] = field(default_factory=list)
    revisions: dict[strict.Name, Revision] = field(default_factory=dict)
    planned_seeds: strict.Positive | None = None
    planned_names: list[strict.Whole] | None = None
    planned_comparisons: strict.Table | None = None
    planned_before: list[Before] = field(default_factory=list)
    version: strict.Name = __version__
    format: tuple[int] = (SCHEMA,)

    def dumps(self) -> bytes:
        """The manifest as the bytes of a JSON file."""
        held = {**self.__dict__, "planned_before": [vars(each) for each in self.planned_before]}
        return (json.dumps(held, indent=1, default=str) + "\n").encode()

    @property
    def settings(self) -> str:
        """A digest of what decides results, seeds and code apart.

        In how many parts certificates are searched does not count, nor the suite's title, nor which
        comparisons it states: none of them changes a result.
        """
        table = json.loads(self.dumps())["table"]
        for name in (COMPARISONS, "title"):
            table.pop(name, None)
        certificates = table.get("certificates")
        if isinstance(certificates, dict):
            certificates.pop("parts", None)
        text = json.dumps([self.suite, table, self.fingerprint], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def same_settings(self, other: Manifest) -> bool:
        """Whether two runs differ at most in seeds, and in what changes no result."""
        return self.settings == other.settings

    def report_input(
        self,
        records: Sequence[Record],
        audit: Audit | None = None,
        transfers: Transfers | None = None,
        measurements: Sequence[Measurement] = (),
    ) -> ReportInput:
        """What a report of records of this run is made from (`results.report_input`)."""
        from robust_augcl.results.report_input import ReportInput

        beside = audit, transfers, measurements
        now = set(self.seeds)
        if self.planned_names is not None and not now <= set(self.planned_names):
            now |= set(self.planned_names)  # others came, or took their place
        return ReportInput(
            records,
            *beside,
            self.table,
            self.planned_seeds,
            planned_comparisons=self.planned_comparisons,
            held_seeds=len(now),
            planned_names=self.planned_names,
            defaults_of=_defaults_of,
            about_data=_about_data,
        )

    def same_comparisons(self, other: Manifest) -> bool:
        """Whether two runs state the same comparisons."""
        return self.table.get(COMPARISONS) == other.table.get(COMPARISONS)


def _defaults_of(kind: str, name: str) -> Mapping[str, Any]:
    """As `plan.declared.defaults_of`, which imports plug-ins: most reports need none."""
    from robust_augcl.plan.declared import defaults_of

    return defaults_of(kind, name)


def _about_data(table: Mapping[str, Any]) -> str:
    """As `plan.declared.about_data`, likewise."""
    from robust_augcl.plan.declared import about_data

    return about_data(table)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where there is no run.

    Raises:
        InputError: a run whose records have another schema, or a manifest that cannot be read.
    """
    path = folder / MANIFEST
    try:
        content = strict.parse(read_text(path, file_sizes.MANIFEST))
        version, (schema, *_) = content["version"], content["format"]
        if type(content["table"]) is not dict:
            raise TypeError("a table that is none")
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise InputError(f"Expected {folder} to be a folder, got a file") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Cannot read {path}: expected what a run wrote, got {strict.reason(error)}"
        ) from None
    if schema != SCHEMA:
        raise InputError(
            f"{path}: expected records of format {SCHEMA}, got those of format {shown(schema)}, "
            f"written by robust_augcl {cut(str(version), 20)}: run the suite again in another "
            "folder, or read this one with the code that wrote it"
        )
    try:
        for name, value in _NOT_KEPT.items():
            content.setdefault(name, value)
        _name_planned(content)
        strict.require_all(Manifest, content, str(path), _WHAT)
        manifest = strict.read_as(Manifest, json.dumps(content), str(path), _WHAT)
        _check_lists(manifest, str(path))
        Comparisons.of(manifest.table, str(path))
        before = (each.comparisons for each in manifest.planned_before)
        for planned in (manifest.planned_comparisons, *before):
            Comparisons.of({COMPARISONS: planned or {}}, f"{path}: planned")
    except ArtifactDamaged as error:
        raise InputError(str(error)) from None
    return manifest


def _name_planned(content: dict[str, Any]) -> None:
    """Name the planned seeds in a manifest of before that kept their number alone.

    They are the seeds of the run if these are as many, since seeds that come later are added.
    """
    seeds, number = content.get("seeds"), content["planned_seeds"]
    if content["planned_names"] is None and isinstance(seeds, list) and len(seeds) == number:
        content["planned_names"] = seeds


def _check_lists(manifest: Manifest, source: str) -> None:
    """Raise `ArtifactDamaged` for lists of keys or seeds that no run writes."""
    lists = (
        ("records", manifest.records, "record"),
        ("measurements", manifest.measurements, "artifact"),
    )
    for name, keys, stored_as in lists:
        for key in keys:
            kind = KINDS.get(key.partition("-")[0])
            if kind is None or kind.stores != stored_as:
                raise ArtifactDamaged(
                    f"{source}: expected {_WHAT}, its `{name}` to be keys of {stored_as}s, got "
                    f"{shown(key)}"
                )
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ArtifactDamaged(
                f"{source}: expected {_WHAT}, its `{name}` to name each once, got {twice} "
                f"{keys.count(twice)} times"
            )
    if len(set(manifest.seeds)) < len(manifest.seeds):
        raise ArtifactDamaged(
            f"{source}: expected {_WHAT}, its `seeds` to be different, got {shown(manifest.seeds)}"
        )
    _check_planned("planned_names", manifest.planned_names, manifest.planned_seeds, source)
    for each in manifest.planned_before:
        _check_planned("planned_before", each.names, each.seeds, source)


def _check_planned(name: str, names: list[int] | None, count: int | None, source: str) -> None:
    """Raise `ArtifactDamaged` where planned seeds are not as many as were planned."""
    if names is not None and (names != sorted(set(names)) or len(names) != count):
        raise ArtifactDamaged(
            f"{source}: expected {_WHAT}, its `{name}` to be the planned seeds, ascending, got "
            f"{shown(names)} of {count}"
        )
