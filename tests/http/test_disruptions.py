"""The disruption desk: look first, choose for each visit, and do all of it as one."""

from typing import Any

import pytest

from books import changes_audited, count, events_of
from clinic import Clinic, said
from desk import Desk, alone
from envelope import invalid, ok, refused


@pytest.fixture
def desk(clinic: Clinic) -> Desk:
    return Desk(clinic)


def slot_ids(alternatives: list[dict[str, Any]]) -> list[str]:
    return [each["slot_id"] for each in alternatives]


def test_a_dry_run_shows_whom_it_affects_and_writes_nothing(desk: Desk) -> None:
    late, early = desk.visit(10), desk.visit(9)
    tables = ("disruption", "disruption_choice", "visit", "event", "audit")
    before = [count(desk.clinic.world, table) for table in tables]

    preview = desk.preview()

    assert [count(desk.clinic.world, table) for table in tables] == before
    assert [visit["visit_id"] for visit in preview["visits"]] == [early["id"], late["id"]]
    nothing = dict.fromkeys(("id", "created_at", "updated_at", "version"))
    assert {name: preview[name] for name in nothing} == nothing
    assert preview["status"] == "preview"
    first = preview["visits"][0]
    assert (first["start_time"], first["end_time"]) == (said(desk.at(9)), said(desk.at(9.5)))
    assert (first["status"], first["visit_type"]) == ("booked", "follow_up")
    assert first["patient_id"] == early["patient_id"]


def test_the_same_provider_is_offered_later_and_others_as_near_as_possible(desk: Desk) -> None:
    desk.visit(9)
    desk.slot(8)  # before they are out, and not offered
    later = [desk.slot(hours, days=days) for days, hours in ((0, 11), (0, 15), (2, 9), (3, 9))]
    near = [desk.slot(hours, provider_id=desk.other) for hours in (9, 10, 7.5, 14)]

    visit = alone(desk.preview())

    assert slot_ids(visit["alternatives"]["same_provider"]) == later[:3]
    assert slot_ids(visit["alternatives"]["other_providers"]) == near[:3]


def test_far_away_times_are_found_where_there_are_no_nearer_ones(desk: Desk) -> None:
    desk.visit(9)
    later, elsewhere = desk.slot(9, days=40), desk.slot(9, days=20, provider_id=desk.other)

    visit = alone(desk.preview())

    assert slot_ids(visit["alternatives"]["same_provider"]) == [later]
    assert slot_ids(visit["alternatives"]["other_providers"]) == [elsewhere]


def test_what_a_rule_stands_against_is_no_alternative(desk: Desk) -> None:
    practice = desk.practice
    practice.visit_type("long", duration_minutes=60)
    desk.visit(9)
    taken = desk.slot(9, provider_id=desk.other)
    practice.booked(taken)
    practice.slot(desk.at(9), 20, provider_id=desk.other)  # too short
    away = desk.slot(10, provider_id=desk.other)
    practice.off(desk.at(10), desk.at(11), desk.other)
    free = desk.slot(12, provider_id=desk.other)

    visit = alone(desk.preview())

    offered = slot_ids(visit["alternatives"]["other_providers"])
    assert offered == [free]
    assert {taken, away}.isdisjoint(offered)


def test_only_who_is_licensed_where_the_patient_is_is_an_alternative(desk: Desk) -> None:
    practice = desk.practice
    visit = desk.visit(9)
    third = desk.clinic.provider(practice.brand_id)
    desk.slot(9, provider_id=desk.other)
    licensed = desk.slot(10, provider_id=third)
    practice.licence("US-NY", desk.other)
    practice.licence("US-CA", third)
    practice.patient_lives_in({"region": "US-CA"}, patient_id=visit["patient_id"])

    found = alone(desk.preview())

    assert slot_ids(found["alternatives"]["other_providers"]) == [licensed]


def test_what_is_offered_can_be_chosen_and_booked(desk: Desk) -> None:
    """Offered is bookable: no alternative is refused when it is chosen."""
    desk.practice.visit_type("checkup", provider_day_cap=1, buffer_after_minutes=15)
    visit = desk.visit(9, visit_type="checkup")
    desk.practice.booked(desk.slot(12, provider_id=desk.other), "checkup")  # the cap of that day
    for days, hours in ((0, 9), (0, 9.5), (1, 9), (1, 9.5)):
        desk.slot(hours, days=days, provider_id=desk.other)
    later = [desk.slot(14), desk.slot(10, days=1)]
    draft = desk.open()
    alternatives = alone(draft)["alternatives"]

    offered = slot_ids(alternatives["same_provider"]) + slot_ids(alternatives["other_providers"])

    assert offered[:2] == later
    assert len(offered) == 4
    for slot_id in offered:
        desk.choose(draft, visit, "move", slot_id=slot_id)


def test_a_visit_whose_patient_is_there_or_that_is_over_is_not_affected(desk: Desk) -> None:
    here, gone, held = desk.visit(9), desk.visit(9.5), desk.slot(10)
    ok(desk.call("POST", f"/v1/visits/{here['id']}/check-in"))
    ok(desk.call("POST", f"/v1/visits/{gone['id']}/cancel"))
    hold = ok(desk.practice.hold(held), 201)
    beside = desk.visit(11), desk.visit(8.5)

    visit = alone(desk.preview())

    assert (visit["visit_id"], visit["status"]) == (hold["id"], "held")
    assert visit["alternatives"] == {"same_provider": [], "other_providers": []}
    assert visit["visit_id"] not in {each["id"] for each in beside}


def test_a_visit_that_only_reaches_into_the_time_is_affected(desk: Desk) -> None:
    visit = desk.visit(8.75)

    assert alone(desk.preview())["visit_id"] == visit["id"]


def test_a_draft_is_kept_and_lists_what_is_undecided(desk: Desk) -> None:
    visit = desk.visit(9)

    draft = desk.open()

    assert draft["id"].startswith("dis_")
    assert (draft["status"], draft["version"]) == ("open", 1)
    assert (draft["from"], draft["until"]) == (said(desk.at(9)), said(desk.at(11)))
    assert desk.get(draft) == draft
    found = alone(draft)
    assert found["visit_id"] == visit["id"]
    assert found["choice"] == {
        "visit_id": visit["id"],
        "action": "undecided",
        "slot_id": None,
        "hold_id": None,
        "hold_expires_at": None,
        "reason": None,
    }
    assert (found["is_affected"], found["is_new"], found["outcome"]) == (True, False, None)
    assert changes_audited(desk.clinic.world, draft["id"]) == ["disruption.opened"]


def test_a_providers_disruptions_are_listed_newest_first(desk: Desk) -> None:
    drafts = [desk.open() for _ in range(3)]
    path = f"/v1/providers/{desk.practice.provider_id}/disruptions"

    page = ok(desk.call("GET", path, query={"limit": 2}))
    rest = ok(desk.call("GET", path, query={"cursor": page["next_cursor"]}))

    listed = [each["id"] for each in page["disruptions"] + rest["disruptions"]]
    assert listed == sorted((draft["id"] for draft in drafts), reverse=True)
    assert "next_cursor" not in rest
    assert "visits" not in page["disruptions"][0]
    assert ok(desk.call("GET", f"/v1/providers/{desk.other}/disruptions"))["disruptions"] == []


def test_a_chosen_slot_is_held_for_the_visits_patient(desk: Desk) -> None:
    visit = desk.visit(9)
    slot_id = desk.slot(10, provider_id=desk.other)
    draft = desk.open()

    choice = desk.choose(draft, visit, "move", slot_id=slot_id)

    hold = ok(desk.call("GET", f"/v1/visits/{choice['hold_id']}"))
    assert (hold["status"], hold["slot_id"]) == ("held", slot_id)
    assert (hold["patient_id"], hold["visit_type"]) == (visit["patient_id"], "follow_up")
    assert hold["hold_expires_at"] == choice["hold_expires_at"]
    length = desk.clinic.world.sql(
        "SELECT hold_expires_at - created_at = interval '1 hour' FROM booking.visit"
        " WHERE visit_id = %s",
        hold["id"],
    )
    assert length == [(True,)]
    now = desk.get(draft)
    chosen = alone(now)["choice"]
    assert (chosen["action"], chosen["slot_id"]) == ("move", slot_id)
    assert chosen["hold_expires_at"] == choice["hold_expires_at"]
    assert now["version"] == choice["version"] == 2
    assert slot_id not in slot_ids(alone(now)["alternatives"]["other_providers"])
    refused(desk.practice.book(slot_id), 409, "slot_unavailable")
    assert desk.read(visit) == visit, "the visit itself is as before"


def test_what_the_desk_holds_is_not_counted_among_the_patients_holds(desk: Desk) -> None:
    visit = desk.visit(9)
    draft = desk.open()
    desk.choose(draft, visit, "move", slot_id=desk.slot(10, provider_id=desk.other))

    for n in range(5):
        ok(
            desk.practice.hold(
                desk.slot(9 + n, days=2, provider_id=desk.other), patient_id=visit["patient_id"]
            ),
            201,
        )

    full = desk.practice.hold(desk.slot(9, days=3), patient_id=visit["patient_id"])
    refused(full, 409, "too_many_holds", holds_max=5)
    desk.choose(draft, visit, "move", slot_id=desk.slot(11, provider_id=desk.other))


def test_another_choice_releases_the_hold(desk: Desk) -> None:
    visit = desk.visit(9)
    slots = [desk.slot(hours, provider_id=desk.other) for hours in (9, 10)]
    draft = desk.open()
    holds = [
        desk.choose(draft, visit, "move", slot_id=slot_id)["hold_id"]
        for slot_id in (slots[0], slots[0], slots[1])
    ]

    desk.choose(draft, visit, "leave")

    assert len(set(holds)) == 3
    for hold_id in holds:
        assert desk.read({"id": hold_id})["status"] == "cancelled"
        assert changes_audited(desk.clinic.world, hold_id) == ["visit.held", "visit.cancelled"]
        assert events_of(desk.clinic.world, hold_id) == [
            (1, "booking.visit.held.v1"),
            (2, "booking.visit.cancelled.v1"),
        ]
    for slot_id in slots:
        assert desk.practice.book(slot_id).status_code == 201
    taken_back = desk.choose(draft, visit, "undecided")
    assert taken_back["action"] == "undecided"


def test_a_choice_that_cannot_be_had_leaves_the_one_before(desk: Desk) -> None:
    visit = desk.visit(9)
    slot_id, taken = (desk.slot(hours, provider_id=desk.other) for hours in (9, 10))
    desk.practice.booked(taken)
    draft = desk.open()
    chosen = desk.choose(draft, visit, "move", slot_id=slot_id)

    refused(
        desk.try_choose(draft, visit, "move", slot_id=taken),
        409,
        "slot_unavailable",
        slot_id=taken,
    )

    now = desk.get(draft)
    assert alone(now)["choice"]["hold_id"] == chosen["hold_id"]
    assert now["version"] == chosen["version"]


def test_a_slot_in_the_time_itself_cannot_be_chosen(desk: Desk) -> None:
    visit, inside = desk.visit(9), desk.slot(10)
    draft = desk.open()

    refused(
        desk.try_choose(draft, visit, "move", slot_id=inside), 409, "rule_broken", rule="time_off"
    )


def test_a_slot_of_which_a_rule_says_no_cannot_be_chosen(desk: Desk) -> None:
    visit = desk.visit(9)
    short = desk.practice.slot(desk.at(12), 20, provider_id=desk.other)
    draft = desk.open()

    refused(desk.try_choose(draft, visit, "move", slot_id=short), 409, "rule_broken", rule="hours")


def test_a_patients_cap_does_not_count_the_visit_that_moves(desk: Desk) -> None:
    desk.practice.visit_type("yearly", patient_cap=1, patient_cap_period="year")
    visit = desk.visit(9, visit_type="yearly")
    slot_id = desk.slot(12, provider_id=desk.other)
    draft = desk.open()
    assert slot_ids(alone(draft)["alternatives"]["other_providers"]) == [slot_id]

    desk.choose(draft, visit, "move", slot_id=slot_id)
    committed = desk.commit(draft)

    assert alone(committed)["outcome"] == "moved"


def test_only_a_booked_visit_moves(desk: Desk) -> None:
    hold = ok(desk.practice.hold(desk.slot(9)), 201)
    draft = desk.open()
    slot_id = desk.slot(9, provider_id=desk.other)

    refused(
        desk.try_choose(draft, hold, "move", slot_id=slot_id),
        412,
        "visit_not_reschedulable",
        status="held",
    )
    desk.choose(draft, hold, "cancel")
    desk.commit(draft)

    assert desk.read(hold)["status"] == "cancelled"


def test_nobody_chooses_for_a_visit_that_is_not_affected(desk: Desk) -> None:
    beside = desk.visit(11)
    draft = desk.open()

    for visit in (beside, {"id": "vis_never"}):
        refused(desk.try_choose(draft, visit, "cancel"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "move"}, "slot_id"),
        ({"action": "cancel", "slot_id": "slt_1"}, "slot_id"),
        ({"action": "leave", "slot_id": "slt_1"}, "slot_id"),
        ({"action": "leave", "reason": "ill"}, "reason"),
        ({"action": "move", "slot_id": "slt_1", "reason": "ill"}, "reason"),
        ({"action": "postpone"}, "action"),
        ({}, "action"),
    ],
)
def test_a_choice_that_makes_no_sense_names_its_field(
    desk: Desk, body: dict[str, Any], field: str
) -> None:
    visit = desk.visit(9)
    draft = desk.open()

    invalid(desk.call("PUT", f"/v1/disruptions/{draft['id']}/choices/{visit['id']}", body), field)
    good = {"visit_id": desk.visit(10)["id"], "action": "leave"}
    at_once = [good, {"visit_id": visit["id"], **body}]
    invalid(desk.try_open(choices=at_once), f"choices[1].{field}")


def test_choices_can_be_made_at_once(desk: Desk) -> None:
    moved, cancelled, left = desk.visit(9), desk.visit(9.5), desk.visit(10)
    slot_id = desk.slot(9, provider_id=desk.other)

    draft = desk.open(
        choices=[
            {"visit_id": moved["id"], "action": "move", "slot_id": slot_id},
            {"visit_id": cancelled["id"], "action": "cancel", "reason": "asked for it"},
            {"visit_id": left["id"], "action": "leave"},
        ]
    )

    choices = [visit["choice"] for visit in draft["visits"]]
    assert [choice["action"] for choice in choices] == ["move", "cancel", "leave"]
    assert choices[0]["hold_expires_at"] is not None
    assert choices[1]["reason"] == "asked for it"


def test_of_choices_made_at_once_all_can_be_had_or_nothing_is_kept(desk: Desk) -> None:
    first, second = desk.visit(9), desk.visit(9.5)
    slot_id = desk.slot(9, provider_id=desk.other)
    wanted = [
        {"visit_id": visit["id"], "action": "move", "slot_id": slot_id} for visit in (first, second)
    ]
    before = [count(desk.clinic.world, table) for table in ("disruption", "visit", "audit")]

    refused(desk.try_open(choices=wanted), 409, "slot_unavailable")
    refused(desk.try_open(choices=[{"visit_id": "vis_x", "action": "leave"}]), 404, "not_found")
    invalid(desk.try_open(choices=[wanted[0], wanted[0]]), "choices")
    invalid(desk.try_open(choices=wanted[:1], dry_run=True), "choices")

    after = [count(desk.clinic.world, table) for table in ("disruption", "visit", "audit")]
    assert after == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from": "2031-01-02T09:00:00Z", "until": "2031-01-02T09:00:00Z"}, "until"),
        ({"from": "2031-01-02T09:00:00Z", "until": "2031-05-02T09:00:00Z"}, "until"),
        ({"from": "2021-01-02T09:00:00Z", "until": "2021-01-03T09:00:00Z"}, "until"),
        ({"from": "2031-01-02T09:00:00"}, "from"),
        ({"until": "2031-01-32"}, "until"),
        ({"until": "9999-01-01T00:00:00Z"}, "until"),
        ({"dry_run": "yes"}, "dry_run"),
    ],
)
def test_a_time_in_which_nobody_can_be_out_names_its_field(
    desk: Desk, changes: dict[str, Any], field: str
) -> None:
    invalid(desk.try_open(**changes), field)
