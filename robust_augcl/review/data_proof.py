"""What replay proves of stored data sets: graphs, classes and splits.

Graphs that are drawn are drawn again. Graphs that come from files are read again, where the files
are there; nothing is downloaded. Whether or not they are, the stored graphs are split again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import DataSource
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.in_memory import graphs_digest
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step
from robust_augcl.results.names import target_text
from robust_augcl.review.differences import artifacts_differ
from robust_augcl.review.proofs import Proof
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.steps.artifacts import dataset_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.data_sets import split_again
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.store import Store

_PARTS = ("train", "validation", "test")
_SHOWN = 5
_GIVEN = "they were given in Python, and nothing but their digest in run.json tells them"
_MALFORMED = (KeyError, ValueError, TypeError, IndexError, RuntimeError)
"""What tensors of wrong names, types or shapes raise."""


def prove_dataset(step: Step, run: StoredRun) -> Proof:
    """Prove the data set of a step again.

    Raises:
        ArtifactDamaged: it is missing, or not what was written.
    """
    stored = run.folder.store.load(step.key)
    try:
        dataset = dataset_of(stored)
        problems = list(_twice(dataset)) or _split_problems(step, stored, dataset)
        stated = step.settings["source"].states_parts
        split = "split as what was read states it" if stated else "split again"
        equal = "" if problems else f"{dataset.y.numel()} targets{_equal(dataset)}, {split}"
    except InputError as error:
        return Proof("", [f"cannot be split again: {error}"])
    except _MALFORMED as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return Proof("", [f"holds no data set: {text}"])
    if (content := step.settings["source"].content) is not None:
        if graphs_digest(dataset.with_target_nodes) != content:
            problems = [*problems, "its graphs are not those of its step: their digest is another"]
        text = f"{equal}, its graphs are those of the plan, by their digest"
        return Proof(text, problems, _GIVEN)
    why_not, differing = _from_its_source(step, run, stored)
    what = "graphs and split" if stated else "graphs"
    how = f"; {what} on trust: {why_not}" if why_not else ", made again from their source"
    return Proof(f"{equal}{how}", [*problems, *differing], why_not)


def is_drawn(source: DataSource) -> bool:
    """Whether the graphs of a source come from chance alone: it tells no fingerprint of files."""
    return type(source).fingerprint is DataSource.fingerprint


def _from_its_source(step: Step, run: StoredRun, stored: Artifact) -> tuple[str, list[str]]:
    """Why the graphs are taken on trust, or else what of them their source does not give."""
    source, found = step.settings["source"], step.settings["fingerprint"]
    where = ""
    if not is_drawn(source):
        if run.archives is None:
            return "no --archives to read them from", []
        try:
            found = source.fingerprint(run.archives)
        except InputError as error:
            return f"{error}", []
        if step.settings["fingerprint"] not in (None, found):
            where = " (the file here is another one than that of the run)"
    again = replace(step, settings={**step.settings, "fingerprint": found})
    context = Context(Store(run.folder.path), archives=run.archives)
    try:
        made = resolve(KINDS[step.kind].compute)(again, Inputs({}, {}), context)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return "", [f"cannot be made again: {text}{where}"]
    return "", [f"{problem}{where}" for problem in artifacts_differ(stored, made)]


def _split_problems(step: Step, stored: Artifact, dataset: Dataset) -> list[str]:
    """What of the split, the targets and the classes is not so, by splitting the graphs again."""
    made = split_again(step, dataset)
    return [
        problem.replace("computed again", "split again")
        for problem in artifacts_differ(stored, replace(made, about=stored.about))
    ]


def _twice(dataset: Dataset) -> Iterator[str]:
    """Which targets stand twice in the split."""
    parts = {name: getattr(dataset, name) for name in _PARTS}
    for name, numbers in parts.items():
        values, counts = numbers.unique(return_counts=True)
        yield from _named(dataset, values[counts > 1], f"twice among those for {name}")
    one, other, test = (values.unique() for values in parts.values())
    for first, second, words in (
        (one, other, "for train and for validation"),
        (one, test, "for train and for test"),
        (other, test, "for validation and for test"),
    ):
        yield from _named(dataset, first[torch.isin(first, second)], words)


def _named(dataset: Dataset, numbers: Tensor, where: str) -> Iterator[str]:
    if numbers.numel():
        names = map(target_text, dataset.targets_at(numbers[:_SHOWN]).names())
        more = ", ..." if numbers.numel() > _SHOWN else ""
        yield f"{', '.join(names)}{more} stands {where}"


def _equal(dataset: Dataset) -> str:
    """How many targets message passing can tell apart, where that is not all."""
    keys = dataset.keys()
    distinct = keys.unique().numel()
    if distinct == keys.numel():
        return ""
    known = torch.isin(keys[dataset.test], keys[dataset.train]).sum()
    return f", {distinct} distinct ({int(known)} of the test targets equal one for train)"
