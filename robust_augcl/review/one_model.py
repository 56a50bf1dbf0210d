"""Which model of a file of results is computed again, with what, and the suite that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robust_augcl import registry
from robust_augcl.errors import InputError, cut, shown
from robust_augcl.plan.given_models import ENCODER
from robust_augcl.plan.suite import make_suite
from robust_augcl.plan.suite_settings import Suite
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Attacked, Data, Victim, Worst
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.stated import TABLE as COMPARISONS
from robust_augcl.results.suite_entries import entries

Budget = int | float

_NOT_ASKED = ("seeds", "victims", "representations", COMPARISONS)
"""What a suite of one model leaves out of the file's."""
_MOST_SHOWN = 12


@dataclass(frozen=True)
class Wanted:
    """What a user says of the model; None where nothing is said.

    Args:
        seed, layers, method, protocol: of it.
        all_budgets: whether all budgets are computed, and not the smallest alone.
    """

    seed: int | None = None
    layers: int | None = None
    method: str | None = None
    protocol: str | None = None
    all_budgets: bool = False


@dataclass(frozen=True)
class Chosen:
    """A model of a file, and what of its results is computed again.

    Args:
        held: what the file holds.
        place: of the victim in it.
        budgets: that are computed, ascending.
        other_budgets: of which the file has an exact attack or a certificate, and that are not.
        on_trust: budgets of which the file says something that cannot be computed with this model
            alone, or proves nothing: they are not computed, whatever is asked for.
        records: that are computed.
        other_methods: the labels of methods that the user could have named instead.
    """

    held: Baseline
    place: int
    budgets: tuple[Budget, ...]
    other_budgets: tuple[Budget, ...]
    records: tuple[Attacked, ...]
    other_methods: tuple[str, ...] = ()
    on_trust: tuple[Budget, ...] = ()

    @property
    def victim(self) -> Victim:
        return self.held.victims[self.place]

    @property
    def data(self) -> Data:
        return self.held.data[self.victim.data]

    @property
    def certified(self) -> list[Budget]:
        """The budgets whose certificates are computed."""
        own = [worst for worst in self.held.worst if worst.victim == self.place]
        there = {repr(worst.budget) for worst in own if worst.is_certified}
        return [budget for budget in self.budgets if repr(budget) in there]

    @property
    def text(self) -> str:
        """The model in words."""
        victim = self.victim
        protocol = "" if victim.protocol == "strict" else f"{victim.protocol} protocol"
        about = victim.method, victim.encoder, layers_text(victim.layers), self.data.name
        return joined(*about, f"seed {self.data.seed}", protocol)


# --- which model ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Option:
    """One option that tells models apart: its name, what the user says, and what each model is."""

    name: str
    said: int | str | None
    of: Callable[[int], int | str]

    def values(self, places: Sequence[int]) -> list[int | str]:
        """What these models are, each once."""
        return sorted({self.of(place) for place in places})


def choose(held: Baseline, wanted: Wanted, source: str) -> Chosen:
    """Choose the model of a file that is computed again.

    Where the user names no method, it is one that does not pretrain, else the one that took the
    fewest seconds by the file's own word.

    Args:
        held: what the file holds.
        wanted: what the user says.
        source: names the file in errors.

    Raises:
        InputError: the file has no such model, or several; it lacks what it takes.
    """
    if held.table is None:
        raise InputError(
            f"{source}: Expected the table of a suite, got none: the file does not say how its "
            "models were made. `robust-augcl baseline DIR` of the run's folder writes it anew"
        )
    trained = [place for place, victim in enumerate(held.victims) if victim.encoder != ENCODER]
    labels = {victim.method for victim in held.victims if victim.encoder == ENCODER}
    if not trained or wanted.method in labels:
        raise InputError(
            f"{source}: Expected a model that the suite trains, got given models "
            f"({cut(', '.join(sorted(labels)))}): the file holds neither their modules nor their "
            "weights. `robust-augcl replay DIR --model ...` proves those in the run's folder"
        )
    places, method = _choice(held, trained, wanted, source)
    others = [label for label in method.values(places) if isinstance(label, str)]
    place = min(places, key=lambda place: _cost(held.victims[place]))
    others.remove(held.victims[place].method)
    budgets, rest = _budgets(held, place, wanted.all_budgets)
    records = tuple(_records(held, place, budgets))
    on_trust = _on_trust(held, place, [*budgets, *rest])
    known = tuple(budgets), tuple(rest), records, tuple(others), tuple(on_trust)
    chosen = Chosen(held, place, *known)
    if not records:
        raise InputError(
            f"{source}: Expected an attack on {chosen.text} that needs no other attack, got none"
        )
    return chosen


def _choice(
    held: Baseline, places: Sequence[int], wanted: Wanted, source: str
) -> tuple[list[int], _Option]:
    """The models that what the user says leaves, one of each method, and the option of methods.

    Raises:
        InputError: none is left, or several that methods do not tell apart.
    """
    victims = held.victims
    method = _Option("--method", wanted.method, lambda place: victims[place].method)
    others = [
        _Option("--seed", wanted.seed, lambda place: held.data[victims[place].data].seed),
        _Option("--layers", wanted.layers, lambda place: victims[place].layers),
        _Option("--protocol", wanted.protocol, lambda place: victims[place].protocol),
    ]
    found, so_far = list(places), ""
    for option in (*others, method):
        if option.said is None:
            continue
        known = option.values(found)
        if option.said not in known:
            raise InputError(
                f"Expected {option.name} to be {_listed(known, ' or ')}, as {source} "
                f"has{so_far}, got {shown(option.said)}"
            )
        found = [place for place in found if option.of(place) == option.said]
        so_far += f"{' and' if so_far else ' with'} {option.name} {option.said}"
    several = [option for option in others if len(option.values(found)) > 1]
    if several:
        names = " and ".join(option.name for option in several)
        values = "; ".join(f"{o.name} {_listed(o.values(found), ', ')}" for o in several)
        raise InputError(f"Expected {names}, since {source} has several models{so_far}: {values}")
    if len(method.values(found)) < len(found):
        raise InputError(f"{source}: Expected each model once, got {len(found)}{so_far}")
    return found, method


def _listed(values: Sequence[int | str], last: str) -> str:
    """Values in words, the first of many."""
    texts = [cut(str(value)) for value in values[:_MOST_SHOWN]]
    if len(values) > _MOST_SHOWN:
        return f"{', '.join(texts)}, ... ({len(values)} in all)"
    return last.join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _cost(victim: Victim) -> tuple[bool, float]:
    """What orders models by how long it takes to make them again."""
    return victim.traits.pretrains, victim.pretrain_seconds + victim.train_seconds


# --- what of its results --------------------------------------------------------------------------


def _budgets(
    held: Baseline, place: int, all_of_them: bool
) -> tuple[Sequence[Budget], Sequence[Budget]]:
    """The budgets of a model that are computed, and those that are left.

    They are those of exact attacks and of certificates; without any, those of all attacks.
    """
    own = [record for record in held.attacked if _stands_alone(record, place)]
    there = {repr(record.budget): record.budget for record in own}
    exact = {repr(record.budget) for record in own if record.claims_exact}
    exact |= {repr(w.budget) for w in held.worst if w.victim == place and w.is_certified}
    chosen = sorted(there[name] for name in there if name in exact) or sorted(there.values())
    return (chosen, []) if all_of_them else (chosen[:1], chosen[1:])


def _on_trust(held: Baseline, place: int, computable: Sequence[Budget]) -> list[Budget]:
    """The budgets of which a file says something of a model, but for those to compute, ascending.

    They have attacks that are not exact and no certificate, or a certificate and no record that
    stands alone.
    """
    about: list[Attacked | Worst] = [*held.attacked, *held.worst]
    own = {repr(each.budget): each.budget for each in about if each.victim == place}
    return sorted(own[name] for name in own.keys() - {repr(budget) for budget in computable})


def _stands_alone(record: Attacked, place: int) -> bool:
    """Whether a record is of a victim, and needs no other records."""
    return record.victim == place and not record.traits.combines


def _records(held: Baseline, place: int, budgets: Sequence[Budget]) -> Iterator[Attacked]:
    """The records of a model that are computed again: those of exact attacks.

    Under a budget that has none it is the quickest record: so clean predictions are compared, and
    the certificate has targets to be held against.
    """
    for budget in budgets:
        under = [
            record
            for record in held.attacked
            if _stands_alone(record, place) and repr(record.budget) == repr(budget)
        ]
        exact = [record for record in under if record.claims_exact]
        yield from exact or [min(under, key=lambda r: r.fit_seconds + r.attack_seconds)]


# --- the suite of it alone ------------------------------------------------------------------------


def suite_of(chosen: Chosen, source: str) -> Suite:
    """The suite that asks for a model of a file, and for what of its results is computed again.

    An address holds what determines a result and nothing else. So the steps of this suite have the
    addresses that they have in the whole one.

    Args:
        chosen: what is computed.
        source: names the file in errors.

    Raises:
        InputError: the file's table is no valid suite, or has no such method or attack; the code
            of a plug-in is not here, or not consented to.
    """
    table = _table(chosen, source)
    try:
        return make_suite(table, source)
    except InputError:
        registry.refuse_absent(table, chosen.held.revisions, source)
        raise


def _table(chosen: Chosen, source: str) -> dict[str, Any]:
    """The file's table, of this model alone."""
    held, victim = chosen.held, chosen.victim
    table = {key: value for key, value in (held.table or {}).items() if key not in _NOT_ASKED}
    table["seeds"], table["protocols"] = [chosen.data.seed], [victim.protocol]
    table["encoder"] = _with(table.get("encoder"), "layers", [victim.layers])
    table["threat"] = _with(table.get("threat", {}), "budget", list(chosen.budgets))
    table["methods"] = [_entry(held, "methods", victim.method, source)]
    by_label: dict[str, list[Budget]] = {}
    for record in chosen.records:
        by_label.setdefault(record.attack, []).append(record.budget)
    table["attacks"] = [
        {**_entry(held, "attacks", label, source), "budgets": budgets}
        for label, budgets in by_label.items()
    ]
    certificates = table.pop("certificates", None)
    if chosen.certified and certificates is not None:
        table["certificates"] = _with(certificates, "budgets", list(chosen.certified))
    return table


def _with(table: Any, key: str, value: Any) -> Any:
    """A table with another value of a key; what is no table is the suite's reader's to refuse."""
    return {**table, key: value} if isinstance(table, Mapping) else table


def _entry(
    held: Baseline, kind: Literal["methods", "attacks"], label: str, source: str
) -> Mapping[str, Any]:
    """The entry of a label in the file's table.

    Raises:
        InputError: there is none; the code that it is called after is not here.
    """
    for entry in sorted(entries(held.table, kind), key=_asks_its_code):
        if _label(entry, kind) == label:
            return entry
    raise InputError(f"{source}: Expected [[{kind}]] of its table to have {shown(label)}, got none")


def _label(entry: Mapping[str, Any], kind: Literal["methods", "attacks"]) -> Any:
    """What an entry is called, as `plan.suite_tables` calls it."""
    name, family = entry["name"], kind.removesuffix("s")
    if not _asks_its_code(entry):
        return entry.get("label", name)
    made = registry.load(family, name)
    if registry.is_own(family, made):
        return made.__module__.rpartition(".")[2]
    return registry.default_label(name, made)


def _asks_its_code(entry: Mapping[str, Any]) -> bool:
    """Whether nothing but other people's code says what an entry is called.

    Such entries are asked last, so that no code is needed that the model does not need.
    """
    return "label" not in entry and registry.is_foreign(entry["name"])
