"""When a stream is refused, and when it ends though its caller stays."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest

from bookwell.http import streams as endless
from clinic import Clinic, KeptWorld, kept_running
from conftest import serving, settings_for
from envelope import refused
from streams import streaming
from world import World

PATH = "/v1/events/stream"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life, and looks at tokens, that come soon."""
    monkeypatch.setattr(endless, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(endless, "TOKEN_SECONDS", 0.1)


@contextmanager
def running(world: World, **changes: object) -> Iterator[Clinic]:
    @asynccontextmanager
    async def served() -> AsyncIterator[str]:
        async with serving(settings_for(world.database_url, **changes)) as base_url:
            yield base_url

    with (
        kept_running(served) as base_url,
        httpx.Client(base_url=base_url, timeout=30, trust_env=False) as http,
    ):
        kept = KeptWorld(**vars(world))
        with kept.connected():
            yield Clinic(kept, http)


def test_one_stream_too_many_is_refused_and_let_in_once_another_ends(world: World) -> None:
    with running(world, streams_max=1, requests_max=1) as clinic:
        base_url = str(clinic.http.base_url)
        with streaming(base_url, PATH, world.admin):
            too_many = clinic.get(PATH, token=world.admin)
            beside = clinic.get("/v1/events", token=world.admin)
        status, tries = 0, 0
        while status != 200 and tries < 500:
            tries += 1
            with streaming(base_url, PATH, world.admin) as stream:
                status = stream.status

    refused(too_many, 503, "overloaded")
    assert too_many.headers["Retry-After"] == "1"
    assert beside.status_code == 200, "a stream is no request in hand"
    assert status == 200


@pytest.mark.usefixtures("quick")
def test_a_stream_ends_soon_after_its_token_was_revoked(world: World) -> None:
    with running(world) as clinic:
        token = clinic.token("service", "reader", scopes=["read:events"])
        with streaming(str(clinic.http.base_url), PATH, token) as stream:
            ((token_id,),) = clinic.world.sql(
                "SELECT token_id FROM booking.token WHERE subject = 'reader'"
            )
            path = f"/v1/admin/tokens/{token_id}/revoke"
            assert clinic.post(path, token=world.admin).status_code == 200

            stream.read_to_the_end()

        assert stream.is_over
        refused(clinic.get(PATH, token=token), 401, "invalid_token")


@pytest.mark.usefixtures("quick")
def test_a_stream_ends_when_its_token_means_another_caller(world: World) -> None:
    with running(world) as clinic:
        token = clinic.token("service", "reader", scopes=["read:events"])
        with streaming(str(clinic.http.base_url), PATH, token) as stream:
            clinic.world.sql(
                "UPDATE booking.token SET scopes = '{read:slots}' WHERE subject = 'reader'"
            )

            stream.read_to_the_end(seconds=20)  # callers are remembered for some seconds

        assert stream.is_over


@pytest.mark.usefixtures("quick")
def test_a_silent_stream_gives_signs_of_life_and_says_what_was_passed_for_it(
    world: World,
) -> None:
    with running(world) as clinic:
        wanted: dict[str, Any] = {"type": "booking.visit.no_show.v1"}
        with streaming(str(clinic.http.base_url), PATH, world.admin, **wanted) as stream:
            stream.next_block()
            clinic.visit()

            said = stream.next_block()

    assert dict(said.fields).get("id") == "1"
    assert "data" not in said.fields


@pytest.mark.usefixtures("quick")
def test_a_stream_ends_when_the_log_is_swept_before_it_was_read(world: World) -> None:
    with running(world) as clinic:
        with streaming(str(clinic.http.base_url), PATH, world.admin) as stream:
            stream.next_block()
            clinic.world.sql(
                "INSERT INTO booking.event_log (brand_id, last_position, kept_from)"
                " VALUES ('loop', 9, 9)"
            )

            stream.read_to_the_end()

        assert stream.is_over
