"""What `list` does: show everything that has a name, or the settings of what is named.

Light: without names it imports neither torch nor other people's code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from robust_augcl import patience, registry
from robust_augcl.cli.words import say
from robust_augcl.contrast.names import AUGMENTATIONS, BASES
from robust_augcl.errors import InputError, printable, unknown
from robust_augcl.patience import patiently
from robust_augcl.registry.catalogue import OURS

PLURALS = {
    "suite": "suites",
    "family": "families of suites",
    "measurement": "measurements",
    "attack": "attacks",
    "encoder": "encoders",
    "method": "methods",
    "data source": "data sources",
    "base": "bases",
    "augmentation": "augmentations",
    "optional part": "optional parts",
}
"""Kind -> the heading of its part of the list."""


def list_all(form: str, check: bool) -> None:
    """Print all suites and plug-ins, bases and augmentations, with where they come from.

    Args:
        form: "table" or "json".
        check: whether other people's code is imported, to find what is broken.
    """
    entries = [*registry.catalogue(check=check), *_of_contrast()]
    if form == "json":
        click.echo(json.dumps(_by_kind(entries), indent=1))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind, heading in PLURALS.items():
        table.add_row(f"[bold]{heading}")
        for entry in entries:
            if entry.kind == kind:
                table.add_row(f"  {_safe(entry.name)}", _safe(entry.maker), _text(entry))
    Console().print(table)
    broken = sum(bool(entry.problem) for entry in entries)
    if broken:
        say(f"warning: {broken} of {len(entries)} cannot be used, see above")


def _of_contrast() -> list[registry.Entry]:
    """What pretraining is made of; it is named in suites and cannot be added to."""
    bases = [registry.Entry("base", name, OURS, text) for name, text in BASES.items()]
    return bases + [
        registry.Entry("augmentation", name, OURS, text) for name, text in AUGMENTATIONS.items()
    ]


def _by_kind(entries: Sequence[registry.Entry]) -> dict[str, list[dict[str, str]]]:
    return {
        heading.replace(" ", "_"): [
            {
                "name": e.name,
                "from": e.maker,
                "description": e.description,
                "problem": e.problem,
                "missing": e.missing,
            }
            for e in entries
            if e.kind == kind
        ]
        for kind, heading in PLURALS.items()
    }


def _text(entry: registry.Entry) -> str:
    if entry.problem:
        return f"[red]cannot be used: {_safe(entry.problem)}"
    missing = f" [yellow]({_safe(entry.missing)})[/]" if entry.missing else ""
    return f"[dim]{_safe(entry.description)}[/]{missing}"


def _safe(text: str) -> str:
    """A text of other people's, in which nothing is markup and all can be printed."""
    return escape(printable(text))


# --- the settings of one --------------------------------------------------------------------------


def list_settings(names: Sequence[str], form: str) -> None:
    """Print what is known of these names: where they come from, and what a suite may set.

    Raises:
        InputError: a name that nothing has, or whose code cannot be imported.
    """
    entries = [*registry.catalogue(), *_of_contrast()]
    found = [_described(name, entries) for name in names]
    described = [each for several in found for each in several]
    if form == "json":
        click.echo(json.dumps(described, indent=1))
        return
    for each in described:
        called = f", {each['display_name']} in reports" if each["display_name"] else ""
        click.echo(f"{each['kind']} {each['name']} ({each['from']}){called}: {each['description']}")
        for setting in each["settings"]:
            default = f" = {setting['default']}" if setting["default"] else ", must be set"
            click.echo(f"  {setting['name']}: {setting['type']}{default}")
            if setting["text"]:
                click.echo(f"      {setting['text']}")


def _described(name: str, entries: Sequence[registry.Entry]) -> list[dict[str, Any]]:
    """Everything of one name, as JSON: a name may stand for an attack and a method alike."""
    mine = [entry for entry in entries if entry.name == name]
    if not mine:
        raise unknown("name", name, {entry.name for entry in entries})
    found = []
    for entry in mine:
        if entry.problem:
            raise InputError(f"The {entry.kind} {name} of {entry.maker}: {entry.problem}")
        found.append(
            {
                "kind": entry.kind,
                "name": entry.name,
                "from": entry.maker,
                "display_name": _display_name(entry),
                "description": printable(entry.description),
                "settings": [setting._asdict() for setting in _settings(entry)],
            }
        )
    return found


def _display_name(entry: registry.Entry) -> str:
    """What readers call it; empty for its name."""
    if entry.kind not in registry.GROUPS:
        return ""
    return printable(str(getattr(_loaded(entry), "display_name", "")))


def _loaded(entry: registry.Entry) -> type[Any]:
    return patiently(lambda: registry.load(entry.kind, entry.name), patience.TO_LOOK)


def _settings(entry: registry.Entry) -> list[Any]:
    from robust_augcl.registry.settings import Setting, settings_of

    if entry.kind == "encoder":
        from robust_augcl.plan.suite_settings import EncoderSettings

        _loaded(entry)
        return [each for each in settings_of(EncoderSettings) if each.name != "name"]
    if entry.kind in registry.GROUPS:
        return settings_of(_loaded(entry))
    if entry.kind == "augmentation":
        return [Setting("ratio", "float", "", "the share, at least 0 and below 1")]
    return []
