"""Every field of every kind of file with another value, its checksums computed again: refused in
one short line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hand_made import key_of, ref_of
from spoiling import compact, record_text, sealed, spoilt

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.results.findings import Audit
from robust_augcl.results.records import Record
from robust_augcl.results.transfers import Transfer, Transfers
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.manifest import MANIFEST, read_manifest
from robust_augcl.store.store import Store

FREE = ("method_settings", "attack_settings", "table", "diagnosis", "calibration", "made_by")
FREE += ("versions", "revisions")
NULLABLE = ("node", "attacker", "effort", "commit", "lower_margin", "witnesses", "fingerprint")
NULLABLE += ("environment",)
ARTIFACTS = ("dataset", "warm_up", "pretraining", "victim", "attacker", "representation")
ARTIFACTS += ("certificate", "certificate_part", "attack_search")


def all_refused(cases: Iterable[tuple[str, Any]], read: Callable[[Any], object], name: str) -> int:
    """How many there are; each is refused in one short line that names the file."""
    count, passed = 0, []
    for what, made in cases:
        count += 1
        try:
            read(made)
        except (ArtifactDamaged, InputError) as error:
            line = str(error)
            assert "\n" not in line, what
            assert len(line) < 420, what
            assert name in line, what
            continue
        passed.append(what)
    assert passed == []
    return count


@pytest.mark.parametrize("key", ["processor", "arithmetic"])
def test_what_an_older_version_wrote_is_said_to_be_of_one(everything, key):
    path = next((everything / "records").glob("*"))
    first, *lines = path.read_text().splitlines()
    header = json.loads(first)
    del header["environment"][key]
    with pytest.raises(ArtifactDamaged, match="an older version wrote it: run again"):
        Record.loads(record_text(header, lines), path.name)


@pytest.mark.parametrize("kind", ["dataset", "victim"])
def test_an_artifact_of_an_older_version_too(everything, tmp_path, kind):
    store, path = Store(tmp_path), next((everything / "artifacts").glob(f"{kind}-*"))
    made = Store(everything).load(path.stem)
    del made.about["environment"]["processor"]
    store.artifacts.mkdir(exist_ok=True)
    (store.artifacts / path.name).write_bytes(made.dumps())
    with pytest.raises(ArtifactDamaged, match="an older version wrote it: run again"):
        store.load(path.stem)


def test_records(everything):
    paths = sorted((everything / "records").glob("*"))
    with_edits = [path for path in paths if '"added":[[' in path.read_text()]
    assert len(with_edits) > 1
    for path in with_edits[:2]:
        first, *lines = path.read_text().splitlines()
        header = json.loads(first)
        assert record_text(header, lines) == path.read_text()

        def of_header(made, lines=lines):
            return Record.loads(record_text(made, lines), "the file")

        def of_line(made, header=header, lines=lines):
            return Record.loads(record_text(header, [compact(made), *lines[1:]]), "the file")

        cases = [case for case in spoilt(header, FREE, NULLABLE) if case[0].split()[0] != "digest"]
        edited = next(line for line in lines if '"added":[[' in line)
        assert all_refused(cases, of_header, "the file") > 500
        lines.remove(edited)
        assert all_refused(spoilt(json.loads(edited), (), NULLABLE), of_line, "the file") > 100


def test_a_budget_of_one_is_not_all_edges(everything):
    path = next((everything / "records").glob("*"))
    first, *lines = path.read_text().splitlines()
    header = json.loads(first)
    for holder in (header["cell"], header["threat"]):
        old = holder["budget"]
        for other in (True, 1.0, "1", 3):
            holder["budget"] = other
            with pytest.raises(ArtifactDamaged, match="budget"):
                Record.loads(record_text(header, lines), "the file")
        holder["budget"] = old


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace('"graph":', '"graph":7,"graph":'),
        lambda line: line.replace('"exact":', '"node":null,"exact":'),
        lambda line: line[:-1] + "," + line[1:],
        lambda line: line + "," + line,
        lambda line: line.replace('"exact":false', '"exact":0'),
        lambda line: line.replace('"node":null', '"node":1e0'),
        lambda line: "[" * 100_000,
        lambda line: "",
        lambda line: "\x00",
    ],
)
def test_lines_that_are_no_outcome(everything, change):
    first, line, *lines = next((everything / "records").glob("*")).read_text().splitlines()
    assert change(line) != line
    with pytest.raises(ArtifactDamaged, match="the file: expected a record") as raised:
        Record.loads(record_text(json.loads(first), [change(line), *lines]), "the file")
    assert len(str(raised.value)) < 420


def test_two_lines_that_share_their_keys_are_no_outcomes(everything):
    first, one, two, *lines = next((everything / "records").glob("*")).read_text().splitlines()
    place = one.index(',"exact"')
    split = [one[:place], one[place + 1 :] + "," + two]
    with pytest.raises(ArtifactDamaged, match="line 2 to be an outcome"):
        Record.loads(record_text(json.loads(first), [*split, *lines]), "the file")


def test_a_target_that_stands_twice_and_a_class_that_is_not_there(everything):
    first, line, *lines = next((everything / "records").glob("*")).read_text().splitlines()
    header = json.loads(first)
    with pytest.raises(ArtifactDamaged, match="each target once"):
        Record.loads(record_text(header, [line, line, *lines]), "the file")
    header["num_classes"] = 1
    with pytest.raises(ArtifactDamaged, match="classes from 0 to 0"):
        Record.loads(record_text(header, [line, *lines]), "the file")


def test_keys_that_stand_twice_in_a_header(everything):
    first, *_ = next((everything / "records").glob("*")).read_text().splitlines()
    for twice in (first.replace('"cell":{', '"cell":{"suite":"x",'), '{"schema":2,' + first[1:]):
        with pytest.raises(ArtifactDamaged, match="twice in one table"):
            Record.loads(twice + "\n", "the file")


TRANSFERS = Transfers(
    ref_of("stamp").digest,
    (Transfer(key_of("attack", 1), key_of("attack", 2), [1, 0, 2], [0.5, -0.25, 1.0]),),
)


@pytest.mark.parametrize("name", ["audit.json", "transfer.json"])
def test_files_beside_the_records(everything, name):
    kind = Audit if name == "audit.json" else Transfers
    text = (everything / name).read_text()
    assert kind.loads(text, name).dumps() == text
    content = json.loads(text if kind is Audit else TRANSFERS.dumps())
    content.pop("digest")
    kind.loads(sealed(content), name)
    read = lambda made: kind.loads(sealed(made), name)  # noqa: E731
    assert all_refused(spoilt(content, FREE, NULLABLE), read, name) > 60
    with pytest.raises(ArtifactDamaged, match="twice in one table"):
        kind.loads(sealed(content).replace('"of"', '"of":"x","of"'), name)


def test_the_manifest(everything, tmp_path):
    content = json.loads((everything / MANIFEST).read_text())

    def read(made):
        (tmp_path / MANIFEST).write_text(json.dumps(made))
        return read_manifest(tmp_path)

    assert read(content) == read_manifest(everything)
    of_older_versions = ["planned_before missing"]
    for name in ("planned_seeds", "planned_names", "planned_comparisons"):
        of_older_versions += [f"{name} = None", f"{name} missing"]
    cases = [case for case in spoilt(content, FREE, NULLABLE) if case[0] not in of_older_versions]
    assert all_refused(cases, read, MANIFEST) > 80
    for spoil in (
        {"records": content["records"] * 3},
        {"measurements": [*content["measurements"], content["measurements"][0]]},
        {"seeds": [0, 1, 0]},
        {"records": [*content["records"], content["measurements"][0]]},
        {"measurements": content["records"]},
        {"records": ["../../" + content["records"][0]]},
        {"records": [content["records"][0].upper()]},
        {"seeds": [-1]},
    ):
        with pytest.raises(InputError, match=next(iter(spoil))):
            read({**content, **spoil})


@pytest.mark.parametrize("kind", ARTIFACTS)
def test_artifacts(everything, tmp_path, kind):
    store = Store(tmp_path)
    (path, *_) = sorted((everything / "artifacts").glob(f"{kind}-*"))
    artifact = Store(everything).load(path.stem)

    def read(info: Any, about: Any) -> Artifact:
        store.artifacts.mkdir(exist_ok=True)
        (store.artifacts / path.name).write_bytes(Artifact({}, info, about).dumps())
        return store.load(path.stem)

    losses = ("losses", "train_losses", "curve")  # may be NaN
    read(artifact.info, artifact.about)
    count = all_refused(
        (
            (what, made)
            for what, made in spoilt(artifact.info, FREE, NULLABLE)
            if kind != "pretraining" or what.startswith(("losses", "notes", "diagnosis"))
            if not (what.startswith(losses) and what.endswith(("nan", "inf", "[[1, 2, 3]]")))
        ),
        lambda made: read(made, artifact.about),
        path.name,
    )
    about = [
        (what, made)
        for what, made in spoilt(artifact.about, FREE, NULLABLE)
        if what not in ("title missing", "environment missing", "notes missing")
    ]
    assert count > 10
    assert all_refused(about, lambda made: read(artifact.info, made), path.name) > 30


def test_losses_may_be_no_number_and_nothing_else(everything, tmp_path):
    store, key = Store(tmp_path), next((everything / "artifacts").glob("warm_up-*")).stem
    artifact = Store(everything).load(key)
    store.save(key, Artifact({}, {"losses": [float("nan"), float("inf")]}, artifact.about))
    assert str(store.load(key).info) == "{'losses': [nan, inf]}"
    store.save(key, Artifact({}, artifact.info, {**artifact.about, "seconds": float("nan")}))
    with pytest.raises(ArtifactDamaged, match="seconds"):
        store.load(key)


def test_everything_that_is_written_is_read(everything: Path):
    store = Store(everything)
    kinds = {
        store.load(path.stem) and path.stem.split("-")[0] for path in store.artifacts.glob("*")
    }
    assert kinds == set(ARTIFACTS)
