"""Files of weights that are not what they should be: forged, or written by a wrapper of the module.

Each refusal is one sentence, and comes before memory is taken for what a file claims.
"""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
from typing import Any

import pytest
import torch
from command_line import call
from safetensors.torch import save
from torch import Tensor, nn

from robust_augcl.errors import InputError
from robust_augcl.models.given_weights import read_weights, weights_of, with_weights
from robust_augcl.models.saved_state import tensors_saved_in


@pytest.mark.parametrize(
    ("prefix", "writer"),
    [
        ("module.", "DistributedDataParallel"),
        ("_orig_mod.", "torch.compile"),
        ("model.", "wrapper"),
    ],
)
def test_names_of_a_wrapper_are_told(tmp_path, prefix, writer):
    inner = nn.Linear(2, 2)
    path = tmp_path / "wrapped.pt"
    torch.save({prefix + name: value for name, value in inner.state_dict().items()}, path)
    with pytest.raises(InputError) as refused:
        with_weights(inner, read_weights(path), "gin")
    text = str(refused.value)
    assert f"all their names begin with {prefix!r}" in text
    assert writer in text
    assert ".state_dict()` instead" in text


def test_what_data_parallel_writes_is_known():
    wrapped = nn.DataParallel(nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"begin with 'module\.'.*model\.module\.state_dict"):
        with_weights(wrapped.module, wrapped.state_dict(), "gin")
    with pytest.raises(InputError, match=r"names of the module begin with 'module\.'.*hand over"):
        with_weights(wrapped, wrapped.module.state_dict(), "gin")


def test_a_prefix_beside_other_shapes_is_no_wrapper():
    state = {f"module.{name}": value for name, value in nn.Linear(3, 2).state_dict().items()}
    with pytest.raises(InputError, match="is of shape none instead of"):
        with_weights(nn.Linear(2, 2), state, "gin")


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_is_told_from_a_state_dict(tmp_path, key):
    path = tmp_path / "checkpoint.pt"
    torch.save({"epoch": 3, key: nn.Linear(2, 2).state_dict()}, path)
    with pytest.raises(InputError, match=f"got a checkpoint with one in '{key}': save that alone"):
        read_weights(path)


# --- forged headers -------------------------------------------------------------------------------


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


# --- files of `torch.save` that claim more than they hold -----------------------------------------


def saved(state: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, **options)
    return file.getvalue()


def with_parts(content: bytes, others: dict[str, bytes]) -> bytes:
    """The same file with other parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, others.get(name.partition("/")[2], old.read(name)))
    return file.getvalue()


def pickled(words: bytes) -> bytes:
    return with_parts(saved({"w": torch.zeros(4, 2)}), {"data.pkl": words})


def with_words(old: str, new: str) -> bytes:
    """A file of a tensor of shape (4, 2) in whose pickle some words are others."""
    content = saved({"w": torch.zeros(4, 2)})
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        words = file.read("archive/data.pkl")
    assert words.count(old.encode("latin-1")) == 1
    return pickled(words.replace(old.encode("latin-1"), new.encode("latin-1")))


def twice(content: bytes) -> bytes:
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the name that is there twice
        new.writestr("archive/data.pkl", b"\x80\x02}.")
    return file.getvalue()


def scripted() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


OTHER_WAY = "a tensor is described in another way"


def compressed(content: bytes) -> bytes:
    """The same file with its parts compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def damaged() -> bytes:
    """A file in which a number is another one than was saved."""
    content = saved({"w": torch.full((9,), 3.0)})
    return content.replace(torch.tensor(3.0).numpy().tobytes(), bytes(4), 1)


def without_checksums() -> bytes:
    """A file of PyTorch that was told to compute none."""
    if not hasattr(torch.serialization, "set_crc32_options"):  # it came with 2.6
        return damaged()
    torch.serialization.set_crc32_options(False)
    try:
        return saved({"w": torch.ones(9)})
    finally:
        torch.serialization.set_crc32_options(True)


def with_an_attribute() -> Tensor:
    tensor = torch.ones(2)
    tensor.note = "of somebody"
    return tensor


CLAIMS = {
    "one number many times": (
        lambda: saved({"w": torch.zeros(1).expand(2**50)}),
        "Expected tensors of at most 2147483648 bytes, got 4503599627370496",
    ),
    "one tensor many times": (
        lambda: saved(dict.fromkeys(map(str, range(5000)), torch.zeros(2**17))),
        "Expected tensors of at most 2147483648 bytes, got 2621440000",
    ),
    "no numbers": (
        lambda: saved(nn.Linear(2, 2, device="meta").state_dict()),
        "got some on the device `meta`: move the model to a real one before you save it",
    ),
    "sparse": (lambda: saved({"w": torch.eye(2).to_sparse()}), "got a sparse tensor"),
    "bfloat16": (lambda: saved({"w": torch.ones(1).bfloat16()}), "got bfloat16 in 'w'; `.float()`"),
    "a module": (
        lambda: saved(nn.Linear(2, 2)),
        "something else too, such as a whole module (torch.nn.modules.linear.Linear)",
    ),
    "the older format": (
        lambda: saved({"w": torch.ones(1)}, _use_new_zipfile_serialization=False),
        "got the older format, whose parts have no stated sizes: save it again, `torch.save(torch.",
    ),
    "a scripted module": (scripted, "got a scripted module (`torch.jit.save`): save its"),
    "a part of a storage": (
        lambda: with_parts(saved({"w": torch.zeros(1000)}), {"data/0": bytes(8)}),
        "Expected 4000 bytes of the storage '0', by its length and type, got 8",
    ),
    "beyond its storage": (
        lambda: with_words("K\x04K\x02\x86", "K\x04K\x09\x86"),
        "got one up to number 14 of a storage of 8",
    ),
    "steps back": (lambda: with_words("K\x02K\x01\x86", "K\x02J\xff\xff\xff\xff\x86"), OTHER_WAY),
    "a storage of text": (
        lambda: with_words("X\x01\0\0\x000", "X\x01\0\0\x009"),
        "no part 'archive",
    ),
    "bytes out of nothing": (
        lambda: pickled(b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x10\x85R."),
        "such as a whole module (builtins.bytearray)",
    ),
    "a storage out of nothing": (
        lambda: pickled(b"\x80\x02ctorch.storage\nUntypedStorage\n\x8a\x05\0\0\0\0\x10\x85R."),
        "such as a whole module (torch.storage.UntypedStorage)",
    ),
    "code": (lambda: pickled(b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."), "module (os.system)"),
    "a deep key": (lambda: pickled(b"\x80\x02})" + b"\x85" * 10**5 + b"K\x01s."), "keys that are"),
    "a dictionary many times": (
        lambda: pickled(b"\x80\x02ccollections\nOrderedDict\n}q\0\x85R."),
        "it calls something that it has not named",
    ),
    "too few words": (lambda: pickled(b"\x80\x02\x86."), "it takes more than there is"),
    "words of a class": (lambda: pickled(b"\x80\x02}(io\nsystem\no."), "it says "),
    "no end": (lambda: pickled(b"\x80\x02}"), "a file that cannot be read"),
    "damaged": (damaged, "the file is damaged, or was written without checksums"),
    "no checksums": (without_checksums, "`torch.serialization.set_crc32_options(True)`"),
    "an attribute": (
        lambda: saved({"w": with_an_attribute()}),
        "got a tensor with attributes or a class of its own",
    ),
    "the words twice": (lambda: twice(saved({})), "or several of one name"),
    "of another machine": (
        lambda: with_parts(saved({}), {"byteorder": b"big"}),
        "whose lowest byte comes first",
    ),
    "a list": (lambda: saved([1]), "Expected a state dict, got list"),
    "cut": (lambda: saved({"w": torch.ones(9)})[:-40], "a file that cannot be read"),
    "nothing": (lambda: b"", "a file that cannot be read"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_what_a_state_dict_claims_is_looked_at_before_it_is_copied(tmp_path, name):
    make, words = CLAIMS[name]
    path = tmp_path / "forged.pt"
    path.write_bytes(make())
    with pytest.raises(InputError) as refused:
        read_weights(path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_compressed_parts_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "packed.pt"
    path.write_bytes(compressed(saved({"w": torch.zeros(10**6)})))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_, **__: pytest.fail("it is read"))
    with pytest.raises(InputError, match="in which nothing is compressed, got one with 'archive"):
        read_weights(path)


class Every(nn.Module):
    """A module with numbers of all types, tied weights, a view, nothing and extra state."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 3)
        self.other = nn.Linear(3, 3)
        self.other.weight = self.one.weight
        self.norm = nn.BatchNorm1d(4)
        kinds = "float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128"
        for kind in kinds.split():
            self.register_buffer(
                f"of_{kind}", torch.arange(6).reshape(2, 3).to(getattr(torch, kind))
            )
        self.register_buffer(
            "turned", torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)[1:, :, 1:]
        )
        self.register_buffer("nothing", torch.zeros(0, 5))
        self.register_buffer("scalar", torch.tensor(2.5))
        self.register_buffer("repeated", torch.ones(1).expand(4))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "how", ["a state dict", "parameters", "a checkpoint", "a plain dictionary"]
)
def test_state_dicts_are_read_as_pytorch_reads_them(protocol, how):
    """Our reader against `torch.load`, which believes what it reads."""
    module = Every()
    made = {
        "a state dict": module.state_dict(),
        "parameters": dict(module.named_parameters(remove_duplicate=False)),
        "a checkpoint": {
            "epoch": 3,
            "rates": [0.1, -2, 10**12, None, True],
            "weights": module.state_dict(),
            "optimizer": torch.optim.Adam(module.one.parameters()).state_dict(),
        },
        "a plain dictionary": {str(n): torch.full((n,), float(n)) for n in range(300)},
    }[how]
    content = saved(made, pickle_protocol=protocol)
    found, expected = tensors_saved_in(content), torch.load(io.BytesIO(saved(made)))
    assert_same(found, expected)
    if how == "a state dict":
        tied = found["one.weight"], found["other.weight"]
        assert tied[0].data_ptr() == tied[1].data_ptr()


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert_same(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected
        assert type(found) is type(expected)


def test_names_that_are_no_texts_are_refused_at_once():
    """A tuple of two tuples of two, and so on: 240 bytes whose text would fill all memory."""
    words = b"\x80\x02)q\x00"
    for level in range(40):
        words += b"h%ch%c\x86q%c" % (level, level, level + 1)
    for name in (b"\x8c\x01x\x93.", b"\x8c\x01xh\x28\x93."):
        with pytest.raises(InputError, match="names something by what is no text"):
            tensors_saved_in(pickled(words + name))


@pytest.mark.parametrize("changed", [lambda z: z.conj(), lambda z: z.conj().imag])
def test_numbers_that_change_when_they_are_read_are_refused(changed):
    """PyTorch stores the numbers as they were, and a note beside them."""
    tensor = changed(torch.tensor([1 + 2j, 3 - 4j]))
    with pytest.raises(InputError, match=r"conjugated or negated.*resolve_conj\(\)\.resolve_neg"):
        tensors_saved_in(saved({"w": tensor}))
    found = tensors_saved_in(saved({"w": tensor.resolve_conj().resolve_neg()}))
    assert found["w"].tolist() == tensor.tolist()


def test_no_spoilt_file_ends_in_anything_but_a_sentence():
    """Bytes of an honest file changed at random: it is read, or refused in one line."""
    honest = saved(nn.Linear(3, 3).state_dict())
    draws, refused, read = random.Random(0), 0, 0
    for _ in range(500):
        spoilt = bytearray(honest)
        for _ in range(draws.randrange(1, 4)):
            spoilt[draws.randrange(len(spoilt))] = draws.randrange(256)
        try:
            tensors_saved_in(bytes(spoilt))
        except InputError as error:
            refused += "\n" not in str(error)
        else:
            read += 1
    assert refused + read == 500
    assert refused > 100 < read


def test_no_spoilt_words_end_in_anything_but_a_sentence():
    with zipfile.ZipFile(io.BytesIO(saved(Every().state_dict()))) as file:
        words = file.read("archive/data.pkl")
    draws, refused, read = random.Random(1), 0, 0
    content = saved(Every().state_dict())
    for _ in range(500):
        spoilt = bytearray(words)
        for _ in range(draws.randrange(1, 4)):
            spoilt[draws.randrange(len(spoilt))] = draws.randrange(256)
        try:
            tensors_saved_in(with_parts(content, {"data.pkl": bytes(spoilt)}))
        except InputError as error:
            refused += "\n" not in str(error)
        else:
            read += 1
    assert refused + read == 500
    assert refused > 100
