"""The manifest of a run's folder, ``run.json``: which suite it holds, and which results are its."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robust_augcl import __version__
from robust_augcl.errors import InputError
from robust_augcl.results.records import SCHEMA
from robust_augcl.revisions import Revision

MANIFEST = "run.json"


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
        version: of the package.
        format: the schema of records.

    Example:
        >>> one, other = (Manifest("mine", {}, None, [seed], []) for seed in (0, 1))
        >>> one.same_settings(other)
        True
    """

    suite: str
    table: dict[str, Any]
    fingerprint: str | None
    seeds: list[int]
    records: list[str]
    measurements: list[str] = field(default_factory=list)
    revisions: dict[str, Revision] = field(default_factory=dict)
    version: str = __version__
    format: tuple[int, ...] = (SCHEMA,)

    def dumps(self) -> bytes:
        """The manifest as the bytes of a JSON file."""
        return (json.dumps(self.__dict__, indent=1, default=str) + "\n").encode()

    def same_settings(self, other: Manifest) -> bool:
        """Whether two runs differ in seeds alone.

        In how many parts certificates are searched does not count: it changes no result.
        """
        mine, theirs = (json.loads(manifest.dumps()) for manifest in (self, other))
        for manifest in (mine, theirs):
            certificates = manifest["table"].get("certificates")
            if isinstance(certificates, dict):
                certificates.pop("parts", None)
        return all(mine[name] == theirs[name] for name in ("suite", "table", "fingerprint"))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where there is no run.

    Raises:
        InputError: a run whose records have another schema, or a manifest that cannot be read.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, (schema, *_) = content["version"], content["format"]
        if type(content["table"]) is not dict:
            raise TypeError("a table that is none")
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise InputError(f"Expected {folder} to be a folder, got a file") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"Cannot read {path}: expected what a run wrote, got {error!r}") from None
    if schema != SCHEMA:
        raise InputError(
            f"{folder} holds a run of robust_augcl {version}, with records of format {schema}; "
            f"{__version__} reads format {SCHEMA} alone: choose another --out, or use that version"
        )
    from robust_augcl.plan.toml_tables import build  # which takes a while to import

    return build(Manifest, {**content, "format": [schema]}, str(path))
