"""Given models are resolved before a suite is planned: made, given their weights, and probed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from robust_augcl import foreign
from robust_augcl.errors import InputError, shown
from robust_augcl.graphs.dataset import Dataset, load_dataset
from robust_augcl.models import given, given_weights
from robust_augcl.models.adapter import Adapter, Function
from robust_augcl.models.attribute_probes import left_out_of_data
from robust_augcl.models.identity import identity, made_by
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.plan.given_models import Copy, GivenModel, Resolved
from robust_augcl.plan.left_out import left_out
from robust_augcl.plan.suite_settings import Suite
from robust_augcl.steps.data_sets import dataset_draws


class Handed(NamedTuple):
    """A given model that a user hands over.

    Args:
        copies: its trained copies: one, or one for each seed of the suite.
        adapter: how they are called.
    """

    copies: Sequence[nn.Module]
    adapter: Adapter


def resolved(
    suite: Suite, archives: Path | None = None, handed: Mapping[str, Handed] | None = None
) -> Suite:
    """Return the suite with all that is to be known of its given models.

    What is resolved already stays.

    Args:
        suite: a suite; its `table` is what a run's folder will hold.
        archives: a folder of data set archives, or None.
        handed: modules in memory, by the labels of the victims that are made of them.

    Raises:
        InputError: a module that cannot be made, or be evaluated; weights that are not its; more or
            fewer classes than the data has; nothing is left to do.
    """
    if all(victim.resolved is not None for victim in suite.victims):
        return suite
    draws = dataset_draws(suite.source, suite.seeds[0])
    dataset = load_dataset(suite.source, suite.split, archives, draws)
    made, entries = [], []
    for victim in suite.victims:
        if victim.resolved is None:
            own = (handed or {}).get(victim.label) or _handed(victim, suite)
            victim = _resolved(victim, own, suite, dataset)
        made.append(victim)
        entries.append(_entry(victim))
    _check_left(suite, made)
    table = {**suite.table, "victims": entries}
    return dataclasses.replace(suite, victims=tuple(made), table=table)


def _entry(victim: GivenModel) -> dict[str, Any]:
    """A given model as the table of a run's folder holds it."""
    names = [Path(file).name for file in victim.files]
    weights: Any = names[0] if isinstance(victim.weights, str) else names
    entry = {**asdict(victim), "weights": weights}
    entry["resolved"]["copies"] = list(entry["resolved"]["copies"])
    return entry


# --- modules and their weights --------------------------------------------------------------------


def _handed(victim: GivenModel, suite: Suite) -> Handed:
    """What the entry of a suite names: the module of a function, with weights from files."""
    if not victim.model:
        raise InputError(
            f"Expected `model` of the given model {shown(victim.label)} to be "
            "package.module:function or path/to/file.py:function, got nothing"
        )
    module, adapter = make(victim.model), _adapter(victim)
    if not victim.files:
        return Handed([module], adapter)
    folder = suite.folder or Path()
    files = [
        given_weights.widened(given_weights.read_weights(folder / file), module)
        for file in victim.files
    ]
    copies = [given_weights.with_weights(module, weights, victim.label) for weights in files]
    return Handed(copies, adapter)


def _adapter(victim: GivenModel) -> Adapter:
    """The adapter that the entry of a suite states; its function is imported by its name."""
    settings = {name: value for name, value in victim.adapter.items() if name != "function"}
    adapter, name = Adapter.of_settings(settings), victim.adapter.get("function")
    return adapter if name is None else dataclasses.replace(adapter, function=calling(name))


def calling(name: object) -> Function:
    """The function of the user's that calls a module.

    Args:
        name: `package.module:function` or `path/to/file.py:function`, which the user consented to.

    Raises:
        ConsentMissing: the user has not named it.
        InputError: it cannot be imported.
    """
    if not isinstance(name, str) or not foreign.is_foreign(name):
        raise InputError(
            "Expected `function` of an adapter to be package.module:function or "
            f"path/to/file.py:function, got {shown(name)}"
        )
    return foreign.load_function(name, "that takes a module and a Batch and returns logits")


def made_of(victims: Sequence[GivenModel]) -> list[tuple[nn.Module, Adapter]]:
    """The modules of entries that name functions, and how they are called; weights are not read.

    Raises:
        InputError: one that cannot be made.
    """
    return [(make(victim.model), _adapter(victim)) for victim in victims]


def make(name: str) -> nn.Module:
    """What a function of the user's returns, which must be a module.

    Args:
        name: `package.module:function` or `path/to/file.py:function`, which the user consented to.

    Raises:
        ConsentMissing: the user has not named it.
        InputError: it cannot be imported or called, or returns something else.
    """
    function = foreign.load_function(name, "without arguments that returns a module")
    with foreign.foreign_code(name):
        module = function()
    if not isinstance(module, nn.Module):
        raise InputError(
            f"Expected {shown(name)} to return a torch.nn.Module, got {type(module).__name__}"
        )
    return module


def use_model(
    model: nn.Module | str, label: str | None = None, function: Function | str | None = None
) -> None:
    """Let the given models of run folders be made of a module, in this process.

    A folder holds weights and what was found of a model, but no code.

    Args:
        model: the module, with any weights, or the name of a function that returns it:
            `package.module:function` or `path/to/file.py:function`, whose code is then imported.
        label: of the given model in its suite. With it, the module is taken whatever its source is,
            and `replay` says where that is another one. Without it, its source and its parts must
            be those of the run.
        function: that calls it, where its adapter had one; or its name, of the same form.

    Raises:
        InputError: it cannot be made.

    >>> use_model(nn.Linear(2, 2), label="linear")  # now replay can predict again with it
    >>> given.forget()  # and now it cannot
    """
    if isinstance(model, str):
        foreign.consent([model])
        model = make(model)
    given.remember(model, label)
    if function is not None:
        use_function(function, label)


def use_function(function: Function | str, label: str | None = None) -> None:
    """Let given models of run folders be called by a function; as `use_model`, of their adapters.

    Raises:
        InputError: it cannot be imported.
    """
    if isinstance(function, str):
        foreign.consent([function])
        function = calling(function)
    given.remember_function(function, label)


# --- what is found of them ------------------------------------------------------------------------


def _resolved(victim: GivenModel, handed: Handed, suite: Suite, dataset: Dataset) -> GivenModel:
    """A given model with what is found of its copies."""
    modules = handed.copies
    if len(modules) not in (1, len(suite.seeds)):
        raise InputError(
            f"Expected one trained copy of {shown(victim.label)}, or one for each of the "
            f"{len(suite.seeds)} seeds, got {len(modules)}"
        )
    identities = {identity(module) for module in modules}
    if len(identities) > 1:
        raise InputError(
            f"Expected copies of {shown(victim.label)} that differ in their weights alone, got "
            "different classes or settings: give each a name of its own"
        )
    is_given = suite.source.content is not None
    seeds: Sequence[int | None] = [None] if len(modules) == 1 else suite.seeds
    copies = tuple(
        _copy(victim, Handed([module], handed.adapter), seed, dataset, is_given)
        for module, seed in zip(modules, seeds, strict=True)
    )
    _refuse_equal(victim.label, copies)
    given.remember(modules[0], victim.label)
    if handed.adapter.function is not None:
        given.remember_function(handed.adapter.function, victim.label)
    found = [copy.found for copy in copies]
    known = Resolved(
        made_by=made_by(modules[0]),
        structure=next(iter(identities)).structure,
        copies=copies,
        left_out=left_out(suite, found, can_learn=dataset.train.numel() > 0),
    )
    return dataclasses.replace(victim, resolved=known)


def _copy(
    victim: GivenModel, handed: Handed, seed: int | None, dataset: Dataset, is_given: bool
) -> Copy:
    """One trained copy: its weights are kept for the step that stores them, and it is probed."""
    (module,) = handed.copies
    weights = given_weights.weights_of(module, victim.label)
    copied = given_weights.with_weights(module, weights, victim.label).cpu()
    try:
        model = ModuleClassifier(copied, dataset.part(dataset.test), handed.adapter)
    except InputError as error:
        raise InputError(f"The given model {shown(victim.label)}: {error}") from error
    # Of graphs in memory there may be fewer classes than the models know: `evaluate` says so then.
    more = model.num_classes > dataset.num_classes and not is_given
    if model.num_classes < dataset.num_classes or more:
        raise InputError(
            f"Expected the given model {shown(victim.label)} to tell the {dataset.num_classes} "
            f"classes of the data apart, got logits of {model.num_classes}"
        )
    found = model.found
    unused = left_out_of_data(copied, handed.adapter, dataset.notes)
    found["probes"] += [asdict(probe) for probe in unused]
    return Copy(given.remember_weights(weights), found, seed)


def _refuse_equal(label: str, copies: Sequence[Copy]) -> None:
    """Refuse copies of the same weights: one training would be counted as two."""
    seen: dict[str, int | None] = {}
    for copy in copies:
        if copy.weights in seen:
            raise InputError(
                f"Expected trained copies of {shown(label)} that differ in their weights, got the "
                f"same ones for the seeds {seen[copy.weights]} and {copy.seed}: two seeds of one "
                "training are no two trainings. Give it once, and seeds for the draws of attacks"
            )
        seen[copy.weights] = copy.seed


def _check_left(suite: Suite, victims: Sequence[GivenModel]) -> None:
    """Refuse a suite of which nothing is left to do."""
    for victim in victims:
        reasons = victim.known.left_out
        if suite.certificates is None and all(each.label in reasons for each in suite.attacks):
            told = "; ".join(f"{label}: {reason}" for label, reason in reasons.items())
            raise InputError(
                f"Expected an attack that the given model {shown(victim.label)} can be attacked "
                f"by, but all are left out: {told}"
            )
