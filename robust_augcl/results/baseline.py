"""A baseline: what a run found, target by target, in one small file that can be committed.

It holds verdicts and digests, no weights and no graphs. The gate compares a later run with it, and
published results are kept in the same form: one format, one reader. Lists refer to one another by
places, and what is said of each target of a data set is one bit (`results.target_bits`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results import strict
from robust_augcl.results.baseline_parts import (
    MOST_BYTES,
    Attacked,
    Data,
    Embedded,
    Found,
    Machine,
    Victim,
    Worst,
)
from robust_augcl.results.stored_tables import threat_table
from robust_augcl.results.target_bits import unpacked
from robust_augcl.validation import read_text

VERSION = 2
"""Of this format; a reader refuses any other."""

_WHAT = "a baseline"


@dataclass(frozen=True)
class Baseline:
    """What a run found. Read it with `load`; `results.baseline_of` makes it.

    Args:
        suite: the suite's name.
        table: the suite as in its file, overrides included, seeds apart; None where nobody has one.
        fingerprint: of the files that the data came from; None where there are none.
        package: the version of robust_augcl.
        source: a digest of where graphs come from: data set, split, and the files behind them.
        planned_seeds: which were, ascending; None where that is not known.
        planned_comparisons: the table `[comparisons]` that was stated then; None as above.
        primary: the labels of the methods of the suite's stated comparisons, in their order.
        margin: within which the suite says that methods are equivalent; None where it does not.
        revisions: of the code behind the records.
        machines, threats, data, victims, attacked, worst, embedded: what it found; places count
            from 0.
        missing: how many of its planned records are not there.
        seconds: that its steps took, by kind.
        audit: None where it was not audited.
    """

    __pydantic_config__ = strict.STRICT

    suite: strict.Name
    table: strict.Table | None
    fingerprint: strict.Name | None
    package: strict.Name
    source: strict.Digest
    planned_seeds: list[strict.Whole] | None
    planned_comparisons: strict.Table | None
    primary: list[strict.Name]
    margin: strict.Share | None
    revisions: dict[strict.Name, strict.Whole | strict.Name]
    machines: list[Machine]
    threats: list[Annotated[dict[str, Any], AfterValidator(threat_table)]]
    data: list[Data]
    victims: list[Victim]
    attacked: list[Attacked]
    worst: list[Worst]
    embedded: list[Embedded]
    missing: strict.Whole
    seconds: dict[strict.Name, strict.Seconds]
    audit: list[Found] | None

    def bits(self, victim: int, text: str) -> tuple[bool, ...]:
        """What a text says of each target of a victim, in the order of its data."""
        return unpacked(text, self.data[self.victims[victim].data].count)

    def dumps(self) -> str:
        """It as JSON with its checksum: one line for each entry of a list, so that changes show."""
        content: dict[str, Any] = {"version": VERSION, **asdict(self)}
        content["digest"] = strict.seal(content)
        return "{\n" + ",\n".join(map(_entry, content.items())) + "\n}\n"

    @classmethod
    def loads(cls, text: str, source: str) -> Baseline:
        """Read what `dumps` wrote; `source` names it in errors.

        Raises:
            ArtifactDamaged: no baseline, of another version, or altered since it was written.
        """
        content = strict.unsealed(text, VERSION, source, _WHAT)
        found = strict.read_as(cls, json.dumps(content), source, _WHAT)
        if problem := _contradiction(found):
            raise ArtifactDamaged(f"{source}: expected {_WHAT}, {problem}")
        return found

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a file.

        Raises:
            FileNotFoundError: there is none.
            ArtifactDamaged: it cannot be read, or as `loads`.
        """
        try:
            text = read_text(path, MOST_BYTES)
        except FileNotFoundError:
            raise
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactDamaged(
                f"{path.name}: expected {_WHAT}, got a file that cannot be read "
                f"({strict.reason(error)})"
            ) from None
        return cls.loads(text, path.name)


def _entry(named: tuple[str, Any]) -> str:
    """A field of the file; a list of tables has a line for each of them."""
    name, value = named
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        lines = (json.dumps(each, separators=(",", ":"), allow_nan=False) for each in value)
        text = "[\n" + ",\n".join(lines) + "\n]"
    return f"{json.dumps(name)}:{text}"


# --- what contradicts the rest --------------------------------------------------------------------


def _contradiction(held: Baseline) -> str | None:
    """What of it contradicts the rest of it; None where nothing does."""
    if held.margin is not None and not 0 < held.margin < 1:
        return f"with a margin above 0 and below 1, as suites state it, got {held.margin:g}"
    planned = held.planned_seeds
    if planned is not None and (not planned or planned != sorted(set(planned))):
        return "with planned seeds that ascend"
    try:
        for data in held.data:
            _check_data(data)
        _check_places(held)
        for victim in held.victims:
            unpacked(victim.clean, held.data[victim.data].count)
            _check_epochs(victim)
        for record in held.attacked:
            _check_record(held, record)
        for worst in held.worst:
            _check_worst(held, worst)
    except ValueError as error:
        return str(error)
    return None


def _check_data(data: Data) -> None:
    if len(data.graphs) != data.count or len(data.nodes or data.graphs) != data.count:
        raise ValueError("a graph, a node and a class of each target")
    if not all(0 <= graph < 2**31 for graph, _ in data.targets):
        raise ValueError("numbers of graphs from 0")
    if len(set(data.targets)) < data.count:
        raise ValueError("each target once")
    if max(data.labels) >= data.classes:
        raise ValueError(f"classes below {data.classes}")


def _check_epochs(victim: Victim) -> None:
    if (victim.epoch is None) != (victim.epochs is None):
        raise ValueError("a best epoch and the number of epochs of each victim, or neither")
    if victim.epoch is not None and victim.epochs is not None and victim.epoch > victim.epochs:
        raise ValueError("a best epoch among the epochs of its victim")


def _check_places(held: Baseline) -> None:
    """Raise `ValueError` for a place where nothing stands."""
    about_victims: list[Attacked | Worst] = [*held.attacked, *held.worst]
    audited = [place for found in held.audit or () for place in found.records]
    references: tuple[tuple[str, Sequence[int], int], ...] = (
        ("data", [each.data for each in held.victims], len(held.data)),
        ("data", [each.data for each in held.embedded], len(held.data)),
        ("victim", [each.victim for each in about_victims], len(held.victims)),
        ("threat", [each.threat for each in about_victims], len(held.threats)),
        ("machine", [each.machine for each in held.attacked], len(held.machines)),
        ("record", audited, len(held.attacked)),
    )
    for name, places, count in references:
        if places and max(places) >= count:
            raise ValueError(f"places of a {name} below {count}")
    cells = [(each.victim, each.attack, str(each.budget)) for each in held.attacked]
    known = [(each.victim, str(each.budget)) for each in held.worst]
    attacked = {(each.victim, str(each.budget)) for each in held.attacked}
    if not attacked.issuperset(known):
        raise ValueError("a worst case of budgets that some record has")
    victims = [victim_cell(held, place) for place in range(len(held.victims))]
    for what, entries in (("record", cells), ("worst case", known), ("victim", victims)):
        if len(set(entries)) < len(entries):
            raise ValueError(f"each {what} once")


def victim_cell(held: Baseline, place: int) -> tuple[str, str, str, int, str, int]:
    """What a victim is, weights apart: data set, method, encoder, layers, protocol, seed."""
    victim = held.victims[place]
    data = held.data[victim.data]
    about = data.name, victim.method, victim.encoder, victim.layers, victim.protocol
    return *about, data.seed


def _check_record(held: Baseline, record: Attacked) -> None:
    held.bits(record.victim, record.attacked)
    held.bits(record.victim, record.exact)
    _check_budget(record.budget, held.threats[record.threat])


def _check_worst(held: Baseline, worst: Worst) -> None:
    held.bits(worst.victim, worst.stands)
    held.bits(worst.victim, worst.proved)
    _check_budget(worst.budget, held.threats[worst.threat])


def _check_budget(budget: float, threat: dict[str, Any]) -> None:
    if type(budget) is not type(threat["budget"]) or budget != threat["budget"]:
        raise ValueError("the budget of a record in its threat")
