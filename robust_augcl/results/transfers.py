"""What transferred edits did, kept beside the records as checksummed JSON.

Estimates of it come from the statistics of records.

A transfer is told from the record of the attack that found the edits, the record of the same attack
on the victim they are turned on, and what that victim then predicts. So it is a record again: of
the other victim, under edits that were not made for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results import strict
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.outcome import SharedEdits
from robust_augcl.results.records import Record
from robust_augcl.results.shared_graphs import overlap
from robust_augcl.results.statistics import Estimate, Group, estimate

VERSION = 1
Pairs = list[list[int]]


@dataclass(frozen=True)
class Transfer:
    """Edits of one record on the victim of another: G graphs.

    Args:
        source: the key of the record whose edits these are.
        target: the key of the record of the same attack on the other victim.
        attacked: what that victim predicts (G).
        margins: the true class's logit less the best other one (G).
    """

    __pydantic_config__ = strict.STRICT

    source: strict.Key
    target: strict.Key
    attacked: list[strict.Index]
    margins: list[strict.Margin]


@dataclass(frozen=True)
class Transfers:
    """All transfers between a set of records.

    Args:
        of: the records' `stamp`.
        entries: one for each ordered pair of victims and each attack whose edits depend on the
            victim.
    """

    __pydantic_config__ = strict.STRICT

    of: strict.Digest
    entries: tuple[Transfer, ...]

    def dumps(self) -> str:
        """The transfers as JSON, with their checksum."""
        entries = [vars(entry) for entry in self.entries]  # `asdict` copies each number
        content: dict[str, Any] = {"version": VERSION, "of": self.of, "entries": entries}
        return json.dumps({**content, "digest": strict.seal(content)}, separators=(",", ":")) + "\n"

    @classmethod
    def loads(cls, text: str, source: str) -> Transfers:
        """Read what `dumps` wrote; `source` names it in errors.

        Raises:
            ArtifactDamaged: not transfers, of another version, or altered since they were written.
        """
        content = strict.unsealed(text, VERSION, source, "transfers")
        transfers = strict.read_as(cls, json.dumps(content), source, "transfers")
        if any(len(entry.attacked) != len(entry.margins) for entry in transfers.entries):
            raise ArtifactDamaged(f"{source}: expected transfers, a margin for each prediction")
        return transfers


@dataclass(frozen=True)
class Entry:
    """One entry of a matrix: the edits made for one method's victims on another's, seeds together.

    Args:
        group: whose edits they are.
        attacked: the method whose victims they are turned on; the diagonal holds the attack itself.
        records: the victims under these edits, one record a seed; its key is that of the record
            whose edits they are.
        made_for: the records whose edits they are.
        own: the records of the same attack on the victims that these edits are turned on.
        test_to_train: as `statistics.estimate` takes it, where seeds share graphs.
    """

    group: Group
    attacked: str
    records: tuple[Record, ...]
    made_for: tuple[Record, ...]
    own: tuple[Record, ...]
    test_to_train: float = 0.0

    @cached_property
    def robust(self) -> Estimate | None:
        """The robust accuracy, as of any attack."""
        return estimate(self.records, test_to_train=self.test_to_train)

    @property
    def carried_over(self) -> float | None:
        """The share of what the edits broke where they were made that they break here too.

        Counted are graphs that the edits break on the victim they were made for and that the other
        victim gets right when clean. None where there are none.
        """
        shared = [
            other.broken
            for mine, theirs in zip(self.made_for, self.records, strict=True)
            for own, other in zip(mine.outcomes, theirs.outcomes, strict=True)
            if own.broken and other.clean_right
        ]
        return sum(shared) / len(shared) if shared else None

    def row(self) -> dict[str, Any]:
        """The entry as one flat row, shares from 0 to 1."""
        found, group = self.robust, self.group
        return {
            **{
                name: getattr(group, name)
                for name in (
                    "suite",
                    "dataset",
                    "encoder",
                    "layers",
                    "protocol",
                    "budget",
                    "attack",
                )
            },
            "layers": group.layers or None,  # of given models they are not known
            "made_for": group.method,
            "attacked": self.attacked,
            "robust_accuracy": found.mean if found else None,
            "low": found.low if found else None,
            "high": found.high if found else None,
            "carried_over": self.carried_over,
            "n_seeds": len(self.records),
            "n_graphs": found.n_graphs if found else 0,
        }


def matrix(
    transfers: Transfers, records: Iterable[Record], measurements: Iterable[Measurement]
) -> list[Entry]:
    """The entries of all matrices, the diagonals included.

    They are sorted by group, and then by the method attacked.

    Args:
        transfers: between the records.
        records: all that they name.
        measurements: of the same run; they say whether seeds share graphs.
    """
    measurements = list(measurements)
    by_key = {record.key: record for record in records}
    found: dict[tuple[Group, str], list[tuple[Record, Record, Record]]] = {}
    seen = set()
    for entry in transfers.entries:
        source, target = by_key[entry.source], by_key[entry.target]
        found.setdefault((Group.of(source.cell), target.cell.method), []).append(
            (turned_on(source, target, entry), source, target)
        )
        for record in (source, target):
            if record.key not in seen:
                seen.add(record.key)
                found.setdefault((Group.of(record.cell), record.cell.method), []).append(
                    (record, record, record)
                )
    entries = []
    for (group, method), triples in sorted(found.items(), key=lambda item: item[0]):
        triples.sort(key=lambda triple: triple[0].cell.seed)
        shared = overlap(measurements, group.dataset) or 0.0
        turned, made_for, own = zip(*triples, strict=True)
        entries.append(Entry(group, method, turned, made_for, own, shared))
    return entries


def turned_on(source: Record, target: Record, entry: Transfer) -> Record:
    """The record of the target's victim under the source's edits."""
    outcomes = [
        replace(
            theirs,
            attacked=attacked,
            attacked_margin=margin,
            added=mine.added,
            removed=mine.removed,
        )
        for mine, theirs, attacked, margin in zip(
            source.outcomes, target.outcomes, entry.attacked, entry.margins, strict=True
        )
    ]
    return replace(target, key=source.key, outcomes=outcomes, shared_edits=source.shared_edits)


def pairs_to_transfer(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Ordered pairs of records of one attack on two victims that edits can be carried between.

    The victims share data, seed, encoder, layers, protocol and budget.

    Attacks that make the same edits for every victim have nothing to transfer. Nor is there a fixed
    model that edits of poisoning could be turned on. Edits that all targets share are carried over
    as they are, all together.
    """
    groups: dict[Any, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.cell):
        if record.poisons:
            continue
        threat = json.dumps(record.threat, sort_keys=True)
        groups.setdefault(
            (replace(record.cell, method=""), record.dataset.digest, threat), []
        ).append(record)
    return [
        (source, target)
        for group in groups.values()
        if any(_edits(record) != _edits(group[0]) for record in group)
        for source in group
        for target in group
        if source is not target
        and [o.target for o in source.outcomes] == [o.target for o in target.outcomes]
    ]


def why_none(records: Iterable[Record]) -> str:
    """Why no edits of these records are transferred, in a sentence."""
    if any(record.poisons for record in records):
        return (
            "Edits of poisoning are not transferred: each model was trained again on the graph "
            "that its own attack edited, so there is no fixed model that they could be turned on."
        )
    return (
        "There are no two victims here that edits could be carried over between, or they are the "
        "same for every victim."
    )


def _edits(record: Record) -> tuple[SharedEdits | None, list[tuple[Pairs, Pairs]]]:
    return record.shared_edits, [(o.added, o.removed) for o in record.outcomes]
