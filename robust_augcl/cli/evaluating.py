"""What `evaluate` does: options are read into a suite of given models, which is run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from robust_augcl import foreign
from robust_augcl.cli.evaluate_options import EvaluateOptions
from robust_augcl.cli.given_models import Labelled, by_label, only_one
from robust_augcl.cli.running import go, nothing_said
from robust_augcl.errors import InputError, one_line, shown

if TYPE_CHECKING:
    from robust_augcl.results.report_input import ReportInput

_FILES = (".jsonl", ".jsonl.gz")
_VALIDATION = 0.2  # of a share to learn on
_PAIRS = 100_000  # of edits of a graph, as `robust_augcl.evaluate` tries


def evaluate(options: EvaluateOptions) -> None:
    """Evaluate the models that the user names.

    Raises:
        InputError: a model that cannot be made or evaluated, data that cannot be read.
        ClickException: results are missing at the end.
    """
    from robust_augcl.campaign.campaign import Campaign, Machines
    from robust_augcl.campaign.carried import Attributes
    from robust_augcl.campaign.own_words import OPTIONS, suite_of
    from robust_augcl.campaign.resolving import made_of

    console = Console(stderr=True, quiet=options.quiet)
    victims = _victims(options)
    foreign.consent(victim["model"] for victim in victims)
    foreign.consent(victim["adapter"]["function"] for victim in victims if "adapter" in victim)
    added = options.carried_by_added
    table = _table(options, victims)
    models = suite_of(table, "evaluate", OPTIONS).victims  # refused before anything is made
    carry = Attributes(options.edge_attributes, added, made_of(models))
    table = carry.in_table(table, "evaluate", OPTIONS, options.archives)
    suite = suite_of(table, "evaluate", OPTIONS)
    # The user has named the file of graphs: it is read where it lies, not looked for elsewhere.
    suite = dataclasses.replace(suite, source=suite.source.beside(Path()))
    campaign = Campaign(
        suite,
        options.out,
        Machines(options.workers, options.device, options.archives),
        lambda text: console.print(one_line(text), markup=False, highlight=False, soft_wrap=True),
    )
    go(campaign, console, nothing_said if options.quiet else _print)


def _table(options: EvaluateOptions, victims: list[dict[str, Any]]) -> dict[str, Any]:
    """The suite that the options stand for."""
    given = [victim.get("weights") for victim in victims]
    copies = max(len(files) if isinstance(files, list) else 1 for files in given)
    is_file, fit = options.data.endswith(_FILES), options.share_to_learn
    table = {
        "name": options.name,
        "title": f"{', '.join(victim['label'] for victim in victims)} on {options.data}"[:1000],
        "seeds": options.chosen_seeds or list(range(copies)),
        "dataset": (
            {"source": "file", "path": options.data}
            if is_file
            else {"source": "tu", "name": options.data}
        ),
        "split": (
            {"test": 1.0, "validation": 0.0}
            if fit is None
            else {"test": 1 - fit, "validation": _VALIDATION * fit}
        ),
        "threat": {
            "budget": options.chosen_budgets,
            "operations": list(options.operations),
            "within_component": options.within_component,
        },
        "victims": victims,
        "attacks": [{"name": name} for name in options.attacks],
    }
    return {**table, "certificates": {"pairs": _PAIRS}} if options.certificates else table


def _victims(options: EvaluateOptions) -> list[dict[str, Any]]:
    """The entries of the given models; a model without a label is called by its function."""
    found: dict[str, dict[str, Any]] = {}
    for label, name in map(Labelled.of, options.models):
        if not name.partition(":")[2]:
            raise InputError(
                "Expected --model to name a function that returns the module, "
                f"package.module:function or path/to/file.py:function, got {shown(name)}"
            )
        label = label or name.rpartition(":")[2]
        if label in found:
            raise InputError(
                f"Expected --model to be of different labels, got {shown(label)} twice"
            )
        found[label] = {"label": label, "model": name}
    for label, files in by_label(options.weights, "--weights", list(found)).items():
        found[label]["weights"] = files[0] if len(files) == 1 else files
    for label, names in by_label(options.adapters, "--adapter", list(found)).items():
        found[label]["adapter"] = {"function": only_one(names, label)}
    return list(found.values())


def _print(report: ReportInput, folder: Path) -> None:
    from robust_augcl.reports.in_words import in_words
    from robust_augcl.store.housekeeping import survey
    from robust_augcl.store.run_folder import RunFolder

    click.echo(in_words(report, survey(RunFolder(folder)).failures, folder))
    click.echo(f"Page: {folder / 'report.html'}")
