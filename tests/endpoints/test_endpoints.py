"""/v1/webhook-endpoints: where a brand's events are sent, and which."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from receivers import Receiver, status
from webhook_desk import NOWHERE, PATH, add, call, change, deliveries, happen, read, until

TYPES = ["booking.visit.created.v1", "booking.visit.cancelled.v1"]


def test_an_endpoint_is_as_it_was_said_and_its_secret_is_told(clinic: Clinic) -> None:
    answer = call(clinic, "POST", "", {"url": NOWHERE, "event_types": TYPES})

    added = ok(answer, 201)
    assert added == {
        "id": added["id"],
        "brand_id": "loop",
        "url": NOWHERE,
        "event_types": TYPES,
        "format": "standard",
        "is_enabled": True,
        "disabled_at": None,
        "disabled_because": None,
        "paused_until": None,
        "failing_since": None,
        "previous_secret_until": None,
        "created_at": added["created_at"],
        "updated_at": added["created_at"],
        "deleted_at": None,
        "version": 1,
        "secret": added["secret"],
    }
    assert added["id"].startswith("whe_")
    assert answer.headers["ETag"] == '"1"'
    del added["secret"]
    assert read(clinic, added["id"]) == added


@pytest.mark.parametrize(
    ("types", "field"),
    [
        ([], "event_types"),
        (["booking.visit.created.v1", "booking.visit.eaten.v1"], "event_types[1]"),
        (["booking.visit.created.v1", "*"], "event_types[1]"),
        (["*", "*"], "event_types[0]"),
        (["booking.visit.created.v1"] * 2, "event_types[1]"),
        ([f"booking.visit.{n}.v1" for n in range(101)], "event_types"),
    ],
)
def test_types_that_make_no_sense_are_refused_by_their_place(
    clinic: Clinic, types: list[str], field: str
) -> None:
    known = add(clinic)["id"]

    invalid(call(clinic, "POST", "", {"url": NOWHERE, "event_types": types}), field)
    invalid(call(clinic, "PATCH", f"/{known}", {"event_types": types}), field)
    invalid(call(clinic, "POST", f"/{known}/replay", {"event_types": types}), field)


def test_a_brand_has_twenty_endpoints_at_most(clinic: Clinic) -> None:
    mine = [add(clinic)["id"] for _ in range(20)]

    body = {"url": NOWHERE, "event_types": ["*"]}
    one_too_many = call(clinic, "POST", "", body)
    ok(call(clinic, "DELETE", f"/{mine[0]}"))

    refused(one_too_many, 409, "too_many_webhook_endpoints", endpoints_max=20)
    ok(call(clinic, "POST", "", body), 201)


def test_what_is_absent_from_a_change_stays(clinic: Clinic) -> None:
    before = add(clinic)

    changed = change(clinic, before["id"], event_types=TYPES)
    again = change(clinic, before["id"], format="cloudevents")

    assert (changed["event_types"], changed["format"]) == (TYPES, "standard")
    assert (again["event_types"], again["format"]) == (TYPES, "cloudevents")
    assert (again["url"], again["version"]) == (NOWHERE, 3)
    assert "secret" not in again


@pytest.mark.parametrize(
    "said",
    [{}, {"url": NOWHERE}, {"event_types": ["*"], "format": "standard", "is_enabled": True}],
)
def test_a_change_to_what_is_so_already_is_none(clinic: Clinic, said: dict[str, object]) -> None:
    before = add(clinic)
    del before["secret"]

    answer = call(clinic, "PATCH", f"/{before['id']}", said, Idempotency_Key=f"none-{len(said)}")
    again = call(clinic, "PATCH", f"/{before['id']}", said, Idempotency_Key=f"none-{len(said)}")

    assert ok(answer) == ok(again) == before
    assert answer.headers["ETag"] == '"1"'
    assert again.headers["Idempotency-Replayed"] == "true"
    audit = clinic.world.sql(
        "SELECT event_type FROM booking.audit WHERE entity_id = %s", before["id"]
    )
    assert audit == [("webhook_endpoint.created",)]
    refused(
        call(clinic, "PATCH", f"/{before['id']}", said, If_Match='"2"'), 412, "version_mismatch"
    )


def test_an_endpoint_that_is_disabled_again_keeps_why_and_since_when(clinic: Clinic) -> None:
    endpoint_id = add(clinic)["id"]
    disabled = change(clinic, endpoint_id, is_enabled=False)

    assert change(clinic, endpoint_id, is_enabled=False) == disabled


def test_a_change_of_an_old_version_is_refused(clinic: Clinic) -> None:
    endpoint_id = add(clinic)["id"]
    change(clinic, endpoint_id, format="cloudevents")

    for method, rest in (("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret")):
        stale = call(clinic, method, f"/{endpoint_id}{rest}", {}, If_Match='"1"')
        refused(stale, 412, "version_mismatch")
    assert read(clinic, endpoint_id)["version"] == 2


def test_a_list_pages_through_the_brands_own_endpoints(clinic: Clinic) -> None:
    mine = sorted(add(clinic)["id"] for _ in range(3))
    theirs = clinic.endpoint("loopbio")

    first = ok(clinic.get(PATH, token=clinic.world.admin, limit=2))
    second = ok(clinic.get(PATH, token=clinic.world.admin, cursor=first["next_cursor"]))

    seen = [*first["webhook_endpoints"], *second["webhook_endpoints"]]
    assert [each["id"] for each in seen] == mine
    assert theirs not in [each["id"] for each in seen]
    assert "next_cursor" not in second


def test_nothing_is_sent_while_it_is_disabled_and_what_waited_goes_out_after(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    receiver.always(status(500))
    happen(clinic, "vis_waiting")
    receiver.wait_for(1)

    disabled = change(clinic, endpoint_id, is_enabled=False)
    happen(clinic, "vis_missed")
    assert [each["status"] for each in deliveries(clinic, endpoint_id)] == ["pending"]
    receiver.always(status(200))
    enabled = change(clinic, endpoint_id, is_enabled=True)

    assert (disabled["is_enabled"], disabled["disabled_because"]) == (False, "staff")
    assert (enabled["is_enabled"], enabled["disabled_at"]) == (True, None)
    until(lambda: deliveries(clinic, endpoint_id)[0]["status"] == "delivered")
    assert len(deliveries(clinic, endpoint_id)) == 1, "what was missed is for a replay"


def test_an_endpoint_that_is_gone_is_disabled_until_staff_enable_it(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    receiver.next(status(410))

    happen(clinic, "vis_gone")
    until(lambda: not read(clinic, endpoint_id)["is_enabled"])
    gone = read(clinic, endpoint_id)
    enabled = change(clinic, endpoint_id, is_enabled=True)

    assert gone["disabled_because"] == "gone"
    assert gone["version"] == 2
    assert enabled["is_enabled"]
    until(lambda: deliveries(clinic, endpoint_id)[0]["status"] == "delivered")


def test_another_url_is_not_what_the_old_one_was(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic)["id"]
    happen(clinic, "vis_moved")
    until(lambda: read(clinic, endpoint_id)["failing_since"])
    clinic.world.sql(
        "UPDATE booking.webhook_endpoint SET paused_until = now() + interval '1 day'"
        " WHERE endpoint_id = %s",
        endpoint_id,
    )

    moved = change(clinic, endpoint_id, url=receiver.url)

    assert (moved["failing_since"], moved["paused_until"]) == (None, None)
    receiver.wait_for(1, seconds=15)


def test_a_deleted_endpoint_has_no_secrets_and_leaves_nothing_waiting(clinic: Clinic) -> None:
    endpoint_id = add(clinic)["id"]
    ok(call(clinic, "POST", f"/{endpoint_id}/rotate-secret"))
    happen(clinic, "vis_left")

    deleted = ok(call(clinic, "DELETE", f"/{endpoint_id}"))
    again = ok(call(clinic, "DELETE", f"/{endpoint_id}"))

    assert deleted == again == read(clinic, endpoint_id)
    assert deleted["deleted_at"] is not None
    assert not deleted["is_enabled"]
    assert [each["status"] for each in deliveries(clinic, endpoint_id)] == ["abandoned"]
    assert clinic.world.sql(
        "SELECT secret, previous_secret FROM booking.webhook_endpoint WHERE endpoint_id = %s",
        endpoint_id,
    ) == [(None, None)]
    mine = ok(clinic.get(PATH, token=clinic.world.admin, include_deleted=False))
    assert endpoint_id not in [each["id"] for each in mine["webhook_endpoints"]]
    for method, rest in (("PATCH", ""), ("POST", "/rotate-secret"), ("POST", "/replay")):
        refused(call(clinic, method, f"/{endpoint_id}{rest}", {}), 404, "not_found")
    refused(call(clinic, "POST", f"/{endpoint_id}/test"), 404, "not_found")


def waiting_of(clinic: Clinic, endpoint_id: str) -> int:
    rows = clinic.world.sql(
        "SELECT 1 FROM booking.delivery WHERE endpoint_id = %s AND status = 'pending'", endpoint_id
    )
    return len(rows)


def is_anybody_waiting_for_a_lock(clinic: Clinic) -> bool:
    return bool(
        clinic.world.sql(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


NUMBER = "SELECT booking.number_events(1000, 0)"
HOLD_NUMBERING = "SELECT pg_advisory_xact_lock(hashtext('booking.number_events'))"


def test_a_deletion_sees_the_deliveries_that_are_just_being_made(clinic: Clinic) -> None:
    endpoint_id = add(clinic)["id"]
    with ThreadPoolExecutor() as threads, psycopg.connect(clinic.world.database_url) as numbering:
        numbering.execute(HOLD_NUMBERING)
        clinic.visit()
        numbering.execute(NUMBER)

        deletion = threads.submit(call, clinic, "DELETE", f"/{endpoint_id}")
        until(lambda: is_anybody_waiting_for_a_lock(clinic))
        numbering.commit()

        ok(deletion.result())
    assert [each["status"] for each in deliveries(clinic, endpoint_id)] == ["abandoned"]


def test_no_delivery_is_made_for_an_endpoint_that_is_just_being_deleted(clinic: Clinic) -> None:
    endpoint_id = add(clinic)["id"]
    with (
        ThreadPoolExecutor() as threads,
        psycopg.connect(clinic.world.database_url) as numbering,
        psycopg.connect(clinic.world.database_url) as deletion,
    ):
        numbering.execute(HOLD_NUMBERING)
        clinic.visit()
        deletion.execute(
            "SELECT FROM booking.webhook_endpoint WHERE endpoint_id = %s FOR UPDATE", [endpoint_id]
        )
        deletion.execute(
            "UPDATE booking.webhook_endpoint SET secret = NULL, deleted_at = now()"
            " WHERE endpoint_id = %s",
            [endpoint_id],
        )

        numbered = threads.submit(numbering.execute, NUMBER)
        until(lambda: is_anybody_waiting_for_a_lock(clinic))
        deletion.commit()

        assert numbered.result().fetchone() != (0,)
        numbering.commit()
    assert waiting_of(clinic, endpoint_id) == 0
