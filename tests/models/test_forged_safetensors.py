"""A safetensors file with a forged header is refused in a sentence, before it costs memory."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from command_line import call
from safetensors.torch import save
from torch import nn

from robust_augcl.errors import InputError
from robust_augcl.models.given_weights import read_weights, weights_of


def forged(header: Any, content: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header, which claims to have this length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def entry(kind: str, shape: list[Any], first: int, last: int, **more: Any) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [first, last], **more}


def one(kind: str, shape: list[Any], size: int, there: int) -> bytes:
    """A file of one tensor that claims `size` bytes, of which some are there."""
    return forged({"w": entry(kind, shape, 0, size)}, bytes(there))


FIRST = entry("F32", [2], 0, 8)
TWICE = f'{{"a": {json.dumps(FIRST)}, "a": {json.dumps(FIRST)}}}'.encode()
NOT_FINITE = forged({"w": entry("F32", [1], 0, 4)}, struct.pack("<f", float("inf")))
FORGED = {
    "nothing": (b"", "a header of 0 bytes in a file of 0"),
    "a part of the length": (b"\x02\x00", "a header of 2 bytes in a file of 2"),
    "longer than the file": (forged({}, length=2**40), "a header of 1099511627776 bytes in a file"),
    "the longest": (forged({}, length=2**64 - 1), "18446744073709551615 bytes in a file of 10"),
    "a huge header": (
        forged(b" " * (2**24 + 1)),
        "a header of at most 16777216 bytes, got 16777217",
    ),
    "no JSON": (forged(b"{'w'"), "Expected a header in JSON"),
    "no text": (forged(b"\xff\xfe{}"), "Expected a header in JSON"),
    "deep": (forged(b"[" * 90_000), "nested more than 64 deep"),
    "a list": (forged([]), "a header that names tensors, got list"),
    "numbers as metadata": (
        forged({"__metadata__": {"a": 3}}),
        "metadata of the header to be texts",
    ),
    "many": (forged({f"w{n}": entry("F32", [0], 0, 0) for n in range(100_001)}), "got 100001"),
    "a name twice": (forged(TWICE, bytes(8)), "the key 'a' stands twice"),
    "overlapping": (
        forged({"a": FIRST, "b": entry("F32", [2], 4, 12)}, bytes(12)),
        "shares bytes with another tensor: 'b'",
    ),
    "in one place": (
        forged({"a": FIRST, "b": FIRST}, bytes(8)),
        "shares bytes with another tensor: 'b'",
    ),
    "a gap": (
        forged({"a": FIRST, "b": entry("F32", [1], 12, 16)}, bytes(16)),
        "leaves a gap before it: 'b'",
    ),
    "backwards": (
        forged({"w": entry("F32", [2], 8, 0)}, bytes(8)),
        "Expected 8 bytes of .* got -8",
    ),
    "beyond the file": (one("F32", [20], 80, 8), "tensors of 80 bytes after its header, got 8 "),
    "more than is named": (one("F32", [2], 8, 80), "tensors of 8 bytes after its header, got 80 "),
    "a larger shape": (one("F32", [2**29], 8, 8), "Expected 2147483648 bytes of the tensor 'w'"),
    "a huge shape": (one("F32", [2**62, 4], 8, 8), "Expected the shape of the tensor 'w' to be"),
    "nothing, many times": (one("F32", [0, 2**62], 0, 0), "Expected the shape of the tensor 'w'"),
    "a negative shape": (one("F32", [-2], 8, 8), "Expected the shape of the tensor 'w' to be"),
    "half a shape": (one("F32", [0.5], 8, 8), "Expected the shape of the tensor 'w' to be"),
    "true as a shape": (one("F32", [True], 4, 4), "Expected the shape of the tensor 'w' to be"),
    "many axes": (one("F32", [1] * 1000, 4, 4), "at most 16 whole numbers"),
    "no shape": (forged({"w": {"dtype": "F32"}}), "Expected `dtype`, `shape` and `data_offsets`"),
    "a number": (forged({"w": 3}), "Expected `dtype`, `shape` and `data_offsets` .* got 3"),
    "an unknown type": (one("Q4", [2], 1, 1), "Expected the type of the tensor 'w' to be one of"),
    "a list as type": (forged({"w": {**FIRST, "dtype": []}}, bytes(8)), "Expected the type of the"),
    "bfloat16": (one("BF16", [4], 8, 8), r"got 'BF16'; `\.float\(\)` makes 32-bit floats of it"),
    "complex": (one("C64", [1], 8, 8), "Expected the type of the tensor 'w' .* got 'C64'"),
    "no truth": (forged({"w": entry("BOOL", [2], 0, 2)}, b"\x01\x02"), "to be true or false"),
    "not finite": (NOT_FINITE, "Expected finite weights of the file, got NaN or infinity in 'w'"),
    "half a letter": (
        forged(b'{"\\ud800": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', bytes(8)),
        "Expected a safetensors file, got one that cannot be read",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_header_is_refused_in_a_sentence(tmp_path, name):
    content, words = FORGED[name]
    path = tmp_path / "forged.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as refused:
        read_weights(path)
    text = str(refused.value)
    assert text.startswith("Cannot read the weights '/")
    assert "forged.safetensors': Expected " in text
    assert "\n" not in text
    assert len(text) < 500


@pytest.mark.parametrize("name", ["longer than the file", "overlapping", "a huge shape", "complex"])
def test_the_command_line_refuses_it_in_a_line(tmp_path, name):
    path, data = tmp_path / "forged.safetensors", tmp_path / "one.jsonl"
    path.write_bytes(FORGED[name][0])
    data.write_text(
        '{"edges": [[0, 1]], "num_nodes": 2, "y": 0}\n{"edges": [], "num_nodes": 2, "y": 1}\n'
    )
    command = ["--model", "given_models:Counts", "--weights", path, "--data", data]
    how = ["--attack", "exhaustive", "--budget", "1", "--out", tmp_path / "run"]
    answer = call("evaluate", *command, *how)
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    assert "Cannot read the weights" in line
    assert not (tmp_path / "run").exists()


def test_an_honest_file_is_read_as_it_is(tmp_path):
    module = nn.BatchNorm1d(3)
    (tmp_path / "honest.safetensors").write_bytes(save(weights_of(module, "it"), {"by": "us"}))
    found = read_weights(tmp_path / "honest.safetensors")
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in module.state_dict().items()
    }
