"""Certificates that are missing, damaged or of other data are named, and computed again."""

from __future__ import annotations

import pytest
from forged_certificates import (
    forge,
    path_of,
)

from robust_augcl.store.artifact import Artifact


def test_missing_damaged_and_exchanged_certificates_are_named(suite, spoilt, certificates, command):
    paths = [path_of(spoilt, certificates[budget]) for budget in (1, 2, 3)]
    paths[0].write_bytes(paths[1].read_bytes())
    content = bytearray(paths[1].read_bytes())
    content[-3] ^= 1
    paths[1].write_bytes(bytes(content))
    paths[2].unlink()
    answer = command("replay", spoilt)
    assert answer.code == 1
    words = ("FAILED", "FAILED", "missing")
    told = [line for line in answer.out.splitlines() if line.startswith(words)]
    for path, word, line in zip(paths, words, told, strict=True):
        assert line.startswith(f"{word}  {path.name}")
    assert "its threat is not that of its step" in told[0]
    assert "2 of 2 certificates do not hold; 1 result is missing" in answer.err
    next((spoilt / "records").glob("*.jsonl")).unlink()
    answer = command("replay", spoilt)
    assert "2 of 2 certificates do not hold; 2 results are missing" in answer.err


def test_a_certificate_of_another_data_set_is_computed_again(suite, spoilt, certificates, command):
    path = path_of(spoilt, certificates[1])
    before = Artifact.read(path).info
    forge(path, lambda info: info.update(dataset="another"))
    answer = command("run", suite, "--out", spoilt, "--workers", "1")
    assert "rests on another artifact" in answer.err
    assert Artifact.read(path).info == before


@pytest.mark.parametrize("name", ["dataset", "witnesses"])
def test_what_a_run_does_not_write_is_set_aside_and_computed_again(
    suite, spoilt, certificates, command, name
):
    path = path_of(spoilt, certificates[1])
    before = Artifact.read(path).info
    forge(path, lambda info: info.pop(name))
    assert command("report", spoilt).code == 0  # without it
    answer = command("run", suite, "--out", spoilt, "--workers", "1")
    assert answer.code == 0
    assert f"{path.name}: expected a certificate's `{name}`" in answer.err
    assert "set aside" in answer.err
    assert Artifact.read(path).info == before
