"""What was planned: what the first run in a folder was asked for and stated, and nothing later."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from robust_augcl.errors import InputError
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder


def key(version: int, seed: int) -> str:
    return f"attack-{version:010x}{seed:010x}"


def making(version: int = 0, **table: Any) -> Callable[[Sequence[int]], Manifest]:
    """Manifests of a suite with this table, whose results have keys of this version."""

    def make(seeds: Sequence[int]) -> Manifest:
        keys = [key(version, seed) for seed in seeds]
        return Manifest("tiny", {"name": "tiny", **table}, None, list(seeds), keys)

    return make


def planned(folder: RunFolder) -> int | None:
    return folder.existing_manifest().planned_seeds


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_the_first_run_says_it(folder: RunFolder) -> None:
    assert folder.claim(range(30), making()).planned_seeds == 30
    assert planned(folder) == 30


@pytest.mark.parametrize("later", [[0], [0, 1, 2], [3], [0, 1, 2, 3, 4], list(range(30))])
def test_running_again_with_other_seeds_does_not_move_it(
    folder: RunFolder, later: list[int]
) -> None:
    folder.claim([0, 1, 2], making())
    again = folder.claim(later, making())
    assert again.planned_seeds == planned(folder) == 3
    assert again.seeds == sorted({0, 1, 2, *later})


@pytest.mark.parametrize(
    "table",
    [{"comparisons": {"margin": 0.05}}, {"certificates": {"parts": 2}}, {"title": "Another one"}],
)
def test_other_words_about_the_same_results_do_not_move_it(
    folder: RunFolder, table: dict[str, Any]
) -> None:
    folder.claim([0, 1, 2], making())
    assert folder.claim(range(30), making(0, **table)).planned_seeds == 3


def test_revised_code_does_not_move_it(folder: RunFolder) -> None:
    folder.claim([0, 1, 2], making(0))
    assert folder.claim(range(30), making(1)).planned_seeds == 3


def test_planned_seeds_are_known_by_name(folder: RunFolder) -> None:
    folder.claim([4, 2, 3], making())
    again = folder.claim([7], making())
    assert (again.planned_names, again.seeds) == ([2, 3, 4], [2, 3, 4, 7])
    assert folder.existing_manifest().planned_names == [2, 3, 4]


def test_other_seeds_in_the_place_of_planned_ones_are_others(folder: RunFolder) -> None:
    """As many as were planned, but not those: other settings were run in between."""
    folder.claim([0, 1, 2], making())
    folder.claim([0], making(1, training={"epochs": 2}))
    back = folder.claim([3, 4, 5], making())
    assert (back.planned_seeds, back.planned_names, back.seeds) == (3, [0, 1, 2], [3, 4, 5])
    assert back.report_input([]).rules.has_other_seeds


@pytest.mark.parametrize(("seeds", "names"), [([0, 1, 2], [0, 1, 2]), ([0, 1], None)])
def test_a_folder_that_kept_their_number_alone_knows_them_where_they_are_as_many(
    folder: RunFolder, seeds: list[int], names: list[int] | None
) -> None:
    folder.claim([0, 1, 2], making())
    path = folder.path / MANIFEST
    held = json.loads(path.read_text())
    del held["planned_names"]
    path.write_text(json.dumps({**held, "seeds": seeds}))
    assert folder.existing_manifest().planned_names == names
    assert folder.claim([0, 1], making()).planned_names == names


@pytest.mark.parametrize("names", [[], [0, 1], [2, 1, 0], [0, 1, 1], [0, 1, 2, 3], "012", 3])
def test_what_names_no_planned_seeds_is_refused(folder: RunFolder, names: object) -> None:
    folder.claim([0, 1, 2], making())
    path = folder.path / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "planned_names": names}))
    with pytest.raises(InputError, match="its `planned_names"):
        folder.manifest()


def test_other_settings_that_share_no_result_are_another_question(folder: RunFolder) -> None:
    folder.claim([0], making(0, training={"epochs": 2}))
    assert folder.claim(range(30), making(1)).planned_seeds == 30


def with_result(folder: RunFolder, seed: int) -> None:
    path = folder.store.record_path(key(0, seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


def test_of_results_of_an_earlier_run_it_is_what_was_seen(folder: RunFolder) -> None:
    """Other settings took the folder in a version that did not keep the number."""
    folder.claim([0, 1, 2], making(0))
    for seed in (0, 1, 2):
        with_result(folder, seed)
    assert folder.claim([0], making(1, training={"epochs": 2})).planned_seeds == 1
    path = folder.path / MANIFEST
    held = json.loads(path.read_text())
    assert len(held.pop("planned_before")) == 1
    path.write_text(json.dumps(held))
    assert folder.claim(range(30), making(0)).planned_seeds == 3


def test_a_manifest_that_was_removed_does_not_move_it(folder: RunFolder) -> None:
    folder.claim([0, 1, 2], making())
    for seed in (0, 1, 2):
        with_result(folder, seed)
    (folder.path / MANIFEST).unlink()
    assert folder.claim(range(30), making()).planned_seeds == 3


STATED = {"pairs": [["augcl", "none"]], "margin": 0.02}
WIDER = {**STATED, "margin": 0.05}


def stated(folder: RunFolder) -> dict[str, Any] | None:
    held = folder.existing_manifest().planned_comparisons
    return None if held is None else dict(held)


@pytest.mark.parametrize("first", [STATED, {}])
@pytest.mark.parametrize("more", [{}, {"title": "Another one"}])
def test_comparisons_are_those_of_the_first_run(
    folder: RunFolder, first: dict[str, Any], more: dict[str, Any]
) -> None:
    folder.claim([0, 1, 2], making(comparisons=first) if first else making())
    assert stated(folder) == first
    for other in (WIDER, STATED, {}):
        assert (
            folder.claim([0, 1, 2], making(comparisons=other, **more)).planned_comparisons == first
        )
        assert stated(folder) == first


def of_two(seeds: Sequence[int]) -> Manifest:
    """A suite that asks for the results of two versions."""
    keys = [key(version, seed) for version in (0, 1) for seed in seeds]
    return Manifest("tiny", {"both": True, "comparisons": WIDER}, None, list(seeds), keys)


def test_a_suite_that_shares_results_in_between_is_no_way_to_plan_anew(folder: RunFolder) -> None:
    """Two suites that share nothing, then one of both, then the first again."""
    folder.claim([0, 1, 2], making(0, comparisons=STATED))
    folder.claim(range(7), making(1, training={"epochs": 1}, comparisons=WIDER))
    folder.claim(range(7), of_two)
    assert folder.claim(range(7), making(0, comparisons=WIDER)).planned_seeds == 3
    assert stated(folder) == STATED


@pytest.mark.parametrize("first", [STATED, WIDER])
def test_a_suite_of_all_that_was_seen_has_what_was_planned_of_all_alike(
    folder: RunFolder, first: dict[str, Any]
) -> None:
    folder.claim([0, 1, 2], making(0, comparisons=first))
    for seed in (0, 1, 2):
        with_result(folder, seed)
    folder.claim(range(7), making(1, training={"epochs": 1}, comparisons=WIDER))
    assert folder.claim(range(7), of_two).planned_seeds == 3
    assert stated(folder) == (WIDER if first == WIDER else {})


def test_a_suite_that_grows_goes_on_with_what_was_planned(folder: RunFolder) -> None:
    folder.claim([0, 1, 2], making(0, comparisons=STATED))
    for seed in (0, 1, 2):
        with_result(folder, seed)
    assert folder.claim(range(7), of_two).planned_seeds == 3
    assert stated(folder) == STATED


def test_another_question_states_its_own(folder: RunFolder) -> None:
    folder.claim([0], making(0, training={"epochs": 2}, comparisons=STATED))
    folder.claim([0], making(1, comparisons=WIDER))
    assert stated(folder) == WIDER


def test_settings_that_come_back_keep_what_was_planned_of_them(folder: RunFolder) -> None:
    """Running something else in between is no way to plan anew, after results were seen."""
    folder.claim([0, 1, 2], making(0, comparisons=STATED))
    for seed in (0, 1, 2):
        with_result(folder, seed)
    for version in (1, 2):
        other = making(version, training={"epochs": version}, comparisons=WIDER)
        assert folder.claim(range(7), other).planned_seeds == 7
    for seed in range(30):
        with_result(folder, seed)
    for _ in range(2):
        back = folder.claim(range(30), making(0, comparisons=WIDER))
        assert (back.planned_seeds, stated(folder)) == (3, STATED)
        assert [each.seeds for each in back.planned_before] == [7, 7]
        assert folder.existing_manifest().planned_before == back.planned_before
    again = folder.claim(range(9), making(2, training={"epochs": 2}))
    assert (again.planned_seeds, stated(folder)) == (7, WIDER)
    assert [each.seeds for each in again.planned_before] == [7, 3]


def test_another_title_and_revised_code_at_once_do_not_move_it(folder: RunFolder) -> None:
    folder.claim([0, 1, 2], making(0, title="One"))
    assert folder.claim(range(30), making(1, title="Another one")).planned_seeds == 3


def test_of_results_that_no_manifest_lists_nothing_was_stated(folder: RunFolder) -> None:
    """Removing the manifest is no way to state a margin after results were seen."""
    folder.claim([0, 1, 2], making(comparisons=STATED))
    with_result(folder, 1)
    (folder.path / MANIFEST).unlink()
    rules = folder.claim([0, 1, 2], making(comparisons=WIDER)).report_input([]).rules
    assert stated(folder) == {}
    assert (rules.margin, rules.primary) == (None, ())
    assert [each.what for each in rules.changed] == ["pairs", "margin"]


def test_what_is_no_statement_is_refused(folder: RunFolder) -> None:
    folder.claim([0], making())
    path = folder.path / MANIFEST
    held = json.loads(path.read_text())
    for value in ([], {"margin": 7}, {"pairs": [["a", "a"]]}, {"margins": 0.1}):
        before = [{"settings": "0" * 64, "seeds": 1, "comparisons": value}]
        for spoilt in ({"planned_comparisons": value}, {"planned_before": before}):
            path.write_text(json.dumps({**held, **spoilt}))
            with pytest.raises(InputError, match="planned"):
                folder.manifest()


def test_a_folder_of_before_opens_and_does_not_know_it(folder: RunFolder) -> None:
    folder.claim([0, 1, 2], making())
    path = folder.path / MANIFEST
    held = json.loads(path.read_text())
    assert (held.pop("planned_seeds"), held.pop("planned_comparisons")) == (3, {})
    assert held.pop("planned_names") == [0, 1, 2]
    path.write_text(json.dumps(held))
    assert (planned(folder), stated(folder)) == (None, None)
    assert folder.claim([0, 1, 2], making()).planned_seeds is None
    assert (planned(folder), stated(folder)) == (None, None)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", [3], 2**40])
def test_what_is_no_number_of_seeds_is_refused(folder: RunFolder, value: object) -> None:
    folder.claim([0], making())
    path = folder.path / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "planned_seeds": value}))
    with pytest.raises(InputError, match="its `planned_seeds"):
        folder.manifest()


@pytest.mark.parametrize(
    ("comparisons", "said"),
    [
        ([], "`comparisons` to be a table, got []"),
        ({"pairs": 1}, "`comparisons.pairs` to be an array of pairs of labels, got 1"),
        ({"pairs": [["a", "a"]]}, "`comparisons.pairs[0]` to be two different labels"),
        ({"margin": 7}, "`comparisons.margin` to be a share above 0 and below 1, got 7"),
    ],
)
def test_comparisons_that_no_suite_states_are_refused_where_the_folder_is_opened(
    folder: RunFolder, comparisons: object, said: str
) -> None:
    folder.claim([0], making())
    path = folder.path / MANIFEST
    held = json.loads(path.read_text())
    held["table"]["comparisons"] = comparisons
    path.write_text(json.dumps(held))
    with pytest.raises(InputError, match=re.escape(f"{path}: Expected {said}")):
        folder.manifest()


def test_a_report_is_handed_what_was_stated_and_planned(folder: RunFolder) -> None:
    stated = {"pairs": [["augcl", "none"]], "margin": 0.02}
    report = folder.claim(range(30), making(comparisons=stated)).report_input([])
    assert (report.rules.pairs, report.rules.margin) == ((("augcl", "none"),), 0.02)
    assert report.rules.planned == report.planned_seeds == 30


def test_nothing_else_makes_the_input_of_reports() -> None:
    """Whoever makes it by hand may forget what was planned."""
    source = Path(__file__).parents[2]
    makers = [
        path.relative_to(source)
        for room in ("robust_augcl", "reports")
        for path in (source / room).rglob("*.py")
        if re.search(r"(?<!>> report = )\bReportInput\(", path.read_text(encoding="utf-8"))
    ]
    # A run's, and that of files of results, which hold what was planned.
    known = ("robust_augcl/results/published.py", "robust_augcl/store/manifest.py")
    assert sorted(makers) == [Path(each) for each in known]
