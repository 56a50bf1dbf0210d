"""What all plug-ins promise of their settings, and of chance."""

from __future__ import annotations

import dataclasses
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from robust_augcl.errors import message_of
from robust_augcl.plan.step import plain
from robust_augcl.plan.toml_tables import build
from robust_augcl.testing.rules import Contract, broken, require


def add_settings_rules(contract: Contract, base: type[Any]) -> None:
    """Add the rules of a frozen dataclass of settings that derives from `base`."""

    @contract.rule(
        "base",
        f"A plug-in of this kind is an instance of a class derived from {base.__name__}.",
        f"Derive the class from {base.__module__}.{base.__name__}, and define its methods.",
    )
    def _base(plug_in: Any) -> None:
        require(isinstance(plug_in, base), f"it is no instance of {base.__name__}")

    @contract.rule(
        "settings",
        "Settings are a frozen dataclass, whose instances of equal settings are equal.",
        "Decorate the class with @dataclass(frozen=True).",
    )
    def _settings(plug_in: Any) -> None:
        made = type(plug_in)
        require("__dataclass_fields__" in vars(made), "its class is no dataclass of its own")
        require(made.__dataclass_params__.frozen, "its dataclass is not frozen")
        again = dataclasses.replace(plug_in)
        require(again == plug_in, "two of equal settings are not equal")

    @contract.rule(
        "suite",
        "Settings can be written in a suite, and read from there.",
        "Give each field a type of numbers, text, true or false, and tuples of these.",
    )
    def _suite(plug_in: Any) -> None:
        table = {key: value for key, value in plain(plug_in).items() if key != "type"}
        try:
            found = build(type(plug_in), table, "its settings")
        except Exception as error:
            broken(f"its settings cannot be read from a suite: {message_of(error)}")
        require(found == plug_in, f"written in a suite, {plug_in!r} is read as {found!r}")

    @contract.rule(
        "pickle",
        "An instance can be pickled, since workers are processes.",
        "Define the class at the top of a module, and keep no functions or files in fields.",
    )
    def _pickle(plug_in: Any) -> None:
        again = pickle.loads(pickle.dumps(plug_in))
        require(again == plug_in, "it comes back from a pickle as another one")

    @contract.rule(
        "revision",
        "`revision` is a whole number of at least 1, that is raised when the code computes "
        "something else.",
        "Set `revision: ClassVar[int] = 1`.",
    )
    def _revision(plug_in: Any) -> None:
        check_revision(type(plug_in))


def check_revision(made: type[Any]) -> None:
    """Look at a class's revision."""
    revision = getattr(made, "revision", None)
    require(type(revision) is int and revision >= 1, f"its `revision` is {revision!r}")


def check_text(plug_in: Any, name: str) -> None:
    """Look at a class attribute that readers see."""
    text = getattr(plug_in, name)
    fits = isinstance(text, str) and text == text.strip() and "\n" not in text and len(text) <= 200
    require(fits, f"its `{name}` is {text!r}, no short line of text")


def seeded(seed: int) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


@contextmanager
def global_chance(seed: int) -> Iterator[None]:
    """Global random states of this seed, which are put back afterwards."""
    before = torch.get_rng_state(), _numpy_state(), random.getstate()
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the global state is what is meant)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


def _numpy_state() -> Any:
    return np.random.get_state()  # noqa: NPY002


def same_by_chance_passed_in(make: Callable[[torch.Generator], Any], equal: Any, what: str) -> None:
    """Look at whether all chance comes from the generator, and none from global states.

    Args:
        make: makes something from a generator.
        equal: whether two such things are the same.
        what: it is, in words.
    """
    with global_chance(1):
        states = torch.get_rng_state(), _numpy_state()[1], random.getstate()
        first = make(seeded(7))
        drawn = (
            not torch.equal(states[0], torch.get_rng_state()),
            not np.array_equal(states[1], _numpy_state()[1]),
            states[2] != random.getstate(),
        )
    for library, has_drawn in zip(("torch", "numpy", "random"), drawn, strict=True):
        require(not has_drawn, f"it draws from the global random state of {library}")
    with global_chance(2):
        again = make(seeded(7))
    require(equal(first, again), f"the same state of the generator gives other {what}")
