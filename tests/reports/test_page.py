"""The page: whole in itself, escaped, sorted and filtered by click."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import opened, opens_pages
from report_inputs import data_of, report_of

from robust_augcl.reports._notices import notices, verdict_on
from robust_augcl.reports._view import view_of
from robust_augcl.reports.html import html_page
from robust_augcl.reports.markdown import page
from robust_augcl.reports.site import Shown, folder_name, index_page
from robust_augcl.results.findings import Audit, Finding
from robust_augcl.results.records import Outcome, Record
from robust_augcl.results.report_input import ReportInput

Campaign = Callable[..., list[Record]]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&|`[x](javascript:alert(3))"
VOID = {"meta", "link", "br", "img", "input", "line", "circle", "rect"}


class Outline(HTMLParser):
    """The elements of a page, their attributes, and what stands in cells of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def html(report: ReportInput) -> str:
    return html_page(view_of(report), ["accuracy"], "0" * 64)


def hostile(campaign: Campaign) -> list[Record]:
    """Records whose suite, data, method, attack and notes have markup in their names."""
    found = []
    for record in campaign(layers=[2], seeds=[0, 1], n=30):
        cell = dataclasses.replace(
            record.cell,
            suite=f"{record.cell.suite} {HOSTILE}",
            dataset=f"{record.cell.dataset} {HOSTILE}",
            method=f"{record.cell.method} {HOSTILE}",
            attack=f"{record.cell.attack} {HOSTILE}",
        )
        traits = dataclasses.replace(record.traits, name=f"{record.traits.name} {HOSTILE}")
        named = dataclasses.replace(
            record.method_traits, name=f"{record.method_traits.name} {HOSTILE}"
        )
        found.append(
            dataclasses.replace(
                record,
                cell=cell,
                traits=traits,
                method_traits=named,
                notes=[HOSTILE],
                method_settings={**record.method_settings, HOSTILE: HOSTILE},
            )
        )
    return found


def audit_of(records: list[Record], *statuses: str) -> Audit:
    findings = tuple(
        Finding(f"check {number} {HOSTILE}", status, HOSTILE, (records[0].key,))
        for number, status in enumerate(statuses)
    )
    return Audit("stamp", findings)


def test_hostile_names_come_out_escaped(campaign: Campaign) -> None:
    records = hostile(campaign)
    text = html(report_of(records, audit_of(records, "FAIL", "WARN"), None, data_of(records)))
    outline = Outline(text)
    assert outline.wrong == []
    assert outline.open == []
    assert [tag for tag, _ in outline.tags].count("script") == 1  # ours
    assert "img" not in {tag for tag, _ in outline.tags}
    assert not [name for _, own in outline.tags for name in own if name.startswith("on")]
    assert not [own["href"] for _, own in outline.tags if ":" in str(own.get("href") or "")]
    assert text.count("<script>alert(1)") == 0
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_hostile_names_come_out_escaped_in_markdown(campaign: Campaign) -> None:
    records = hostile(campaign)
    text = page(report_of(records, audit_of(records, "FAIL"), None, data_of(records)))
    bare = text.replace(r"\<", "").replace(r"\>", "").replace(r"\[", "").replace(r"\]", "")
    assert not re.search(r"<(?!!--)|\]\(javascript", bare)


def test_a_page_asks_for_nothing(campaign: Campaign) -> None:
    outline = Outline(html(report_of(campaign(layers=[2]))))
    assert not [own for _, own in outline.tags if "src" in own or "xlink:href" in own]
    assert "link" not in {tag for tag, _ in outline.tags}
    (policy,) = (own for tag, own in outline.tags if own.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


def test_the_axis_of_the_figure_stands_where_its_dots_are_drawn(campaign: Campaign) -> None:
    """Dots stand at percents of the width; numbers below must, too."""
    text = html(report_of(campaign(layers=[2])))
    axis = re.findall(r'<svg class="axis" width="100%".*?</svg>', text)
    assert axis
    for each in axis:
        told = re.findall(r'<text x="(\d+)%" y="12" text-anchor="middle">(\d+)', each)
        assert told == [(number, number) for number in ("0", "25", "50", "75", "100")]


def test_failed_checks_come_before_warnings_and_those_before_numbers(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    findings = (
        Finding("late", "WARN", "Take care."),
        Finding("worse", "FAIL", "Broken.", (records[0].key,)),
    )
    report = report_of(records, Audit("stamp", findings))
    for text in (html(report), page(report).replace("**", "")):
        order = [text.index(word) for word in ("Broken.", "Take care.", "RandSampling</td>")
                 if word in text]  # fmt: skip
        assert order == sorted(order)
        assert len(order) >= 2
    assert [each.kind for each in notices(view_of(report))] == ["fail", "warn"]
    assert verdict_on(view_of(report)).startswith("1 check of the audit failed")


def test_a_warning_at_the_top_is_not_denied_below(campaign: Campaign) -> None:
    records = campaign(layers=[2])
    report = report_of(records, Audit("stamp", (Finding("late", "WARN", "Take care."),)))
    assert "None." not in page(report)
    assert "1 check warns" in page(report)


def test_a_map_draws_the_edits_that_records_hold(campaign: Campaign) -> None:
    records = campaign(layers=[2], attacks=["rl_s2v", "exhaustive"])
    shown = [{"graph": 4, "nodes": 9, "edges": [[0, 1], [1, 2], [3, 4]]}]
    base = data_of(records)
    measured = [dataclasses.replace(m, values={**m.values, "shown": shown}) for m in base]
    hit = Outcome(4, 1, 1, 2, 0.9, -0.7, [[0, 8]], [], exact=True)
    changed = [
        dataclasses.replace(r, outcomes=[hit if o.graph == 4 else o for o in r.outcomes])
        for r in records
    ]
    text = html(report_of(changed, measurements=measured))
    section = text.split('<section id="maps">')[1].split("</section>")[0]
    assert section.count("<figure>") == 3  # a model each
    assert "add 0\N{EN DASH}8: margin \N{MINUS SIGN}0.70, the model errs" in section
    assert section.count('class="edge"') == 3 * 3
    assert section.count('class="cut"') == 3
    assert '<section id="maps">' not in html(report_of(changed, measurements=base))


def kept(report: ReportInput, path: Path) -> Path:
    path.write_text(html(report))
    return path


@pytest.fixture(scope="module")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A command of this name may be there, and no browser."""
    if not opens_pages(tmp_path_factory.mktemp("browser")):
        pytest.skip("no Chromium is installed, or it does not start")


browser = pytest.mark.usefixtures("_browser")
VISIBLE = (
    "[...document.querySelectorAll('#table-of-means tbody tr')].filter(row => !row.hidden)"
    ".map(row => [row.dataset.method, row.dataset.attack, row.dataset.budget, row.dataset.class,"
    " row.querySelector('.c-other').dataset.sort])"
)


@browser
def test_the_page_sorts_and_filters_by_click(campaign: Campaign, tmp_path: Path) -> None:
    records = campaign(layers=[2], seeds=[0, 1])
    path = kept(report_of(records, measurements=data_of(records)), tmp_path / "report.html")
    choose = (
        "(() => {{ const one = document.querySelector('form[data-table=table-of-means] "
        "select[name={}]'); one.value = {!r}; one.dispatchEvent(new Event('change', "
        "{{bubbles: true}})); }})()"
    )
    click = "document.querySelectorAll('#table-of-means th.c-other button')[0].click()"
    seen = opened(
        path,
        tmp_path / "profile",
        [
            VISIBLE,
            choose.format("method", "AUGCL"),
            VISIBLE,
            click,
            VISIBLE,
            click,
            VISIBLE,
            choose.format("class", ""),
            VISIBLE,
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth",
        ],
    )
    assert seen.errors == []
    assert seen.requests == [path.as_uri()]
    everything, _, ours, _, rising, _, falling, _, by_class, fits = seen.answers
    assert {row[3] for row in everything} == {"all classes"}
    assert {row[0] for row in ours} == {"AUGCL"}
    assert len(ours) * 3 == len(everything)
    shares = [float(row[4]) for row in rising]
    assert shares == sorted(shares)
    assert sorted(shares) != [float(row[4]) for row in ours]
    assert [float(row[4]) for row in falling] == shares[::-1]
    assert len(by_class) == 4 * len(ours)
    assert fits


@browser
def test_a_hostile_page_runs_no_script_but_ours(campaign: Campaign, tmp_path: Path) -> None:
    records = hostile(campaign)
    report = report_of(records, audit_of(records, "FAIL", "WARN"), None, data_of(records))
    path = kept(report, tmp_path / "report.html")
    seen = opened(path, tmp_path / "profile", ["document.images.length", VISIBLE])
    assert seen.errors == []
    assert seen.requests == [path.as_uri()]
    assert seen.answers[0] == 0
    assert seen.answers[1]


# --- a site of many runs --------------------------------------------------------------------------


def shown(campaign: Campaign, name: str, records: list[Record] | None = None) -> Shown:
    own = records or campaign(layers=[2], seeds=[0, 1])
    return Shown(name, view_of(report_of(own, measurements=data_of(own))), {"graphs/a.jsonl": "x"})


def test_a_site_links_to_each_report_and_sorts_by_the_worst_case(campaign: Campaign) -> None:
    text = index_page([shown(campaign, "one"), shown(campaign, "two", hostile(campaign))])
    outline = Outline(text)
    assert outline.wrong == outline.open == []
    links = {own["href"] for tag, own in outline.tags if tag == "a"}
    assert {"one/report.html", "two/report.html", "one/graphs/a.jsonl"} <= links
    assert [tag for tag, _ in outline.tags].count("script") == 1
    body = text.split("<tbody>")[1].split("</tbody>")[0]
    worst = [
        float(found)
        for row in body.split("</tr>")[:3]
        for found in re.findall(r'data-sort="([0-9.]+)" [^>]*>[0-9.]+ exact', row)
    ]
    assert len(worst) == 3
    assert worst == sorted(worst, reverse=True)


def test_a_site_of_no_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        index_page([])


@pytest.mark.parametrize("name", ["..", "/", "", "a b", "-x", "<b>", "\N{SNOWMAN}"])
def test_folders_of_a_site_stay_inside_it(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", folder_name(name))


@browser
def test_a_site_filters_by_click(campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    small = campaign(layers=[2], dataset="components 15-20", n=30)
    path.write_text(index_page([shown(campaign, "one"), shown(campaign, "two", small)]))
    rows = (
        "[...document.querySelectorAll('#table-of-models tbody tr')].filter(r => !r.hidden).length"
    )
    choose = (
        "(() => { const one = document.querySelector('select[name=method]'); one.value = 'AUGCL'; "
        "one.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    seen = opened(path, tmp_path / "profile", [rows, choose, rows])
    assert seen.errors == []
    assert seen.requests == [path.as_uri()]
    assert seen.answers == [6, None, 2]
