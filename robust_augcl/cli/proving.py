"""What `audit` and `replay` do: say whether the results of a run's folder hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from robust_augcl.cli.from_scratch import from_scratch
from robust_augcl.cli.replay_options import ReplayOptions, is_file
from robust_augcl.cli.showing import assessor_of, records_of, tell_unkept
from robust_augcl.cli.side_files import differing, proved
from robust_augcl.cli.words import columns, fail_if_failed
from robust_augcl.errors import one_line
from robust_augcl.review.replay import LIST, Verdict
from robust_augcl.review.replay import replay as replay_run
from robust_augcl.review.trust import table
from robust_augcl.review.without_model import NO_MODEL
from robust_augcl.steps.this_process import one_thread
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.workers.memory import default_workers


def audit(path: Path, form: str) -> None:
    """Audit a folder and print what was found.

    Raises:
        ClickException: a check fails.
    """
    from robust_augcl.reports._audit import render_findings

    folder = RunFolder(path)
    records = records_of(folder, folder.current_manifest())
    assessor = assessor_of(folder)
    found = assessor.audit(records, again=True)
    click.echo(render_findings(found, form, columns()), nl=False)
    if form == "table":
        click.echo(
            f"\n{found.summary}, in {found.seconds:.1f} s, of {_counted(len(records), 'record')}"
        )
    tell_unkept(assessor, path)
    fail_if_failed(found)


def replay(path: Path, options: ReplayOptions) -> None:
    """Print for each result, and each file beside the results, whether it holds.

    Args:
        path: the run's folder, or a file of results.
        options: what is asked for.

    Raises:
        ClickException: something does not hold, or is missing.
    """
    if is_file(path):
        from robust_augcl.cli.from_file import from_file

        from_file(path, options)
        return
    folder = RunFolder(path)
    manifest = folder.current_manifest()
    with one_thread():
        processes = min(2, options.workers or default_workers())
        verdicts = replay_run(folder, manifest, _tell, options.archives, options.again, processes)
        failed = _failed(verdicts)
        report_in = options.report_in or path
        why_not = _why_not_again(verdicts, failed)
        again = math.inf if options.from_scratch else options.again
        beside = _beside(folder, manifest, report_in, why_not, processes, again)
    problems = []
    if failed:
        verb = "does" if failed == [MANIFEST] else "do"
        problems.append(f"{' and '.join(failed)} {verb} not hold")
        if failed != [MANIFEST]:
            # `run` believes a file with the right checksum: it computes what is not there.
            click.echo("To compute again what does not hold, remove its file and run the suite.")
    else:
        _tell_all_hold(verdicts)
    if missing := sum(verdict.missing for verdict in verdicts):
        verb = "is" if missing == 1 else "are"
        problems.append(f"{_counted(missing, 'result')} {verb} missing: the run is not finished")
    if any(beside.values()):
        problems.append(_in_short(beside))
    elif beside and not why_not:
        click.echo(f"{_counted(len(beside), 'file')} beside them say the same.")
    if options.from_scratch:
        problems += from_scratch(folder, manifest, options)
    if not failed:
        _tell_trust(verdicts, options.from_scratch and not problems)
    if problems:
        raise click.ClickException("; ".join(problems))


def _tell_all_hold(verdicts: Sequence[Verdict]) -> None:
    """Print how many results hold, and how many are on trust as a whole."""
    own = {kind: [v.on_trust for v in found] for kind, found in _by_kind(verdicts).items()}
    hold = {kind: len(flags) - sum(flags) for kind, flags in own.items()}
    trusted = {kind: sum(flags) for kind, flags in own.items()}
    unasked = any(verdict.why_not == NO_MODEL for verdict in verdicts)
    how = f"hold, but for predictions: {NO_MODEL}" if unasked else "hold"
    for first, counts, last in (("All ", hold, how), ("On trust: ", trusted, "")):
        words = [_counted(number, kind) for kind, number in counts.items() if number]
        if words:
            click.echo(f"{first}{' and '.join(words)} {last}".rstrip() + ".")


def _tell_trust(verdicts: Sequence[Verdict], all_again: bool) -> None:
    """Print what is proved, made or computed again, and taken on trust, field by field."""
    click.echo("\nWhat is known of each field:")
    for row in table(verdicts, all_again):
        click.echo(f"{row.how}  {row.fields} ({row.why})")


def _beside(
    folder: RunFolder,
    manifest: Manifest,
    report_in: Path,
    why_not: str,
    processes: int,
    quick_seconds: float,
) -> dict[str, list[str]]:
    """Print of each file beside the results whether it is of them.

    Args:
        folder, manifest: the run's.
        report_in: where its report lies.
        why_not: why nothing is made again, so that stamps are compared alone; empty where all is.
        processes: that make it again.
        quick_seconds: attacks learn on again where each learned no longer, by its own word.

    Returns:
        File -> what is not so.
    """
    records = folder.load_records(manifest.records).records
    found: dict[str, list[str]] = {}
    if not why_not:
        about = folder, manifest, records, report_in, processes, quick_seconds
        for name, text, problems in proved(*about):
            found[name] = problems
            click.echo(
                f"{'DIFFERS' if problems else 'same'}  {name}: {'; '.join(problems) or text}"
            )
        return found
    for name, problem in differing(folder, manifest, records, report_in):
        found[name] = [problem]
        click.echo(f"DIFFERS  {name}: {problem}")
    click.echo(f"Audit, transfers and report are not made again, since {why_not}.")
    return found


def _why_not_again(verdicts: Sequence[Verdict], failed: Sequence[str]) -> str:
    """Why audit, transfers and report are not made again; empty where they are."""
    if failed:
        return "results do not hold"
    if any(verdict.why_not == NO_MODEL for verdict in verdicts):
        return "no --model names the modules of all given models"
    return ""


def _in_short(beside: Mapping[str, Sequence[str]]) -> str:
    """Which files beside the results differ, in words."""
    names = [name for name, problems in beside.items() if problems]
    verb = "differs" if len(names) == 1 else "differ"
    return f"{', '.join(names)} {verb} from what the results give"


def _tell(verdict: Verdict) -> None:
    """Print a verdict; of what results rest on only what does not hold, and what data sets are."""
    if verdict.missing:
        click.echo(f"missing  {verdict.name}")
    elif verdict.problems:
        click.echo(f"FAILED  {verdict.name}: {'; '.join(map(one_line, verdict.problems))}")
    elif verdict.on_trust:
        said = dict.fromkeys((verdict.proved, verdict.why_not, verdict.doubt))
        click.echo(f"on trust  {verdict.name}: {'; '.join(filter(None, said))}")
    elif verdict.is_result and verdict.why_not == NO_MODEL:
        click.echo(f"edits hold  {verdict.name}: {verdict.proved}")
    elif verdict.is_result:
        click.echo(f"holds  {verdict.name}: {verdict.proved}")
    elif verdict.differs:
        click.echo(f"on trust  {verdict.name}: {verdict.why_not}")
    elif verdict.proved:
        click.echo(f"rests on  {verdict.name}: {verdict.proved}")
    elif verdict.unproved:
        click.echo(f"on trust  {verdict.name}: {verdict.unproved}")


def _by_kind(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """The verdicts on results, by what the results are, in the order in which they come first.

    What they rest on is among them where it does not hold; what is missing is not.
    """
    found: dict[str, list[Verdict]] = {}
    spoilt = {verdict.kind for verdict in verdicts if verdict.problems}
    for verdict in verdicts:
        shown = verdict.is_result or verdict.kind in spoilt
        if verdict.kind != LIST and shown and not verdict.missing:
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
