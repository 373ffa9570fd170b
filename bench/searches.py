"""What only reads: a provider's week, visits by patient and by brand, in a large and a small book.

The small book is a hundredth of the large one in everything: slots, providers, patients, visits.
So every answer has as many rows in both, and what differs is only how much lies around them.
"""

import base64
import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from urllib.parse import urlencode

from bench.fixture import LARGE, SMALL
from bench.scale import BRAND, FIRST_ID, VISIT_TYPE, ZONE, Scale, days_from
from bench.scenario import SEED, Request, Scenario
from bookwell.http.paging import LIMIT_DEFAULT
from bookwell.usecases.paging import FAR_FUTURE, FAR_PAST

_WEEK = timedelta(days=7)
# A search for open times ends a month after the first of next month and begins on one of its first
# nine days: some 300 slots of a provider, of which two in three are open.
_MONTH, _STARTS = timedelta(days=30), 9
FIRST_OF = 500
# Weeks begin on one of the first 21 days of next month, and cursors point into its first 28; so
# pgbench, which computes numbers only, can write a day as the number YYYYMMDD.
_WEEKS, _DAYS = 21, 28
# Before every id; pgbench takes no empty text.
NOTHING = " "
_FIRST_PAGE = {"before_at": FAR_FUTURE.isoformat(), "before_id": NOTHING}
_ROWS = str(LIMIT_DEFAULT + 1)


def _day_number() -> str:
    return f"{days_from():%Y%m%d}"


def _get(path: str, **query: str) -> Request:
    return Request(method="GET", path=f"{path}?{urlencode({'brand_id': BRAND, **query})}")


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _chance(number: int) -> random.Random:
    return random.Random(SEED + number)


def _week(number: int, scale: Scale) -> Request:
    chance = _chance(number)
    from_at = days_from() + timedelta(days=chance.randrange(_WEEKS))
    return _get(
        f"/v1/providers/{FIRST_ID + chance.randrange(scale.providers)}/slots",
        **{"from": _instant(from_at), "to": _instant(from_at + _WEEK)},
    )


def _month(number: int, scale: Scale) -> Request:
    chance = _chance(number)
    return _open_times(
        days_from() + timedelta(days=chance.randrange(_STARTS)),
        limit="500",
        provider_id=str(FIRST_ID + chance.randrange(scale.providers)),
    )


def _first(number: int, _scale: Scale) -> Request:
    """The first open time of each of 500 providers, for whoever reads a clock in Berlin."""
    return _open_times(
        days_from() + timedelta(days=_chance(number).randrange(_WEEKS)),
        limit=str(FIRST_OF),
        provider_id=[str(FIRST_ID + 2 * provider) for provider in range(FIRST_OF)],
        first_available="true",
        time_zone=ZONE,
    )


def _open_times(from_at: datetime, **query: str | list[str]) -> Request:
    window = {"from": _instant(from_at), "to": _instant(days_from() + _MONTH)}
    asked = {"brand_id": BRAND, "visit_type": VISIT_TYPE, **window, **query}
    return Request(method="GET", path=f"/v1/slots?{urlencode(asked, doseq=True)}")


def _of_patient(number: int, scale: Scale) -> Request:
    return _get("/v1/visits", patient_id=str(FIRST_ID + _chance(number).randrange(scale.patients)))


def _of_patient_deep(number: int, scale: Scale) -> Request:
    patient_id = str(FIRST_ID + _chance(number).randrange(scale.patients))
    return _get("/v1/visits", patient_id=patient_id, cursor=_cursor(number))


def _of_brand(_number: int, _scale: Scale) -> Request:
    return _get("/v1/visits")


def _of_brand_deep(number: int, _scale: Scale) -> Request:
    return _get("/v1/visits", cursor=_cursor(number))


def _cursor(number: int) -> str:
    """As the service writes it: the last visit of the page before."""
    at = days_from() + timedelta(days=_chance(number).randrange(_DAYS))
    key = json.dumps([at.isoformat(), str(FIRST_ID)], separators=(",", ":"))
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


_SOME_PROVIDER = {
    "provider": "random(0, :providers - 1)",
    "provider_id": f"{FIRST_ID} + :provider",
    # They were made in the order of their numbers.
    "provider_no": "1 + :provider",
}
_SOME_PATIENT = {"patient_id": f"{FIRST_ID} + random(0, :patients - 1)"}
_SOME_DAY = {"before_at": f"{_day_number()} + random(0, {_DAYS - 1})"}
_DEEP = {"before_id": str(FIRST_ID)}


_OPEN_TIMES: dict[str, str | None] = {
    "visit_type": VISIT_TYPE,
    "until_at": (days_from() + _MONTH).isoformat(),
    "by_patient": "false",
    "keeps_type": "false",
    "after_at": FAR_PAST.isoformat(),
    "after_id": NOTHING,
    **dict.fromkeys(
        ("patient_id", "ignored_visit", "left_slot", "time_zone", "zone_names", "zone_times")
    ),
}


def _both(
    name: str,
    title: str,
    statement: str,
    request: Callable[[int, Scale], Request],
    constants: dict[str, str | None],
    numbers: dict[str, str],
) -> Iterator[Scenario]:
    for template, suffix in ((LARGE, ""), (SMALL, "-small")):
        yield Scenario(
            name=f"{name}{suffix}",
            title=title,
            template=template,
            statement=statement,
            constants={"brand_id": BRAND, "row_limit": _ROWS, **constants},
            numbers=numbers,
            request=request,
            success=200,
            connections=(16,),
            endless=True,
        )


MONTH, *_MONTH_SMALL = _both(
    "month",
    "a provider's open month",
    "find_slots",
    _month,
    {**_OPEN_TIMES, "row_limit": "501"},
    {
        "provider": "random(0, :providers - 1)",
        "provider_ids": f"{FIRST_ID} + :provider",
        "from_at": f"{_day_number()} + random(0, {_STARTS - 1})",
    },
)
FIRST = Scenario(
    name="first",
    title=f"first open of {FIRST_OF}",
    template=LARGE,
    statement="find_first_slots",
    constants={
        "brand_id": BRAND,
        **_OPEN_TIMES,
        "row_limit": str(FIRST_OF + 1),
        "time_zone": ZONE,
        "provider_ids": f"{{{','.join(str(FIRST_ID + 2 * n) for n in range(FIRST_OF))}}}",
    },
    numbers={"from_at": f"{_day_number()} + random(0, {_WEEKS - 1})"},
    request=_first,
    success=200,
    connections=(16,),
    endless=True,
)
SEARCHES = (
    MONTH,
    *_MONTH_SMALL,
    FIRST,
    *_both(
        "slots",
        "a week's slots",
        "list_slots",
        _week,
        {"booked": None, "after_at": FAR_PAST.isoformat(), "after_id": NOTHING},
        {
            **_SOME_PROVIDER,
            "from_at": f"{_day_number()} + random(0, {_WEEKS - 1})",
            "until_at": ":from_at + 7",
        },
    ),
    *_both(
        "patient",
        "a patient's visits",
        "list_visits_of_patient",
        _of_patient,
        dict(_FIRST_PAGE),
        _SOME_PATIENT,
    ),
    *_both(
        "patient-deep",
        "a patient's, by cursor",
        "list_visits_of_patient",
        _of_patient_deep,
        dict(_DEEP),
        {**_SOME_PATIENT, **_SOME_DAY},
    ),
    *_both("brand", "a brand's visits", "list_visits_of_brand", _of_brand, dict(_FIRST_PAGE), {}),
    *_both(
        "brand-deep",
        "a brand's, deep cursor",
        "list_visits_of_brand",
        _of_brand_deep,
        dict(_DEEP),
        _SOME_DAY,
    ),
)
