"""The addresses of calendars: who gets one, what it opens, how it ends, and where it never stands."""

from typing import Any

import httpx
import pytest

from agenda import events_of, feed_of, fetched, path_of
from bookwell.domain.calendars import FEEDS_PER_OWNER_MAX
from clinic import Clinic
from conftest import serving, settings_for
from envelope import invalid, ok, refused
from world import LOOP, LOOPBIO, World, headers

FEEDS = "/v1/calendar-feeds"
MISMATCH = "idempotency_key_payload_mismatch"


def rotate(clinic: Clinic, feed: dict[str, Any], **more: Any) -> httpx.Response:
    return clinic.post(f"{FEEDS}/{feed['id']}/rotate", **more)


def revoke(clinic: Clinic, feed: dict[str, Any], **more: Any) -> httpx.Response:
    return clinic.call("DELETE", f"{FEEDS}/{feed['id']}", **more)


def listed(clinic: Clinic, token: str | None = None, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(clinic.get(FEEDS, token=token, **query))["calendar_feeds"]
    return found


def no_calendar(answer: httpx.Response) -> dict[str, Any]:
    """The one answer to every address that opens nothing, without what differs in each."""
    told = refused(answer, 404, "not_found")
    del told["request_id"]
    return told


# ---------------------------------------------------------------------------------- getting one


def test_a_new_feed_says_whose_it_is_and_where(clinic: Clinic) -> None:
    provider_id = clinic.provider()

    answer = clinic.post(FEEDS, {"provider_id": provider_id})

    feed = ok(answer, 201)
    assert feed["id"].startswith("cal_")
    assert feed["owner"] == {"kind": "provider", "id": provider_id}
    assert (feed["brand_id"], feed["version"], answer.headers["ETag"]) == (LOOP, 1, '"1"')
    assert (feed["rotated_at"], feed["revoked_at"]) == (None, None)
    root, _, file = feed["url"].rpartition("/calendars/")
    assert root == str(clinic.http.base_url).rstrip("/")
    assert len(file) == len(".ics") + 43
    assert fetched(clinic, feed).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "provider_id"),
        ({"brand_id": LOOP}, "provider_id"),
        ({"provider_id": "prv_kim", "coach_id": "coach_jo"}, "coach_id"),
        ({"coach_id": "coach_jo", "patient_id": "pat_ada"}, "patient_id"),
        ({"provider_id": 7}, "provider_id"),
        ({"patient_id": "a b"}, "patient_id"),
    ],
)
def test_exactly_one_owner_is_named(clinic: Clinic, body: object, field: str) -> None:
    invalid(clinic.post(FEEDS, body), field)


def test_a_coach_is_no_provider_and_a_clinician_no_coach(clinic: Clinic) -> None:
    coach, clinician = clinic.provider(kind="coach"), clinic.provider()

    refused(clinic.post(FEEDS, {"provider_id": coach}), 404, "not_found")
    refused(clinic.post(FEEDS, {"coach_id": clinician}), 404, "not_found")


def test_an_owner_has_so_many_feeds_and_a_revoked_one_makes_room(clinic: Clinic) -> None:
    patient = clinic.patient()
    body = {"patient_id": patient.patient_id}
    feeds = [feed_of(clinic, patient.token, **body) for _ in range(FEEDS_PER_OWNER_MAX)]

    answer = clinic.post(FEEDS, body)

    refused(answer, 409, "too_many_calendar_feeds", feeds_max=FEEDS_PER_OWNER_MAX)
    ok(revoke(clinic, feeds[0]))
    feed_of(clinic, **body)
    feed_of(clinic, patient_id=clinic.patient().patient_id)


@pytest.mark.parametrize("owner", ["coach_id", "patient_id"])
def test_whoever_may_not_read_seats_gets_no_calendar_with_seats(clinic: Clinic, owner: str) -> None:
    token = clinic.token("staff", clinic.new_id("staff"), scopes=["manage:visits"])
    ids = {"coach_id": clinic.provider(kind="coach"), "patient_id": clinic.patient().patient_id}
    feed = feed_of(clinic, **{owner: ids[owner]})

    refused(clinic.post(FEEDS, {owner: ids[owner]}, token=token), 403, "insufficient_scope")
    refused(rotate(clinic, feed, token=token), 403, "insufficient_scope")
    assert fetched(clinic, feed).status_code == 200


@pytest.mark.parametrize("scope", ["read:visits", "write:visits"])
def test_a_token_that_cannot_both_read_and_write_makes_no_address(
    clinic: Clinic, scope: str
) -> None:
    token = clinic.token("staff", clinic.new_id("staff"), scopes=[scope])

    answer = clinic.post(FEEDS, {"provider_id": clinic.provider()}, token=token)

    refused(answer, 403, "insufficient_scope", scope="manage:visits")


# -------------------------------------------------------------------------------------- the list


def test_a_list_has_no_addresses_and_is_filtered_by_owner(clinic: Clinic) -> None:
    provider_id, coach_id = clinic.provider(), clinic.provider(kind="coach")
    patient = clinic.patient()
    owners = {
        "provider_id": provider_id,
        "coach_id": coach_id,
        "patient_id": patient.patient_id,
    }
    feeds = {name: feed_of(clinic, **{name: each}) for name, each in owners.items()}

    for name, each in owners.items():
        del feeds[name]["url"]
        assert listed(clinic, **{name: each}) == [feeds[name]]
    assert listed(clinic, patient.token) == [feeds["patient_id"]]
    assert listed(clinic, patient.token, provider_id=provider_id) == []
    everyone = clinic.get(FEEDS, limit=1000)
    assert {each["id"] for each in feeds.values()} <= {
        each["id"] for each in ok(everyone)["calendar_feeds"]
    }
    assert "/calendars/" not in everyone.text


def test_a_list_goes_on_where_it_was_cut(clinic: Clinic) -> None:
    provider_id = clinic.provider()
    made = [feed_of(clinic, provider_id=provider_id)["id"] for _ in range(3)]

    first = ok(clinic.get(FEEDS, provider_id=provider_id, limit=2))
    rest = ok(clinic.get(FEEDS, provider_id=provider_id, cursor=first["next_cursor"]))

    found = [each["id"] for each in first["calendar_feeds"] + rest["calendar_feeds"]]
    assert found == sorted(made)
    assert "next_cursor" not in rest


def test_two_owners_named_in_a_list_are_one_too_many(clinic: Clinic) -> None:
    invalid(clinic.get(FEEDS, provider_id="prv_kim", patient_id="pat_ada"), "patient_id")


# ------------------------------------------------------------------------------------ the end of it


def test_a_rotated_feed_has_another_address_and_the_old_one_is_dead(clinic: Clinic) -> None:
    before = feed_of(clinic, provider_id=clinic.provider())

    answer = rotate(clinic, before)

    after = ok(answer)
    assert no_calendar(fetched(clinic, before))
    assert fetched(clinic, after).status_code == 200
    assert after["url"] != before["url"]
    assert (after["id"], after["version"], answer.headers["ETag"]) == (before["id"], 2, '"2"')
    assert after["rotated_at"] is not None


def test_a_revoked_feed_is_dead_and_gone(clinic: Clinic) -> None:
    provider_id = clinic.provider()
    feed = feed_of(clinic, provider_id=provider_id)

    revoked = ok(revoke(clinic, feed))

    assert revoked["revoked_at"] is not None
    assert "url" not in revoked
    assert no_calendar(fetched(clinic, feed))
    assert listed(clinic, provider_id=provider_id) == []
    refused(rotate(clinic, feed), 404, "not_found")
    refused(revoke(clinic, feed), 404, "not_found")


@pytest.mark.parametrize("change", [rotate, revoke])
def test_only_what_was_seen_is_changed_for_those_who_say_so(clinic: Clinic, change: Any) -> None:
    feed = ok(rotate(clinic, feed_of(clinic, provider_id=clinic.provider())))

    stale = change(clinic, feed, headers={"If-Match": '"1"'})

    refused(stale, 412, "version_mismatch", version=2)
    assert fetched(clinic, feed).status_code == 200
    ok(change(clinic, feed, headers={"If-Match": '"2"'}))


# --------------------------------------------------------------------------------------- told twice


def test_a_repeated_request_is_told_the_same_address(clinic: Clinic) -> None:
    key = {"headers": {"Idempotency-Key": clinic.new_id("key")}}
    body = {"provider_id": clinic.provider()}

    first, second = (clinic.post(FEEDS, body, **key) for _ in range(2))

    assert ok(first, 201) == ok(second, 201)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert fetched(clinic, first.json()).status_code == 200
    assert len(listed(clinic, **body)) == 1
    rotated, again = (rotate(clinic, first.json(), **key) for _ in range(2))
    assert ok(rotated) == ok(again)
    assert rotated.json()["url"] != first.json()["url"]
    assert fetched(clinic, rotated.json()).status_code == 200


def test_another_token_of_the_same_caller_is_not_told_the_address(clinic: Clinic) -> None:
    who, key = clinic.new_id("staff"), clinic.new_id("key")
    tokens = [clinic.token("staff", who) for _ in range(2)]
    body = {"provider_id": clinic.provider()}

    first, other = (
        clinic.post(FEEDS, body, token=token, headers={"Idempotency-Key": key}) for token in tokens
    )

    refused(other, 409, MISMATCH)
    assert path_of(ok(first, 201)) not in other.text


def test_a_key_used_again_when_it_is_forgotten_brings_no_dead_address_back(
    clinic: Clinic,
) -> None:
    key = {"headers": {"Idempotency-Key": clinic.new_id("key")}}
    feed = feed_of(clinic, provider_id=clinic.provider())
    first = ok(rotate(clinic, feed, **key))
    ok(rotate(clinic, feed))
    clinic.world.sql("DELETE FROM booking.idempotency")

    second = ok(rotate(clinic, feed, **key))

    assert no_calendar(fetched(clinic, first))
    assert fetched(clinic, second).status_code == 200


def test_no_address_is_in_the_database(clinic: Clinic) -> None:
    key = {"headers": {"Idempotency-Key": clinic.new_id("key")}}
    feed = ok(clinic.post(FEEDS, {"provider_id": clinic.provider()}, **key), 201)
    secret = path_of(feed).removeprefix("/calendars/").removesuffix(".ics")

    for table in ("calendar_feed", "idempotency", "audit", "event"):
        rows = clinic.world.sql(f"SELECT t::text FROM booking.{table} AS t")  # noqa: S608 - our own
        assert rows or table == "event"
        assert [row for (row,) in rows if secret in str(row)] == []


# --------------------------------------------------------------------------------------- reading it


def test_a_calendar_is_text_calendar_for_its_reader_only(clinic: Clinic) -> None:
    answer = fetched(clinic, feed_of(clinic, provider_id=clinic.provider()))

    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, max-age=60"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex"


def test_what_has_not_changed_is_not_sent_again(clinic: Clinic) -> None:
    provider_id = clinic.provider()
    visit = clinic.visit(clinic.slot(provider_id=provider_id))
    feed = feed_of(clinic, provider_id=provider_id)
    tag = fetched(clinic, feed).headers["ETag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', f'"a,b",W/{tag} , "c"', "*"):
        same = fetched(clinic, feed, If_None_Match=known)
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["ETag"] == tag
        assert same.headers["Cache-Control"] == "private, max-age=60"
    for unknown in ('"other"', tag.strip('"'), "", "W/", ",,", "W/*", '"other", *', f"x{tag}"):
        assert fetched(clinic, feed, If_None_Match=unknown).status_code == 200
    ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))
    changed = fetched(clinic, feed, If_None_Match=tag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_a_list_of_known_tags_may_stand_in_several_lines(clinic: Clinic) -> None:
    path = path_of(feed_of(clinic, provider_id=clinic.provider()))
    tag = clinic.http.get(path).headers["ETag"]

    for tags in ([tag, '"other"'], ['"other"', tag]):
        answer = clinic.http.get(path, headers=[("If-None-Match", each) for each in tags])
        assert answer.status_code == 304
    others = [("If-None-Match", '"one"'), ("If-None-Match", '"other"')]
    assert clinic.http.get(path, headers=others).status_code == 200


def test_a_calendar_is_the_same_file_a_while_later(clinic: Clinic) -> None:
    provider_id = clinic.provider()
    visit = clinic.visit(clinic.slot(provider_id=provider_id))
    clinic.world.sql(
        "UPDATE booking.visit SET updated_at = '2026-01-02T03:04:05.678Z' WHERE visit_id = %s",
        visit["id"],
    )
    feed = feed_of(clinic, provider_id=provider_id)
    first = fetched(clinic, feed)

    with clinic.clock_at(clinic.world.at(1, days=1)):
        later = fetched(clinic, feed)

    assert visit["id"] in first.text
    assert "\r\nDTSTAMP:20260102T030405Z\r\n" in first.text
    assert (first.content, first.headers["ETag"]) == (later.content, later.headers["ETag"])


def test_head_says_what_get_says_and_sends_nothing(clinic: Clinic) -> None:
    feed = feed_of(clinic, provider_id=clinic.provider())
    got = fetched(clinic, feed)

    head = clinic.http.head(path_of(feed))

    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length", "Cache-Control"):
        assert head.headers[name] == got.headers[name]
    same = clinic.http.head(path_of(feed), headers={"If-None-Match": got.headers["ETag"]})
    assert (same.status_code, same.headers["ETag"]) == (304, got.headers["ETag"])
    assert clinic.http.head(f"/calendars/{'B' * 43}.ics").status_code == 404


HOSTILE = [
    "cal_never.ics",
    f"{'A' * 43}.ics",
    f"{'A' * 43}",
    f"{'A' * 42}.ics",
    f"{'A' * 44}.ics",
    f"{'A' * 43}.ICS",
    f"{'A' * 43}.ics.ics",
    f"{'A' * 43}%00.ics",
    f"{'A' * 43}.ics%0a",
    f"{'A' * 42}%2F.ics",
    f"{'A' * 40}%2e%2e%2f.ics",
    f"{'%C3%A4' * 43}.ics",
    "%FF.ics",
    ".ics",
    "' OR true --.ics",
    "A" * 5_000,
]


@pytest.mark.parametrize("file", HOSTILE)
def test_whatever_opens_nothing_is_answered_the_same(clinic: Clinic, file: str) -> None:
    unknown = clinic.http.get(f"/calendars/{'B' * 43}.ics")

    answer = clinic.http.get(f"/calendars/{file}")

    assert no_calendar(answer) == no_calendar(unknown)
    assert "ETag" not in answer.headers


def test_an_address_with_a_letter_changed_or_left_out_opens_nothing(clinic: Clinic) -> None:
    path = path_of(feed_of(clinic, provider_id=clinic.provider()))
    secret = path.removeprefix("/calendars/").removesuffix(".ics")

    for other in (secret.swapcase(), secret[:-1], secret[1:], f"{secret}A", f"{secret} "):
        assert no_calendar(clinic.http.get(f"/calendars/{other}.ics"))
    # The last of 43 characters has two bits to spare, and still only one of them is right.
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        answer = clinic.http.get(f"/calendars/{secret[:-1]}{last}.ics")
        assert answer.status_code == (200 if last == secret[-1] else 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_calendar_is_only_read(clinic: Clinic, method: str) -> None:
    feed = feed_of(clinic, provider_id=clinic.provider())

    refused(clinic.http.request(method, path_of(feed)), 405, "method_not_allowed")


def test_an_address_opens_what_it_opens_whatever_token_comes_along(clinic: Clinic) -> None:
    feed = feed_of(clinic, provider_id=clinic.provider())

    for token in (clinic.world.foreign_staff, clinic.world.expired, "nobody's"):
        assert clinic.call("GET", path_of(feed), token=token).status_code == 200


# -------------------------------------------------------------------------------------- the settings


async def test_addresses_begin_with_the_public_url_and_visits_link_to_their_call(
    world: World,
) -> None:
    settings = settings_for(
        world.database_url,
        public_url="https://booking.example.org/clinic/",
        join_url="https://join.example.org/{visit_id}?from=calendar",
    )
    async with (
        serving(settings) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as client,
    ):
        client.headers = httpx.Headers(headers(world.staff))
        slot_id = world.add_slot(world.at(9))
        visit = (await client.post("/v1/visits", json=world.book(slot_id))).json()
        feed = (await client.post(FEEDS, json={"provider_id": "prv_kim"})).json()
        path = feed["url"].removeprefix("https://booking.example.org/clinic")
        linked = await client.get(path)
        await client.post(f"/v1/visits/{visit['id']}/cancel")
        cancelled = await client.get(path)

    assert path.startswith("/calendars/")
    unfolded = linked.text.replace("\r\n ", "")
    link = f"https://join.example.org/{visit['id']}?from=calendar"
    assert f"\r\nURL:{link}\r\n" in unfolded
    assert f"\r\nDESCRIPTION:{link}\r\n" in unfolded
    assert "join.example.org" not in cancelled.text


def test_a_brand_sees_nothing_of_anothers_calendars(clinic: Clinic) -> None:
    both = clinic.provider(LOOP, LOOPBIO)
    slots = {brand: clinic.slot(provider_id=both, brand_id=brand) for brand in (LOOP, LOOPBIO)}
    own = clinic.visit(slots[LOOP])
    body = clinic.world.book(slots[LOOPBIO], brand_id=LOOPBIO, patient_id="pat_eve")
    foreign = ok(clinic.post("/v1/visits", body, token=clinic.world.platform), 201)
    feed = feed_of(clinic, provider_id=both)
    other = feed_of(clinic, clinic.world.foreign_staff, provider_id=both)

    assert [str(event["UID"]) for event in events_of(clinic, feed)] == [f"{own['id']}@bookwell"]
    assert [str(event["UID"]) for event in events_of(clinic, other)] == [
        f"{foreign['id']}@bookwell"
    ]
    assert [each["id"] for each in listed(clinic, provider_id=both)] == [feed["id"]]
