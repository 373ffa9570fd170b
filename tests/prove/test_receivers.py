"""The receivers of `bookwell prove --events`: they fail in every way that they say, and verify."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from bookwell.prove.events.receivers import BAD, BAD_TO_ONE_MAX, Receivers
from bookwell.prove.events.record import CLOUD_EVENTS, STANDARD, Conduct, Received

# The example of the Standard Webhooks specification, and another.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EVENT = {
    "id": "evt_1",
    "type": "booking.visit.created.v1",
    "occurred_at": "2026-11-22T12:00:00Z",
    "brand_id": "loop",
    "sequence": 1,
    "position": 7,
    "data": {"visit_id": "vis_1"},
}
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "evt_1",
    "source": "/brands/loop",
    "type": "booking.visit.created.v1",
    "subject": "vis_1",
    "time": "2026-11-22T12:00:00.000000Z",
    "brandid": "loop",
    "sequence": "0000000000000000007",
    "entitysequence": 1,
    "data": {"visit_id": "vis_1"},
}


class Post:
    """Posts to one mailbox as a sender would."""

    def __init__(self, receivers: Receivers, http: httpx.AsyncClient) -> None:
        self.receivers = receivers
        self.http = http
        self.url, self.mailbox = receivers.open_mailbox("/one/all")
        self.mailbox.endpoint_id, self.mailbox.format = "whe_1", STANDARD
        self.mailbox.secrets.append(SECRET)

    @property
    def last(self) -> Received:
        return self.mailbox.received[-1]

    async def send(
        self, event: object = EVENT, /, *, secret: str = SECRET, **headers: str
    ) -> httpx.Response:
        body = json.dumps(event).encode()
        now = datetime.now(UTC)
        signed = {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign("evt_1", now, body.decode()),
            "x-loop-event-id": "evt_1",
            "x-loop-event-type": "booking.visit.created.v1",
            "x-loop-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
            "x-loop-delivery-attempt": "3",
            "content-type": "application/json",
        }
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(self.url, content=body, headers=signed | said)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with (
        Receivers(seed=1) as receivers,
        httpx.AsyncClient(timeout=1.0, trust_env=False) as http,
    ):
        yield Post(receivers, http)


def always(monkeypatch: pytest.MonkeyPatch, conduct: Conduct) -> None:
    monkeypatch.setattr("bookwell.prove.events.receivers.BAD_SHARE", 1.0)
    monkeypatch.setattr("bookwell.prove.events.receivers.BAD", {conduct: 1})


ANSWERED = {Conduct.FAILS: 500, Conduct.IS_BUSY: 503, Conduct.REDIRECTS: 307}
BROKEN: dict[Conduct, type[Exception] | tuple[type[Exception], ...]] = {
    Conduct.HANGS: httpx.ReadTimeout,
    Conduct.BREAKS_EARLY: (httpx.ReadError, httpx.WriteError),
    Conduct.BREAKS_LATE: httpx.ReadError,
    Conduct.CUTS: httpx.RemoteProtocolError,
}


def test_every_bad_conduct_is_tried_below() -> None:
    assert set(BAD) == {*ANSWERED, *BROKEN}


@pytest.mark.parametrize("conduct", ANSWERED)
async def test_a_bad_answer_is_the_one_it_says(
    post: Post, monkeypatch: pytest.MonkeyPatch, conduct: Conduct
) -> None:
    always(monkeypatch, conduct)

    answer = await post.send()

    assert answer.status_code == ANSWERED[conduct]
    assert ("retry-after" in answer.headers) == (conduct is Conduct.IS_BUSY)
    assert ("location" in answer.headers) == (conduct is Conduct.REDIRECTS)
    assert (post.last.conduct, post.last.is_taken, post.last.is_whole) == (conduct, False, True)
    assert post.mailbox.taken == set()


@pytest.mark.parametrize("conduct", BROKEN)
async def test_a_break_is_the_one_it_says(
    post: Post, monkeypatch: pytest.MonkeyPatch, conduct: Conduct
) -> None:
    always(monkeypatch, conduct)

    with pytest.raises(BROKEN[conduct]):
        await post.send()

    assert (post.last.conduct, post.last.is_taken) == (conduct, False)
    assert post.last.is_whole == (conduct is not Conduct.BREAKS_EARLY)


async def test_whoever_follows_a_redirect_is_counted(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch, Conduct.REDIRECTS)
    to = (await post.send()).headers["location"]

    await post.http.post(to, content=b"{}")

    assert post.receivers.strayed == 1


async def test_a_third_is_answered_badly_until_it_behaves_and_one_event_not_for_ever(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookwell.prove.events.receivers.BAD", {Conduct.FAILS: 1})
    different = [await post.send(webhook_id=f"evt_{number}") for number in range(300)]
    bad = sum(not answer.is_success for answer in different)
    always(monkeypatch, Conduct.FAILS)
    same = [(await post.send(webhook_id="evt_x")).status_code for _ in range(BAD_TO_ONE_MAX + 1)]
    post.receivers.behave_from_now_on()

    good = await post.send(webhook_id="evt_y")

    assert 70 <= bad <= 130
    assert same == [500] * BAD_TO_ONE_MAX + [200]
    assert good.status_code == 200
    assert {"evt_x", "evt_y"} <= post.mailbox.taken


async def test_a_request_is_kept_with_the_secrets_that_signed_it(post: Post) -> None:
    post.receivers.behave_from_now_on()
    post.mailbox.secrets.append(OTHER_SECRET)

    await post.send()
    first = post.last
    await post.send(secret=OTHER_SECRET)
    second = post.last
    await post.send(webhook_signature="v1,no,base64 v2,AAAA", x_loop_signature="no")

    assert (first.signed_by, first.loop_signed_by) == ((0,), (0,))
    assert (second.signed_by, second.loop_signed_by) == ((1,), (1,))
    assert (post.last.signed_by, post.last.loop_signed_by) == ((), ())
    assert (first.event_id, first.attempt, first.contradiction) == ("evt_1", 3, None)


async def test_a_signature_of_another_body_or_of_an_hour_ago_is_none(post: Post) -> None:
    post.receivers.behave_from_now_on()
    signature = Webhook(SECRET).sign("evt_1", datetime.now(UTC), "{}")

    await post.send(webhook_signature=signature)
    other_body = post.last
    await post.send(webhook_timestamp="1700000000")

    assert other_body.signed_by == post.last.signed_by == ()


async def test_both_formats_say_the_same_of_the_same_event(post: Post) -> None:
    post.receivers.behave_from_now_on()

    await post.send()
    standard = post.last
    post.mailbox.format = CLOUD_EVENTS
    await post.send(CLOUD_EVENT, content_type="application/cloudevents+json")
    cloud = post.last
    await post.send(CLOUD_EVENT | {"sequence": "8"}, content_type="application/cloudevents+json")

    assert standard.fingerprint == cloud.fingerprint != post.last.fingerprint
    assert standard.body_hash != cloud.body_hash
    assert standard.contradiction is cloud.contradiction is None


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"webhook_id": "evt_2"}, "webhook-id is evt_2"),
        ({"x_loop_event_id": "evt_2"}, "x-loop-event-id is evt_2"),
        ({"x_loop_event_type": "booking"}, "x-loop-event-type is booking"),
        ({"content_type": "text/plain"}, "content-type is text/plain"),
    ],
)
async def test_a_header_that_says_another_thing_than_the_body_is_told(
    post: Post, headers: dict[str, str], said: str
) -> None:
    post.receivers.behave_from_now_on()

    await post.send(EVENT, **headers)

    assert post.last.contradiction is not None
    assert post.last.contradiction.startswith(said)


async def test_a_body_that_is_no_event_is_told(post: Post) -> None:
    post.receivers.behave_from_now_on()

    await post.send({"id": "evt_1"})

    assert (post.last.fingerprint, post.last.contradiction) == (None, "the body lacks 'type'")


async def test_leaving_the_block_ends_whoever_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, Conduct.HANGS)
    async with httpx.AsyncClient(timeout=30.0, trust_env=False) as http:
        async with Receivers(seed=1) as receivers:
            url, mailbox = receivers.open_mailbox("/one/all")
            waiting = asyncio.ensure_future(http.post(url, content=b"{}"))
            while not mailbox.received:
                await asyncio.sleep(0.01)

        with pytest.raises(httpx.TransportError):
            await waiting
