"""What `audit` and `replay` do: say whether the results of a run's folder hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from robust_augcl.cli.showing import assessor_of, records_of
from robust_augcl.review.replay import Verdict
from robust_augcl.review.replay import replay as replay_run
from robust_augcl.steps.this_process import one_thread
from robust_augcl.store.manifest import MANIFEST
from robust_augcl.store.run_folder import RunFolder

_RESULTS = ("record", "certificate")


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
    counts = {kind: len(_of_kind(verdicts, kind)) for kind in _RESULTS}
    proved = [_counted(count, kind) for kind, count in counts.items() if count]
    click.echo(f"All {' and '.join(proved)} hold.")


def _tell(verdict: Verdict) -> None:
    how = "FAILED" if verdict.problems else "holds"
    click.echo(f"{how}  {verdict.name}: {'; '.join(verdict.problems) or verdict.proved}")


def _of_kind(verdicts: Sequence[Verdict], kind: str) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.kind == kind]


def _failed(verdicts: Sequence[Verdict]) -> list[str]:
    """What does not hold, in words: the manifest, so many records, so many certificates."""
    words = [MANIFEST] if any(verdict.problems for verdict in _of_kind(verdicts, "list")) else []
    for kind in _RESULTS:
        own = _of_kind(verdicts, kind)
        bad = sum(bool(verdict.problems) for verdict in own)
        if bad:
            words.append(f"{bad} of {_counted(len(own), kind)}")
    return words


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
