"""From a run's folder to the evidence that the checks look at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from robust_augcl.adversary.attack_base import Attack, CombiningAttack
from robust_augcl.plan.step import Step
from robust_augcl.results.brackets import proved_for
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Cell, Record
from robust_augcl.results.rest import rests, victim_cell
from robust_augcl.review.audit import facts_of_attacks, facts_of_inputs
from robust_augcl.review.audit.evidence import (
    DataFacts,
    Evidence,
    IterationFacts,
    LargeBudgetFacts,
    LearningFacts,
    PlantedFacts,
    Use,
    VictimFacts,
    attack_name,
    grouped,
)
from robust_augcl.review.audit.files import Files
from robust_augcl.review.audit.more_learning import sample
from robust_augcl.review.beside import can_share, shared
from robust_augcl.store.run_folder import RunFolder

T = TypeVar("T")
Facts = TypeVar("Facts", PlantedFacts, LargeBudgetFacts, IterationFacts)


class Gatherer:
    """Gathers evidence about the records of a folder.

    What it was made to look at ahead it does not look at again.

    Args:
        folder: the run's.
        steps: of its plan, by key: what each record is the result of.
    """

    def __init__(self, folder: RunFolder, steps: Mapping[str, Step]) -> None:
        self.steps = steps
        self.seconds_ahead = 0.0
        self._files = Files(folder)
        self._looked_ahead: list[Files] = []
        self._seen: dict[tuple[str, str], Any] = {}
        self._by_attack: dict[tuple[str, str], list[Step]] = {}
        self._first_on: dict[tuple[str, str], str] = {}
        for step in sorted(steps.values(), key=_cell):
            self._by_attack.setdefault((_cell(step).attack, _cell(step).protocol), []).append(step)
            for role in ("victim", "dataset"):
                self._first_on.setdefault((role, step.inputs[role].key), step.key)

    # --- ahead ------------------------------------------------------------------------------------

    def take_over(self, other: Gatherer) -> None:
        """Take over what another one has seen.

        The files that it has read are read again: they may have changed since.
        """
        self._seen |= other._seen
        self._looked_ahead.append(other._files)
        self.seconds_ahead += other.seconds_ahead

    def take_as_replayed(self, records: Sequence[Record]) -> None:
        """Take it from a replay that these records hold: their edits are not applied again."""
        self._seen |= {("replayed", record.dumps()): [] for record in records}

    def of_smallest_budget(self) -> set[str]:
        """The keys of the records with the smallest budget."""
        smallest = min(_cell(step).budget for step in self.steps.values())
        return {key for key, step in self.steps.items() if _cell(step).budget == smallest}

    def look_ahead_of_records(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Do what needs no record: run each attack on the planted victims, until it is `enough`."""
        with self._counted():
            for steps in self._by_attack.values():
                if not enough() and not isinstance(self._attack(steps[0].key), CombiningAttack):
                    self._planted(steps[0])

    def look_ahead(self, record: Record) -> None:
        """Look at a record before the others are there, as far as it is to be looked at alone."""
        with self._counted():
            known = record.key in self.steps and self._files.unreadable(record) is None
            if known and not self._files.replaced(record):
                self._look_ahead(record)

    def _look_ahead(self, record: Record) -> None:
        self._searches(record)
        self._replayed(record)
        self._use(record)
        if record.label_rule == "components":
            self._miscounted(record)
        step = self.steps[record.key]
        for role, look in (("victim", self._victim_facts), ("dataset", self._data_facts)):
            if self._first_on[role, step.inputs[role].key] == record.key:
                look(record)
        group = self._by_attack[record.cell.attack, record.cell.protocol]
        if group[0].key == record.key:
            self._large(record, [_cell(step).budget for step in group])
            self._halved(record)
        if step in sample(group):
            self._learned_on(record)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Add up the seconds of the processor: a thread of low priority waits most of the time."""
        start = time.thread_time()
        yield
        self.seconds_ahead += time.thread_time() - start

    # --- everything -------------------------------------------------------------------------------

    def gather(
        self,
        records: Sequence[Record],
        measurements: Sequence[Measurement] = (),
        learn_on: bool = True,
        processes: int = 1,
    ) -> Evidence:
        """Everything about these records; `measurements` are of the same run.

        Of those that rest on a file that cannot be read, it is only what the records say. What
        attacks do after they have learned on is left out unless they may `learn_on`. With two
        `processes` or more, a second one shares that.
        """
        everything = sorted(records, key=lambda record: record.cell)
        known = [r for r in everything if r.key in self.steps]
        unproved = {r.key: text for r in known if (text := self._files.unreadable(r)) is not None}
        readable = [r for r in known if r.key not in unproved]
        replaced = {r.key for r in readable if self._files.replaced(r)}
        whole = [r for r in readable if r.key not in replaced]
        replayed = {r.key: self._replayed(r) for r in whole}
        for key in replaced:
            replayed[key] = ["it rests on another data set, victim or attacker"]
        for record in everything:
            if record.key not in self.steps:
                replayed[record.key] = ["no step of this folder's suite makes it"]
        if learn_on and processes > 1:
            self._share_learning(whole)
        victims = grouped(whole, lambda r: r.victim.key)
        of = rests(measurements)
        datasets = grouped(whole, lambda r: r.dataset.key)
        found = Evidence(
            records=everything,
            searches={r.key for r in known if self._searches(r)},
            curves={
                r.key: curve
                for r in whole
                if (curve := facts_of_inputs.curve_of_learning(self._files, r))
            },
            replayed=replayed,
            unproved=unproved,
            miscounted={r.key: self._miscounted(r) for r in whole if r.label_rule == "components"},
            uses={r.key: self._use(r) for r in whole},
            victims={group[0].victim.key: self._victim_facts(group[0]) for group in victims},
            data={group[0].dataset.key: self._data_facts(group[0]) for group in datasets},
            planted=self._of_each_attack(whole, self._planted_of),
            large=self._of_each_attack(whole, self._large_of),
            halved=self._of_each_attack(whole, lambda group: self._halved(group[0])),
            learned_on=[
                replace(facts, records=tuple(r.key for r in group))
                for group in grouped(whole, lambda r: (r.cell.attack, r.cell.protocol))
                for facts in (self._of_sample(group) if learn_on else ())
            ],
            rests={r.key: of[cell] for r in whole if (cell := victim_cell(r.cell)) in of},
            proved={r.key: targets for r in whole if (targets := proved_for(r, measurements))},
        )
        return replace(found, victims=self._with_drifts(found.victims))

    def _with_drifts(self, victims: Mapping[str, VictimFacts]) -> dict[str, VictimFacts]:
        """The same, asked last: with a word on those that answer otherwise by now."""
        drifts: dict[str, str] = {}
        for files in (*self._looked_ahead, self._files):
            drifts |= files.drifts()
        return {key: replace(facts, drift=drifts.get(key, "")) for key, facts in victims.items()}

    def _of_each_attack(
        self, records: Sequence[Record], look: Callable[[Sequence[Record]], Facts | None]
    ) -> list[Facts]:
        """The facts of each attack of a protocol, where there are any, with its records' keys."""
        found = []
        for group in grouped(records, lambda r: (r.cell.attack, r.cell.protocol)):
            facts = look(group)
            if facts is not None:
                keys, shown = tuple(r.key for r in group), attack_name(group[0])
                on = "" if isinstance(facts, PlantedFacts) else f" on {group[0].method_name}"
                found.append(replace(facts, records=keys, name=f"{shown}{on}"))
        return found

    # --- single looks, each once ------------------------------------------------------------------

    def _once(self, what: str, of: str, make: Callable[[], T]) -> T:
        if (what, of) not in self._seen:
            self._seen[what, of] = make()
        found: T = self._seen[what, of]
        return found

    def _attack(self, key: str) -> Attack:
        found: Attack = self.steps[key].settings["attack"]
        return found

    def _searches(self, record: Record) -> bool:
        def look() -> bool:
            return facts_of_inputs.asks_about_everything(self._files, record)

        return self._once("searches", record.dumps(), look)

    def _replayed(self, record: Record) -> list[str]:
        def look() -> list[str]:
            return facts_of_inputs.replay_problems(self._files, record)

        return self._once("replayed", record.dumps(), look)

    def _miscounted(self, record: Record) -> list[int]:
        def look() -> list[int]:
            return facts_of_inputs.miscounted_graphs(self._files, record)

        return self._once("miscounted", record.dumps(), look)

    def _use(self, record: Record) -> Use:
        def look() -> Use:
            return facts_of_inputs.use_of_test_graphs(self._files, record, self.steps[record.key])

        return self._once("use", record.dumps(), look)

    def _victim_facts(self, record: Record) -> VictimFacts:
        def look() -> VictimFacts:
            return facts_of_inputs.victim_facts(self._files, record)

        return self._once("victim", record.dumps(), look)

    def _data_facts(self, record: Record) -> DataFacts:
        def look() -> DataFacts:
            return facts_of_inputs.data_facts(self._files, record)

        return self._once("data", record.dumps(), look)

    def _planted(self, step: Step) -> PlantedFacts:
        return self._once("planted", step.key, lambda: facts_of_attacks.try_planted(step))

    def _planted_of(self, group: Sequence[Record]) -> PlantedFacts | None:
        """What combines attacks has nothing to combine there."""
        step = self.steps[group[0].key]
        return None if group[0].traits.combines else self._planted(step)

    def _large_of(self, group: Sequence[Record]) -> LargeBudgetFacts | None:
        return self._large(group[0], [r.cell.budget for r in group])

    def _large(self, record: Record, budgets: Sequence[int | float]) -> LargeBudgetFacts | None:
        """On one victim; None where the attack cannot be tried so."""
        attack = self._attack(record.key)
        if not facts_of_attacks.takes_any_budget(attack, record, self._searches(record)):
            return None
        budget = facts_of_attacks.large_budget(budgets)

        def look() -> LargeBudgetFacts | None:
            return facts_of_attacks.try_large(self._files, attack, record, budget)

        return self._once(f"large {budget}", record.dumps(), look)

    def _halved(self, record: Record) -> IterationFacts | None:
        """On one victim; None where the attack cannot be tried so."""
        attack = self._attack(record.key)
        if not facts_of_attacks.takes_half_its_effort(attack, record):
            return None

        def look() -> IterationFacts | None:
            return facts_of_attacks.try_halved(self._files, attack, record)

        return self._once("halved", record.dumps(), look)

    def _share_learning(self, records: Sequence[Record]) -> None:
        """Let attackers learn on in two processes, those that have not done so ahead.

        A process that ends too early leaves its share to this one.
        """
        waiting = [
            record
            for group in grouped(records, lambda r: (r.cell.attack, r.cell.protocol))
            for record in self._tried(group)
            if record.traits.learns and ("learned on", record.dumps()) not in self._seen
        ]
        if len(waiting) > 1 and can_share():
            every_other = {record.key for record in waiting[1::2]}
            found = shared(waiting, self._learned_on, lambda record: record.key in every_other)
            for record, facts in zip(waiting, found, strict=True):
                self._seen["learned on", record.dumps()] = facts

    def _tried(self, group: Sequence[Record]) -> list[Record]:
        """Of the records of one attack, those on whose victims it learns on."""
        attack = self._by_attack[group[0].cell.attack, group[0].cell.protocol]
        tried = {step.key for step in sample(attack)}
        return [record for record in group if record.key in tried]

    def _of_sample(self, group: Sequence[Record]) -> Iterator[LearningFacts]:
        """What one attack does after it has learned on, on those victims that are tried."""
        for record in self._tried(group):
            if (facts := self._learned_on(record)) is not None:
                about = f"{attack_name(record)} on {record.method_name}, seed {record.cell.seed}"
                yield replace(facts, name=about)

    def _learned_on(self, record: Record) -> LearningFacts | None:
        """On the record's victim; None where the attack does not learn, or cannot be tried so."""

        def look() -> LearningFacts | None:
            return facts_of_attacks.try_learned(self._files, self.steps[record.key], record)

        return self._once("learned on", record.dumps(), look)


def _cell(step: Step) -> Cell:
    assert step.cell is not None  # an attack's has one
    return step.cell
