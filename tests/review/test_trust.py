"""A word on every field that a run stores: proved, made again, computed again, or on trust."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import StoredCertificate
from robust_augcl.results.records import Outcome, Record
from robust_augcl.results.stored_info import About, PretrainingInfo
from robust_augcl.results.transfers import Transfers
from robust_augcl.review.replay import Verdict
from robust_augcl.review.trust import table
from robust_augcl.review.trust_words import WORDS, word_on
from robust_augcl.store.manifest import Manifest

MODELS = {
    "run.json": (Manifest,),
    "record": (Record, Outcome),
    "poisoning record": (Record, Outcome),
    "certificate": (StoredCertificate,),
    "audit.json": (Audit,),
    "transfer.json": (Transfers,),
    **{
        kind.title: (resolve(kind.info),)
        for kind in KINDS.values()
        if kind.info is not None and kind.stores == "artifact"
    },
}


@pytest.mark.parametrize("file", MODELS)
def test_every_field_has_a_word(file):
    names = [each.name for model in MODELS[file] for each in fields(model)]
    assert names
    assert [name for name in names if word_on(file, name) is None] == []


def test_every_field_of_how_an_artifact_came_to_be_has_a_word():
    of_kinds = {name for kind in KINDS.values() for name in [kind.title]}
    for name in (each.name for each in fields(About)):
        files = {"artifact", *of_kinds}
        assert any(word_on(file, name) for file in files), name


def test_no_word_stands_for_a_field_that_is_not_there():
    """But for tensors, and what a file's writer adds around the fields."""
    around = {"schema", "digest", "version", "checksum", "format"}
    for word in WORDS:
        if word.file not in MODELS:
            assert word.file == "artifact"
            continue
        known = {each.name for model in MODELS[word.file] for each in fields(model)}
        graphs = {"x", "edge_index", "ptr", "y", "edge_attr", "added_edge"}
        tensors = graphs | {"train", "validation", "test", "attacked", "fitted_on"}
        about = {each.name for each in fields(About)}
        for name in word.fields:
            assert name.endswith("*") or name in known | tensors | about | around, name


def test_each_field_has_one_word_alone():
    told = [(word.file, name) for word in WORDS for name in word.fields]
    assert len(told) == len(set(told))


def test_the_list_is_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")
    for word in WORDS:
        row = f"| {word.file} | {', '.join(f'`{name}`' for name in word.fields)} | {word.how} |"
        assert row in page, row
    assert len(fields(PretrainingInfo)) == 3  # a method may say more: its word is "*"


@pytest.mark.parametrize(("why_not", "told"), [("", False), ("no --archives", True)])
def test_what_rests_on_classes_on_trust_says_so(why_not, told):
    verdicts = [Verdict("data set", "a", "", [], False, why_not=why_not)]
    (row,) = [row for row in table(verdicts) if "num_classes" in row.fields]
    assert ("1 of 1 these are on trust" in row.why) == told
