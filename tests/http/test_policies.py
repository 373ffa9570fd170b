"""Cancelling and moving under the terms of a visit, and the quote that says so before.

See docs/decisions/0026-policies-of-ending.md.
"""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from clinic import Clinic, said
from envelope import invalid, ok, refused
from practice import Practice, minutes

# Late from a day before the start on, refused from two hours before on.
LATE, CUTOFF = timedelta(days=1), timedelta(hours=2)
POLICY: dict[str, Any] = {
    "cancel_late_minutes": LATE // minutes(1),
    "cancel_cutoff_minutes": CUTOFF // minutes(1),
    "reschedule_late_minutes": LATE // minutes(1),
    "reschedule_cutoff_minutes": CUTOFF // minutes(1),
    "late_cancel_price": {"amount_minor": 2500, "currency": "EUR"},
}
FEE = POLICY["late_cancel_price"]
A_MOMENT = timedelta(seconds=20)
VERBS = ("cancel", "reschedule")
CODES = {"cancel": "cancellation_window_closed", "reschedule": "reschedule_window_closed"}


@pytest.fixture
def practice(clinic: Clinic) -> Practice:
    return Practice(clinic)


@pytest.fixture
def start(practice: Practice) -> datetime:
    return practice.clinic.new_time() + timedelta(days=7)


def under_policy(practice: Practice, start: datetime, **terms: Any) -> dict[str, Any]:
    """A visit booked under the policy above, or one that differs."""
    practice.visit_type(**{**POLICY, **terms})
    return practice.booked(practice.slot(start))


def send(
    practice: Practice, visit: dict[str, Any], verb: str, *, token: str | None = None, **body: Any
) -> httpx.Response:
    """Cancel the visit, or move it to a new slot."""
    if verb == "reschedule" and "new_slot_id" not in body:
        body["new_slot_id"] = practice.slot(practice.clinic.new_time() + timedelta(days=30))
    path = f"/v1/visits/{visit['id']}/{verb}"
    return practice.clinic.post(path, body, token=token or practice.staff)


def quoted(
    practice: Practice, visit: dict[str, Any], *, token: str | None = None
) -> dict[str, Any]:
    path = f"/v1/visits/{visit['id']}/cancel/quote"
    return ok(practice.clinic.get(path, token=token or practice.staff))


def audited(practice: Practice, visit: dict[str, Any]) -> dict[str, Any]:
    """The details of the newest audit row of the visit."""
    ((details,), *_) = practice.clinic.world.sql(
        "SELECT details FROM booking.audit WHERE entity_id = %s ORDER BY id DESC", visit["id"]
    )
    assert isinstance(details, dict)
    return details


def row(practice: Practice, visit: dict[str, Any]) -> tuple[object, ...]:
    (found,) = practice.clinic.world.sql(
        "SELECT v.* FROM booking.visit AS v WHERE visit_id = %s", visit["id"]
    )
    return found


# ------------------------------------------------------------------------------------------ late


def test_a_visit_cancelled_in_time_is_not_late(practice: Practice, start: datetime) -> None:
    visit = under_policy(practice, start)
    assert visit["late_cancel"] is None

    with practice.clinic.clock_at(start - LATE - A_MOMENT):
        cancelled = ok(send(practice, visit, "cancel"))

    assert cancelled["late_cancel"] is False
    assert audited(practice, visit) == {"status": "cancelled", "version": 2, "late": False}


def test_a_visit_cancelled_late_says_so_wherever_it_is_read(
    practice: Practice, start: datetime
) -> None:
    visit = under_policy(practice, start)

    with practice.clinic.clock_at(start - LATE):
        cancelled = ok(send(practice, visit, "cancel"))

    assert (cancelled["status"], cancelled["late_cancel"]) == ("cancelled", True)
    assert ok(practice.clinic.get(f"/v1/visits/{visit['id']}", token=practice.staff)) == cancelled
    listed = practice.clinic.get(
        "/v1/visits", token=practice.staff, brand_id=practice.brand_id
    ).json()["visits"]
    assert listed == [cancelled]
    assert audited(practice, visit)["late"] is True


def test_a_late_cancellation_sent_twice_with_one_key_is_late_both_times(
    practice: Practice, start: datetime
) -> None:
    visit = under_policy(practice, start)
    sent = {"token": practice.staff, "headers": {"Idempotency-Key": practice.clinic.new_id("key")}}
    path = f"/v1/visits/{visit['id']}/cancel"

    with practice.clinic.clock_at(start - LATE):
        first = practice.clinic.post(path, **sent)
    again = practice.clinic.post(path, **sent)

    assert ok(first)["late_cancel"] is True
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(("before_start", "late"), [(LATE + A_MOMENT, False), (LATE, True)])
def test_the_audit_says_whether_a_move_was_late(
    practice: Practice, start: datetime, before_start: timedelta, late: bool
) -> None:
    visit = under_policy(practice, start)

    with practice.clinic.clock_at(start - before_start):
        moved = ok(send(practice, visit, "reschedule"))

    assert audited(practice, visit)["late"] is late
    assert moved["late_cancel"] is None


def test_a_visit_without_terms_is_cancelled_whenever_and_never_late(
    practice: Practice, start: datetime
) -> None:
    visit = practice.booked(practice.slot(start))

    with practice.clinic.clock_at(start + minutes(1)):
        cancelled = ok(send(practice, visit, "cancel"))

    assert cancelled["late_cancel"] is None
    assert audited(practice, visit) == {"status": "cancelled", "version": 2}


def test_a_held_visit_is_let_go_whenever_and_never_late(
    practice: Practice, start: datetime
) -> None:
    practice.visit_type(**POLICY)
    with practice.clinic.clock_at(start - CUTOFF):
        held = ok(practice.hold(practice.slot(start), visit_type="follow_up"), 201)
        quote = quoted(practice, held)
        cancelled = ok(send(practice, held, "cancel"))

    assert (quote["allowed"], quote["late"], quote["price"]) == (True, False, None)
    assert (quote["free_until"], quote["allowed_until"]) == (None, None)
    assert cancelled["late_cancel"] is None


# --------------------------------------------------------------------------------------- cut-offs


@pytest.mark.parametrize("verb", VERBS)
def test_from_the_cut_off_on_nothing_ends_or_moves(
    practice: Practice, start: datetime, verb: str
) -> None:
    visit = under_policy(practice, start)
    before = row(practice, visit)

    with practice.clinic.clock_at(start - CUTOFF):
        answer = send(practice, visit, verb)

    refused(answer, 412, CODES[verb], rule=f"{verb}_cutoff", allowed_until=said(start - CUTOFF))
    assert row(practice, visit) == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_moment_before_the_cut_off_it_is_possible(
    practice: Practice, start: datetime, verb: str
) -> None:
    visit = under_policy(practice, start)

    with practice.clinic.clock_at(start - CUTOFF - A_MOMENT):
        ok(send(practice, visit, verb))


@pytest.mark.parametrize("verb", VERBS)
def test_the_status_is_told_before_the_cut_off(
    practice: Practice, start: datetime, verb: str
) -> None:
    visit = under_policy(practice, start)
    ok(send(practice, visit, "cancel"))

    with practice.clinic.clock_at(start - CUTOFF):
        answer = send(practice, visit, verb)

    code = {"cancel": "visit_not_cancellable", "reschedule": "visit_not_reschedulable"}[verb]
    refused(answer, 412, code, status="cancelled")


def test_a_refused_cancellation_is_told_again_to_its_key_also_when_nothing_stands_against_it(
    practice: Practice, start: datetime
) -> None:
    visit = under_policy(practice, start)
    sent = {"token": practice.staff, "headers": {"Idempotency-Key": practice.clinic.new_id("key")}}
    path = f"/v1/visits/{visit['id']}/cancel"

    with practice.clinic.clock_at(start - CUTOFF):
        first = practice.clinic.post(path, **sent)
    again = practice.clinic.post(path, **sent)

    refused(first, 412, "cancellation_window_closed", allowed_until=said(start - CUTOFF))
    refused(again, 412, "cancellation_window_closed", allowed_until=said(start - CUTOFF))


@pytest.mark.parametrize("change", ["check-in", "complete"])
def test_the_cut_off_stands_in_the_way_of_no_other_change(
    practice: Practice, start: datetime, change: str
) -> None:
    visit = under_policy(practice, start)

    with practice.clinic.clock_at(start - minutes(1)):
        ok(practice.clinic.post(f"/v1/visits/{visit['id']}/{change}", token=practice.staff))


# ---------------------------------------------------------------------------------------- frozen


def test_a_visit_keeps_its_limits_when_its_type_changes(
    practice: Practice, start: datetime
) -> None:
    early = under_policy(practice, start)
    changed = practice.clinic.call(
        "PATCH",
        "/v1/visit-types/follow_up",
        {"cancel_cutoff_minutes": 7 * 24 * 60, "late_cancel_price": {**FEE, "amount_minor": 9900}},
        token=practice.admin,
        query={"brand_id": practice.brand_id},
    )
    ok(changed)
    later = practice.booked(practice.slot(start + timedelta(hours=3)))

    with practice.clinic.clock_at(start - timedelta(days=2)):
        quotes = [quoted(practice, visit) for visit in (early, later)]
        refused(send(practice, later, "cancel"), 412, "cancellation_window_closed")
        cancelled = ok(send(practice, early, "cancel"))

    assert [quote["allowed"] for quote in quotes] == [True, False]
    assert [quote["late_price"]["amount_minor"] for quote in quotes] == [2500, 9900]
    assert cancelled["late_cancel"] is False


def test_a_visit_that_was_moved_keeps_the_terms_it_was_booked_under(
    practice: Practice, start: datetime
) -> None:
    visit = under_policy(practice, start)
    ok(
        practice.clinic.call(
            "PATCH",
            "/v1/visit-types/follow_up",
            {"cancel_cutoff_minutes": 0},
            token=practice.admin,
            query={"brand_id": practice.brand_id},
        )
    )
    later = start + timedelta(days=2)
    ok(send(practice, visit, "reschedule", new_slot_id=practice.slot(later)))

    with practice.clinic.clock_at(later - CUTOFF):
        answer = send(practice, visit, "cancel")

    refused(answer, 412, "cancellation_window_closed", allowed_until=said(later - CUTOFF))


# ------------------------------------------------------------------------------------- overruling


@pytest.mark.parametrize("verb", VERBS)
def test_staff_who_may_overrule_a_cut_off_do_and_the_audit_has_their_reason(
    practice: Practice, start: datetime, verb: str
) -> None:
    visit = under_policy(practice, start)

    with practice.clinic.clock_at(start - CUTOFF + A_MOMENT):
        ok(send(practice, visit, verb, override_reason="clinical_need"))

    details = audited(practice, visit)
    assert details["override"] == {"rules": [f"{verb}_cutoff"], "reason": "clinical_need"}
    assert details["late"] is True


@pytest.mark.parametrize("verb", VERBS)
def test_an_override_that_is_not_needed_overrules_nothing(
    practice: Practice, start: datetime, verb: str
) -> None:
    visit = under_policy(practice, start)

    ok(send(practice, visit, verb, override_reason="clinical_need"))

    assert audited(practice, visit)["override"] == {"rules": [], "reason": "clinical_need"}


@pytest.mark.parametrize("verb", VERBS)
def test_who_may_not_overrule_hears_which_scope_is_missing(
    practice: Practice, start: datetime, verb: str
) -> None:
    visit = under_policy(practice, start)
    before = row(practice, visit)

    for token in (practice.staff_without_override(), practice.patient.token):
        answer = send(practice, visit, verb, token=token, override_reason="clinical_need")
        refused(answer, 403, "insufficient_scope", scope="override:visits")

    assert row(practice, visit) == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("reason", ["", "Mrs Miller asked", "x" * 65, 7])
def test_a_reason_is_a_code_and_no_text(practice: Practice, verb: str, reason: object) -> None:
    visit = practice.booked(practice.slot())

    invalid(send(practice, visit, verb, override_reason=reason), "override_reason")


def test_no_reason_overrules_a_status_or_a_version(practice: Practice, start: datetime) -> None:
    visit = under_policy(practice, start)
    stale = practice.clinic.post(
        f"/v1/visits/{visit['id']}/cancel",
        {"override_reason": "clinical_need"},
        token=practice.staff,
        headers={"If-Match": '"7"'},
    )
    refused(stale, 412, "version_mismatch", version=1)
    ok(send(practice, visit, "cancel"))

    again = send(practice, visit, "cancel", override_reason="clinical_need")

    refused(again, 412, "visit_not_cancellable", status="cancelled")


# ------------------------------------------------------------------------------------- the quote


def test_a_quote_says_everything_before_anyone_commits(practice: Practice, start: datetime) -> None:
    visit = under_policy(practice, start)
    before = row(practice, visit)
    both = {"free_until": said(start - LATE), "allowed_until": said(start - CUTOFF)}

    def at(before_start: timedelta) -> dict[str, Any]:
        with practice.clinic.clock_at(start - before_start):
            return quoted(practice, visit)

    free = {"allowed": True, "reason_code": None, "late": False, **both}
    assert at(LATE + A_MOMENT) == {
        "visit_id": visit["id"],
        "status": "booked",
        **free,
        "price": None,
        "late_price": FEE,
        "reschedule": free,
    }
    late = {"allowed": True, "reason_code": None, "late": True, **both}
    assert at(LATE) == {
        "visit_id": visit["id"],
        "status": "booked",
        **late,
        "price": FEE,
        "late_price": FEE,
        "reschedule": late,
    }
    closed = {"allowed": False, "reason_code": "cutoff", "late": True, **both}
    assert at(CUTOFF) == {
        "visit_id": visit["id"],
        "status": "booked",
        **closed,
        "price": FEE,
        "late_price": FEE,
        "reschedule": closed,
    }
    assert row(practice, visit) == before


def test_a_quote_of_a_visit_without_terms_has_no_limits(practice: Practice) -> None:
    visit = practice.booked(practice.slot())
    unlimited = {
        "allowed": True,
        "reason_code": None,
        "late": False,
        "free_until": None,
        "allowed_until": None,
    }

    assert quoted(practice, visit) == {
        "visit_id": visit["id"],
        "status": "booked",
        **unlimited,
        "price": None,
        "late_price": None,
        "reschedule": unlimited,
    }


def test_a_quote_of_a_visit_that_is_over_says_that_its_status_is_why(
    practice: Practice, start: datetime
) -> None:
    visit = under_policy(practice, start)
    ok(send(practice, visit, "cancel"))

    quote = quoted(practice, visit)

    assert (quote["status"], quote["allowed"], quote["reason_code"]) == (
        "cancelled",
        False,
        "status",
    )
    assert quote["reschedule"]["reason_code"] == "status"


def test_a_hold_past_its_time_is_quoted_as_expired(practice: Practice, start: datetime) -> None:
    practice.visit_type(**POLICY)
    held = ok(practice.hold(practice.slot(start), visit_type="follow_up"), 201)

    with practice.clinic.clock_at(datetime.fromisoformat(held["hold_expires_at"])):
        quote = quoted(practice, held)

    assert (quote["status"], quote["allowed"], quote["reason_code"]) == (
        "expired",
        False,
        "status",
    )


def test_a_patient_is_quoted_their_own_visits_and_no_other(
    practice: Practice, start: datetime
) -> None:
    visit = under_policy(practice, start)
    other = practice.clinic.patient(practice.brand_id)

    assert quoted(practice, visit, token=practice.patient.token)["allowed"] is True
    foreign = practice.clinic.get(f"/v1/visits/{visit['id']}/cancel/quote", token=other.token)
    never = practice.clinic.get("/v1/visits/vis_never/cancel/quote", token=other.token)
    refused(foreign, 404, "not_found")
    assert foreign.json()["message"] == never.json()["message"]
