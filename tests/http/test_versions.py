"""ETag and If-Match: a visit is changed as it was seen, or not at all (CONTRACT.md, decision 11)."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from clinic import Clinic
from envelope import ok, refused

VERBS = ("cancel", "reschedule", "check-in", "complete", "no-show")


def change(clinic: Clinic, verb: str, if_match: str) -> tuple[dict[str, Any], httpx.Response]:
    """A new visit, and the answer to a change of it with this If-Match."""
    starts_at = clinic.new_time()
    visit = clinic.visit(clinic.slot(starts_at))
    body = {"new_slot_id": clinic.slot()} if verb == "reschedule" else None
    with clinic.clock_at(starts_at + timedelta(minutes=1)):
        answer = clinic.post(
            f"/v1/visits/{visit['id']}/{verb}", body, headers={"If-Match": if_match}
        )
    return visit, answer


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("if_match", ['"1"', "*", '"7", "1"', '"1" ,'])
def test_a_visit_seen_as_it_is_changes(clinic: Clinic, verb: str, if_match: str) -> None:
    _, answer = change(clinic, verb, if_match)

    ok(answer)
    assert answer.headers["ETag"] == '"2"'


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("if_match", ['"2"', "1", 'W/"1"', '"0"', '"x"', '"99999999999"', '""'])
def test_a_visit_seen_otherwise_stays_as_it_is(clinic: Clinic, verb: str, if_match: str) -> None:
    visit, answer = change(clinic, verb, if_match)

    refused(answer, 412, "version_mismatch", version=1)
    assert ok(clinic.get(f"/v1/visits/{visit['id']}")) == visit


def test_of_two_who_saw_the_same_the_second_is_refused(clinic: Clinic) -> None:
    visit = clinic.visit()
    seen = {"If-Match": clinic.get(f"/v1/visits/{visit['id']}").headers["ETag"]}
    path = f"/v1/visits/{visit['id']}/reschedule"

    ok(clinic.post(path, {"new_slot_id": clinic.slot()}, headers=seen))
    second = clinic.post(path, {"new_slot_id": clinic.slot()}, headers=seen)

    refused(second, 412, "version_mismatch", version=2)


def test_a_stale_version_is_told_before_the_status(clinic: Clinic) -> None:
    """Who did not see the cancellation learns that something changed."""
    visit = clinic.visit()
    ok(clinic.post(f"/v1/visits/{visit['id']}/cancel"))

    answer = clinic.post(f"/v1/visits/{visit['id']}/cancel", headers={"If-Match": '"1"'})

    refused(answer, 412, "version_mismatch", version=2)


def test_a_visit_that_is_not_there_has_no_version(clinic: Clinic) -> None:
    answer = clinic.post("/v1/visits/vis_never/cancel", headers={"If-Match": '"1"'})

    refused(answer, 404, "not_found")


def test_every_answer_with_a_visit_carries_its_version(clinic: Clinic) -> None:
    booked = clinic.post("/v1/visits", clinic.world.book(clinic.slot()))
    read = clinic.get(f"/v1/visits/{booked.json()['id']}")

    assert booked.headers["ETag"] == read.headers["ETag"] == f'"{booked.json()["version"]}"'
