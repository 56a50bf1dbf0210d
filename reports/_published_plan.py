"""What of the plan of published results there is, from their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from robust_augcl.errors import InputError
from robust_augcl.plan.planner import Plan, plan
from robust_augcl.plan.suite import load_suite, make_suite
from robust_augcl.reports.tables import markdown_table
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.names import layers_text


def seeds_of(held: Sequence[Baseline]) -> list[int]:
    """The seeds of which some files hold anything."""
    return sorted({data.seed for each in held for data in each.data})


def there(name: str, held: Sequence[Baseline]) -> Iterator[str]:
    """What of a suite's plan there is, seed by seed, and how to go on.

    Args:
        name: of the suite.
        held: its files.
    """
    first = held[0]
    planned = first.planned_seeds
    seeds = seeds_of(held)
    count = len(seeds)
    of = f"{count} seed{'' if count == 1 else 's'}"
    if planned and len(planned) != count:
        of = f"{count} of the {len(planned)} planned seeds"
    yield f"There are results of {of}."
    if first.table is None:
        return
    wanted = {seed: planned_of(first, seed) for seed in seeds}
    depths = sorted({cell.layers for plans in wanted.values() for cell in plans.records})
    done = {seed: done_of(held, seed) for seed in seeds}
    rows = [
        [str(seed), *(_counts(wanted[seed], done[seed], depth) for depth in depths)]
        for seed in seeds
    ]
    yield (
        "Finished of each seed: records (one attack on one model within one budget), and "
        "certificates (what no edits within a budget break)."
    )
    yield markdown_table(["Seed", *map(layers_text, depths)], rows)
    yield (
        f"`{run_command(first, f'runs/{name}')}` computes all planned seeds. It goes on where it "
        "was stopped."
    )


def run_command(held: Baseline, out: str, seeds: Sequence[int] | None = None) -> str:
    """The command that computes what a file is of.

    A suite may be published at another scale than it ships with, and with more seeds.

    Args:
        held: the file.
        out: the run's folder.
        seeds: that are computed; None: all that were planned.
    """
    parts = [f"robust-augcl run {held.suite}"]
    try:
        suite = load_suite(held.suite)
    except InputError:  # nobody's suite has this name here: a file of a suite has
        suite = None
    scale = (held.table or {}).get("scale", 1)
    if suite is not None and scale != suite.table.get("scale", 1):
        parts.append(f"--set scale={scale}")
    if seeds is None and (suite is None or held.planned_seeds != list(suite.seeds)):
        seeds = held.planned_seeds
    if seeds is not None:
        parts.append(f"--seeds {','.join(map(str, seeds))}")
    return " ".join([*parts, f"--out {out}"])


def replay_command(held: Baseline, path: str) -> str:
    """The command that computes a model of the fewest layers of a file again, by the file's path.

    It names all that tells the file's models apart, but for their methods.
    """
    seeds = [held.data[victim.data].seed for victim in held.victims]
    models = {(v.layers, seed, v.protocol) for v, seed in zip(held.victims, seeds, strict=True)}
    layers, seed, _ = min(models)
    protocols = sorted(protocol for *about, protocol in models if about == [layers, seed])
    protocol = "strict" if "strict" in protocols else protocols[0]
    which = f" --protocol {protocol}" if len(protocols) > 1 else ""
    return f"robust-augcl replay --from-scratch {path} --seed {seed} --layers {layers}{which}"


class Cell(NamedTuple):
    """What one record, or one certificate, is about; a certificate has no attack."""

    layers: int
    method: str
    protocol: str
    budget: int | float
    attack: str = ""

    @property
    def of_model(self) -> Cell:
        """What stands for its model."""
        return self._replace(budget=0, attack="")

    @property
    def of_depth(self) -> Cell:
        """What stands for all models of its depth and protocol."""
        return self._replace(budget=0, attack="", method="")


class Cells(NamedTuple):
    """The records and the certificates of one seed."""

    records: set[Cell]
    certificates: set[Cell]


def planned_of(held: Baseline, seed: int) -> Cells:
    """What the suite of a file plans for one seed."""
    made = _plan(held, seed)
    cells = (step.cell for step in made.attacks if step.cell is not None)
    records = {Cell(c.layers, c.method, c.protocol, c.budget, c.attack) for c in cells}
    certificates = {
        Cell(cell.layers, cell.method, cell.protocol, cell.budget)
        for cell, step in made.measurements
        if step.kind == "certificate"
    }
    return Cells(records, certificates)


def methods_that_pretrain(held: Baseline) -> set[str]:
    """The labels of the methods of a file's suite that pretrain."""
    steps = _plan(held, 0).attacks
    return {s.cell.method for s in steps if s.cell and s.settings["method_traits"].pretrains}


def _plan(held: Baseline, seed: int) -> Plan:
    suite = make_suite({**(held.table or {}), "seeds": [seed]}, "the file")
    return plan(suite, held.fingerprint)


def done_of(files: Sequence[Baseline], seed: int) -> Cells:
    """What files hold of one seed."""
    found = Cells(set(), set())
    for held in files:
        of_seed = [held.data[victim.data].seed == seed for victim in held.victims]
        for each in held.attacked:
            if of_seed[each.victim]:
                victim = held.victims[each.victim]
                about = victim.layers, victim.method, victim.protocol
                found.records.add(Cell(*about, each.budget, each.attack))
        for worst in held.worst:
            if of_seed[worst.victim] and worst.is_certified:
                victim = held.victims[worst.victim]
                about = victim.layers, victim.method, victim.protocol
                found.certificates.add(Cell(*about, worst.budget))
    return found


def _counts(planned: Cells, done: Cells, depth: int) -> str:
    """How much of what is planned of one depth there is, in words."""
    counts = []
    for name, wanted, got in zip(Cells._fields, planned, done, strict=True):
        own = {cell for cell in wanted if cell.layers == depth}
        counts.append(f"{len(own & got)} of {len(own)} {name}")
    return ", ".join(counts)
