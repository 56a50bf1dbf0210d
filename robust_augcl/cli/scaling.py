"""What `run scaling` does: measure how time and memory grow, and write tables and a figure."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from robust_augcl.campaign.cluster_stability import clusters
from robust_augcl.campaign.scaling import Sizes, points
from robust_augcl.cli.options import RunOptions
from robust_augcl.cli.words import say
from robust_augcl.errors import InputError
from robust_augcl.reports.scaling import figure_of, text_of
from robust_augcl.store.files import write_atomically


def run_scaling(options: RunOptions) -> None:
    """Measure, and write `scaling.json`, `scaling.md` and `scaling.png`.

    Raises:
        InputError: an option that means nothing here.
    """
    scale = _scale(options)
    out = options.out or Path("runs") / options.suite
    found = points(
        Sizes().scaled(scale),
        lambda done, text: None if options.quiet else say(f"{done:.0%} {text}"),
    )
    stable = list(clusters(options.archives, scale))
    content = {
        "scale": scale,
        "points": [asdict(point) for point in found],
        "clusters": [each._asdict() for each in stable],
    }
    text = text_of(found, stable)
    write_atomically(out / "scaling.json", (json.dumps(content, indent=1) + "\n").encode())
    write_atomically(out / "scaling.md", text.encode())
    write_atomically(out / "scaling.png", figure_of(found))
    if not options.quiet:
        click.echo(text)
    click.echo(out / "scaling.md")


def _scale(options: RunOptions) -> float:
    """The share of the sizes that is asked for by `--set scale=...`."""
    scale = 1.0
    for assignment in options.overrides:
        key, _, value = assignment.partition("=")
        try:
            scale = float(value)
        except ValueError:
            scale = -1.0
        if key != "scale" or not 0 < scale <= 1:
            raise InputError(
                "Expected --set scale=NUMBER above 0 and at most 1 for scaling, which has no other "
                f"settings; got {assignment!r}"
            )
    for name, given in (("--seeds", options.seeds), ("--scheduler", options.scheduler)):
        if given is not None:
            raise InputError(f"Expected no {name} for scaling, which measures here; got {given!r}")
    return scale
