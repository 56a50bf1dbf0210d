"""What `audit` and `replay` do: say whether the results of a run's folder hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from robust_augcl.cli.showing import assessor_of, records_of
from robust_augcl.review.replay import LIST, Verdict
from robust_augcl.review.replay import replay as replay_run
from robust_augcl.steps.this_process import one_thread
from robust_augcl.store.manifest import MANIFEST
from robust_augcl.store.run_folder import RunFolder


def audit(path: Path, form: str, *, again: bool) -> None:
    """Print the audit of a folder.

    Raises:
        ClickException: a check fails.
    """
    from robust_augcl.reports._audit import render_findings

    folder = RunFolder(path)
    records = records_of(folder, folder.current_manifest())
    found = assessor_of(folder).audit(records, again)
    click.echo(render_findings(found, form), nl=False)
    if form == "table":
        click.echo(f"\n{found.summary}, in {found.seconds:.1f} s, of {len(records)} results")
    if found.counts["FAIL"]:
        raise click.ClickException(
            f"{found.counts['FAIL']} of {len(found.findings)} checks fail, {len(found.failed)} "
            "results are marked"
        )


def replay(path: Path) -> None:
    """Print for each result whether it holds.

    Raises:
        ClickException: one does not.
    """
    folder = RunFolder(path)
    with one_thread():
        verdicts = replay_run(folder, folder.current_manifest(), _tell)
    if failed := _failed(verdicts):
        verb = "does" if failed == [MANIFEST] else "do"
        raise click.ClickException(f"{' and '.join(failed)} {verb} not hold")
    proved = [_counted(len(own), kind) for kind, own in _by_kind(verdicts).items()]
    click.echo(f"All {' and '.join(proved)} hold.")


def _tell(verdict: Verdict) -> None:
    how = "FAILED" if verdict.problems else "holds"
    click.echo(f"{how}  {verdict.name}: {'; '.join(verdict.problems) or verdict.proved}")


def _by_kind(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """The verdicts on results, by what the results are, in the order in which they come first."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.kind != LIST:
            found.setdefault(verdict.kind, []).append(verdict)
    return found


def _failed(verdicts: Sequence[Verdict]) -> list[str]:
    """What does not hold, in words: the manifest, so many records, so many certificates."""
    wrong_lists = any(verdict.problems for verdict in verdicts if verdict.kind == LIST)
    words = [MANIFEST] if wrong_lists else []
    for kind, own in _by_kind(verdicts).items():
        bad = sum(bool(verdict.problems) for verdict in own)
        if bad:
            words.append(f"{bad} of {_counted(len(own), kind)}")
    return words


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
