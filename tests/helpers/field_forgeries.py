"""One field of one file of a run's folder changed, and every checksum given again.

So somebody would do it who knows the formats: the digests that other files hold of what was changed
are changed with it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.store.artifact import Artifact

At = tuple[str | int, ...]
"""Where a value lies in JSON: keys and places."""
GONE = object()
"""What a field becomes that is left out."""


@dataclass(frozen=True)
class Forgery:
    """A change of one field of one file.

    Args:
        file: relative to the folder.
        part: of the file: "header", "outcomes", "info", "about", "tensors", or "" for all of it.
        at: where the field lies in that part; a tensor's name.
        change: from the old value to the new one, or to `GONE`.
        how: the change in words.
    """

    file: str
    part: str
    at: At
    change: Callable[[Any], Any]
    how: str

    @property
    def field(self) -> str:
        """The field in words: what stands in lists is one field."""
        kind = kind_of_file(self.file)
        path = ".".join("*" if isinstance(step, int) else step for step in self.at)
        return " ".join(part for part in (kind, self.part, path) if part)

    def __str__(self) -> str:
        return f"{self.field} {self.how} ({self.file})"

    def apply(self, folder: Path) -> None:
        """Change the folder's file, and the digests that other files hold of it."""
        path = folder / self.file
        if path.suffix == ".jsonl":
            path.write_text(_forged_record(path.read_text(), self))
        elif path.suffix == ".safetensors":
            artifact = Artifact.read(path)
            forged = _forged_artifact(artifact, self)
            path.write_bytes(forged.dumps())
            _follow(folder, path.stem, artifact.digest, forged.digest)
        else:
            content = json.loads(path.read_text())
            content = changed(content, self.at, self.change)
            if isinstance(content, dict) and "digest" in content and self.at != ("digest",):
                content["digest"] = _sorted_digest(content)
            path.write_text(json.dumps(content, indent=1) + "\n")


def kind_of_file(file: str) -> str:
    """Which kind of file it is: of a step, the kind of step.

    >>> kind_of_file("artifacts/warm_up-0123456789.safetensors"), kind_of_file("run.json")
    ('warm_up', 'run.json')
    """
    path = Path(file)
    return path.stem.partition("-")[0] if path.parent.name else path.name


# --- which changes there are ----------------------------------------------------------------------


def forgeries(folder: Path, draws: random.Random) -> Iterator[Forgery]:
    """Every kind of change of every field of every kind of file.

    Of fields that stand in lists, or in several files of a kind, one is drawn.
    """
    by_field: dict[str, list[tuple[str, str, At, Any]]] = {}
    for file, part, at, value in _fields(folder):
        name = Forgery(file, part, at, copy.copy, "").field
        by_field.setdefault(name, []).append((file, part, at, value))
    for _, places in sorted(by_field.items()):
        ways = [(how, place) for place in places for how in ways_of(place[3])]
        for chosen in sorted({how for how, _ in ways}):
            able = [place for how, place in ways if how == chosen and _is_change(how, place[3])]
            if able:
                file, part, at, value = draws.choice(able)
                yield Forgery(file, part, at, ways_of(value)[chosen], chosen)


def a_share(of: Sequence[Forgery], draws: random.Random) -> list[Forgery]:
    """One forgery of each field, in their order.

    It leaves a value of its type, where it can, and so must be noticed by what it says: the others
    are no content of the format. Each way of changing there is, is among them.
    """
    drawn = sorted(draws.sample(of, len(of)), key=lambda forgery: forgery.how in _OTHER_TYPES)
    by_field: dict[str, Forgery] = {}
    for forgery in drawn:
        by_field.setdefault(forgery.field, forgery)
    chosen = list(by_field.values())
    ways = {forgery.how for forgery in chosen}
    for forgery in of:
        if forgery.how not in ways:
            ways.add(forgery.how)
            chosen.append(forgery)
    places = {id(forgery): place for place, forgery in enumerate(of)}
    return sorted(chosen, key=lambda forgery: places[id(forgery)])


def _is_change(how: str, value: Any) -> bool:
    """Whether that way of changing a value makes another one of it."""
    new = ways_of(value)[how](value)
    if isinstance(value, Tensor) and isinstance(new, Tensor):
        return new.dtype != value.dtype or not torch.equal(new, value)
    return new is GONE or repr(new) != repr(value)


def _fields(folder: Path) -> Iterator[tuple[str, str, At, Any]]:
    for path in sorted(folder.rglob("*")):
        file = str(path.relative_to(folder))
        if path.suffix == ".jsonl":
            header, *outcomes = map(json.loads, path.read_text().splitlines())
            yield from ((file, "header", at, value) for at, value in parts(header))
            yield from ((file, "outcomes", at, value) for at, value in parts(outcomes))
        elif path.suffix == ".safetensors":
            artifact = Artifact.read(path)
            for name in ("info", "about"):
                of_part = parts(getattr(artifact, name))
                yield from ((file, name, at, value) for at, value in of_part)
            for name, tensor in artifact.tensors.items():
                yield file, "tensors", (name,), tensor
        elif path.suffix == ".json":
            yield from ((file, "", at, value) for at, value in parts(json.loads(path.read_text())))


def parts(value: Any, at: At = ()) -> Iterator[tuple[At, Any]]:
    """Every value in JSON, containers too, but for the whole.

    >>> list(parts({"a": [1]}))
    [(('a',), [1]), (('a', 0), 1)]
    """
    if at:
        yield at, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from parts(inner, (*at, key))
    if isinstance(value, list):
        for place, inner in enumerate(value):
            yield from parts(inner, (*at, place))


_OTHERS: tuple[Any, ...] = (None, "x", [], {}, -1, 2.5)
_OTHER_TYPES = {"left out", *(f"made {new!r}" for new in _OTHERS)}
"""Ways of changing that leave a value of its type at the most by chance."""


def ways_of(value: Any) -> dict[str, Callable[[Any], Any]]:
    """In which ways a value of that type is changed."""
    if isinstance(value, Tensor):
        return _TENSORS if value.numel() else {}
    ways = {"left out": lambda _: GONE}
    ways |= {f"made {new!r}": lambda _, new=new: new for new in _OTHERS}
    if type(value) is bool:
        ways |= {"turned": lambda old: not old, "as a number": int}
    elif type(value) is int:
        ways |= {
            "one more": lambda old: old + 1,
            "one less": lambda old: old - 1,
            "as a float": float,
            "as true": lambda _: True,
            "huge": lambda _: 2**70,
        }
    elif type(value) is float:
        ways |= {
            "a bit more": lambda old: old * 1.01 + 0.01,
            "one ulp more": lambda old: math.nextafter(old, math.inf),
            "one ulp less": lambda old: math.nextafter(old, -math.inf),
            "negative": lambda old: -old - 0.5,
            "NaN": lambda _: float("nan"),
            "infinite": lambda _: float("inf"),
        }
    elif type(value) is str:
        ways |= {"longer": lambda old: old + "x", "empty": lambda _: ""}
    elif type(value) is list and value:
        ways |= {
            "without the last": lambda old: old[:-1],
            "with the first again": lambda old: [*old, old[0]],
            "turned round": lambda old: old[::-1],
        }
    elif type(value) is dict:
        ways |= {"with one more": lambda old: {**old, "extra": 1}}
    return ways


def _with_first(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def changed_tensor(old: Tensor) -> Tensor:
        new = old.clone()
        flat = new.view(-1)
        flat[0] = change(flat[0])
        return new

    return changed_tensor


_TENSORS: dict[str, Callable[[Any], Any]] = {
    "left out": lambda _: GONE,
    "first one more": _with_first(lambda old: ~old if old.dtype is torch.bool else old + 1),
    "first one ulp more": _with_first(
        lambda old: (
            torch.nextafter(old, torch.full_like(old, torch.inf))
            if old.is_floating_point()
            else old + (1 if old.dtype is not torch.bool else 0)
        )
    ),
    "cut short": lambda old: old[:-1] if old.dim() else old.new_zeros(2),
    "of another type": lambda old: old.to(torch.float64 if old.is_floating_point() else torch.int8),
    "of another shape": lambda old: old.unsqueeze(0),
    "not a number": lambda old: (
        _with_first(lambda _: torch.tensor(float("nan")))(old)
        if old.is_floating_point()
        else old.new_full(old.shape, True if old.dtype is torch.bool else -1)
    ),
    "turned round": lambda old: old.flip(0) if old.dim() else old + 1,
}


# --- making them ----------------------------------------------------------------------------------


def changed(content: Any, at: At, change: Callable[[Any], Any]) -> Any:
    """JSON with one value changed.

    >>> changed({"a": [1, 2]}, ("a", 0), lambda old: GONE)
    {'a': [2]}
    """
    content = copy.deepcopy(content)
    inside = content
    for step in at[:-1]:
        inside = inside[step]
    new = change(inside[at[-1]])
    if new is GONE:
        del inside[at[-1]]
    else:
        inside[at[-1]] = new
    return content


def _forged_record(text: str, forgery: Forgery) -> str:
    header, *outcomes = map(json.loads, text.splitlines())
    if forgery.part == "header":
        header = changed(header, forgery.at, forgery.change)
    else:
        outcomes = changed(outcomes, forgery.at, forgery.change)
    return _sealed(header, outcomes, again=forgery.at != ("digest",))


def _sealed(header: dict[str, Any], outcomes: list[Any], *, again: bool = True) -> str:
    lines = [_compact(outcome) for outcome in outcomes]
    if again:
        header.pop("digest", None)
        joined = "\n".join([_compact(header), *lines])
        header["digest"] = hashlib.sha256(joined.encode()).hexdigest()
    return "\n".join([_compact(header), *lines]) + "\n"


def _forged_artifact(artifact: Artifact, forgery: Forgery) -> Artifact:
    held = {name: dict(getattr(artifact, name)) for name in ("tensors", "info", "about")}
    of_part = held[forgery.part]
    if forgery.part == "tensors":
        new = forgery.change(of_part.pop(str(forgery.at[0])))
        held["tensors"] = of_part if new is GONE else {**of_part, str(forgery.at[0]): new}
    else:
        held[forgery.part] = changed(of_part, forgery.at, forgery.change)
    return Artifact(**held)


def _follow(folder: Path, key: str, old: str, new: str) -> None:
    """Where a file holds the digest of an artifact that was changed, the new one is written."""
    if old == new:
        return
    for path in folder.glob("records/*.jsonl"):
        text = path.read_text()
        if old in text:
            header, *outcomes = map(json.loads, text.replace(old, new).splitlines())
            path.write_text(_sealed(header, outcomes))
    for path in folder.glob("artifacts/*.safetensors"):
        try:
            artifact = Artifact.read(path)
        except ArtifactDamaged:  # the forged one: what cannot be read is refused
            continue
        text = json.dumps(artifact.info)
        if path.stem != key and old in text:
            info = json.loads(text.replace(old, new))
            forged = Artifact(artifact.tensors, info, artifact.about)
            path.write_bytes(forged.dumps())
            _follow(folder, path.stem, artifact.digest, forged.digest)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _sorted_digest(content: dict[str, Any]) -> str:
    held = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(held, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
