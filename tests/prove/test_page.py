"""The HTML page of a report: all that the report says, and nothing that a browser would do."""

from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from bookwell.prove.checks import all_checks
from bookwell.prove.markup import tag
from bookwell.prove.page import COUNTED, page_of, write_page
from bookwell.prove.report import Check, Fault, Report, Target
from histories import Told, found
from reports import BOOKED, BROKEN, KEPT, LEFT, REPORT, UNDECIDED, a_report

# What a browser loads or runs, and elements that never end.
ACTIVE = {
    "script",
    "iframe",
    "object",
    "embed",
    "link",
    "img",
    "form",
    "base",
    "a",
    "foreignobject",
}
ENDLESS = {"meta", "rect", "line"}
EVIL = """<script>alert(1)</script>"><img src=x onerror='alert(2)'>&amp;"""


class Page(HTMLParser):
    """A page as a reader takes it: its words, its elements, and whether they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def classes(self, name: str) -> list[str | None]:
        return [attributes.get("class") for kind, attributes in self.elements if kind == name]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ENDLESS
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)


def heading_of(report: Report) -> str:
    before, _, after = page_of(report).partition("<h1>")
    assert before
    return after.partition("</h1>")[0]


def test_the_page_says_what_the_report_says() -> None:
    page = Page(page_of(a_report(checks=[KEPT, BROKEN, UNDECIDED]))).text

    for said in (
        "16 clients raced for 12 seconds and made 1,207 calls.",
        "killed 2 times with SIGKILL",
        "01 March 2026, 09:30 UTC · seed 41",
        "1,207 101 a second",
        "402 did what they asked for",
        "795 with the reason",
        "31 no answer at first",
        "10 to the end",
        "slot_unavailable 790, hold_expired 5",
        "book 4.2 ms 17.5 ms 161.0 ms 2.35 s",
        "book seat 3 0 0 0 3 none",
        "1.50 s killed a worker after 0.75 s",
        "7.12 s killed PostgreSQL with all its processes the next came first",
        "11 111 33 2 11.0 ms",
        "http://127.0.0.1:17371, a fresh embedded one",
        "PostgreSQL 18.1",
        "Linux 6.1 x86_64, 2 processors",
        "bookwell 0.3.0, Python 3.11.9",
        "bookwell prove --workers 2 --clients 16 --seconds 12 --seed 41 --faults",
    ):
        assert said in page, said


@pytest.mark.parametrize("has_every_fault", [False, True])
def test_the_page_says_how_facts_left(has_every_fault: bool) -> None:
    left = msgspec.structs.replace(LEFT, has_every_fault=has_every_fault)

    page = Page(page_of(a_report(left=left))).text

    killed = (
        "Parts of the service and its database" if has_every_fault else "Workers of the service"
    )
    for said in (
        "16 clients changed things for 12 seconds and made 1,207 calls.",
        f"{killed} were killed 2 times with SIGKILL.",
        "3,512 events left for 1 receiver that failed on purpose.",
        "What each endpoint was sent",
        "all prove-one-01m8 1,790 2,701 1,795 200 1,795, 500 401",
        "bookwell prove --events --workers 2 --clients 16 --changes 3000 --seconds 60 --seed 41",
    ):
        assert said in page, said
    assert ("--seed 41 --faults" in page) == has_every_fault


@pytest.mark.parametrize(
    ("checks", "heading", "colour"),
    [
        ([KEPT, KEPT], "Every promise was kept.", "proven"),
        ([KEPT, UNDECIDED], "Nothing was found wrong; 1 check not decided.", "undecided"),
        ([KEPT, BROKEN, UNDECIDED], "1 promise was broken.", "broken"),
        ([BROKEN, BROKEN], "2 promises were broken.", "broken"),
    ],
)
def test_the_headline_is_green_only_when_everything_was_looked_at_and_held(
    checks: list[Check], heading: str, colour: str
) -> None:
    report = a_report(checks=checks)

    assert heading_of(report) == heading
    assert Page(page_of(report)).classes("header") == [colour]


def test_each_check_stands_there_with_its_verdict_its_sentence_and_the_calls_that_show_it() -> None:
    page = Page(page_of(a_report(checks=[KEPT, BROKEN, UNDECIDED])))

    assert [kind for kind in page.classes("li") if kind] == ["holds", "fails", "open"]
    assert f"double bookings held {KEPT.sentence}" in page.text
    assert (
        f"lost acknowledgements broken {BROKEN.sentence} "
        "Call 17: client 3 booked slot slt_9 for pat_1."
    ) in page.text
    assert f"linearizability open {UNDECIDED.sentence}" in page.text


def test_names_and_sentences_of_others_are_words_and_never_markup() -> None:
    report = a_report(
        checks=[
            Check(name=EVIL, holds=False, found=1, sentence=EVIL, calls=[17]),
        ],
        faults=[Fault(at=1.0, what=EVIL)],
        tallies=[msgspec.structs.replace(BOOKED, operation=EVIL, losers={EVIL: 1})],
        named_calls={17: EVIL},
        target=Target(
            base_url=EVIL,
            is_embedded=False,
            workers=None,
            is_database_asked=False,
            database_version=EVIL,
            brand_id=EVIL,
        ),
    )

    page = Page(page_of(report))

    assert page.text.count(EVIL) >= 9
    assert {kind for kind, _ in page.elements} & ACTIVE == set()
    assert not [name for _, attributes in page.elements for name in attributes if name[:2] == "on"]


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page_of(REPORT)
    page = Page(text)

    assert {kind for kind, _ in page.elements} & ACTIVE == set()
    assert not {"src", "href", "action", "srcset"} & {
        name for _, has in page.elements for name in has
    }
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")


def test_the_figures_of_what_must_not_happen_stand_at_the_top() -> None:
    judged = all_checks(Told().history, found())
    figures = page_of(a_report(checks=judged)).partition("Promises, one by one")[0]

    for name in COUNTED:
        assert f"<dt>{name}</dt><dd>0</dd>" in figures, name


def test_a_race_in_which_nothing_was_called_or_answered_still_makes_a_page() -> None:
    nothing = msgspec.structs.replace(
        BOOKED, attempts=0, winners=0, losers={}, unanswered=0, resolved=0, latency=None
    )

    page = Page(page_of(a_report(tallies=[], total=nothing, timeline=[], faults=[], seconds=0.0)))

    assert "SIGKILL" not in page.text
    assert "--faults" not in page.text
    assert "and made 0 calls." in page.text


def test_a_bar_stands_as_high_as_its_second_was_busy_and_a_fault_where_it_fell() -> None:
    page = Page(page_of(REPORT))

    bars = [has for kind, has in page.elements if kind == "rect" and has["class"] == "attempts"]
    struck = [has for kind, has in page.elements if kind == "line"]

    # The axis ends at 120 calls a second, and the plot is 100 high.
    assert [bar["height"] for bar in bars] == [f"{(100 + at) / 1.2:.2f}" for at in range(12)]
    assert [line["x1"] for line in struck] == ["1.50", "7.12"]


def test_a_race_of_an_hour_has_bars_wide_enough_to_be_seen() -> None:
    second = REPORT.timeline[3]
    hour = [msgspec.structs.replace(second, at=at) for at in range(3_600)]

    page = Page(page_of(a_report(timeline=hour, seconds=3_600.0)))

    bars = [has for kind, has in page.elements if kind == "rect" and has["class"] == "attempts"]
    assert len(bars) == 180
    assert {bar["height"] for bar in bars} == {"85.83"}


def test_the_page_is_written_as_utf_8(tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", REPORT)

    assert (tmp_path / "report.html").read_bytes().decode() == page_of(REPORT)


def test_an_attribute_ends_where_it_was_meant_to() -> None:
    ((kind, attributes),) = Page(tag("p", title=EVIL)).elements

    assert (kind, attributes) == ("p", {"title": EVIL})
