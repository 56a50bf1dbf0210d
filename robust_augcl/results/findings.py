"""What an audit found: one finding a check, kept beside the records as checksummed JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from robust_augcl.results import strict

VERSION = 8
"""Raised whenever a check changes, so that no older audit is taken for a new one."""

AT_REST = "victims are at rest"
"""The name of the check that says which records rest on victims that were still getting better."""

ATTACKERS_AT_REST = "learned attackers are at rest"
"""The name of the check that says which attacks that learn were still getting stronger."""

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

    __pydantic_config__ = strict.STRICT

    check: strict.Name
    status: Status
    evidence: strict.Note
    cells: tuple[strict.Key, ...] = ()


@dataclass(frozen=True)
class Audit:
    """The findings of all checks about a set of records.

    Args:
        of: the records' `stamp`.
        findings: one a check, in the order of the checks.
        seconds: it took.
    """

    __pydantic_config__ = strict.STRICT

    of: strict.Digest
    findings: tuple[Finding, ...]
    seconds: strict.Seconds = 0.0

    @cached_property
    def failed(self) -> dict[str, tuple[str, ...]]:
        """Key of a record -> names of the checks that it failed."""
        found: dict[str, tuple[str, ...]] = {}
        for finding in self.findings:
            for key in finding.cells if finding.status == "FAIL" else ():
                found[key] = (*found.get(key, ()), finding.check)
        return found

    @cached_property
    def at_rest(self) -> Finding | None:
        """Whether victims are at rest; None where nobody can tell."""
        return self._known(AT_REST)

    @cached_property
    def attackers_at_rest(self) -> Finding | None:
        """Whether attacks that learned are at rest; None where nobody can tell."""
        return self._known(ATTACKERS_AT_REST)

    def _known(self, check: str) -> Finding | None:
        """What a check found; None where it had nothing to look at."""
        known = (finding for finding in self.findings if finding.check == check)
        return next((finding for finding in known if finding.status != "n/a"), None)

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
        return json.dumps({**content, "digest": strict.seal(content)}, indent=1) + "\n"

    @classmethod
    def loads(cls, text: str, source: str) -> Audit:
        """Read what `dumps` wrote; `source` names it in errors.

        Raises:
            ArtifactDamaged: not an audit, of another version, or altered since it was written.
        """
        content = strict.unsealed(text, VERSION, source, "an audit")
        audit = strict.read_as(cls, json.dumps(content), source, "an audit")
        strict.require_all(cls, content, source, "an audit")
        for each in content["findings"]:
            strict.require_all(Finding, each, source, "an audit's finding")
        return audit


def worst(statuses: Sequence[Status]) -> Status:
    """The worst of some statuses, "n/a" of none."""
    return min(statuses, key=ORDER.index, default="n/a")
