"""What a terminal shows while a run goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from robust_augcl.cli.display import Display
from robust_augcl.plan.step import Step

LONG = "augcl with a very long label of its own, " * 5


def shown(display: Display, width: int) -> list[str]:
    """The lines of the bars as they stand now."""
    out = io.StringIO()
    Console(file=out, width=width).print(display._progress.get_renderable())
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 100])
def test_a_long_name_leaves_the_bar_its_place(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    display = Display(console)
    short, long = (
        Step("attack", title, {"title": title}, {}) for title in ("rl_s2v on augcl", LONG)
    )
    with display:
        display.planned(2, [short, long], 2)
        for step in (short, long):
            display.progress(step, 0.5, "step 250")
        lines = shown(display, width)
    assert len(lines) == 3  # no name takes a second line
    assert all(len(line) <= width for line in lines)
    _, *bars = (line.count("━") for line in lines)  # nothing of the whole is done yet
    assert min(bars) == max(bars) > 5


def test_what_a_step_says_leaves_its_name_room() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    display = Display(console)
    step = Step("attack", "rl_s2v on augcl", {}, {})
    with display:
        display.planned(1, [step], 1)
        display.progress(
            step, 0.1, "step 35: loss 0.384, robust accuracy on graphs 62.0 %, and so on"
        )
        assert any("attack: rl_s2v on augcl" in line for line in shown(display, 100))


def test_the_time_left_counts_only_sorts_of_which_a_step_is_done() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    display = Display(console)
    slow, again, other = (
        Step(kind, str(place), {"place": place}, {})
        for place, kind in enumerate(("victim", "victim", "attack"))
    )
    with display:
        display.planned(3, [slow, again, other], 1)
        display.finished(slow, 100.0)
        assert "over 0:01:40 left" in "".join(shown(display, 100))
        display.finished(other, 1.0)
        assert "about 0:01:40 left" in "".join(shown(display, 100))


def test_names_are_no_markup() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    display = Display(console)
    step = Step("attack", "[bold]x[/bold]", {}, {})
    with display:
        display.planned(1, [step], 1)
        display.progress(step, 0.5, "[red]y[/red]")
        assert any("[bold]x[/bold]" in line for line in shown(display, 100))


def test_the_first_line_says_how_much_there_is_to_do() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=100))
    step = Step("attack", "one", {}, {})
    display.planned(3, [step], 1)
    display.planned(3, [step, step, step], 2)
    display.planned(3, [], 0)
    assert out.getvalue().splitlines() == [
        "2 of 3 steps are there already; 1 worker computes",
        "3 steps to compute; 2 workers compute",
    ]
