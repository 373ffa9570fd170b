"""A disruption is committed as one, or nothing of it; and what it leaves behind."""

from datetime import timedelta
from typing import Any

import pytest

from books import changes_audited, count, events_of, is_whole
from clinic import Clinic, said
from desk import Desk, alone
from envelope import invalid, ok, refused
from scheduled import every_day

CREATED = (1, "booking.visit.created.v1")


@pytest.fixture
def desk(clinic: Clinic) -> Desk:
    return Desk(clinic)


def facts(desk: Desk, event_type: str, entity_id: str) -> list[Any]:
    return [
        data
        for (data,) in desk.clinic.world.sql(
            "SELECT data FROM booking.event WHERE event_type = %s AND entity_id = %s",
            event_type,
            entity_id,
        )
    ]


def details(desk: Desk, entity_id: str) -> list[Any]:
    return [
        details
        for (details,) in desk.clinic.world.sql(
            "SELECT details FROM booking.audit WHERE entity_id = %s ORDER BY id", entity_id
        )
    ]


def test_each_visit_becomes_what_was_chosen(desk: Desk) -> None:
    moved, cancelled, left, undecided = (desk.visit(9 + n / 2) for n in range(4))
    slot_id = desk.slot(9.5, provider_id=desk.other)
    draft = desk.open()
    hold_id = desk.choose(draft, moved, "move", slot_id=slot_id)["hold_id"]
    desk.choose(draft, cancelled, "cancel", reason="the provider is ill")
    desk.choose(draft, left, "leave")

    committed = desk.commit(draft, leave_undecided=True)

    assert (committed["status"], committed["version"]) == ("committed", 5)
    assert [visit["outcome"] for visit in committed["visits"]] == [
        "moved",
        "cancelled",
        "left",
        "left",
    ]
    now = desk.read(moved)
    assert (now["status"], now["slot_id"], now["provider_id"]) == ("booked", slot_id, desk.other)
    assert (now["start_time"], now["version"]) == (said(desk.at(9.5)), 2)
    assert desk.read({"id": hold_id})["status"] == "cancelled"
    now = desk.read(cancelled)
    assert (now["status"], now["cancel_reason"]) == ("cancelled", "the provider is ill")
    for visit in (left, undecided):
        now = desk.read(visit)
        assert (now["status"], now["start_time"]) == ("booked", visit["start_time"])
        assert now["version"] == 2
    assert desk.get(draft) == committed


def test_every_visit_has_its_event_and_its_audit_row_and_so_has_the_disruption(desk: Desk) -> None:
    world = desk.clinic.world
    moved, cancelled, left = (desk.visit(9 + n / 2) for n in range(3))
    slot_id = desk.slot(9, provider_id=desk.other)
    draft = desk.open()
    desk.choose(draft, moved, "move", slot_id=slot_id)
    desk.choose(draft, cancelled, "cancel", reason="kanarienvogel")
    desk.choose(draft, left, "leave")

    committed = desk.commit(draft)

    for visit, what in ((moved, "rescheduled"), (cancelled, "cancelled"), (left, "left_for_staff")):
        assert events_of(world, visit["id"]) == [CREATED, (2, f"booking.visit.{what}.v1")]
        assert changes_audited(world, visit["id"]) == ["visit.created", f"visit.{what}"]
        assert details(desk, visit["id"])[1]["disruption_id"] == draft["id"]
        assert details(desk, visit["id"])[1]["version"] == 2
    assert facts(desk, "booking.visit.left_for_staff.v1", left["id"]) == [
        {
            "visit_id": left["id"],
            "patient_id": left["patient_id"],
            "provider_id": desk.practice.provider_id,
            "brand_id": desk.practice.brand_id,
            "slot_start": left["start_time"],
            "left_at": committed["updated_at"],
        }
    ]
    assert (
        facts(desk, "booking.visit.rescheduled.v1", moved["id"])[0]["old_slot_start"]
        == (moved["start_time"])
    )
    assert facts(desk, "booking.disruption.committed.v1", draft["id"]) == [
        {
            "disruption_id": draft["id"],
            "provider_id": desk.practice.provider_id,
            "brand_id": desk.practice.brand_id,
            "out_start": draft["from"],
            "out_end": draft["until"],
            "visits_moved": 1,
            "visits_cancelled": 1,
            "visits_left": 1,
            "committed_at": committed["updated_at"],
        }
    ]
    assert changes_audited(world, draft["id"]) == [
        "disruption.opened",
        *["disruption.chosen"] * 3,
        "disruption.committed",
    ]
    for table in ("audit", "event"):
        told = world.sql(f"SELECT t::text FROM booking.{table} AS t")  # noqa: S608 - our own names
        assert "kanarienvogel" not in str(told)
    kept = world.sql(
        "SELECT cancel_reason FROM booking.disruption_choice WHERE disruption_id = %s", draft["id"]
    )
    assert set(kept) == {(None,)}, "the reason stands with the visit alone"
    assert is_whole(world)


def test_nothing_new_can_be_booked_in_the_time_out(desk: Desk) -> None:
    posted, after = desk.slot(10), desk.slot(11)
    draft = desk.open()
    desk.commit(draft)

    refused(desk.practice.book(posted), 409, "rule_broken", rule="time_off")
    refused(desk.practice.hold(posted), 409, "rule_broken", rule="time_off")
    assert desk.practice.book(after).status_code == 201
    off = desk.call("GET", f"/v1/providers/{desk.practice.provider_id}/time-off")
    (entered,) = ok(off)["time_off"]
    assert (entered["start_time"], entered["end_time"]) == (draft["from"], draft["until"])


def test_the_schedules_slots_of_that_time_are_withdrawn_at_once(desk: Desk) -> None:
    path = f"/v1/providers/{desk.practice.provider_id}"
    week = {
        "brand_id": desk.practice.brand_id,
        "time_zone": "UTC",
        "weekly": every_day("09:00", "12:00"),
    }
    ok(desk.call("POST", f"{path}/schedules", week), 201)
    whole_day = {"from": said(desk.at(0)), "to": said(desk.at(24))}

    def offered() -> list[str]:
        asked = {"brand_id": desk.practice.brand_id, "booked": False, **whole_day}
        slots = ok(desk.call("GET", f"{path}/slots", query=asked))["slots"]
        return [slot["id"] for slot in slots]

    before = offered()
    visit = desk.practice.booked(before[0])
    draft = desk.open()
    desk.choose(draft, visit, "move", slot_id=before[4])
    desk.commit(draft)

    assert len(before) == 6
    assert offered() == before[5:]
    assert desk.read(visit)["slot_id"] == before[4]


def test_what_nobody_decided_about_is_not_left_unless_that_is_said(desk: Desk) -> None:
    first, second = desk.visit(9), desk.visit(10)
    draft = desk.open()
    desk.choose(draft, first, "leave")

    refused(desk.try_commit(draft), 409, "visits_undecided", visits=[second["id"]])
    invalid(desk.try_commit(draft, leave_undecided="yes"), "leave_undecided")

    assert desk.read(second)["version"] == 1
    assert desk.commit(draft, leave_undecided=True)["status"] == "committed"


def test_a_visit_that_came_since_is_named_and_nothing_happens(desk: Desk) -> None:
    known = desk.visit(9)
    draft = desk.open()
    desk.choose(draft, known, "cancel")
    came = desk.visit(10)

    for more in ({}, {"leave_undecided": True}):
        refused(desk.try_commit(draft, **more), 409, "disruption_out_of_date", visits=[came["id"]])

    assert desk.read(known)["status"] == "booked"
    now = desk.get(draft)
    assert [(visit["visit_id"], visit["is_new"]) for visit in now["visits"]] == [
        (known["id"], False),
        (came["id"], True),
    ]
    desk.choose(draft, came, "leave")
    assert desk.commit(draft)["status"] == "committed"


def test_a_visit_that_moved_within_the_time_is_to_be_looked_at_again(desk: Desk) -> None:
    visit = desk.visit(9)
    draft = desk.open()
    desk.choose(draft, visit, "cancel")
    within = desk.slot(10)
    ok(desk.call("POST", f"/v1/visits/{visit['id']}/reschedule", {"new_slot_id": within}))

    refused(desk.try_commit(draft), 409, "disruption_out_of_date", visits=[visit["id"]])
    assert alone(desk.get(draft))["is_new"]
    desk.choose(draft, visit, "cancel")

    found = alone(desk.commit(draft))
    assert (found["outcome"], found["start_time"]) == ("cancelled", said(desk.at(10)))


def test_a_visit_that_is_gone_needs_nothing_and_its_hold_is_released(desk: Desk) -> None:
    cancelled, elsewhere = desk.visit(9), desk.visit(10)
    slot_id = desk.slot(9, provider_id=desk.other)
    draft = desk.open()
    hold_id = desk.choose(draft, cancelled, "move", slot_id=slot_id)["hold_id"]
    ok(desk.call("POST", f"/v1/visits/{cancelled['id']}/cancel", {"reason": "better"}))
    ok(
        desk.call(
            "POST", f"/v1/visits/{elsewhere['id']}/reschedule", {"new_slot_id": desk.slot(14)}
        )
    )

    committed = desk.commit(draft)

    assert [visit["outcome"] for visit in committed["visits"]] == ["gone", "gone"]
    assert desk.read({"id": hold_id})["status"] == "cancelled"
    assert desk.read(cancelled)["cancel_reason"] == "better"
    assert desk.read(elsewhere)["version"] == 2
    assert desk.practice.book(slot_id).status_code == 201


def test_an_expired_hold_is_tried_again_while_the_slot_is_free(desk: Desk) -> None:
    visit = desk.visit(9)
    slot_id = desk.slot(9, provider_id=desk.other)
    draft = desk.open()
    hold_id = desk.choose(draft, visit, "move", slot_id=slot_id)["hold_id"]
    let_expire(desk, hold_id)

    assert alone(desk.get(draft))["choice"]["hold_expires_at"] is None
    committed = desk.commit(draft)

    assert alone(committed)["outcome"] == "moved"
    assert desk.read(visit)["slot_id"] == slot_id
    assert desk.read({"id": hold_id})["status"] == "expired"


def let_expire(desk: Desk, hold_id: str) -> None:
    desk.clinic.world.sql(
        "UPDATE booking.visit SET hold_expires_at = now() - interval '1 second'"
        " WHERE visit_id = %s",
        hold_id,
    )


def test_a_slot_that_somebody_else_has_names_the_visit_and_nothing_happens(desk: Desk) -> None:
    other, visit = desk.visit(9), desk.visit(10)
    slot_id = desk.slot(9, provider_id=desk.other)
    draft = desk.open()
    desk.choose(draft, other, "cancel", reason="ill")
    let_expire(desk, desk.choose(draft, visit, "move", slot_id=slot_id)["hold_id"])
    desk.practice.booked(slot_id)
    before = [count(desk.clinic.world, table) for table in ("event", "audit", "time_off")]

    refused(desk.try_commit(draft), 409, "slot_unavailable", visit_id=visit["id"], slot_id=slot_id)

    assert [count(desk.clinic.world, table) for table in ("event", "audit", "time_off")] == before
    assert desk.read(other)["status"] == "booked"
    assert desk.get(draft)["status"] == "open"


def test_a_slot_that_was_taken_back_names_the_visit(desk: Desk) -> None:
    visit = desk.visit(9)
    slot_id = desk.slot(9, provider_id=desk.other)
    draft = desk.open()
    let_expire(desk, desk.choose(draft, visit, "move", slot_id=slot_id)["hold_id"])
    ok(desk.call("DELETE", f"/v1/providers/{desk.other}/slots/{slot_id}"))

    refused(desk.try_commit(draft), 409, "slot_unavailable", visit_id=visit["id"])


def test_a_rule_that_stands_against_it_by_now_names_the_visit(desk: Desk) -> None:
    visit = desk.visit(9)
    draft = desk.open()
    desk.choose(draft, visit, "move", slot_id=desk.slot(9, provider_id=desk.other))
    desk.practice.off(desk.at(8), desk.at(10), desk.other)

    refused(desk.try_commit(draft), 409, "rule_broken", visit_id=visit["id"], rule="time_off")


def test_notice_is_counted_from_when_the_slot_was_held(desk: Desk) -> None:
    """Staff need a while on the telephone; what was held in time may be taken later."""
    desk.practice.visit_type("planned", notice_minutes=60)
    visit = desk.visit(9, visit_type="planned")
    slot_id = desk.slot(9.5, provider_id=desk.other)
    draft = desk.open()
    with desk.clinic.clock_at(desk.at(8.25)):
        desk.choose(draft, visit, "move", slot_id=slot_id)
    with desk.clinic.clock_at(desk.at(9)):
        committed = desk.commit(draft)

    assert alone(committed)["outcome"] == "moved"


def test_no_cutoff_counts_and_nothing_is_late_when_it_is_the_clinic(desk: Desk) -> None:
    a_month = 30 * 24 * 60
    desk.practice.visit_type(
        "strict",
        cancel_late_minutes=a_month,
        cancel_cutoff_minutes=a_month,
        reschedule_late_minutes=a_month,
        reschedule_cutoff_minutes=a_month,
    )
    moved, cancelled = desk.visit(9, visit_type="strict"), desk.visit(10, visit_type="strict")
    refused(
        desk.call("POST", f"/v1/visits/{cancelled['id']}/cancel"), 412, "cancellation_window_closed"
    )
    draft = desk.open()
    desk.choose(draft, moved, "move", slot_id=desk.slot(9, provider_id=desk.other))
    desk.choose(draft, cancelled, "cancel")

    committed = desk.commit(draft)

    assert [visit["outcome"] for visit in committed["visits"]] == ["moved", "cancelled"]
    late = desk.clinic.world.sql(
        "SELECT cancelled_late FROM booking.visit WHERE visit_id = %s", cancelled["id"]
    )
    assert late == [(False,)]


def test_a_visit_keeps_its_terms_and_takes_the_buffers_of_the_new_provider(desk: Desk) -> None:
    desk.practice.visit_type("buffered", buffer_after_minutes=10)
    desk.practice.override(desk.other, "buffered", buffer_after_minutes=20)
    visit = desk.visit(9, visit_type="buffered")
    draft = desk.open()
    desk.choose(draft, visit, "move", slot_id=desk.slot(9, provider_id=desk.other))

    desk.commit(draft)

    ((kept, taken_until),) = desk.clinic.world.sql(
        "SELECT v.terms_no = t.terms_no, v.taken_until FROM booking.visit AS v"
        " JOIN booking.visit_type AS t USING (brand_id, visit_type) WHERE visit_id = %s",
        visit["id"],
    )
    assert kept
    assert taken_until == desk.at(9.5) + timedelta(minutes=20)


def test_a_visit_of_a_type_that_the_brand_retired_can_be_moved(desk: Desk) -> None:
    desk.practice.visit_type("old")
    visit = desk.visit(9, visit_type="old")
    path = "/v1/visit-types/old"
    ok(desk.clinic.call("DELETE", path, token=desk.practice.admin))
    draft = desk.open()

    desk.choose(draft, visit, "move", slot_id=desk.slot(9, provider_id=desk.other))
    committed = desk.commit(draft)

    assert alone(committed)["outcome"] == "moved"
    assert desk.read(visit)["visit_type"] == "old"
