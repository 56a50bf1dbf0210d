"""Brackets around the worst case: proved from below, broken from above, for each model and
budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Cell, Record
from robust_augcl.results.statistics import Estimate, Group, estimate_of


@dataclass(frozen=True)
class Bracket:
    """What is known of the share of graphs that no allowed set of edits breaks.

    Args:
        lower: graphs that are proved to withstand every allowed set of edits; None without a
            certificate.
        upper: graphs that no known edits break, and that were right before: neither those of any
            attack nor those that the certificates' own search found (their witnesses); edits of
            smaller budgets count, they are allowed too.
        settled: share of graphs that are proved or broken, from 0 to 1.
        contradictions: graphs that are proved and broken; anything but 0 means that a proof, a
            witness or a record is wrong.
    """

    lower: Estimate | None
    upper: Estimate
    settled: float
    contradictions: int


def brackets(
    records: Iterable[Record], measurements: Iterable[Measurement]
) -> dict[Group, Bracket]:
    """The bracket of each model and budget; groups name no attack.

    A certificate counts for the victim that it was made for: what it proves for its budget and
    smaller ones, a witness for every budget that allows its edits.
    """
    by_model: dict[Group, dict[int, list[Record]]] = {}
    for record in records:
        by_model.setdefault(_model(record.cell), {}).setdefault(record.cell.seed, []).append(record)
    proofs: dict[tuple[Group, int], list[Measurement]] = {}
    for measurement in measurements:
        if measurement.kind == "certificate":
            proofs.setdefault((_model(measurement.cell), measurement.cell.seed), []).append(
                measurement
            )
    found = {}
    for model, of_seeds in sorted(by_model.items()):
        budgets = sorted(
            {record.cell.budget for of_seed in of_seeds.values() for record in of_seed}
        )
        for budget in budgets:
            upper, lower, settled, contradictions = [], [], 0, 0
            for seed, of_seed in of_seeds.items():
                standing = _standing(of_seed, budget)
                certificates = _of_victims(
                    proofs.get((model, seed), []), {record.victim.digest for record in of_seed}
                )
                proved = _proved(certificates, budget)
                for graph in _broken(certificates, budget) & standing.keys():
                    standing[graph] = False
                upper.append(list(standing.values()))
                if proved is not None:
                    lower.append([graph in proved for graph in standing])
                known = proved or set()
                contradictions += sum(
                    graph in known and not stands for graph, stands in standing.items()
                )
                settled += sum(graph in known or not stands for graph, stands in standing.items())
            total = sum(len(array) for array in upper)
            above = estimate_of(upper)
            if above is not None:
                below = estimate_of(lower) if len(lower) == len(upper) else None
                found[_at(model, budget)] = Bracket(below, above, settled / total, contradictions)
    return found


def bracket_group(cell: Cell | Group, budget: int | float) -> Group:
    """The group of a model and budget in `brackets`."""
    return _at(_model(cell), budget)


def _model(cell: Cell | Group) -> Group:
    return Group(
        cell.suite, cell.dataset, cell.method, cell.encoder, cell.layers, "", cell.protocol, 0
    )


def _at(model: Group, budget: int | float) -> Group:
    return Group(
        model.suite,
        model.dataset,
        model.method,
        model.encoder,
        model.layers,
        "",
        model.protocol,
        budget,
    )


def _standing(records: Sequence[Record], budget: int | float) -> dict[int, bool]:
    """Whether each graph was right and withstood every attack of at most this budget."""
    stands: dict[int, bool] = {}
    for record in records:
        if record.cell.budget <= budget:
            for outcome in record.outcomes:
                stands[outcome.graph] = stands.get(outcome.graph, True) and outcome.robust
    return stands


def proved_for(record: Record, measurements: Iterable[Measurement]) -> set[int]:
    """Graphs that certificates prove to withstand everything that the record's attack was
    allowed.
    """
    own = [
        measurement
        for measurement in measurements
        if measurement.kind == "certificate"
        and (_model(measurement.cell), measurement.cell.seed)
        == (_model(record.cell), record.cell.seed)
    ]
    return _proved(_of_victims(own, {record.victim.digest}), record.cell.budget) or set()


def _of_victims(certificates: Iterable[Measurement], victims: set[str]) -> list[Measurement]:
    return [
        certificate for certificate in certificates if {certificate.values["victim"]} == victims
    ]


def _proved(certificates: Sequence[Measurement], budget: int | float) -> set[int] | None:
    """Graphs certified against this budget, or a larger one; None without such a certificate."""
    usable = [
        c.values
        for c in certificates
        if type(c.cell.budget) is type(budget) and c.cell.budget >= budget
    ]
    if not usable:
        return None
    return {
        graph
        for values in usable
        for graph, certified in zip(values["graphs"], values["certified"], strict=True)
        if certified
    }


def _broken(certificates: Sequence[Measurement], budget: int | float) -> set[int]:
    """Graphs with a witness that this budget allows: as few edits, or, for a share of edges, that
    of a share no larger.
    """
    found = set()
    for certificate in certificates:
        own = certificate.cell.budget
        for graph, witness in zip(
            certificate.values["graphs"], certificate.values["witnesses"], strict=True
        ):
            if witness is not None and type(own) is type(budget):
                edits = sum(map(len, witness))
                if own <= budget or edits == 0 or (isinstance(own, int) and edits <= budget):
                    found.add(graph)
    return found
