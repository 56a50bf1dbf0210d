"""Functions, classes and constants that code has replaced are found and put back."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
import types
from contextlib import suppress

import pytest
import torch

import robust_augcl
from robust_augcl.adversary import guard, patched
from robust_augcl.adversary.global_state import NUMERIC, put_back
from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks.beam import Beam
from robust_augcl.encoders.gin import GIN
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models import margins as margins_module
from robust_augcl.models import saved_state
from robust_augcl.workers import executors


def test_what_stands_where_is_looked_at_anew_only_where_something_changed(monkeypatch):
    first = patched.standing()
    assert patched.standing() is first
    monkeypatch.setattr(executors, "_queue", object())  # a variable: it counts for what comes
    second = patched.standing()
    assert second is not first
    module = types.ModuleType("robust_augcl.of_a_test")
    module.answer = lambda: 42
    monkeypatch.setitem(sys.modules, module.__name__, module)
    third = patched.standing()
    assert third is not second
    with put_back() as changed:
        module.answer = lambda: 43
    assert (changed, module.answer()) == (["replaced functions"], 42)


def test_what_was_changed_on_purpose_between_two_looks_stays(monkeypatch):
    """As tests do: what stands there when the code begins is what is put back."""
    with put_back():
        pass
    monkeypatch.setattr(guard, "apply_all", abs)
    monkeypatch.setattr(margins_module.margins, "__defaults__", (1,))
    with put_back() as changed:
        guard.apply_all = max
        margins_module.margins.__defaults__ = None
    assert changed == ["replaced functions"]
    assert guard.apply_all is abs
    assert margins_module.margins.__defaults__ == (1,)


def test_a_method_that_came_to_a_class_goes_again():
    class_of_ours = Victim
    with put_back() as changed:
        class_of_ours.__len__ = lambda self: 0
    assert changed == ["replaced functions"]
    assert not hasattr(class_of_ours, "__len__")


def forged(*_):
    return 0


def wrapped_in_victim():
    """What a decorator made of `Victim.logits` calls, and where it holds it."""
    inner = Victim.logits.__wrapped__
    (cell,) = (each for each in Victim.logits.__closure__ if each.cell_contents is inner)
    return inner, cell


HIDDEN = {
    "a property": lambda: setattr(PackedGraphs, "num_graphs", property(forged)),
    "a property's code": lambda: setattr(
        vars(PackedGraphs)["num_graphs"].fget, "__code__", forged.__code__
    ),
    "a class method": lambda: setattr(PackedGraphs, "from_data_list", classmethod(forged)),
    "a class method's code": lambda: setattr(
        PackedGraphs.from_data_list.__func__, "__code__", forged.__code__
    ),
    "the code under a decorator": lambda: setattr(
        wrapped_in_victim()[0], "__code__", forged.__code__
    ),
    "the function under a decorator": lambda: setattr(
        wrapped_in_victim()[1], "cell_contents", forged
    ),
    "a name that hides Python's": lambda: setattr(guard, "list", tuple),
}


def what_is_hidden():
    inner, cell = wrapped_in_victim()
    return (
        vars(PackedGraphs)["num_graphs"],
        vars(PackedGraphs)["num_graphs"].fget.__code__,
        vars(PackedGraphs)["from_data_list"],
        PackedGraphs.from_data_list.__func__.__code__,
        inner.__code__,
        cell.cell_contents,
        vars(guard).get("list"),
    )


@pytest.mark.parametrize("what", HIDDEN)
def test_what_stands_behind_a_name_is_put_back_too(what):
    before = what_is_hidden()
    with put_back(NUMERIC) as changed:
        HIDDEN[what]()
    after = what_is_hidden()
    assert changed == ["replaced functions"]
    assert all(now is was for now, was in zip(after, before, strict=True))


BLINDED = {
    "nothing": lambda: None,
    "forgotten": lambda: patched._kept.clear(),
    "emptied": lambda: patched.standing().places[0].values.clear(),
    "without places": lambda: setattr(patched.standing(), "places", ()),
    "another one": lambda: patched._kept.__setitem__(
        0, patched.standing()._replace(places=(), functions=(), codes=(), cells=(), held=())
    ),
}


@pytest.mark.parametrize("how", BLINDED)
def test_code_that_reaches_what_was_seen_cannot_blind_the_guard(how):
    before = guard.apply_all
    for _ in range(2):  # what it leaves behind serves no later look
        with put_back(NUMERIC) as changed:
            with suppress(AttributeError):
                BLINDED[how]()
            guard.apply_all = print
        assert (changed, guard.apply_all) == (["replaced functions"], before)


IN_PLACE = {
    "a constant": (
        lambda: saved_state._TYPES.update(FloatStorage=torch.float64),
        lambda: saved_state._TYPES["FloatStorage"],
    ),
    "a constant's length": (lambda: saved_state._TYPES.clear(), lambda: len(saved_state._TYPES)),
    "a set": (lambda: saved_state._PLAIN.add("REDUCE"), lambda: sorted(saved_state._PLAIN)),
    "an attribute of a class": (lambda: setattr(GIN, "revision", 99), lambda: GIN.revision),
    "an attribute that hides a base's": (
        lambda: setattr(Beam, "exact", True),
        lambda: Beam.exact,
    ),
}


@pytest.mark.parametrize("what", IN_PLACE)
def test_constants_and_attributes_of_classes_are_put_back(what):
    change, read = IN_PLACE[what]
    before = read()
    with put_back(NUMERIC) as changed:
        change()
        assert read() != before
    assert (changed, read()) == (["replaced functions"], before)


def test_a_name_that_came_to_a_module_and_hides_nothing_stays():
    with put_back(NUMERIC) as changed:
        guard.of_a_test = forged
    assert (changed, guard.of_a_test) == ([], forged)
    del guard.of_a_test


def test_benchmark_a_look_at_the_global_state(benchmark):
    """Before and after an attack that changes nothing, with all of this package imported."""
    for module in pkgutil.walk_packages(robust_augcl.__path__, "robust_augcl."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)

    def look():
        with put_back(NUMERIC) as changed:
            pass
        return changed

    def look_anew():
        patched._kept.clear()
        return look()

    assert benchmark.pedantic(look, rounds=20 if benchmark.enabled else 1) == []
    if benchmark.enabled:
        times = {}
        for each in (look, look_anew):
            starts = [(time.process_time(), each(), time.process_time()) for _ in range(20)]
            times[each] = min(end - start for start, _, end in starts)
        ratio = times[look_anew] / times[look]
        benchmark.extra_info["times faster"] = ratio
        print(f"{benchmark.name}: {ratio:.2f} times faster than anew")
        assert ratio > 1.5
