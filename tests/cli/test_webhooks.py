"""`bookwell webhooks`, beside a running service that delivers."""

from collections.abc import Iterator

import pytest

from bookwell.storage.embedded import EmbeddedPostgres
from clinic import Clinic
from commands import Bookwell, Said
from envelope import ok
from receivers import Receiver, receiving, status
from webhook_desk import add, call, change, deliveries, happen, read, service_that_posts, until
from world import LOOP, LOOPBIO

CREATED = "booking.visit.created.v1"


@pytest.fixture(scope="module")
def clinic(server: EmbeddedPostgres, template: str) -> Iterator[Clinic]:
    with service_that_posts(server, template) as clinic:
        yield clinic


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def on_clinic(bookwell: Bookwell, clinic: Clinic) -> Bookwell:
    """Commands on the database of the running service."""

    def run(*arguments: str) -> Said:
        return bookwell("webhooks", *arguments, "--database-url", clinic.world.database_url)

    return run


@pytest.fixture(autouse=True)
def _others_are_gone(clinic: Clinic) -> None:
    clinic.world.sql(
        "UPDATE booking.webhook_endpoint SET deleted_at = now() WHERE deleted_at IS NULL"
    )


def all_delivered(clinic: Clinic, endpoint_id: str, count: int) -> None:
    until(
        lambda: (
            [each["status"] for each in deliveries(clinic, endpoint_id)] == ["delivered"] * count
        ),
        seconds=40,
    )


def test_endpoints_are_listed_with_how_they_are_doing(
    on_clinic: Bookwell, clinic: Clinic, receiver: Receiver
) -> None:
    well, ill, gone = (add(clinic, receiver.url)["id"] for _ in range(3))
    for each in (ill, gone):
        change(clinic, each, url="https://receiver.invalid/", event_types=[CREATED])
    change(clinic, gone, is_enabled=False)
    happen(clinic, "vis_listed", "vis_listed")
    all_delivered(clinic, well, 2)
    until(lambda: read(clinic, ill)["failing_since"], seconds=40)

    rows = {row["id"]: row for row in on_clinic("list", LOOP, "--json").rows}
    table = on_clinic("list", LOOP).out

    assert list(rows) == sorted([well, ill, gone])
    assert [rows[each]["state"] for each in (well, ill, gone)] == [
        "enabled",
        "failing",
        "disabled (staff)",
    ]
    assert [rows[each]["pending_count"] for each in (well, ill, gone)] == [0, 2, 0]
    assert rows[well]["last_delivered_at"] > rows[well]["created_at"]
    assert rows[ill]["last_delivered_at"] is None
    assert rows[ill]["oldest_pending_seconds"] >= 0
    assert rows[well]["oldest_pending_seconds"] is None
    (line,) = [line for line in table.splitlines() if line.startswith(ill)]
    assert line.split()[1:5] == [LOOP, "https://receiver.invalid", "failing", "2"]


def test_a_pause_is_told_and_what_is_gone(
    on_clinic: Bookwell, clinic: Clinic, receiver: Receiver
) -> None:
    paused, gone = (add(clinic, receiver.url)["id"] for _ in range(2))
    receiver.decide = lambda request: (
        status(410) if request.path.endswith("/gone") else status(503, retry_after="3600")
    )
    change(clinic, gone, url=f"{receiver.url}/gone")
    happen(clinic, "vis_told")
    until(lambda: read(clinic, paused)["paused_until"], seconds=40)
    until(lambda: not read(clinic, gone)["is_enabled"], seconds=40)

    rows = {row["id"]: row for row in on_clinic("list", LOOP, "--json").rows}

    assert (rows[paused]["state"], rows[gone]["state"]) == ("paused", "disabled (gone)")


def test_without_a_brand_they_are_those_of_every_brand(on_clinic: Bookwell, clinic: Clinic) -> None:
    mine, theirs = add(clinic)["id"], clinic.endpoint(LOOPBIO)
    deleted = add(clinic)["id"]
    ok(call(clinic, "DELETE", f"/{deleted}"))

    everywhere = {row["id"]: row["brand_id"] for row in on_clinic("list", "--json").rows}
    here = [row["id"] for row in on_clinic("list", LOOP, "--json").rows]
    ever = {row["id"]: row["state"] for row in on_clinic("list", LOOP, "--deleted", "--json").rows}

    assert everywhere == {mine: LOOP, theirs: LOOPBIO}
    assert here == [mine]
    assert (ever[mine], ever[deleted]) == ("enabled", "deleted")


def test_nothing_that_may_be_a_secret_is_shown(
    on_clinic: Bookwell, clinic: Clinic, receiver: Receiver
) -> None:
    url = receiver.url.replace("/hook", "/in-the-path?token=in-the-query")
    added = add(clinic, url)
    rotated = ok(call(clinic, "POST", f"/{added['id']}/rotate-secret"))
    happen(clinic, "vis_secret")
    all_delivered(clinic, added["id"], 1)

    shown = "".join(
        on_clinic(*arguments, *form).out
        for form in ((), ("--json",))
        for arguments in (("list",), ("deliveries", added["id"]))
    )

    assert receiver.url.removesuffix("/hook") in shown
    for secret in (added["secret"], rotated["secret"], "in-the-path", "in-the-query"):
        assert secret not in shown


def test_attempts_are_listed_from_the_last_one_back(
    on_clinic: Bookwell, clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    receiver.next(status(500))
    (first,) = happen(clinic, "vis_tried")
    all_delivered(clinic, endpoint_id, 1)
    receiver.always(status(503, retry_after="3600"))
    (second,) = happen(clinic, "vis_tried")
    until(lambda: deliveries(clinic, endpoint_id)[0]["attempts"], seconds=40)
    (third,) = happen(clinic, "vis_waits")

    rows = on_clinic("deliveries", endpoint_id, "--json").rows
    table = on_clinic("deliveries", endpoint_id, "--limit", "2").out
    delivered = on_clinic("deliveries", endpoint_id, "--status", "delivered", "--json").rows

    told = [(row["position"], row["attempt"], row["http_status"], row["cause"]) for row in rows]
    assert told == [
        (third, None, None, None),
        (second, 1, 503, "status"),
        (first, 2, 200, None),
        (first, 1, 500, "status"),
    ]
    assert [row["status"] for row in rows] == ["pending", "pending", "delivered", "delivered"]
    assert rows[1]["next_attempt_at"] > rows[1]["attempted_at"]
    assert [(row["position"], row["attempt"]) for row in delivered] == [(first, 2), (first, 1)]
    assert len(table.splitlines()) == 4, "a head of two lines, and two deliveries"
    assert all(word in table for word in (CREATED, "503", "pending"))


def test_many_deliveries_are_read_page_by_page(
    on_clinic: Bookwell, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id = add(clinic)["id"]
    clinic.world.sql(
        "INSERT INTO booking.delivery (brand_id, endpoint_id, event_id, event_type, entity_id,"
        " position, status, settled_at) SELECT 'loop', %s, 'evt_' || n, %s, 'vis_' || n, n,"
        " 'failed', now() FROM generate_series(1, 7) AS n",
        endpoint_id,
        CREATED,
    )
    monkeypatch.setattr("bookwell.cli.webhooks.PAGE_ROWS", 3)

    every = on_clinic("deliveries", endpoint_id, "--json").rows
    five = on_clinic("deliveries", endpoint_id, "--limit", "5", "--json").rows

    assert [row["position"] for row in every] == [7, 6, 5, 4, 3, 2, 1]
    assert five == every[:5]


def test_a_stretch_is_sent_again(on_clinic: Bookwell, clinic: Clinic, receiver: Receiver) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]
    places = happen(clinic, "vis_again", "vis_again", "vis_again")
    all_delivered(clinic, endpoint_id, 3)
    after, through = str(places[0]), str(places[1])

    said = on_clinic("replay", endpoint_id, "--after", after, "--through", through)
    failed = on_clinic("replay", endpoint_id, "--after", after, "--only-failed")

    assert said == Said(
        0, f"Deliveries made: 1, of events after {after} and through {through}.\n", ""
    )
    assert failed.out.startswith("Deliveries made: 0, of events after ")
    all_delivered(clinic, endpoint_id, 4)
    assert receiver.events()[3] == receiver.events()[1]
    assert audited(clinic, endpoint_id) == ["webhook_endpoint.replayed"] * 2


def test_an_endpoint_is_disabled_and_enabled(
    on_clinic: Bookwell, clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_id = add(clinic, receiver.url)["id"]

    disabled = on_clinic("disable", endpoint_id)
    state = read(clinic, endpoint_id)
    refused = on_clinic("replay", endpoint_id, "--after", "0")
    enabled = [on_clinic("enable", endpoint_id) for _ in range(2)]

    assert disabled == Said(0, f"Disabled {endpoint_id}.\n", "")
    assert (state["is_enabled"], state["disabled_because"]) == (False, "staff")
    assert refused.code == 2
    assert "disabled" in refused.err
    assert enabled == [Said(0, f"Enabled {endpoint_id}.\n", "")] * 2
    assert (read(clinic, endpoint_id)["is_enabled"], read(clinic, endpoint_id)["version"]) == (True, 3)  # fmt: skip
    assert audited(clinic, endpoint_id) == ["webhook_endpoint.changed"] * 2


@pytest.mark.parametrize(
    "arguments",
    [("deliveries",), ("replay", "--after", "1"), ("enable",), ("disable",)],
    ids=lambda each: each[0],
)
def test_an_endpoint_that_nobody_has_is_said(
    on_clinic: Bookwell, arguments: tuple[str, ...]
) -> None:
    command, *options = arguments

    said = on_clinic(command, "whe_never", *options)

    assert said == Said(
        2,
        "",
        "bookwell: There is no endpoint whe_never; see `bookwell webhooks list`.\n",
    )


def test_a_brand_that_nobody_has_is_said(on_clinic: Bookwell) -> None:
    said = on_clinic("list", "nowhere")

    assert (said.code, "no brand nowhere" in said.err) == (2, True)


def audited(clinic: Clinic, endpoint_id: str) -> list[object]:
    """What the account at the command line did to the endpoint."""
    rows = clinic.world.sql(
        "SELECT event_type, brand_id FROM booking.audit WHERE entity_id = %s"
        " AND actor_type = 'system' AND actor_id LIKE 'cli:%%' ORDER BY id",
        endpoint_id,
    )
    assert {brand_id for _, brand_id in rows} == {LOOP}
    return [event_type for event_type, _ in rows]
