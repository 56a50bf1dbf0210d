"""What a report is made from, out of the files of `results.baseline`: one file a seed, or more.

A file says of each target whether it is right, not which wrong class it has, and of edits that
break it only how many there are. So what is made here has right and wrong where runs have classes
and margins, and it has no edits. Accuracies, intervals, comparisons, brackets and claims rest on
right and wrong alone: they are those of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Attacked, Data, Victim
from robust_augcl.results.findings import Audit, Finding, Status
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.outcome import Outcome
from robust_augcl.results.records import ArtifactRef, Cell, Record
from robust_augcl.results.report_input import ReportInput

_NO_PAIR = [-1, -1]
"""Stands for an edit of which it is only known that it was one."""
_MADE_BY: dict[str, dict[str, str]] = {}
_NOT_STORED = "0" * 64


def report_of(held: Sequence[Baseline]) -> ReportInput:
    """What a report of some files together is made from.

    Args:
        held: of one suite with one table of settings, each victim in one of them alone.

    Raises:
        ValueError: there are none, or they do not go together.
    """
    _check(held)
    first = held[0]
    records = [record for each in held for record in records_of(each)]
    return ReportInput(
        records,
        _audit(held),
        measurements=[measured for each in held for measured in _measurements(each)],
        settings=first.table,
        planned_seeds=None if first.planned_seeds is None else len(first.planned_seeds),
        planned_names=first.planned_seeds,
        planned_comparisons=first.planned_comparisons,
        held_seeds=len({record.cell.seed for record in records}),
    )


def records_of(held: Baseline) -> list[Record]:
    """The records of a file, as far as it holds them: see the module."""
    return [_record(held, each) for each in held.attacked]


def _check(held: Sequence[Baseline]) -> None:
    """Raise `ValueError` where files do not go together."""
    if not held:
        raise ValueError("Expected files of results, got none")
    for name in ("suite", "table", "fingerprint", "planned_seeds", "planned_comparisons"):
        first, *others = (getattr(each, name) for each in held)
        for value in others:
            if value != first:
                raise ValueError(
                    f"Expected files of one run, got `{name}` {_shown(first)} and {_shown(value)}"
                )
    seeds = {data.seed for each in held for data in each.data}
    planned = held[0].planned_seeds
    if planned is not None and (others := sorted(seeds - set(planned))):
        raise ValueError(
            f"Expected results of the planned seeds ({', '.join(map(str, planned))}), got those of "
            f"seed {others[0]}: whoever adds seeds after some were seen finds differences by "
            "chance too often"
        )
    cells = [_cell(each, victim) for each in held for victim in each.victims]
    if twice := next((cell for cell in cells if cells.count(cell) > 1), None):
        raise ValueError(
            f"Expected each victim in one file, got {twice.method} with {twice.layers} layers of "
            f"seed {twice.seed} in two"
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _cell(held: Baseline, victim: Victim, attack: str = "", budget: int | float = 0) -> Cell:
    data = held.data[victim.data]
    return Cell(
        held.suite,
        data.name,
        victim.method,
        victim.encoder,
        victim.layers,
        data.seed,
        attack,
        victim.protocol,
        budget,
    )


def _record(held: Baseline, told: Attacked) -> Record:
    """The record that an entry of a file tells of."""
    victim = held.victims[told.victim]
    data, machine = held.data[victim.data], held.machines[told.machine]
    return Record(
        key=told.key,
        cell=_cell(held, victim, told.attack, told.budget),
        outcomes=_outcomes(held, told, victim, data),
        traits=told.traits,
        method_traits=victim.traits,
        made_by=_MADE_BY,
        method_settings=victim.settings,
        attack_settings=told.settings,
        threat=held.threats[told.threat],
        num_classes=data.classes,
        label_rule=data.label_rule,
        dataset=ArtifactRef(data.key, data.digest),
        victim=ArtifactRef(victim.key, victim.weights),
        attacker=None,
        pretrain_seconds=victim.pretrain_seconds,
        train_seconds=victim.train_seconds,
        fit_seconds=told.fit_seconds,
        attack_seconds=told.attack_seconds,
        queries=told.queries,
        gradient_calls=told.gradient_calls,
        environment={**asdict(machine), "peak_memory_mib": told.peak_memory_mib},
        notes=victim.notes,
    )


def _outcomes(held: Baseline, told: Attacked, victim: Victim, data: Data) -> list[Outcome]:
    """What became of each target; a class of 1 more than the true one stands for any wrong one."""
    answers = zip(
        data.targets,
        data.labels,
        held.bits(told.victim, victim.clean),
        held.bits(told.victim, told.attacked),
        held.bits(told.victim, told.exact),
        strict=True,
    )
    found = []
    for (graph, node), label, clean, attacked, exact in answers:
        wrong = (label + 1) % data.classes
        before, after = (label if right else wrong for right in (clean, attacked))
        margin, attacked_margin = (1.0 if right else -1.0 for right in (clean, attacked))
        found.append(
            Outcome(graph, label, before, after, margin, attacked_margin, [], [], node, exact)
        )
    return found


# --- what was measured beside attacks -------------------------------------------------------------


def _measurements(held: Baseline) -> Iterator[Measurement]:
    """The measurements that a file tells of, each with the values that it keeps."""
    for data in held.data:
        cell = Cell(held.suite, data.name, "", "", 0, data.seed, "", "", 0)
        if data.draws_graphs is not None:
            values = {
                "draws_graphs": data.draws_graphs,
                "targets": data.tested,
                "training": data.training,
            }
            yield Measurement("dataset", cell, values, 0.0)
    for victim in held.victims:
        if victim.epoch is not None:
            best = {"selected": {"epoch": victim.epoch}, "epochs": victim.epochs}
            yield Measurement("victim", _cell(held, victim), best, 0.0)
    yield from _certificates(held)
    for each in held.embedded:
        data = held.data[each.data]
        about = each.method, each.encoder, each.layers, data.seed, "", each.protocol, 0
        cell = Cell(held.suite, data.name, *about)
        yield Measurement("representation", cell, {"accuracy": each.accuracy}, each.seconds)
        yield Measurement("pretraining", cell, {"notes": each.notes}, each.seconds)


def _certificates(held: Baseline) -> Iterator[Measurement]:
    """What is proved and what is broken, as certificates tell it.

    A certificate counts targets, too, that an exhaustive attack proved. Of a target that is broken
    it has the smallest budget of the file that breaks it.
    """
    fewest: dict[int, dict[int, int]] = {}
    for worst in sorted(held.worst, key=lambda each: each.budget):
        if not worst.is_certified:
            continue
        victim = held.victims[worst.victim]
        data = held.data[victim.data]
        stands, proved = (held.bits(worst.victim, bits) for bits in (worst.stands, worst.proved))
        clean = held.bits(worst.victim, victim.clean)
        known = fewest.setdefault(worst.victim, {})
        if isinstance(worst.budget, int):
            for place, (right, stays) in enumerate(zip(clean, stands, strict=True)):
                if right and not stays:
                    known.setdefault(place, worst.budget)
        values = {
            "graphs": [graph for graph, _ in data.targets],
            **({} if data.nodes is None else {"nodes": data.nodes}),
            "certified": list(proved),
            "settled": [sure or not stays for sure, stays in zip(proved, stands, strict=True)],
            "lower_margin": [None] * data.count,
            "witnesses": [
                [[_NO_PAIR] * known[place], []] if place in known else None
                for place in range(data.count)
            ],
            "threat": held.threats[worst.threat],
            "dataset": data.digest,
            "victim": victim.weights,
        }
        cell = _cell(held, victim, budget=worst.budget)
        yield Measurement("certificate", cell, values, worst.seconds)


def _audit(held: Sequence[Baseline]) -> Audit | None:
    """The findings of all files; None where one was not audited.

    Files of one folder have what one audit found, each with the records of its own seed. So the
    same finding stands once, with the records of all of them.
    """
    cells: dict[tuple[str, Status, str], list[str]] = {}
    for each in held:
        if each.audit is None:
            return None
        for found in each.audit:
            own = cells.setdefault((found.check, found.status, found.evidence), [])
            own += [each.attacked[place].key for place in found.records]
    findings = tuple(Finding(*about, tuple(own)) for about, own in cells.items())
    return Audit(_NOT_STORED, findings)
