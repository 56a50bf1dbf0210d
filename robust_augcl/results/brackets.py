"""Brackets around the worst case of each model and budget: proved from below, broken from above."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from robust_augcl.results.measurements import Measurement, targets_of
from robust_augcl.results.records import Cell, Record, Target
from robust_augcl.results.shared_graphs import Source, overlap
from robust_augcl.results.statistics import Estimate, Group, estimate_of

Budget = int | float
"""Edits of a graph, or a share of its edges. The two kinds are never compared."""


@dataclass(frozen=True)
class Bracket:
    """What is known of the share of targets that no allowed set of edits breaks.

    Args:
        lower: targets that are proved to withstand every allowed set of edits; None without a
            certificate.
        upper: targets that were right before and that no known edits break. Known edits are those
            of any attack, and the witnesses that the certificates' own search found. Edits of
            smaller budgets count, since they are allowed too.
        settled: share of targets that are proved or broken, from 0 to 1.
        contradictions: targets that are proved and broken. Anything but 0 means that a proof, a
            witness or a record is wrong.
    """

    lower: Estimate | None
    upper: Estimate
    settled: float
    contradictions: int


@dataclass(frozen=True)
class _Knowledge:
    """What is known of the targets of one victim within one budget.

    Args:
        stands: of each target, whether it was right and no known edits break it.
        proved: the targets that are certified; None without a certificate.
        source: the victim, and the data of its seed.
    """

    stands: Mapping[Target, bool]
    proved: set[Target] | None
    source: Source

    @property
    def is_proved(self) -> dict[Target, bool]:
        """Of each target, whether it is certified."""
        return {target: target in (self.proved or ()) for target in self.stands}

    @property
    def settled(self) -> int:
        """The number of targets that are proved or broken."""
        known = zip(self.is_proved.values(), self.stands.values(), strict=True)
        return sum(proved or not stands for proved, stands in known)

    @property
    def contradictions(self) -> int:
        """The number of targets that are proved and broken."""
        known = zip(self.is_proved.values(), self.stands.values(), strict=True)
        return sum(proved and not stands for proved, stands in known)


def brackets(
    records: Iterable[Record], measurements: Iterable[Measurement]
) -> dict[Group, Bracket]:
    """The bracket of each model and budget; groups name no attack.

    A certificate counts for the victim that it was made for. What it proves counts for its budget
    and smaller ones, a witness for every budget that allows its edits. Under poisoning there is no
    one model that a worst case could be of, so there is no bracket.
    """
    measurements = list(measurements)
    certificates = _certificates_by_victim(measurements)
    models: dict[Group, dict[int, list[Record]]] = {}
    for record in records:
        if record.poisons:
            continue
        model = bracket_group(record.cell, 0)
        models.setdefault(model, {}).setdefault(record.cell.seed, []).append(record)
    found = {}
    for model, by_seed in sorted(models.items()):
        for budget in _budgets(by_seed):
            known = [
                _known(of_victim, certificates.get((model, seed), ()), budget)
                for seed, of_victim in by_seed.items()
            ]
            bracket = _bracket(known, overlap(measurements, model.dataset) or 0.0)
            if bracket is not None:
                found[bracket_group(model, budget)] = bracket
    return found


def bracket_group(cell: Cell | Group, budget: Budget) -> Group:
    """The group of a model and budget in `brackets`."""
    group = cell if isinstance(cell, Group) else Group.of(cell)
    return replace(group, attack="", budget=budget)


def proved_for(record: Record, measurements: Iterable[Measurement]) -> set[Target]:
    """The targets that are proved to withstand everything that the record's attack was allowed."""
    victim = bracket_group(record.cell, 0), record.cell.seed
    own = _certificates_by_victim(measurements).get(victim, ())
    return _proved(_made_for([record], own), record.cell.budget) or set()


@dataclass(frozen=True)
class Known:
    """What is known of the targets of one victim under one budget.

    Args:
        stands: of each target, whether it was right and no known edits break it.
        proved: the targets that no allowed edits break: certified, or tried exhaustively by an
            attack that proves it.
    """

    stands: Mapping[Target, bool]
    proved: frozenset[Target]


def known_of(
    records: Sequence[Record], certificates: Iterable[Measurement], budget: Budget
) -> Known:
    """What the records and certificates of one victim say of its targets under a budget."""
    known = _known(records, certificates, budget)
    tried = {
        outcome.target
        for record in records
        if type(record.cell.budget) is type(budget) and record.cell.budget >= budget
        for outcome in record.outcomes
        if outcome.exact and outcome.robust
    }
    return Known(known.stands, frozenset((known.proved or set()) | tried))


def _certificates_by_victim(
    measurements: Iterable[Measurement],
) -> dict[tuple[Group, int], list[Measurement]]:
    """The certificates among measurements, by model and seed."""
    found: dict[tuple[Group, int], list[Measurement]] = {}
    for measurement in measurements:
        if measurement.kind == "certificate":
            victim = bracket_group(measurement.cell, 0), measurement.cell.seed
            found.setdefault(victim, []).append(measurement)
    return found


def _budgets(by_seed: Mapping[int, Sequence[Record]]) -> list[Budget]:
    """The budgets of some records, the smallest first."""
    return sorted({record.cell.budget for records in by_seed.values() for record in records})


def _known(
    records: Sequence[Record], certificates: Iterable[Measurement], budget: Budget
) -> _Knowledge:
    """What records and certificates of one model and seed say of its targets."""
    usable = _made_for(records, certificates)
    stands = _standing(records, budget)
    for target in _broken(usable, budget):
        if target in stands:
            stands[target] = False
    return _Knowledge(stands, _proved(usable, budget), Source.of(records[0]))


def _bracket(known: Sequence[_Knowledge], test_to_train: float) -> Bracket | None:
    """The bracket from what is known of each seed's victim; None where there is no target."""
    sources = [each.source for each in known]
    upper = estimate_of([each.stands for each in known], test_to_train, sources)
    if upper is None:
        return None
    everywhere = all(each.proved is not None for each in known)
    total = sum(len(each.stands) for each in known)
    return Bracket(
        lower=estimate_of([each.is_proved for each in known], test_to_train, sources)
        if everywhere
        else None,
        upper=upper,
        settled=sum(each.settled for each in known) / total,
        contradictions=sum(each.contradictions for each in known),
    )


def _standing(records: Sequence[Record], budget: Budget) -> dict[Target, bool]:
    """Whether each target was right and withstood every attack of at most this budget."""
    stands: dict[Target, bool] = {}
    for record in records:
        if record.cell.budget <= budget:
            for outcome in record.outcomes:
                stands[outcome.target] = stands.get(outcome.target, True) and outcome.robust
    return stands


def _made_for(records: Iterable[Record], certificates: Iterable[Measurement]) -> list[Measurement]:
    """The certificates of the victim of these records; none where they have several victims."""
    victims = {record.victim.digest for record in records}
    return [each for each in certificates if {each.values["victim"]} == victims]


def _proved(certificates: Sequence[Measurement], budget: Budget) -> set[Target] | None:
    """The targets certified against this budget or a larger one; None without a certificate."""
    usable = [
        each
        for each in certificates
        if type(each.cell.budget) is type(budget) and each.cell.budget >= budget
    ]
    if not usable:
        return None
    return {
        target
        for each in usable
        for target, certified in zip(targets_of(each), each.values["certified"], strict=True)
        if certified
    }


def _broken(certificates: Iterable[Measurement], budget: Budget) -> Iterator[Target]:
    """The targets with a witness that this budget allows."""
    for certificate in certificates:
        witnesses = zip(targets_of(certificate), certificate.values["witnesses"], strict=True)
        for target, witness in witnesses:
            if witness is not None and _allows(budget, certificate, sum(map(len, witness))):
                yield target


def _allows(budget: Budget, certificate: Measurement, edits: int) -> bool:
    """Whether a budget allows a witness of so many edits: as few edits, or no larger a share."""
    own = certificate.cell.budget
    if type(own) is not type(budget):
        return False
    return own <= budget or edits == 0 or (isinstance(own, int) and edits <= budget)
