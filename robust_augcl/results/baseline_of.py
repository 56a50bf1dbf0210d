"""How a baseline is made from what a report is made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from robust_augcl import __version__
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Attacked, Data, Found, Machine, Victim, Worst
from robust_augcl.results.brackets import known_of
from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Cell, Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.rest import rests, victim_cell
from robust_augcl.results.shared_graphs import overlap
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


def baseline_of(
    report: ReportInput, suite: str, source: str, revisions: Mapping[str, Revision]
) -> Baseline:
    """The baseline of a run.

    Args:
        report: what its report is made from; transfers are not needed.
        suite: its name.
        source: a digest of where its graphs come from.
        revisions: of the code behind its records.

    Raises:
        ValueError: there are no records, or two records of one data set are about other targets.
    """
    if not report.records:
        raise ValueError("Expected records, got none")
    records = sorted(report.records, key=lambda record: record.cell)
    made = _Maker(report.measurements)
    attacked = [made.attacked(record) for record in records]
    return Baseline(
        suite=suite,
        package=__version__,
        source=source,
        planned_seeds=report.planned_seeds,
        primary=list(dict.fromkeys(label for pair in report.rules.pairs for label in pair)),
        margin=None if report.rules.margin is None else float(report.rules.margin),
        revisions=dict(revisions),
        machines=made.machines.held,
        threats=made.threats.held,
        data=made.data.held,
        victims=made.victims.held,
        attacked=attacked,
        worst=list(made.worst_cases(records)),
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
            name=record.traits.name,
            budget=record.cell.budget,
            key=record.key,
            threat=self.threats.place(record.threat, record.threat),
            claims_exact=record.traits.claims_exact,
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
            seconds=_short(
                sum(each.seconds for each in certificates if each.cell.budget == budget)
            ),
        )

    def _machine(self, environment: Mapping[str, Any]) -> int:
        said = {
            name: environment[name]
            for name in ("versions", "machine", "device", "processor", "arithmetic", "threads")
        }
        return self.machines.place(said, Machine(**said))

    def _victim(self, record: Record) -> int:
        cell = victim_cell(record.cell)
        rest = self._rests.get(cell)
        victim = Victim(
            data=self._data(record),
            method=cell.method,
            name=record.method_name,
            encoder=cell.encoder,
            layers=cell.layers,
            protocol=cell.protocol,
            weights=record.victim.digest,
            clean=packed(outcome.clean_right for outcome in record.outcomes),
            at_rest=None if rest is None else rest.at_rest,
            pretrain_seconds=_short(record.pretrain_seconds),
            train_seconds=_short(record.train_seconds),
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
        data = Data(
            name=record.cell.dataset,
            seed=record.cell.seed,
            digest=record.dataset.digest,
            graphs=gaps([graph for graph, _ in targets]),
            nodes=nodes or None,
            labels=[outcome.label for outcome in record.outcomes],
            classes=record.num_classes,
            test_to_train=overlap(self._measurements, record.cell.dataset),
        )
        return self.data.place([data.name, data.seed, data.digest, targets], data)


def _short(seconds: float) -> float:
    """Seconds to the millisecond: more would only make files longer."""
    return float(round(seconds, 3))
