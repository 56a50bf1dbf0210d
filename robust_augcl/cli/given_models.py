"""What commands do with --model and --adapter: the user names functions of given models.

Those of --model return modules, those of --adapter call them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from robust_augcl import foreign
from robust_augcl.cli.words import say
from robust_augcl.errors import InputError, cut, shown, unknown
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder


class Labelled(NamedTuple):
    """An option `[LABEL=]VALUE`; the label is empty where none is stated."""

    label: str
    value: str

    @classmethod
    def of(cls, text: str) -> Labelled:
        """Read it.

        >>> Labelled.of("gin=models.py:make"), Labelled.of("models:make").label
        (Labelled(label='gin', value='models.py:make'), '')
        """
        label, equals, value = text.partition("=")
        return cls(label, value) if equals else cls("", text)


class Named(NamedTuple):
    """The functions of given models that the user names, `[LABEL=]package.module:function` each.

    Args:
        models: they return modules.
        adapters: they call them.
    """

    models: Sequence[str]
    adapters: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.models or self.adapters)


def use_models(path: Path, named: Named) -> None:
    """Make the modules that the user names, so that the given models of a folder can answer.

    Args:
        path: the run's folder.
        named: what makes and calls them; a label may be left out where there is one model.

    Raises:
        InputError: a label of no given model of the folder, a module that cannot be made, or no
            word on the function that calls it.
    """
    if not named:
        return
    from robust_augcl.campaign.resolving import use_function, use_model

    known = _given(RunFolder(path).existing_manifest())
    if not known and not any(label for label, _ in map(Labelled.of, named.models)):
        for option, names in (("--model", named.models), ("--adapter", named.adapters)):
            for name in names:
                say(f"warning: there is no given model in {path}: {option} {name} is not used")
        return
    for label, name in _functions(named, known).items():
        foreign.consent([name])
        use_function(name, label)
    for label, name in map(Labelled.of, named.models):
        foreign.consent([name])
        if label and label not in known:
            raise unknown(f"given model in {path}:", label, known)
        use_model(name, label or (next(iter(known)) if len(known) == 1 else None))


def _given(manifest: Manifest) -> dict[str, str | None]:
    """Label of a given model of a run -> the function that calls it, if one does."""
    victims = manifest.table.get("victims", [])
    entries = victims if isinstance(victims, list) else []
    return {
        str(entry.get("label")): _function_of(entry) for entry in entries if isinstance(entry, dict)
    }


def _function_of(entry: Mapping[str, Any]) -> str | None:
    """The function that calls a given model, by its entry in a run's table; None where none does.

    The entry comes from a file, and may be anything.
    """
    adapter = entry.get("adapter")
    function = adapter.get("function") if isinstance(adapter, dict) else None
    return function if isinstance(function, str) else None


def _functions(named: Named, known: Mapping[str, str | None]) -> dict[str, str]:
    """The function that --adapter names for each given model of a run that --model names.

    Raises:
        InputError: one is missing, or is for a model that no function calls.
    """
    if not named.models:
        raise InputError(f"Expected --model with --adapter, got {shown(named.adapters[0])} alone")
    found = {}
    for label, names in by_label(named.adapters, "--adapter", list(known)).items():
        name = only_one(names, label)
        if known[label] is None:
            raise InputError(
                f"Expected --adapter for given models that a function calls, got {shown(name)} "
                f"for {shown(label)}, which is called by its signature"
            )
        found[label] = name
    labels = {Labelled.of(text).label for text in named.models}
    for label, function in known.items():
        if function is not None and label not in found and not labels.isdisjoint({label, ""}):
            raise InputError(
                f"Expected --adapter {cut(label)}=package.module:function beside --model: the "
                f"function {shown(function)} calls that model"
            )
    return found


def by_label(options: Iterable[str], what: str, labels: Sequence[str]) -> dict[str, list[str]]:
    """Options `[LABEL=]VALUE` by the labels that they are for.

    Args:
        options: as they were given.
        what: names the option in errors.
        labels: those that there are; one without a label is for the only one.

    Raises:
        InputError: a label that is none of these, or none where there are several.
    """
    found: dict[str, list[str]] = {}
    for label, value in map(Labelled.of, options):
        if not label and len(labels) != 1:
            raise InputError(
                f"Expected {what} to be LABEL={value}, since there are {len(labels)} models "
                f"({', '.join(labels)}), got {shown(value)}"
            )
        if label and label not in labels:
            raise unknown(f"label of {what}", label, labels)
        found.setdefault(label or labels[0], []).append(value)
    return found


def only_one(names: list[str], label: str) -> str:
    """The one function that --adapter names for a model."""
    if len(names) > 1:
        raise InputError(
            f"Expected one --adapter of the model {shown(label)}, got {len(names)}: "
            f"{', '.join(map(shown, names))}"
        )
    return names[0]
