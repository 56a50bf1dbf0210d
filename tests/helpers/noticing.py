"""Whether a forged field is noticed, and whether anybody is shown another number for it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from field_forgeries import Forgery, a_share, forgeries, kind_of_file

from robust_augcl.cli.side_files import differing
from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step
from robust_augcl.reports.tables import render_rows
from robust_augcl.reports.written import STAMP
from robust_augcl.results.measurements import Measurement
from robust_augcl.review.recompute import compute_again
from robust_augcl.review.replay import Verdict, replay
from robust_augcl.review.side_file_proofs import prove_side_files
from robust_augcl.review.side_files import AUDIT, TRANSFER
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.review.trust_words import word_on
from robust_augcl.steps.this_process import one_thread
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder

LONG = 1e9  # seconds: everything is quick
NEVER = -1.0  # seconds: nothing is
NO_FORGERY = Forgery("", "", (), lambda old: old, "")


class Tried(NamedTuple):
    """Which forgeries there are, and what came of them.

    Args:
        there_are: every change of every field.
        tried: those that were tried.
        silent: of these, what changes what is shown, and is neither noticed nor in the list of what
            is taken on trust.
    """

    there_are: Sequence[Forgery]
    tried: Sequence[Forgery]
    silent: Sequence[str]


def forge_each(folder: Path, kind: str, every: bool) -> Tried:
    """Forge every field of one kind of file, one at a time.

    Of each field one change is tried, drawn from a seed, or every one.
    """
    silent = []
    with one_thread():
        before, as_it_was = shown(folder), {path: path.read_bytes() for path in files(folder)}
        assert not is_noticed(folder, NO_FORGERY)
        found = forgeries(folder, random.Random(0))
        there_are = [forgery for forgery in found if kind_of_file(forgery.file) == kind]
        tried = there_are if every else a_share(there_are, random.Random(0))
        for forgery in tried:
            with forged(folder, forgery, as_it_was):
                if not (is_on_trust(forgery) or is_noticed(folder, forgery)):
                    silent += [str(forgery)] if shown(folder) != before else []
    return Tried(there_are, tried, silent)


def check_that_all_is_noticed(folder: Path, kind: str, least: int, every: bool) -> None:
    """Whatever is forged of one kind of file is noticed, or listed, or shows nowhere.

    There are `least` forgeries at least, and those that are tried change each field and are of each
    way of changing.

    Args:
        folder: a finished run.
        kind: of file.
        least: how many forgeries there are at least.
        every: whether all of them are tried, and not a share.
    """
    there_are, tried, silent = forge_each(folder, kind, every)
    assert not silent, "\n".join(silent)
    assert len(there_are) >= least
    assert len(tried) == len(there_are) if every else len(tried) > len(there_are) / 25
    for each in ("field", "how"):
        assert {getattr(one, each) for one in tried} == {getattr(one, each) for one in there_are}


@contextmanager
def forged(folder: Path, forgery: Forgery, as_it_was: Mapping[Path, bytes]) -> Iterator[None]:
    """The folder with the forgery, and afterwards as it was: file -> content."""
    try:
        forgery.apply(folder)
        yield
    finally:
        for path, content in as_it_was.items():
            if path.read_bytes() != content:  # reading takes a tenth of writing
                path.write_bytes(content)


def files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.suffix in (".json", ".jsonl", ".safetensors")
    ]


def is_noticed(folder: Path, forgery: Forgery) -> bool:
    """Whether the folder is refused, or replay finds something that is not so."""
    run_folder = RunFolder(folder)
    try:
        manifest = run_folder.current_manifest()
        run = StoredRun(run_folder, manifest, None, LONG)
        # What notices most comes first, and of replay nothing is left out: the first that notices
        # is enough.
        steps = [step for step in steps_of(run) if step.key == Path(forgery.file).stem]
        if any(compute_again(step, run).problems for step in steps):
            return True
        replay(run_folder, manifest, _stop_at_problems, quick_seconds=NEVER)
    except (InputError, ArtifactDamaged, _Noticed):
        return True
    return forgery.file in (AUDIT, TRANSFER, STAMP) and is_not_of_its_records(run_folder, manifest)


class _Noticed(Exception):
    pass


def _stop_at_problems(verdict: Verdict) -> None:
    if verdict.problems or verdict.missing:
        raise _Noticed


def steps_of(run: StoredRun) -> list[Step]:
    return [*run.inputs, *run.records.values(), *run.beside.values()]


def is_not_of_its_records(run_folder: RunFolder, manifest: Manifest) -> bool:
    """Whether a file beside the results is not what they give."""
    records = run_folder.load_records(manifest.records).records
    if list(differing(run_folder, manifest, records, run_folder.path)):
        return True
    proofs = prove_side_files(run_folder, manifest, records, LONG).proofs
    return any(proof.problems for proof in proofs.values())


def shown(folder: Path) -> str:
    """All numbers of a folder that reports are made from, as text."""
    run_folder = RunFolder(folder)
    manifest = run_folder.existing_manifest()
    records = run_folder.load_records(manifest.records).records
    measured = [_shown(each) for each in run_folder.load_measurements(manifest)]
    return render_rows(records, "json", None) + repr(measured)


def _shown(measured: Measurement) -> tuple[object, ...]:
    """What reports are made from of a measurement: of witnesses, whether there are any."""
    values = {
        name: [witness is None for witness in value] if name == "witnesses" else value
        for name, value in measured.values.items()
    }
    return measured.kind, measured.cell, values, measured.seconds


def name_of(file: str) -> str:
    """What the list of trust calls a file."""
    kind = kind_of_file(file)
    if kind not in KINDS:
        return kind
    return "record" if KINDS[kind].stores == "record" else KINDS[kind].title


def is_on_trust(forgery: Forgery) -> bool:
    """Whether the stated list says that nothing tells of the field."""
    top = next((step for step in forgery.at if isinstance(step, str)), "outcomes")
    words = [word_on(name_of(forgery.file), top), word_on("artifact", top)]
    return any(word is not None and word.how == "on trust" for word in words)
