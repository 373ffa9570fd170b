"""`GET /metrics`: how far facts have come, for whoever watches the service."""

from prometheus_client.parser import text_string_to_metric_families

from clinic import Clinic
from envelope import refused
from waiting import until
from world import LOOP, LOOPBIO

Samples = dict[tuple[str, tuple[str, ...]], float]


def read(clinic: Clinic, token: str) -> Samples:
    """Each sample by its name and the values of its labels."""
    answer = clinic.get("/metrics", token=token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_events_are_counted_as_they_get_their_places(clinic: Clinic) -> None:
    before = read(clinic, clinic.world.admin)["bookwell_events_total", (LOOP,)]

    clinic.visit()

    await until(
        lambda: read(clinic, clinic.world.admin)["bookwell_events_total", (LOOP,)] >= before + 1
    )
    # Its slot's event may come in the next turn.
    await until(
        lambda: read(clinic, clinic.world.admin)["bookwell_events_unnumbered", (LOOP,)] == 0
    )


def test_events_that_wait_for_their_place_are_seen_with_their_age(clinic: Clinic) -> None:
    with clinic.unnumbered():
        clinic.visit()
        first = read(clinic, clinic.world.admin)
        second = read(clinic, clinic.world.admin)

    assert first["bookwell_events_unnumbered", (LOOP,)] >= 1
    lag = ("bookwell_log_lag_seconds", (LOOP,))
    assert 0 < first[lag] < second[lag]


def test_a_queue_and_its_attempts_are_seen_by_endpoint(clinic: Clinic) -> None:
    endpoint = clinic.new_id("whe")
    clinic.world.sql(
        "WITH e AS (INSERT INTO booking.webhook_endpoint"
        " (endpoint_id, brand_id, url, event_types, format, secret, disabled_at, disabled_because)"
        " VALUES (%s, %s, 'https://example.org', '{*}', 'standard', 's', now(), 'staff')"
        " RETURNING endpoint_id, brand_id), c AS (INSERT INTO booking.delivery_count"
        " SELECT brand_id, endpoint_id, 'delivered', 7 FROM e)"
        " INSERT INTO booking.delivery (brand_id, endpoint_id, event_id, event_type, entity_id,"
        " created_at) SELECT brand_id, endpoint_id, 'evt_1', 't', 'vis_1',"
        " booking.now() - interval '1 minute' FROM e",
        endpoint,
        LOOP,
    )

    samples = read(clinic, clinic.world.admin)

    assert samples["bookwell_webhook_pending", (LOOP, endpoint)] == 1
    assert 60 <= samples["bookwell_webhook_lag_seconds", (LOOP, endpoint)] < 90
    assert samples["bookwell_webhook_up", (LOOP, endpoint)] == 0
    assert samples["bookwell_webhook_attempts_total", (LOOP, endpoint, "delivered")] == 7


async def test_the_bus_is_as_far_behind_as_its_bookmark_says(clinic: Clinic) -> None:
    clinic.visit()
    await until(lambda: read(clinic, clinic.world.admin)["bookwell_events_total", (LOOP,)] >= 1)
    clinic.world.sql("INSERT INTO booking.bus_bookmark (brand_id) VALUES (%s)", LOOP)

    samples = read(clinic, clinic.world.admin)
    clinic.world.sql("DELETE FROM booking.bus_bookmark")

    behind = samples["bookwell_bus_events_behind", (LOOP,)]
    assert behind == samples["bookwell_events_total", (LOOP,)]
    assert ("bookwell_bus_events_behind", (LOOP,)) not in read(clinic, clinic.world.admin)


def test_a_brands_token_sees_its_brand_and_a_platform_token_all(clinic: Clinic) -> None:
    own = {labels[0] for _, labels in read(clinic, clinic.world.admin) if labels}
    every = {labels[0] for _, labels in read(clinic, clinic.world.platform) if labels}

    assert own == {LOOP}
    assert {LOOP, LOOPBIO} <= every


def test_nobody_else_sees_any(clinic: Clinic) -> None:
    refused(clinic.get("/metrics", token=clinic.world.staff), 403, "insufficient_scope")
    refused(clinic.get("/metrics", token=clinic.world.patient), 403, "insufficient_scope")
