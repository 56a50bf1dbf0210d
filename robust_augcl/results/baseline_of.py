"""How a baseline is made from what a report is made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from robust_augcl import __version__
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import (
    Attacked,
    Data,
    Embedded,
    Found,
    Machine,
    Victim,
    Worst,
)
from robust_augcl.results.brackets import known_of
from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Cell, Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import rests, victim_cell
from robust_augcl.results.target_bits import gaps, packed
from robust_augcl.revisions import Revision

T = TypeVar("T")


class _Entries(Generic[T]):
    """A list in which each entry stands once, and the place of each."""

    def __init__(self) -> None:
        self.held: list[T] = []
        self._places: dict[str, int] = {}

    def place(self, key: object, entry: T) -> int:
        """The place of an entry, which is added where the key is new."""
        known = json.dumps(key, sort_keys=True)
        if known not in self._places:
            self._places[known] = len(self.held)
            self.held.append(entry)
        return self._places[known]


@dataclass(frozen=True)
class About:
    """What a baseline says of a run beside what the run found.

    Args:
        suite: its name.
        source: a digest of where its graphs come from.
        revisions: of the code behind its records.
        fingerprint: of the files that the data came from; None where there are none.
        missing: how many of its planned records are not there.
        seconds: that its steps took, by kind.
    """

    suite: str
    source: str
    revisions: Mapping[str, Revision]
    fingerprint: str | None = None
    missing: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


def baseline_of(report: ReportInput, about: About) -> Baseline:
    """The baseline of a run.

    Args:
        report: what its report is made from; transfers are not needed.
        about: what else is said of it.

    Raises:
        ValueError: there are no records, or two records of one data set are about other targets.
    """
    if not report.records:
        raise ValueError("Expected records, got none")
    records = sorted(report.records, key=lambda record: record.cell)
    made = _Maker(report.measurements)
    attacked = [made.attacked(record) for record in records]
    return Baseline(
        suite=about.suite,
        table=_plain(report.settings),
        fingerprint=about.fingerprint,
        package=__version__,
        source=about.source,
        planned_seeds=None if report.planned_names is None else list(report.planned_names),
        planned_comparisons=_plain(report.planned_comparisons),
        primary=list(dict.fromkeys(label for pair in report.rules.pairs for label in pair)),
        margin=None if report.rules.margin is None else float(report.rules.margin),
        revisions=dict(about.revisions),
        machines=made.machines.held,
        threats=made.threats.held,
        data=made.data.held,
        victims=made.victims.held,
        attacked=attacked,
        worst=list(made.worst_cases(records)),
        embedded=list(made.embedded()),
        missing=about.missing,
        seconds={kind: _short(seconds) for kind, seconds in sorted(about.seconds.items())},
        audit=_found(report.audit, records),
    )


def _found(audit: Audit | None, records: Sequence[Record]) -> list[Found] | None:
    """What the audit found, by the places of records."""
    if audit is None:
        return None
    places = {record.key: place for place, record in enumerate(records)}
    return [
        Found(
            finding.check,
            finding.status,
            finding.evidence,
            sorted(places[key] for key in finding.cells if key in places),
        )
        for finding in audit.findings
    ]


class _Maker:
    """Makes the entries of a baseline, each once."""

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self._measurements = measurements
        self._rests = rests(measurements)
        self.machines: _Entries[Machine] = _Entries()
        self.threats: _Entries[dict[str, Any]] = _Entries()
        self.data: _Entries[Data] = _Entries()
        self.victims: _Entries[Victim] = _Entries()

    def attacked(self, record: Record) -> Attacked:
        """The entry of a record."""
        return Attacked(
            victim=self._victim(record),
            attack=record.cell.attack,
            traits=record.traits,
            settings=record.attack_settings,
            budget=record.cell.budget,
            key=record.key,
            threat=self.threats.place(record.threat, record.threat),
            attacked=packed(outcome.attacked_right for outcome in record.outcomes),
            exact=packed(outcome.exact for outcome in record.outcomes),
            queries=record.queries,
            gradient_calls=record.gradient_calls,
            fit_seconds=_short(record.fit_seconds),
            attack_seconds=_short(record.attack_seconds),
            peak_memory_mib=int(record.environment["peak_memory_mib"]),
            machine=self._machine(record.environment),
        )

    def worst_cases(self, records: Iterable[Record]) -> Iterable[Worst]:
        """What is known of each victim under each budget."""
        by_victim: dict[Cell, list[Record]] = {}
        for record in records:
            by_victim.setdefault(victim_cell(record.cell), []).append(record)
        for cell, own in by_victim.items():
            certificates = [
                each
                for each in self._measurements
                if each.kind == "certificate" and victim_cell(each.cell) == cell
            ]
            by_budget = {str(record.cell.budget): record for record in reversed(own)}
            for record in sorted(by_budget.values(), key=lambda record: record.cell.budget):
                yield self._worst(own, certificates, record)

    def _worst(
        self, records: Sequence[Record], certificates: Sequence[Measurement], about: Record
    ) -> Worst:
        """What is known of one victim under the budget of a record."""
        budget = about.cell.budget
        known = known_of(records, certificates, budget)
        targets = [outcome.target for outcome in about.outcomes]
        return Worst(
            victim=self._victim(about),
            budget=budget,
            threat=self.threats.place(about.threat, about.threat),
            stands=packed(known.stands[target] for target in targets),
            proved=packed(target in known.proved for target in targets),
            is_certified=any(each.cell.budget == budget for each in certificates),
            seconds=_short(
                sum(each.seconds for each in certificates if each.cell.budget == budget)
            ),
        )

    def _machine(self, environment: Mapping[str, Any]) -> int:
        said = {each.name: environment[each.name] for each in fields(Machine)}
        return self.machines.place(said, Machine(**said))

    def _victim(self, record: Record) -> int:
        cell = victim_cell(record.cell)
        rest = self._rests.get(cell)
        victim = Victim(
            data=self._data(record),
            method=cell.method,
            traits=record.method_traits,
            settings=record.method_settings,
            encoder=cell.encoder,
            layers=cell.layers,
            protocol=cell.protocol,
            key=record.victim.key,
            weights=record.victim.digest,
            clean=packed(outcome.clean_right for outcome in record.outcomes),
            epoch=None if rest is None else rest.epoch,
            epochs=None if rest is None else rest.epochs,
            pretrain_seconds=_short(record.pretrain_seconds),
            train_seconds=_short(record.train_seconds),
            notes=record.notes,
        )
        key = [getattr(cell, name) for name in cell.__dataclass_fields__]
        place = self.victims.place(key, victim)
        known = self.victims.held[place]
        if (known.weights, known.clean, known.data) != (victim.weights, victim.clean, victim.data):
            raise ValueError(f"Expected one victim and one set of targets of {cell}, got two")
        return place

    def _data(self, record: Record) -> int:
        targets = [outcome.target for outcome in record.outcomes]
        nodes = [node for _, node in targets if node is not None]
        told = self._told_of_data(record.cell.dataset, record.cell.seed)
        data = Data(
            name=record.cell.dataset,
            seed=record.cell.seed,
            key=record.dataset.key,
            digest=record.dataset.digest,
            graphs=gaps([graph for graph, _ in targets]),
            nodes=nodes or None,
            labels=[outcome.label for outcome in record.outcomes],
            classes=record.num_classes,
            label_rule=record.label_rule,
            draws_graphs=told.get("draws_graphs"),
            tested=told.get("targets"),
            training=told.get("training"),
        )
        return self.data.place([data.name, data.seed, data.digest, targets], data)

    def _told_of_data(self, dataset: str, seed: int) -> Mapping[str, Any]:
        """What the run measured of a data set; empty where it did not."""
        return next(
            (
                each.values
                for each in self._measurements
                if each.kind == "dataset" and (each.cell.dataset, each.cell.seed) == (dataset, seed)
            ),
            {},
        )

    def embedded(self) -> Iterator[Embedded]:
        """The entries of encoders that saw no label, as far as their data set was attacked."""
        places = {(each.name, each.seed): place for place, each in enumerate(self.data.held)}
        for each in self._measurements:
            cell = each.cell
            place = places.get((cell.dataset, cell.seed))
            if each.kind == "representation" and place is not None:
                yield Embedded(
                    place,
                    cell.method,
                    cell.encoder,
                    cell.layers,
                    cell.protocol,
                    each.values["accuracy"],
                    _short(each.seconds),
                    self._noted(cell),
                )

    def _noted(self, encoder: Cell) -> list[str]:
        """What the pretraining of an encoder without labels noted."""
        return [
            note
            for each in self._measurements
            if each.kind == "pretraining" and each.cell == encoder
            for note in each.values.get("notes", [])
        ]


def _plain(table: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A table as it is read back from JSON: lists for tuples."""
    return None if table is None else dict(json.loads(json.dumps(table)))


def _short(seconds: float) -> float:
    """Seconds to the millisecond: more would only make files longer."""
    return float(round(seconds, 3))
