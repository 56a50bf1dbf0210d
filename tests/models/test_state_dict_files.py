"""Files of `torch.save` are read as PyTorch reads them, or refused before they are believed."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robust_augcl.errors import InputError
from robust_augcl.models.given_weights import read_weights
from robust_augcl.models.saved_state import tensors_saved_in


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
