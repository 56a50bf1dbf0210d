"""Transfers that were edited are told, proved wrong and made again."""

from __future__ import annotations

from dataclasses import replace

from side_files import (
    change_transfers,
    content,
    differing,
    warned,
)

from robust_augcl.results.transfers import Transfers


def test_altered_transfers_are_told_and_made_again(copied, command):
    honest = content(copied, "transfer.json")
    shown = command("transfer", copied).out
    change_transfers(copied)
    told = warned(command("show", copied).err)
    assert "not made from the transfers of this folder" in told["report.md"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert "do something else" in differing(answer.out)["transfer.json"]
    assert command("transfer", copied).out == shown
    assert content(copied, "transfer.json") == honest


def test_transfers_that_are_left_out_are_proved_wrong(copied, command):
    path = copied / "transfer.json"
    found = Transfers.loads(path.read_text(), path.name)
    path.write_text(replace(found, entries=found.entries[1:]).dumps())
    answer = command("replay", copied)
    assert answer.code == 1
    assert "pairs of victims" in differing(answer.out)["transfer.json"]
