"""The gate's answer in every form, with names that are markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from robust_augcl.gate.decision import decide
from robust_augcl.gate.questions import Answer, Gate, Outcome, Rules
from robust_augcl.gate.rendering import FORMS, MOST_ANNOTATIONS, MOST_ROWS, markdown
from robust_augcl.gate.self_test import Truth, broken_attack, made_up
from robust_augcl.results.baseline import Baseline
from robust_augcl.results.baseline_parts import Found

HOSTILE = (
    "<script>alert(1)</script>|`x`|[a](http://evil.example)|@everyone|#1|**b**|&lt;|"
    "\n::error title=x::y\r\n\x1b[31mred\x00]]>\"'%0A$x$ ~~z~~ _u_ www.evil.example"
)


def hostile() -> tuple[Baseline, Baseline]:
    """Two sides whose every name is markup; an attack is broken, and a check fails."""
    base = made_up(range(3), Truth())
    new = replace(broken_attack(base), audit=[_failed()])
    return _renamed(base), _renamed(new)


def _failed() -> Found:
    return Found(f"check {HOSTILE}", "FAIL", f"seen {HOSTILE}", [0])


def _renamed(held: Baseline) -> Baseline:
    return replace(
        held,
        suite=HOSTILE,
        revisions={HOSTILE: 1},
        data=[replace(each, name=f"data {HOSTILE}") for each in held.data],
        victims=[
            replace(each, method=f"m {HOSTILE}", traits=replace(each.traits, name=HOSTILE))
            for each in held.victims
        ],
        attacked=[
            replace(
                each, attack=f"{each.attack} {HOSTILE}", traits=replace(each.traits, name=HOSTILE)
            )
            for each in held.attacked
        ],
    )


@pytest.fixture(scope="module")
def gate() -> Gate:
    base, new = hostile()
    return decide(replace(base, suite="another"), replace(new, revisions={HOSTILE: 2}))


def test_the_hostile_gate_shows_all_names(gate):
    assert gate.outcome == "regressed"
    about = " ".join(answer.about + answer.why for answer in gate.answers)
    assert about.count("<script>") > 10
    assert any("<script>" in note for note in gate.notes)


def test_text_obeys_no_terminal(gate):
    text = FORMS["text"](gate)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\\x1b" in text
    assert max(map(len, text.splitlines())) <= 120  # a word of a name may be longer than a line


def test_no_wrapped_line_of_text_is_a_command_to_a_runner():
    """GitHub's takes a line for one that begins with two colons, after any spaces."""
    base = made_up(range(3), Truth())
    commands = 0
    for before in range(1, 80):
        name = f"{'a' * before} ::stop-commands::x"
        victims = [
            replace(each, method=name, traits=replace(each.traits, name=name))
            for each in base.victims
        ]
        named = replace(base, victims=victims)
        lines = FORMS["text"](decide(named, named)).splitlines()
        assert not any(line.lstrip().startswith("::") for line in lines)
        commands += any(line.lstrip().startswith(":\u200b:stop") for line in lines)
    assert commands  # it did come to stand there


def test_lines_fit_80_columns_where_names_do():
    base = made_up(range(8), Truth())
    for new in (broken_attack(base), made_up(range(8), Truth(), "again")):
        text = FORMS["text"](decide(base, new))
        assert max(map(len, text.splitlines())) <= 80


def test_markdown_shows_names_and_nothing_else(gate):
    page = FORMS["markdown"](gate)
    bare = re.sub(r"\\.", "", page)  # without what is escaped
    assert "<" not in bare
    assert "`" not in bare.replace("`robust-augcl baseline DIR -o FILE`", "")
    assert "[" not in bare
    assert not re.search(r"@\w", page)
    assert "http://" not in page
    assert "www.evil" not in page
    assert "&lt;" not in page.replace("&amp;lt;", "")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert len(page.splitlines()) < 50


def test_markdown_of_markdown_it_is_text():
    """A reader of Markdown of another maker sees the names as they are."""
    reader = pytest.importorskip("markdown_it")
    shown = reader.MarkdownIt("commonmark").render(markdown(HOSTILE))
    assert "<script" not in shown
    assert "<a " not in shown
    assert "<code" not in shown
    assert "<strong" not in shown


def test_junit_is_xml_with_every_name(gate):
    root = ElementTree.fromstring(FORMS["junit"](gate))
    (suite,) = root
    cases = suite.findall("testcase")
    assert len(cases) == len(gate.answers) == int(suite.get("tests", "0"))
    assert not root.findall(".//script")
    assert any("<script>alert(1)</script>" in case.get("name", "") for case in cases)
    failures = suite.findall("testcase/failure")
    assert len(failures) == len(gate.of("regressed")) == int(suite.get("failures", "0"))
    assert {each.get("type") for each in failures} == {"regressed"}
    told = {each.get("name"): each.get("value") for each in suite.findall("properties/property")}
    assert told == {"outcome": "regressed", "tolerance": "0.02"}


def test_annotations_are_one_command_a_line(gate):
    lines = FORMS["github"](gate).splitlines()
    assert 2 <= len(lines) <= MOST_ANNOTATIONS
    for line in lines:
        found = re.fullmatch(r"::(error|warning|notice) title=([^,:]*)::(.*)", line)
        assert found, line
        assert "\x1b" not in line
        assert "%0A" not in line.replace("%250A", "")
    assert lines[0].startswith("::error title=regressed%3A ")
    assert lines[-1].startswith("::notice title=Robustness gate%3A regressed::")


def test_json_holds_every_answer(gate):
    told = json.loads(FORMS["json"](gate))
    assert (told["outcome"], told["exit_code"]) == ("regressed", 1)
    assert [each["about"] for each in told["answers"]] == [a.about for a in gate.answers]


def test_the_same_results_give_the_same_bytes():
    for form in FORMS.values():
        assert form(decide(*hostile())) == form(decide(*hostile()))


def many(outcome: Outcome, number: int) -> Gate:
    answers = tuple(
        Answer(f"about {place}", "trained again", outcome, "why", decides=place == 0)
        for place in range(number)
    )
    return Gate(answers, (), Rules())


def test_long_answers_are_cut_for_a_comment():
    page = FORMS["markdown"](many("regressed", 60))
    assert len([line for line in page.splitlines() if line.startswith("| regressed")]) == MOST_ROWS
    assert "40 further comparisons not shown." in page
    assert len(FORMS["github"](many("regressed", 60)).splitlines()) == MOST_ANNOTATIONS


def test_what_cannot_tell_fails_only_where_it_decides():
    (suite,) = ElementTree.fromstring(FORMS["junit"](many("cannot tell", 3)))
    assert (suite.get("failures"), suite.get("skipped"), suite.get("errors")) == ("1", "2", "0")
    (suite,) = ElementTree.fromstring(FORMS["junit"](many("not comparable", 1)))
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")


def test_an_improvement_is_offered_and_never_adopted():
    worse, better = made_up(range(8), Truth(robust=0.4)), made_up(range(8), Truth(), "again")
    for name in ("text", "markdown"):
        told = FORMS[name](decide(worse, better))
        assert "make it the baseline" in " ".join(told.split())
    assert "make it the baseline" not in FORMS["text"](decide(worse, worse))


def test_the_regime_is_said():
    base = made_up(range(8), Truth())
    assert "the same weights, target by target" in FORMS["text"](decide(base, base))
    told = FORMS["markdown"](decide(base, made_up(range(8), Truth(), "again")))
    assert "trained again, over their seeds" in told
