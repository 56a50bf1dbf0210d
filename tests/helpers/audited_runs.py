"""Runs of which the audit and the transfers are looked at."""

from __future__ import annotations

import json
from pathlib import Path

from robust_augcl.results.records import Record
from robust_augcl.store.run_folder import RunFolder

# Victims that have learned; so few graphs else leave them at chance, which the audit rightly
# refuses.
CHANGES = (
    "training.epochs=40",
    "training.learning_rate=0.01",
    "methods=[{name='none'}, {name='graphcl'}]",
    "attacks=[{name='rand_sampling'}, {name='worst_case'}, {name='grad_argmax'}, "
    "{name='exhaustive'},"
    " {name='rl_s2v', steps=20, burn_in=2, width=8}]",
)
CHANGED = tuple(part for change in CHANGES for part in ("--set", change))
"""Options of the command `run` that make the tiny suite one of two methods and five attacks."""
OPTIONS = ("--workers", "1", *CHANGED)


def findings(command, folder: Path) -> dict[str, dict]:
    answer = command("audit", folder, "--format", "json")
    return {finding["check"]: finding for finding in json.loads(answer.out)["findings"]}


def records_of(folder: Path) -> list[Record]:
    return RunFolder(folder).load_records(RunFolder(folder).existing_manifest().records).records


class Refusing(Exception):
    """What was looked at ahead was looked at again."""


def refuse(*arguments, **settings):
    raise Refusing
