"""From a run's folder to the evidence that the checks look at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, CombiningAttack
from robust_augcl.adversary.victim import Access
from robust_augcl.errors import ArtifactDamaged
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.plan.step import Step
from robust_augcl.results.brackets import proved_for
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import ArtifactRef, Cell, Record
from robust_augcl.review.audit.evidence import (
    DataFacts,
    Evidence,
    IterationFacts,
    LargeBudgetFacts,
    PlantedFacts,
    Traits,
    Use,
    VictimFacts,
    grouped,
)
from robust_augcl.review.audit.forests import forests
from robust_augcl.review.audit.probes import (
    look_at_victim,
    try_half_the_iterations,
    try_large_budget,
    try_on_planted_victims,
)
from robust_augcl.review.replay import check_record
from robust_augcl.steps.artifacts import FITTED_ON, dataset_of, victim_of
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.model import ThreatModel

T = TypeVar("T")

_LOOKED_AT = 12  # test graphs on which victims are looked at and large budgets tried
_LARGE_BUDGET = 10


class Gatherer:
    """Gathers evidence about the records of a folder. What it was made to look at ahead it does not
    look at again.

    Args:
        folder: the run's.
        steps: of its plan, by key: what each record is the result of.
    """

    def __init__(self, folder: RunFolder, steps: Mapping[str, Step]) -> None:
        self.folder, self.steps = folder, steps
        self.seconds_ahead = 0.0
        self._seen: dict[tuple[str, str], Any] = {}
        self._by_attack: dict[tuple[str, str], list[Step]] = {}
        self._first_on: dict[tuple[str, str], str] = {}
        for step in sorted(steps.values(), key=_cell):
            self._by_attack.setdefault((_cell(step).attack, _cell(step).protocol), []).append(step)
            for role in ("victim", "dataset"):
                self._first_on.setdefault((role, step.inputs[role].key), step.key)
        self._load = lru_cache(maxsize=None)(lambda ref: folder.store.load(ref.key))
        self._dataset = lru_cache(maxsize=None)(lambda ref: dataset_of(self._load(ref)))
        self._victim = lru_cache(maxsize=None)(lambda ref: victim_of(self._load(ref)))
        self._forests = lru_cache(maxsize=None)(lambda ref: forests(self._dataset(ref)))
        self._clean_logits = lru_cache(maxsize=None)(
            lambda ref, victim: self._victim(victim).logits(_test(self._dataset(ref))).cpu()
        )
        self._num_candidates = lru_cache(maxsize=None)(
            lambda ref, threat: int(threat.space(_test(self._dataset(ref))).counts.sum())
        )
        self._keys = lru_cache(maxsize=None)(lambda ref: self._dataset(ref).keys())

    def take_over(self, other: Gatherer) -> None:
        """Take over what another one has seen. The files that it has read are read again: they may
        have changed since.
        """
        self._seen |= other._seen
        self.seconds_ahead += other.seconds_ahead

    def look_ahead_of_records(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Do what needs no record: run each attack on the planted victims, until it is `enough`."""
        start = (
            time.thread_time()
        )  # of the processor: a thread of low priority waits most of the time
        for steps in self._by_attack.values():
            if not enough() and not isinstance(steps[0].settings["attack"], CombiningAttack):
                self.planted_facts(steps[0])
        self.seconds_ahead += time.thread_time() - start

    def look_ahead(self, record: Record) -> None:
        """Look at a record before the others are there, as far as it is to be looked at alone."""
        start = (
            time.thread_time()
        )  # of the processor: a thread of low priority waits most of the time
        if (
            record.key in self.steps
            and self._unreadable(record) is None
            and not self._replaced(record)
        ):
            self.traits(record)
            self.replayed(record)
            self.use(record)
            if record.label_rule == "components":
                self.miscounted(record)
            step = self.steps[record.key]
            for role, look in (("victim", self.victim_facts), ("dataset", self.data_facts)):
                if self._first_on[role, step.inputs[role].key] == record.key:
                    look(record)
            group = self._by_attack[record.cell.attack, record.cell.protocol]
            if group[0].key == record.key:
                self.large_facts(record, [_cell(step).budget for step in group])
                self.halved_facts(record)
        self.seconds_ahead += time.thread_time() - start

    def _once(self, what: str, of: str, make: Callable[[], T]) -> T:
        if (what, of) not in self._seen:
            self._seen[what, of] = make()
        found: T = self._seen[what, of]
        return found

    def gather(
        self, records: Sequence[Record], measurements: Sequence[Measurement] = ()
    ) -> Evidence:
        """Everything about these records. Of those that rest on a file that cannot be read, only
        what the records say themselves.

        `measurements` are of the same run.
        """
        everything = sorted(records, key=lambda record: record.cell)
        foreign = {
            r.key: ["no step of this folder's suite makes it"]
            for r in everything
            if r.key not in self.steps
        }
        records = [r for r in everything if r.key not in foreign]
        unproved = {r.key: problem for r in records if (problem := self._unreadable(r)) is not None}
        replaced = {
            r.key: ["it rests on another data set, victim or attacker"]
            for r in records
            if r.key not in unproved and self._replaced(r)
        }
        whole = [r for r in records if r.key not in unproved and r.key not in replaced]
        return Evidence(
            records=everything,
            traits={r.key: self.traits(r) for r in records},  # of foreign ones nothing is known
            curves={r.key: curve for r in whole if (curve := self.curve(r))},
            replayed={r.key: self.replayed(r) for r in whole} | replaced | foreign,
            unproved=unproved,
            miscounted={r.key: self.miscounted(r) for r in whole if r.label_rule == "components"},
            uses={r.key: self.use(r) for r in whole},
            victims={
                group[0].victim.key: self.victim_facts(group[0])
                for group in grouped(whole, lambda r: r.victim.key)
            },
            data={
                group[0].dataset.key: self.data_facts(group[0])
                for group in grouped(whole, lambda r: r.dataset.key)
            },
            planted=self.planted(whole),
            large=self.large(whole),
            halved=self.halved(whole),
            proved={r.key: graphs for r in whole if (graphs := proved_for(r, measurements))},
        )

    def _unreadable(self, record: Record) -> str | None:
        try:
            for ref in _rests_on(record):
                self._load(ref)
        except ArtifactDamaged as error:
            return str(error)
        return None

    def _replaced(self, record: Record) -> bool:
        return any(self._load(ref).digest != ref.digest for ref in _rests_on(record))

    def traits(self, record: Record) -> Traits:
        return self._once("traits", record.dumps(), lambda: self._find_traits(record))

    def _find_traits(self, record: Record) -> Traits:
        attack = self.steps[record.key].settings["attack"]
        try:
            asked = record.queries - (
                self._load(record.attacker).info["queries"] if record.attacker else 0
            )
            searches = (
                not record.traits.combines
                and 0 < self._num_candidates(record.dataset, _threat(record)) <= asked
            )
            exact = self._tries_everything(attack, record)
        except ArtifactDamaged:
            searches = exact = False
        return Traits(
            attack.access,
            record.traits.learns,
            record.traits.combines,
            exact,
            getattr(attack, "of", ()),
            searches,
        )

    def _tries_everything(self, attack: Attack, record: Record) -> bool:
        """Whether an exact search was one here: one that tries pairs of edits may have a limit of
        how many.
        """
        limit = getattr(attack, "most_pairs", None)
        if not attack.exact or limit is None or record.cell.budget == 1:
            return attack.exact
        counts = _threat(record).space(_test(self._dataset(record.dataset))).counts
        return int(counts.max()) * (int(counts.max()) - 1) // 2 <= limit

    def curve(self, record: Record) -> list[tuple[int, float, float]]:
        if record.attacker is None:
            return []
        return [
            (int(step), float(loss), float(accuracy))
            for step, loss, accuracy in self._load(record.attacker).info["curve"]
        ]

    def replayed(self, record: Record) -> list[str]:
        def replay() -> list[str]:
            clean = self._clean_logits(record.dataset, record.victim)
            return check_record(
                record, self._dataset(record.dataset), self._victim(record.victim), clean
            )

        return self._once("replayed", record.dumps(), replay)

    def miscounted(self, record: Record) -> list[int]:
        """Attacked graphs whose components are not as many as their class says, by union-find."""

        def count() -> list[int]:
            clean = self._forests(record.dataset)
            return [
                o.graph
                for o in record.outcomes
                if o.graph not in clean or clean[o.graph].edited(o) != o.label + 1
            ]

        return self._once("miscounted", record.dumps(), count)

    def use(self, record: Record) -> Use:
        """Which test graphs chose the victim's epoch, by the step that made it; which ones the
        attack learned on, by what it kept.
        """
        return self._once("use", record.dumps(), lambda: self._find_use(record))

    def _find_use(self, record: Record) -> Use:
        step = self.steps[record.key]
        dataset = self._dataset(record.dataset)
        by_validation = step.inputs["victim"].settings["selection"] == "validation"
        selected = set(dataset.test.tolist()) & set(
            (dataset.validation if by_validation else dataset.test).tolist()
        )
        if record.attacker is None:
            return Use(len(selected))
        handed = self._load(record.attacker).tensors.get(FITTED_ON)
        if handed is None:
            return Use(len(selected), None)
        keys = self._keys(record.dataset)
        # A test graph that equals a training graph cannot be told from it: that is another check's.
        fair = torch.isin(
            keys[dataset.test], torch.cat([keys[dataset.train], keys[dataset.validation]])
        )
        return Use(len(selected), int((torch.isin(keys[dataset.test], handed) & ~fair).sum()))

    def victim_facts(self, record: Record) -> VictimFacts:
        def look() -> VictimFacts:
            return look_at_victim(
                self._victim(record.victim), _some(self._dataset(record.dataset)), _threat(record)
            )

        return self._once("victim", record.dumps(), look)

    def data_facts(self, record: Record) -> DataFacts:
        return self._once("data", record.dumps(), lambda: self._look_at_data(record))

    def _look_at_data(self, record: Record) -> DataFacts:
        dataset = self._dataset(record.dataset)
        keys = self._keys(record.dataset)
        others = torch.cat([dataset.train, dataset.validation])
        edges = dict(
            zip(dataset.test.tolist(), _test(dataset).num_undirected_edges.tolist(), strict=True)
        )
        return DataFacts(
            name=f"{record.cell.dataset}, seed {record.cell.seed}",
            edges=edges,
            overlap=int(
                torch.isin(dataset.test, others).sum()
                + torch.isin(dataset.train, dataset.validation).sum()
            ),
            duplicates=int(torch.isin(keys[dataset.test], keys[others]).sum()),
        )

    def planted(self, records: Sequence[Record]) -> list[PlantedFacts]:
        """Each attack with its settings once, whatever it was run on."""
        return [
            replace(
                self.planted_facts(self.steps[group[0].key]), records=tuple(r.key for r in group)
            )
            for group in _by_attack(records)
            if not isinstance(self.steps[group[0].key].settings["attack"], CombiningAttack)
        ]

    def planted_facts(self, step: Step) -> PlantedFacts:
        attack, threat = step.settings["attack"], step.settings["threat"]
        return self._once(
            "planted",
            step.key,
            lambda: try_on_planted_victims(attack, threat, _name(_cell(step)), ()),
        )

    def large(self, records: Sequence[Record]) -> list[LargeBudgetFacts]:
        """Each attack that looks at its victim and takes any budget as it is, on one victim; not a
        search, which takes long.
        """
        found = [
            (self.large_facts(group[0], [r.cell.budget for r in group]), group)
            for group in _by_attack(records)
        ]
        return [
            replace(facts, records=tuple(r.key for r in group))
            for facts, group in found
            if facts is not None
        ]

    def large_facts(
        self, record: Record, budgets: Sequence[int | float]
    ) -> LargeBudgetFacts | None:
        attack, traits = self.steps[record.key].settings["attack"], self.traits(record)
        if (
            attack.access == Access.NONE
            or record.traits.learns
            or record.traits.combines
            or traits.searches
            or attack.max_budget is not None
        ):
            return None
        budget = max(
            [_LARGE_BUDGET, *(2 * budget for budget in budgets if isinstance(budget, int))]
        )
        name = f"{_name(record.cell)} on {record.cell.method}"

        def look() -> LargeBudgetFacts | None:
            dataset, victim = self._dataset(record.dataset), self._victim(record.victim)
            return try_large_budget(
                attack, victim, _some(dataset), _threat(record), budget, name, ()
            )

        return self._once(f"large {budget}", record.dumps(), look)

    def halved(self, records: Sequence[Record]) -> list[IterationFacts]:
        """Each attack that learns nothing and combines nothing, on one victim."""
        found = [(self.halved_facts(group[0]), group) for group in _by_attack(records)]
        return [
            replace(facts, records=tuple(r.key for r in group))
            for facts, group in found
            if facts is not None
        ]

    def halved_facts(self, record: Record) -> IterationFacts | None:
        attack = self.steps[record.key].settings["attack"]
        if record.traits.learns or record.traits.combines or attack.effort is None:
            return None

        def look() -> IterationFacts | None:
            dataset, name = (
                self._dataset(record.dataset),
                f"{_name(record.cell)} on {record.cell.method}",
            )
            by_graph = {outcome.graph: outcome.broken for outcome in record.outcomes}
            broken = torch.tensor([by_graph[number] for number in _some_numbers(dataset).tolist()])
            return try_half_the_iterations(
                attack,
                self._victim(record.victim),
                _some(dataset),
                _threat(record),
                broken,
                name,
                (),
            )

        return self._once("halved", record.dumps(), look)


def _by_attack(records: Sequence[Record]) -> list[list[Record]]:
    return grouped(records, lambda r: (r.cell.attack, r.cell.protocol))


def _cell(step: Step) -> Cell:
    assert step.cell is not None  # an attack's has one
    return step.cell


def _rests_on(record: Record) -> list[ArtifactRef]:
    return [ref for ref in (record.dataset, record.victim, record.attacker) if ref is not None]


def _test(dataset: Dataset) -> PackedGraphs:
    return dataset.part(dataset.test)


def _some_numbers(dataset: Dataset) -> Tensor:
    """The numbers of a few test graphs, spread evenly over the data set, whose order goes by class
    or by chance.
    """
    count = min(_LOOKED_AT, dataset.test.numel())
    return dataset.test[torch.linspace(0, dataset.test.numel() - 1, count).long()]


def _some(dataset: Dataset) -> PackedGraphs:
    return dataset.part(_some_numbers(dataset))


def _threat(record: Record) -> ThreatModel:
    settings = {name: value for name, value in record.threat.items() if name != "type"}
    return ThreatModel(**{**settings, "operations": tuple(settings["operations"])})


def _name(cell: Cell) -> str:
    return cell.attack + (f" ({cell.protocol})" if cell.protocol != "strict" else "")
