from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hand_made import ENVIRONMENT, key_of, make_record, ref_of, threat_of_budget
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.records import (
    SCHEMA,
    ArtifactRef,
    Cell,
    Outcome,
    Record,
    SharedEdits,
)

RECORD = make_record(
    [
        Outcome(7, 0, 0, 0, 1.5, 0.5, [[0, 3]], []),  # stays right
        Outcome(8, 0, 0, 1, 1.5, -0.5, [[0, 3]], []),  # broken
        Outcome(9, 1, 0, 1, -0.25, 0.125, [], []),  # put right by the attack
        Outcome(12, 1, 2, 2, -1.0, -1.0, [], [[1, 2]]),  # wrong throughout
    ],
    cell=Cell("quick", "components 40-50", "augcl", "structure2vec", 2, 0, "rl_s2v", "strict", 1),
    method_settings={"temperature": 0.5, "nested": {"names": ["a", "b"]}},
    attack_settings={"type": "RLS2V", "steps": 100},
    threat=threat_of_budget(1),
    label_rule="components",
    pretrain_seconds=12.34567,
    train_seconds=3.5,
    fit_seconds=1.25,
    attack_seconds=0.5,
    queries=100,
    gradient_calls=3,
    environment=ENVIRONMENT,
    notes=["reservation collapsed"],
    key=key_of("attack", 1),
    dataset=ref_of("dataset"),
    victim=ref_of("victim"),
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
margins = st.floats(-1e30, 1e30)
seconds = st.floats(0, 1e9)
counts = st.integers(0, 10**9)
classes = st.integers(0, 2)
plain = st.recursive(
    st.none() | st.booleans() | counts | numbers | words,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(words, x, max_size=3),
)
tables = st.dictionaries(words, plain, max_size=3)
pairs = st.lists(st.lists(counts, min_size=2, max_size=2), max_size=3)
keys = st.from_regex("attack-[0-9a-f]{20}", fullmatch=True)
refs = st.builds(
    ArtifactRef,
    st.from_regex("[a-z_]{1,20}-[0-9a-f]{20}", fullmatch=True),
    st.from_regex("[0-9a-f]{64}", fullmatch=True),
)
outcomes = st.builds(
    Outcome,
    counts,
    classes,
    classes,
    classes,
    margins,
    margins,
    pairs,
    pairs,
    st.none() | counts,
    st.booleans(),
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Records of any content that a run can write."""
    budget = draw(st.integers(1, 10**9) | st.floats(1e-6, 1))
    names = draw(st.tuples(*[words] * 6))
    cell = Cell(*names[:4], draw(st.integers(1, 99)), draw(counts), *names[4:], budget)
    return Record(
        key=draw(keys),
        cell=cell,
        outcomes=draw(st.lists(outcomes, max_size=4, unique_by=lambda outcome: outcome.target)),
        traits=dataclasses.replace(RECORD.traits, effort=draw(st.none() | words)),
        method_traits=dataclasses.replace(RECORD.method_traits, rivals=draw(st.lists(words))),
        made_by=draw(st.dictionaries(words, st.dictionaries(words, words))),
        method_settings=draw(tables),
        attack_settings=draw(tables),
        threat={**threat_of_budget(budget), "within_component": draw(st.booleans())},
        num_classes=3,
        label_rule=draw(st.sampled_from(["components", "none"])),
        dataset=draw(refs),
        victim=draw(refs),
        attacker=draw(st.none() | refs),
        pretrain_seconds=draw(seconds),
        train_seconds=draw(seconds),
        fit_seconds=draw(seconds),
        attack_seconds=draw(seconds),
        queries=draw(counts),
        gradient_calls=draw(counts),
        environment={**ENVIRONMENT, "commit": draw(st.none() | words)},
        notes=draw(st.lists(words, max_size=2)),
    )


def test_accuracies_by_hand() -> None:
    assert RECORD.clean_accuracy == 2 / 4
    assert RECORD.attacked_accuracy == 2 / 4
    assert RECORD.robust_accuracy == 1 / 4
    assert RECORD.robust_accuracy_by_class == [0.5, 0.0, None]
    assert RECORD.clean_accuracy_by_class == [1.0, 0.0, None]
    assert [o.broken for o in RECORD.outcomes] == [False, True, False, False]


def test_row_by_hand() -> None:
    assert RECORD.row() == {
        "suite": "quick",
        "dataset": "components 40-50",
        "method": "augcl",
        "encoder": "structure2vec",
        "layers": 2,
        "seed": 0,
        "attack": "rl_s2v",
        "protocol": "strict",
        "setting": "evasion",
        "class_stays": "proved",
        "budget": 1,
        "n_graphs": 4,
        "clean_accuracy": 0.5,
        "attacked_accuracy": 0.5,
        "robust_accuracy": 0.25,
        "robust_accuracy_by_class": [0.5, 0.0, None],
        "clean_accuracy_by_class": [1.0, 0.0, None],
        "queries": 100,
        "gradient_calls": 3,
        "pretrain_seconds": 12.346,
        "train_seconds": 3.5,
        "fit_seconds": 1.25,
        "seconds": 1.75,
    }


def test_accuracy_over_no_graphs_is_unknown() -> None:
    assert math.isnan(dataclasses.replace(RECORD, outcomes=[]).robust_accuracy)


@given(records())
@settings(max_examples=60, deadline=None)
def test_loads_what_it_dumped(record: Record) -> None:
    text = record.dumps()
    again = Record.loads(text, "x")
    assert again == record
    assert again.dumps() == text


def test_one_line_for_the_header_and_one_for_each_graph() -> None:
    header, *lines = RECORD.dumps().splitlines()
    assert json.loads(header)["schema"] == SCHEMA
    assert [json.loads(line)["graph"] for line in lines] == [7, 8, 9, 12]


def test_every_flipped_byte_is_noticed() -> None:
    data = RECORD.dumps().encode()
    for place in range(len(data)):
        for bit in (
            1,
            4,
            32,
        ):  # bit 1 makes other digits, 32 makes upper case of lower, and 4 and 1 other line ends
            altered = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
            with pytest.raises(ArtifactDamaged, match="somewhere"):
                Record.loads(altered.decode("latin-1"), "somewhere")


def test_every_other_line_end_is_noticed() -> None:
    text = RECORD.dumps()
    for ending in ("\r", "\r\n", "\x0b", "\x0c", "\x1e", "\x85", "\u2028", ""):
        for place in [place for place, letter in enumerate(text) if letter == "\n"]:
            with pytest.raises(ArtifactDamaged):
                Record.loads(text[:place] + ending + text[place + 1 :], "x")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in nested dictionaries and lists."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else []
    )
    return [deeper for key, item in items for deeper in [(*path, key), *_paths(item, (*path, key))]]


def test_every_changed_or_missing_field_is_noticed() -> None:
    lines = [json.loads(line) for line in RECORD.dumps().splitlines()]
    for path in _paths(lines):
        for change in ("other", "missing"):
            altered = json.loads(json.dumps(lines))
            holder = altered
            for key in path[:-1]:
                holder = holder[key]
            if change == "missing":
                del holder[path[-1]]
            else:
                holder[path[-1]] = "something else"
            text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in altered)
            with pytest.raises(ArtifactDamaged):
                Record.loads(text, "x")


@pytest.mark.parametrize("cut", [1, 2, 50, 400])
def test_a_truncated_file_is_noticed(cut: int) -> None:
    with pytest.raises(ArtifactDamaged):
        Record.loads(RECORD.dumps()[:-cut], "x")


def test_swapped_and_repeated_lines_are_noticed() -> None:
    header, first, second, *rest = RECORD.dumps().splitlines(keepends=True)
    for lines in (
        [header, second, first, *rest],
        [header, first, first, second, *rest],
        [header, first, *rest],
        [header, first, second, *rest, "\n"],
    ):
        with pytest.raises(ArtifactDamaged):
            Record.loads("".join(lines), "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "null\n",
        "[]\n",
        "3\n",
        '"text"\n',
        "{}\n",
        "not JSON\n",
        '{"schema":2}\n',
        "[" * 100_000 + "\n",
    ],
)
def test_what_is_no_record_is_told_so(text: str) -> None:
    with pytest.raises(ArtifactDamaged, match="file: expected a record as JSON lines"):
        Record.loads(text, "file")


def test_another_schema_is_told_by_its_number() -> None:
    with pytest.raises(ArtifactDamaged, match=f"expected records of schema {SCHEMA}, got 99"):
        Record.loads(RECORD.dumps().replace(f'"schema":{SCHEMA}', '"schema":99', 1), "x")


def test_a_right_checksum_over_wrong_fields_is_no_record() -> None:
    # Somebody who computes the checksum anew still has to write a record.
    cell = dataclasses.asdict(RECORD.cell)
    del cell["attack"]
    forged = object.__new__(Record)
    for field in dataclasses.fields(Record):
        object.__setattr__(forged, field.name, getattr(RECORD, field.name))
    object.__setattr__(forged, "cell", cell)
    with pytest.raises(ArtifactDamaged, match="expected a record"):
        Record.loads(forged.dumps(), "x")


def test_edits_that_all_targets_share_are_held_once():
    shared = SharedEdits(added=[[0, 3], [1, 2]], removed=[[4, 5]])
    targets = [dataclasses.replace(o, added=[], removed=[]) for o in RECORD.outcomes]
    record = dataclasses.replace(RECORD, outcomes=targets, shared_edits=shared)
    read = Record.loads(record.dumps(), "here")
    assert read == record
    assert all(read.edits_of(o) == (shared.added, shared.removed) for o in read.outcomes)
    assert record.dumps().count("[1,2]") == 1
    assert "shared_edits" not in RECORD.dumps()


def test_a_record_does_not_hold_edits_twice():
    shared = SharedEdits(added=[[0, 3]], removed=[])
    both = dataclasses.replace(RECORD, shared_edits=shared)
    with pytest.raises(ArtifactDamaged, match="without edits where all share theirs"):
        Record.loads(both.dumps(), "here")
