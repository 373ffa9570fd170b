"""The generated pages are what the code says now."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from bookwell.app import routes
from bookwell.domain.events import EVENTS
from bookwell.domain.visits import TRANSITIONS
from bookwell.http.errors import FRAMEWORK_CODES, STATUS, status_of
from bookwell.reference import advice, events, tables
from bookwell.reference.__main__ import main
from bookwell.reference.errors import all_codes, errors_page
from bookwell.reference.events import events_page
from bookwell.reference.pages import pages
from bookwell.settings import Settings, variable_of
from documents import DOCS, anchors_of, headings_of, name_of

REFERENCE = DOCS / "reference"


@pytest.fixture(scope="module")
def generated(template_url: str) -> Mapping[str, str]:
    return pages(template_url)


def kept(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_every_generated_page_is_fresh(generated: Mapping[str, str]) -> None:
    stale = [name for name, text in generated.items() if kept(name) != text]

    assert stale == [], "run make docs"


def test_the_folder_holds_generated_pages_and_nothing_else(generated: Mapping[str, str]) -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(generated), "run make docs"


def test_make_docs_writes_what_the_test_compares(
    generated: Mapping[str, str], tmp_path: Path
) -> None:
    main(tmp_path)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == generated


def test_every_route_is_described() -> None:
    described = kept("api.md")
    missing = [
        f"{method} {route.path}"
        for route in routes().routes
        for method in getattr(route, "methods", ())
        if route.path.startswith(("/v1/", "/healthz", "/readyz")) and method != "OPTIONS"
        if f"### {method} {re.sub(r':str}', '}', route.path_format)}\n" not in described
    ]

    assert missing == []


def test_every_error_that_has_a_status_has_its_advice_and_no_other() -> None:
    codes = {each.name for each in all_codes()}

    assert set(advice.ADVICE) == codes
    assert {code for code, _ in FRAMEWORK_CODES.values()} <= codes
    assert {status for each in all_codes() for status in each.statuses} >= {
        status_of(error) for error in STATUS
    }
    assert codes <= anchors_of(REFERENCE / "errors.md")


def test_an_error_without_advice_stops_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(advice.ADVICE, "slot_unavailable")

    with pytest.raises(KeyError, match="slot_unavailable"):
        errors_page()


def test_every_event_is_described_with_each_of_its_fields() -> None:
    used = {field for fact in EVENTS.values() for field in fact.__struct_fields__}

    assert set(events.FIELDS) == used
    assert set(events.NOTES) <= set(EVENTS)
    assert set(EVENTS) <= set(headings_of(REFERENCE / "events.md"))


def test_a_field_of_an_event_without_a_meaning_stops_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(events.FIELDS, "slot_start")

    with pytest.raises(KeyError, match="slot_start"):
        events_page()


def test_every_table_is_described_and_no_other(generated: Mapping[str, str]) -> None:
    described = set(re.findall(r"^## booking\.(\w+)$", generated["database.md"], re.MULTILINE))

    assert described == set(tables.TABLES)


def test_the_drawn_state_machine_is_the_one_that_runs() -> None:
    drawing = kept("statuses.md").split("```mermaid")[1].partition("```")[0]
    drawn = set(re.findall(r"^ +(\w+) --> (\w+) : (\w+)$", drawing, re.MULTILINE))

    assert drawn == {
        (str(start), str(each.to_status), each.verb)
        for each in TRANSITIONS
        for start in each.from_statuses
    } | {("held", "expired", "expire")}
    begins = set(re.findall(r"^ +\[\*\] --> (\w+) : (\w+)$", drawing, re.MULTILINE))
    assert begins == {("held", "hold"), ("booked", "book")}


def test_every_setting_is_described_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", kept("configuration.md"), re.MULTILINE)

    assert dict(rows) == {
        variable_of(setting.name): "not set" if setting.default is None else f"`{setting.default}`"
        for setting in fields(Settings)
    }


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=name_of)
def test_no_two_headings_of_a_page_lead_to_the_same_place(page: Path) -> None:
    assert len(headings_of(page)) == len(anchors_of(page))
