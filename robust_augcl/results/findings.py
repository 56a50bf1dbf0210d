"""What an audit found: one finding a check, kept beside the records as checksummed JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from robust_augcl.errors import ArtifactDamaged

VERSION = 3
"""Raised whenever a check changes, so that no older audit is taken for a new one."""

Status = Literal["PASS", "WARN", "FAIL", "n/a"]
ORDER: tuple[Status, ...] = ("FAIL", "WARN", "PASS", "n/a")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Args:
        check: its name.
        status: "FAIL": the numbers of `cells` should not be believed; "WARN": they should be read
            with care; "n/a": nothing here to look at.
        evidence: what was seen, in one sentence.
        cells: the keys of the records that it speaks against, in the order of cells.
    """

    check: str
    status: Status
    evidence: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audit:
    """The findings of all checks about a set of records.

    Args:
        of: the records' `stamp`.
        findings: one a check, in the order of the checks.
        seconds: it took.
    """

    of: str
    findings: tuple[Finding, ...]
    seconds: float = 0.0

    @cached_property
    def failed(self) -> dict[str, tuple[str, ...]]:
        """Key of a record -> names of the checks that it failed."""
        found: dict[str, tuple[str, ...]] = {}
        for finding in self.findings:
            for key in finding.cells if finding.status == "FAIL" else ():
                found[key] = (*found.get(key, ()), finding.check)
        return found

    @property
    def counts(self) -> dict[Status, int]:
        """How many checks ended how."""
        return {
            status: sum(finding.status == status for finding in self.findings) for status in ORDER
        }

    @property
    def summary(self) -> str:
        """The counts in words."""
        return ", ".join(f"{count} {status}" for status, count in self.counts.items() if count)

    def dumps(self) -> str:
        """The audit as JSON, with its checksum."""
        content: dict[str, Any] = {"version": VERSION, **asdict(self)}
        return json.dumps({**content, "digest": _digest(content)}, indent=1) + "\n"

    @classmethod
    def loads(cls, text: str, source: str) -> Audit:
        """Read what `dumps` wrote; `source` names it in errors.

        Raises:
            ArtifactDamaged: not an audit, of another version, or altered since it was written.
        """
        try:
            content = json.loads(text)
            if content.pop("digest") != _digest(content) or content.pop("version") != VERSION:
                raise ArtifactDamaged(
                    f"{source}: the audit was altered, or another version wrote it"
                )
            findings = tuple(
                Finding(**{**each, "cells": tuple(each["cells"])}) for each in content["findings"]
            )
            return cls(content["of"], findings, content["seconds"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactDamaged(f"{source}: expected an audit as JSON ({error})") from error


def worst(statuses: Sequence[Status]) -> Status:
    """The worst of some statuses, "n/a" of none."""
    return min(statuses, key=ORDER.index, default="n/a")


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()
