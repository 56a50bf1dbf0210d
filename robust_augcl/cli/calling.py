"""How a command reaches what it does: by name, so that `--help` and `list` need none of it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from robust_augcl import foreign
from robust_augcl.arithmetic import use_arithmetic
from robust_augcl.cli import chosen_arithmetic
from robust_augcl.cli.words import say
from robust_augcl.errors import InputError, cut
from robust_augcl.registry.families import runs_in


def call(
    reference: str,
    *arguments: Any,
    plug_ins: Sequence[str],
    models: tuple[Sequence[str], Sequence[str]] = ((), ()),
    **named: Any,
) -> None:
    """Call what a command does: a function of a module beside this one.

    Args:
        reference: the module and the function.
        plug_ins: other people's code that may be imported for it.
        models: what makes the given models of a run's folder, which is the first argument, and
            what calls them.
        arguments, named: of the function; where the first is a folder, the arithmetic is its run's.
    """
    foreign.consent(plug_ins)
    if arguments and isinstance(arguments[0], Path) and (runs := runs_in(arguments[0])):
        _call_for_each(runs, reference, *arguments, plug_ins=plug_ins, models=models, **named)
        return
    if arguments and isinstance(arguments[0], Path):
        use_arithmetic(chosen_arithmetic.of_folder(arguments[0]))
    if any(models):
        given_models = importlib.import_module("robust_augcl.cli.given_models")
        given_models.use_models(arguments[0], given_models.Named(*models))
    module, _, name = reference.partition(":")
    function = getattr(importlib.import_module(f"robust_augcl.cli.{module}"), name)
    try:
        function(*arguments, **named)
    except click.ClickException:  # it has done its work, and found something
        _warn_of_unused(plug_ins)
        raise
    _warn_of_unused(plug_ins)


def _call_for_each(runs: Sequence[Path], reference: str, *arguments: Any, **named: Any) -> None:
    """Call what a command does for each run of a family.

    Raises:
        InputError: it would write all of them into one place.
        ClickException: it has found something in one of them, said after the last.
    """
    rest = arguments[1:]
    if any(isinstance(value, Path) for value in (*rest, *named.values())):
        raise InputError(
            f"Expected the folder of one run, like {cut(str(runs[0]))}, where something is written "
            f"elsewhere; got the folder of a family, {cut(str(arguments[0]))}"
        )
    found: list[click.ClickException] = []
    for run in runs:
        say(f"{run}:")
        try:
            call(reference, run, *rest, **named)
        except click.ClickException as error:
            say(f"{run}: {error.format_message()}")
            found.append(error)
    if found:
        raise found[-1]


def _warn_of_unused(plug_ins: Sequence[str]) -> None:
    for name in foreign.unused(plug_ins):
        say(f"warning: nothing here asks for --plugin {name}: it was not imported")
