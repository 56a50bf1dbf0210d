"""Files that are no files, too large, or nested too deep, in the place of each kind of file: one
short line, at once.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path

import pytest
from hand_made import make_record
from time_limits import at_most

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.results import strict
from robust_augcl.results.record_lines import MOST_LINE
from robust_augcl.results.records import Record
from robust_augcl.review.side_files import held
from robust_augcl.store import file_sizes
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.housekeeping import survey
from robust_augcl.store.run_folder import RunFolder

KINDS = ("run.json", "audit.json", "transfer.json", "records", "artifacts", "failures")


@pytest.fixture
def copied(everything, tmp_path):
    shutil.copytree(everything, tmp_path / "run")
    (tmp_path / "run" / "failures").mkdir(exist_ok=True)
    failure = tmp_path / "run" / "failures" / "victim-0123456789abcdef0123.json"
    failure.write_text(json.dumps({"step": "victim", "error": "an error"}))
    return tmp_path / "run"


def place_of(kind: str, folder: Path) -> Path:
    """The file that is spoilt; of artifacts a certificate."""
    if kind == "artifacts":
        return next((folder / kind).glob("certificate-*"))
    return folder / kind if kind.endswith("json") else next((folder / kind).glob("*"))


def read(kind: str, path: Path, folder: Path) -> str:
    """What is said of the spoilt file."""
    run = RunFolder(folder)
    if kind == "run.json":
        with pytest.raises(InputError) as raised:
            run.existing_manifest()
        return str(raised.value)
    if kind == "records":
        found = run.load_records(run.existing_manifest().records)
        (problem,) = found.damaged or found.missing  # a link to nothing is no file
        return problem
    if kind == "artifacts":
        with pytest.raises(ArtifactDamaged) as raised:
            run.store.load(path.stem)
        return str(raised.value)
    if kind == "failures":
        survey(run)
        return f"{kind}: "
    records = run.load_records(run.existing_manifest().records).records
    return f"{kind}: {held(run, records).problems[kind]}"


def spoil(path: Path, how: str) -> None:
    path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    elif how == "device":
        path.symlink_to("/dev/zero")
    elif how == "folder":
        path.mkdir()
    elif how == "link to itself":
        path.symlink_to(path.name)
    elif how == "huge":
        with path.open("wb") as file:  # which takes no room on the disk
            file.truncate(file_sizes.ARTIFACT + 1)
    else:
        path.write_bytes(CONTENTS[how])


CONTENTS = {
    "nothing": b"",
    "zeros": bytes(100),
    "no text": b"\xff\xfe\xfd",
    "deep lists": b"[" * 100_000,
    "deep tables": b'{"a":' * 100_000,
    "deep in a field": b'{"version":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a long number": b'{"version":' + b"9" * 6000 + b"}",
    "a long text": b'"' + b"x" * 100_000,
    "a list": b"[1, 2]",
    "a number": b"NaN",
    "null": b"null\n",
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("how", ["pipe", "device", "folder", "link to itself", "huge", *CONTENTS])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_file(copied, kind, how):
    path = place_of(kind, copied)
    spoil(path, how)
    with at_most(5):
        line = read(kind, path, copied)
    assert "\n" not in line
    assert len(line) < 420 + len(str(copied))
    assert path.name in line or kind in line


def header_of(header: bytes, claimed: int | None = None) -> bytes:
    length = len(header) if claimed is None else claimed
    return struct.pack("<Q", length) + header + bytes(64)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header_of(b"{}", 2**63), "claims"),
        (header_of(b"{}", 10**9), "claims"),
        (header_of(b"{}", 0), "claims"),
        (header_of(b"[" * 100_000), "nested more than"),
        (header_of(b'{"__metadata__":' + b'{"a":' * 1000 + b"1"), "nested more than"),
        (header_of(b'{"a":1,"a":2}'), "twice"),
        (header_of(b'{"__metadata__":{"format":"x"}}'), "metadata"),
        (header_of(b"{}"), "__metadata__"),
        (header_of(b"[]"), "cannot be read"),
        (header_of(b'{"w":{"dtype":"BF16"},"__metadata__":{}}'), "BF16"),
        (header_of(b'{"w":7,"__metadata__":{}}'), "cannot be read"),
    ],
)
def test_headers_of_artifacts(tmp_path, content, said):
    path = tmp_path / "victim-0123456789abcdef0123.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=said) as raised:
        Artifact.read(path)
    assert len(str(raised.value)) < 420


@pytest.mark.parametrize("name", ["info", "about"])
@pytest.mark.parametrize(
    "text", ['{"a":1,"a":1}', '{"a": 1}', '{"a":1e999}', "[]", "{", '{"a":' * 90 + "1" + "}" * 90]
)
def test_what_an_artifact_says_in_another_spelling(tmp_path, monkeypatch, name, text):
    from robust_augcl.store import artifact as module

    spelt = module._json
    monkeypatch.setattr(module, "_json", lambda value: text if value == {"x": 1} else spelt(value))
    content = Artifact({}, **{name: {"x": 1}}).dumps()
    monkeypatch.undo()
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match="file: expected a stored artifact"):
        Artifact.read(path)


def test_a_line_of_a_record_that_is_too_long():
    header, *_ = make_record([]).dumps().split("\n")
    for text in (header + "\n" + "1" * (MOST_LINE + 1) + "\n", "x" * 100_000_000 + "\n"):
        with pytest.raises(ArtifactDamaged, match="letters") as raised:
            Record.loads(text, "file")
        assert len(str(raised.value)) < 420


@pytest.mark.parametrize("text", ["[" * 65 + "]" * 65, '{"a":[' * 40 + "]}" * 40, '["[",' * 70])
def test_depth_is_seen_before_anything_is_parsed(text, monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        strict.parse(text)


def test_brackets_in_texts_and_side_by_side_are_not_deep():
    texts = ["[" * 1000, '\\"' * 100 + "{" * 100, "\\"]
    assert strict.parse(json.dumps(texts)) == texts
    flat = [[]] * 1000
    assert strict.parse(json.dumps(flat)) == flat
    assert strict.parse("[" * 64 + "]" * 64)
