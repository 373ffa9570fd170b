"""A webhook's secret: told once, told again to its own key, changed with an overlap."""

import base64

import pytest

from clinic import Clinic
from envelope import invalid, ok, refused
from webhook_desk import NOWHERE, PATH, add, call, change, read, rotate

BODY = {"url": NOWHERE, "event_types": ["*"]}


def kept(clinic: Clinic, endpoint_id: str) -> tuple[object, ...]:
    """The secrets in the database, current and previous, and for how many minutes that one is good."""
    (row,) = clinic.world.sql(
        "SELECT secret, previous_secret,"
        " extract(epoch FROM previous_secret_until - updated_at)::int / 60"
        " FROM booking.webhook_endpoint WHERE endpoint_id = %s",
        endpoint_id,
    )
    return row


def test_a_secret_is_256_bits_of_base64_and_never_the_same(clinic: Clinic) -> None:
    secrets = {add(clinic)["secret"] for _ in range(3)}

    assert len(secrets) == 3
    for secret in secrets:
        prefix, _, bits = secret.partition("_")
        assert prefix == "whsec"
        assert len(base64.b64decode(bits, validate=True)) == 32


def test_a_secret_is_told_once(clinic: Clinic) -> None:
    added = add(clinic)
    rotated = rotate(clinic, added["id"])
    changed = call(clinic, "PATCH", f"/{added['id']}", {"format": "cloudevents"})

    everything = [
        clinic.get(PATH, token=clinic.world.admin).text,
        call(clinic, "GET", f"/{added['id']}").text,
        changed.text,
        call(clinic, "DELETE", f"/{added['id']}").text,
        str(clinic.world.sql("SELECT a::text FROM booking.audit AS a")),
        str(clinic.world.sql("SELECT i::text FROM booking.idempotency AS i")),
    ]

    for secret in (added["secret"], rotated["secret"]):
        assert not [text for text in everything if secret in text]


def test_a_repeated_request_is_told_the_same_secret(clinic: Clinic) -> None:
    first, again = (call(clinic, "POST", "", BODY, Idempotency_Key="same") for _ in range(2))

    assert ok(first, 201) == ok(again, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["ETag"] == '"1"'
    assert kept(clinic, ok(first, 201)["id"])[0] == ok(again, 201)["secret"]


def test_a_repeated_rotation_is_told_the_same_secret_and_rotates_once(clinic: Clinic) -> None:
    added = add(clinic)
    rest = f"/{added['id']}/rotate-secret"

    first, again = (call(clinic, "POST", rest, {}, Idempotency_Key="turn") for _ in range(2))

    assert ok(first) == ok(again)
    assert read(clinic, added["id"])["version"] == 2
    assert kept(clinic, added["id"])[:2] == (ok(first)["secret"], added["secret"])


def test_a_key_is_nothing_to_another_token_of_the_same_caller(clinic: Clinic) -> None:
    headers = {"Idempotency-Key": "two tokens".replace(" ", "-")}
    first, second = (clinic.token("staff", "one", scopes=["admin:booking"]) for _ in range(2))
    ok(clinic.post(PATH, BODY, token=first, headers=headers), 201)

    answer = clinic.post(PATH, BODY, token=second, headers=headers)

    refused(answer, 409, "idempotency_key_payload_mismatch")


def test_a_forgotten_key_brings_no_old_secret_back(clinic: Clinic) -> None:
    first = ok(call(clinic, "POST", "", BODY, Idempotency_Key="forgotten"), 201)
    clinic.world.sql("DELETE FROM booking.idempotency WHERE key = 'forgotten'")

    second = ok(call(clinic, "POST", "", BODY, Idempotency_Key="forgotten"), 201)

    assert second["id"] != first["id"]
    assert second["secret"] != first["secret"]


@pytest.mark.parametrize(
    ("said", "minutes"),
    [({}, 1440), ({"overlap_minutes": 60}, 60), ({"overlap_minutes": 10080}, 10080)],
)
def test_the_old_secret_is_good_for_the_overlap(
    clinic: Clinic, said: dict[str, int], minutes: int
) -> None:
    added = add(clinic)

    rotated = rotate(clinic, added["id"], **said)

    assert rotated["secret"] != added["secret"]
    assert kept(clinic, added["id"]) == (rotated["secret"], added["secret"], minutes)
    assert read(clinic, added["id"])["previous_secret_until"] == rotated["previous_secret_until"]


def test_without_an_overlap_the_old_secret_is_over_at_once(clinic: Clinic) -> None:
    added = add(clinic)

    rotated = rotate(clinic, added["id"], overlap_minutes=0)

    assert rotated["previous_secret_until"] is None
    assert kept(clinic, added["id"]) == (rotated["secret"], None, None)


def test_rotated_during_an_overlap_only_the_last_two_are_good(clinic: Clinic) -> None:
    added = add(clinic)
    second = rotate(clinic, added["id"], overlap_minutes=10080)

    third = rotate(clinic, added["id"], overlap_minutes=60)

    assert kept(clinic, added["id"]) == (third["secret"], second["secret"], 60)


def test_an_overlap_that_is_over_is_not_told(clinic: Clinic) -> None:
    added = add(clinic)
    rotate(clinic, added["id"], overlap_minutes=60)
    clinic.world.sql(
        "UPDATE booking.webhook_endpoint SET previous_secret_until = now() - interval '1 s'"
        " WHERE endpoint_id = %s",
        added["id"],
    )

    assert read(clinic, added["id"])["previous_secret_until"] is None
    assert change(clinic, added["id"], event_types=["*"])["previous_secret_until"] is None


@pytest.mark.parametrize("minutes", [-1, 10081, "day"])
def test_an_overlap_is_a_week_at_most(clinic: Clinic, minutes: object) -> None:
    endpoint_id = add(clinic)["id"]

    answer = call(clinic, "POST", f"/{endpoint_id}/rotate-secret", {"overlap_minutes": minutes})

    invalid(answer, "overlap_minutes")
