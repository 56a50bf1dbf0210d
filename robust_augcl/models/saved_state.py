"""State dicts in files of `torch.save`, read by nothing that could do more than make tensors.

Such a file is a zip archive: the numbers of each storage, and a pickle that says which tensor lies
where in which storage. PyTorch's own reader, with `weights_only=True`, runs no code. But it calls
what the pickle asks it to call, `bytearray` of any length for example, and believes it how long a
storage is. Here the pickle is not unpickled: it is read word by word, what it claims is held
against what is there, and no word makes more than it holds.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robust_augcl.errors import InputError, cut, message_of, shown
from robust_augcl.models.saved_parts import MOST_WEIGHTS, Parts, Unreadable

_MOST_AXES = 16
_MOST_PLACE = 2**62  # of sizes, steps and places, in numbers of a storage
_OLDER = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of PyTorch before 1.6 begin."""
_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_OTHER_TENSORS = {
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_qtensor": "a quantized tensor",
    "_rebuild_wrapper_subclass": "a tensor of a class of its own",
    "_rebuild_from_type_v2": "a tensor with attributes or a class of its own",
    "_rebuild_tensor_v3": "a tensor of a type that cannot be stored",
}


def tensors_saved_in(content: bytes) -> Any:
    """What `torch.save` wrote: dictionaries, lists, numbers and texts, with tensors on the CPU.

    Tensors may share their numbers, and show one of them many times, as they did.

    Raises:
        InputError: it holds something else, claims more than it holds, or is no such file.

    >>> import io
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2, 3).T, "epoch": 3}, file)
    >>> found = tensors_saved_in(file.getvalue())
    >>> found["weight"].shape, found["epoch"]
    (torch.Size([3, 2]), 3)
    """
    if content.startswith(_OLDER):
        raise InputError(
            "Expected a file as PyTorch writes it since 1.6, got the older format, whose parts "
            "have no stated sizes: save it again, `torch.save(torch.load(path, "
            "weights_only=True), path)`, or as safetensors"
        )
    try:
        return _Reader(Parts(content)).read()
    except InputError:
        raise
    except Exception as error:  # zip's, of the pickle's words
        text = str(error) if isinstance(error, Unreadable) else message_of(error)
        raise InputError(
            "Expected a state dict, as `torch.save(model.state_dict(), ...)` writes it, got a file "
            f"that cannot be read ({cut(text, 120)})"
        ) from None


# --- what its words may stand for -----------------------------------------------------------------


class _Storage(NamedTuple):
    numbers: Tensor


class _Named(NamedTuple):
    """A type or function that the pickle names."""

    dtype: torch.dtype | None = None
    makes: Callable[..., Any] | None = None


def _tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    needs_gradient: Any = None,
    hooks: Any = None,
    notes: Any = None,
) -> Tensor:
    """A tensor as a view of its storage, if it lies in there."""
    if notes:  # such as: another sign
        raise InputError(
            "Expected tensors whose numbers are as they are stored, got one that is to be changed "
            "when it is read (conjugated or negated): save `tensor.resolve_conj().resolve_neg()`"
        )
    places = _are_places(size) and _are_places(stride) and _are_places((offset,))
    if type(storage) is not _Storage or not places or len(size) != len(stride):
        raise Unreadable("a tensor is described in another way")
    numbers = storage.numbers
    claimed = math.prod(size) * numbers.element_size()
    if claimed > MOST_WEIGHTS:
        raise InputError(f"Expected tensors of at most {MOST_WEIGHTS} bytes, got {claimed}")
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    if claimed and last >= numbers.numel():
        raise InputError(
            f"Expected tensors inside of their storages, got one up to number {last} of a storage "
            f"of {numbers.numel()}"
        )
    return numbers.as_strided(size, stride, offset) if claimed else numbers.new_empty(size)


def _are_places(values: Any) -> bool:
    return (
        type(values) is tuple
        and len(values) <= _MOST_AXES
        and all(type(each) is int and 0 <= each <= _MOST_PLACE for each in values)
    )


def _parameter(data: Any, *_: Any) -> Any:
    return data


_MAKES: Mapping[tuple[str, str], _Named] = {
    ("collections", "OrderedDict"): _Named(makes=dict),
    ("torch._utils", "_rebuild_tensor_v2"): _Named(makes=_tensor),
    ("torch._utils", "_rebuild_parameter"): _Named(makes=_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): _Named(makes=_parameter),
    **{("torch", name): _Named(dtype=dtype) for name, dtype in _TYPES.items()},
}


def _named(module: Any, name: Any) -> _Named:
    if type(module) is not str or type(name) is not str:
        # Few words make tuples of tuples whose text, or hash, would take forever.
        raise Unreadable("it names something by what is no text")
    found = _MAKES.get((module, name))
    if found is not None:
        return found
    if name == "_rebuild_meta_tensor_no_storage":
        raise InputError(
            "Expected weights that are there, got some on the device `meta`: move the model to a "
            "real one before you save it"
        )
    if name in _OTHER_TENSORS and module.startswith("torch."):
        raise InputError(f"Expected dense tensors of known types, got {_OTHER_TENSORS[name]}")
    raise InputError(
        "Expected a state dict, as `torch.save(model.state_dict(), ...)` writes it, got a file "
        "that holds something else too, such as a whole module "
        f"({cut(f'{module}.{name}')}): nothing is unpickled that may be code"
    )


# --- reading it word by word ----------------------------------------------------------------------

_NEW: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_PLAIN = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT, _GET = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"BINGET", "LONG_BINGET"}
_NOTHING = {"PROTO", "FRAME", "STOP"}


class _Reader:
    """Reads the words of a pickle. Each adds as much as it holds, and copies nothing of others."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._storages: dict[str, tuple[torch.dtype, _Storage]] = {}

    def read(self) -> Any:
        for opcode, argument, _ in pickletools.genops(self._parts.words):
            self._word(opcode.name, argument)
        (found,) = self._stack
        return found

    def _word(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _PLAIN:
            stack.append(argument)
        elif name in _NEW:
            stack.append(_NEW[name]())
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name in _TUPLES:
            stack.append(tuple(self._taken(len(stack) - _TUPLES[name])))
        elif name in _PUT:
            self._memo[len(self._memo) if argument is None else argument] = stack[-1]
        elif name in _GET:
            stack.append(self._memo[argument])
        elif name not in _NOTHING:
            rule = getattr(self, f"_{name.lower()}", None)
            if rule is None:
                raise Unreadable(f"it says {name}, which no state dict does")
            rule(argument)

    def _taken(self, first: int) -> list[Any]:
        """What lies on the stack from a place on, which is taken away."""
        if first < (self._marks[-1] if self._marks else 0):
            raise Unreadable("it takes more than there is")
        found = self._stack[first:]
        del self._stack[first:]
        return found

    def _marked(self) -> list[Any]:
        first = self._marks.pop()
        found = self._stack[first:]
        del self._stack[first:]
        return found

    def _tuple(self, _: None) -> None:
        self._stack.append(tuple(self._marked()))

    def _append(self, _: None) -> None:
        self._add(self._taken(len(self._stack) - 1))

    def _appends(self, _: None) -> None:
        self._add(self._marked())

    def _add(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise Unreadable("it appends to what is no list")
        self._stack[-1].extend(items)

    def _setitem(self, _: None) -> None:
        self._enter(self._taken(len(self._stack) - 2))

    def _setitems(self, _: None) -> None:
        self._enter(self._marked())

    def _enter(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        if type(self._stack[-1]) is not dict or len(keys) != len(values):
            raise Unreadable("it enters items where there is no dictionary")
        if not all(each is None or type(each) in (str, int, float, bool, bytes) for each in keys):
            raise Unreadable("it has keys that are neither texts nor numbers")
        self._stack[-1].update(zip(keys, values, strict=True))

    def _global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self._stack.append(_named(module, name))

    def _stack_global(self, _: None) -> None:
        self._stack.append(_named(*self._taken(len(self._stack) - 2)))

    def _reduce(self, _: None) -> None:
        called, arguments = self._taken(len(self._stack) - 2)
        makes = called.makes if type(called) is _Named else None
        if makes is None or type(arguments) is not tuple or (makes is dict and arguments):
            raise Unreadable("it calls something that it has not named")
        self._stack.append(makes(*arguments))

    def _build(self, _: None) -> None:
        """An `OrderedDict` has attributes, of which weights need none."""
        self._taken(len(self._stack) - 1)
        if type(self._stack[-1]) is not dict:
            raise Unreadable("it gives attributes to what has none")

    def _binpersid(self, _: None) -> None:
        (said,) = self._taken(len(self._stack) - 1)
        self._stack.append(self._storage(said))

    def _storage(self, said: Any) -> _Storage:
        if type(said) is not tuple or len(said) != 5 or said[0] != "storage":
            raise Unreadable("a storage is described in another way")
        _, kind, key, _, count = said
        dtype = kind.dtype if type(kind) is _Named else None
        if dtype is None or type(key) is not str or not _are_places((count,)):
            raise Unreadable("a storage is described in another way")
        if key not in self._storages:
            self._storages[key] = dtype, self._stored(dtype, key, count)
        known, found = self._storages[key]
        if (known, found.numbers.numel()) != (dtype, count):
            raise Unreadable("one storage is described in two ways")
        return found

    def _stored(self, dtype: torch.dtype, key: str, count: int) -> _Storage:
        if not count:
            return _Storage(torch.empty(0, dtype=dtype))
        content = self._parts.storage(key)
        if len(content) < count * dtype.itemsize:
            raise InputError(
                f"Expected {count * dtype.itemsize} bytes of the storage {shown(key)}, by its "
                f"length and type, got {len(content)}"
            )
        return _Storage(torch.frombuffer(bytearray(content), dtype=dtype, count=count))
