"""Work that a second process shares."""

from __future__ import annotations

import os
import signal

import pytest

from robust_augcl.review import beside
from robust_augcl.review.beside import Beside, shared

pytestmark = pytest.mark.skipif(not beside.can_share(), reason="no process can be copied here")


def odd(number: int) -> bool:
    return number % 2 == 1


def test_what_two_processes_find_comes_in_order():
    here = os.getpid()
    found = list(shared(range(7), lambda number: (number, os.getpid() == here), odd))
    assert [number for number, _ in found] == list(range(7))
    assert [mine for _, mine in found] == [not odd(number) for number in range(7)]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_where_the_other_process_ends_too_early_this_one_does_the_rest(how):
    here = os.getpid()

    def work(number: int) -> int:
        if os.getpid() != here and number == 3:
            if how is None:
                raise RuntimeError("the planted fault")
            os.kill(os.getpid(), how)
        return -number

    assert list(shared(range(9), work, odd)) == [-number for number in range(9)]


def test_more_than_a_pipe_holds_comes_through():
    large = list(shared(range(8), lambda number: bytes(10**6), odd))
    assert [len(each) for each in large] == [10**6] * 8


def test_the_other_process_is_gone_at_the_end():
    def forever():
        yield 1
        signal.pause()

    with Beside(forever) as other:
        assert list(other.arrived(wait=True)) == [1]
        child = other._child
        os.kill(child, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
